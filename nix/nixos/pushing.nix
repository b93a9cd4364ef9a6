# Pushing to caches: what `nix-cache use --as` and `nix-cache hook --install` do elsewhere.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    filterAttrs
    mapAttrs'
    mapAttrsToList
    mkIf
    nameValuePair
    optionalAttrs
    ;

  cfg = config.services.nix-cache;
  caches = filterAttrs (_: cache: cache.enable && cache.push.enable) cfg.caches;
  hooked = filterAttrs (_: cache: cache.push.afterEveryBuild) caches;
  hook = import ./hook.nix { inherit config lib pkgs; };
  places = import ./places.nix;
in
{
  config = mkIf (caches != { }) {
    environment.systemPackages = [ cfg.package ];

    # By this the command knows the cache, as if `nix-cache use` had been run.
    environment.etc =
      mapAttrs' (
        name: cache:
        nameValuePair "nix/nix-cache/${name}.json" {
          text = builtins.toJSON {
            description = cache.manifest; # under the name that the client has in its files
            inherit (cache) reader;
            inherit (cache.push) signingKeyFile writer;
          };
        }
      ) caches
      // mapAttrs' (
        name: _: nameValuePair "nix/nix-cache/${name}-post-build-hook" { source = hook.forCache name; }
      ) caches;

    nix.settings = {
      extra-secret-key-files = mapAttrsToList (_: cache: cache.push.signingKeyFile) caches;
      # A default, so that an assertion reports another hook, whatever its priority.
      post-build-hook = mkIf (hooked != { }) (
        lib.mkDefault "${hook.forCaches (builtins.attrNames hooked)}"
      );
    };

    systemd.services = mapAttrs' (
      name: _:
      nameValuePair (places.unit name) {
        description = "Push what was built to the binary cache ${name}";
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        # Every build starts it, and there may be many in a second.
        startLimitIntervalSec = 0;
        path = [ config.nix.package ];
        environment = optionalAttrs (cfg.credentialsFile != null) {
          AWS_SHARED_CREDENTIALS_FILE = cfg.credentialsFile;
        };
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${cfg.package}/bin/nix-cache hook --drain --to ${name}";
        };
      }
    ) caches;

    systemd.timers = mapAttrs' (
      name: cache:
      nameValuePair (places.unit name) {
        description = "Push what still waits for the binary cache ${name}";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnBootSec = "1min";
          OnUnitInactiveSec = cache.push.interval;
        };
      }
    ) caches;

    # The queue is one of the garbage collector's roots: what waits is not collected.
    systemd.tmpfiles.rules = builtins.concatMap (name: [
      "d ${places.folder name} 0755 root root -"
      "d ${places.roots name} 0755 root root -"
      "L ${places.queue name} - - - - ${places.roots name}"
    ]) (builtins.attrNames caches);
  };
}
