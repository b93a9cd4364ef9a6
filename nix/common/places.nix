# Where the command `nix-cache` looks for its files when it runs as root, and the names of services.
rec {
  # Below /etc or the user's configuration folder.
  record = name: "nix/nix-cache/${name}.json";
  hook = name: "nix/nix-cache/${name}-post-build-hook";

  folder = name: "/var/lib/nix-cache/hook/${name}";
  queue = name: "${folder name}/queue";
  roots = name: "/nix/var/nix/gcroots/nix-cache/${name}";

  pushService = name: "nix-cache-push-${name}";
  gcService = name: "nix-cache-gc-${name}";
  watchService = name: "nix-cache-watch-${name}";
}
