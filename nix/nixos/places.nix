# Where the command `nix-cache` looks for a cache's queue when it runs as root, and the unit's name.
rec {
  folder = name: "/var/lib/nix-cache/hook/${name}";
  queue = name: "${folder name}/queue";
  roots = name: "/nix/var/nix/gcroots/nix-cache/${name}";
  unit = name: "nix-cache-push-${name}";
}
