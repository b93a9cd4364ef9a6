# The NixOS module: machines that read a binary cache of this project, and those that push to it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.nix-cache;
  caches = import ../common/caches.nix { inherit cfg lib; };
  places = import ../common/places.nix;
  units = import ./units.nix { inherit caches config lib; };

  hook = import ../common/hook.nix {
    inherit lib pkgs;
    start = unit: "${config.systemd.package}/bin/systemctl --no-block start ${unit}.service";
  };
  hookOfAll = "${hook.forCaches (builtins.attrNames caches.hooked)}";

  assertions = import ../common/assertions.nix {
    inherit caches cfg lib;
    inherit (config) nix;
    system = "NixOS";
  };
in
{
  _class = "nixos";

  imports = [
    (import ../common/options.nix {
      trigger = "hook";
      hasTimers = true;
    })
  ];

  config = {
    inherit (assertions) warnings;
    assertions =
      assertions.ofCaches
      ++ assertions.ofNix
      ++ assertions.ofHook hookOfAll
      ++ [
        {
          assertion = caches.enabled == { } || config.nix.enable;
          message = "`nix.enable` is false, so NixOS writes no nix.conf, and `services.nix-cache` has no effect. Set it to true, or use `nix-cache use` instead.";
        }
        {
          assertion =
            caches.watched == { }
            || builtins.any (user: user == "*" || user == units.watchUser) (
              config.nix.settings.allowed-users or [ "*" ]
            );
          message = "`nix.settings.allowed-users` excludes the user of the service that watches the store. Add \"${units.watchUser}\" to it.";
        }
      ];

    nix.settings = caches.settings // {
      # A default, so that an assertion reports another hook, whatever its priority.
      post-build-hook = lib.mkIf (caches.hooked != { }) (lib.mkDefault hookOfAll);
    };

    environment = {
      systemPackages = lib.mkIf (caches.pushed != { }) [ cfg.package ];
      etc =
        lib.mapAttrs' (name: text: lib.nameValuePair (places.record name) { inherit text; }) caches.records
        // lib.mapAttrs' (
          name: _: lib.nameValuePair (places.hook name) { source = hook.forCache name; }
        ) caches.queued;
    };

    systemd = {
      services = lib.mkMerge [
        (lib.mkIf (caches.enabled != { } && caches.credentials != { }) {
          nix-daemon.environment = caches.credentials;
        })
        units.services
      ];
      inherit (units) timers;

      # The queue is one of the garbage collector's roots: what is in it is not collected.
      tmpfiles.rules = builtins.concatMap (name: [
        "d ${places.folder name} 0755 root root -"
        "d ${places.roots name} 0755 root root -"
        "L ${places.queue name} - - - - ${places.roots name}"
      ]) (builtins.attrNames caches.queued);
    };
  };
}
