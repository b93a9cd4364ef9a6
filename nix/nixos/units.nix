# The systemd units that push.
#
# systemd reads the secrets, as root, and gives each service a copy that only the service can read. So
# the files can belong to any user, and the services need no capability.
{
  caches,
  config,
  lib,
}:
let
  inherit (lib) mapAttrs' nameValuePair optionals;

  cfg = config.services.nix-cache;
  places = import ../common/places.nix;

  # A name that `allowed-users` of Nix can have.
  watchUser = "nix-cache-watch";

  # No service needs more than the Nix daemon, the network, and what it names itself.
  hardening = {
    CapabilityBoundingSet = "";
    LockPersonality = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    # Without a file of the configuration, the profile is in root's.
    ProtectHome = if cfg.credentialsFile == null then "read-only" else true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallFilter = "@system-service";
    UMask = "0022";
  };

  base = name: cache: {
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    path = [ config.nix.package ];
    environment =
      caches.environment cache
      // {
        NIX_REMOTE = "daemon"; # the store is not writable for the service
        NIX_CACHE_SIGNING_KEY_FILE = "%d/signing-key";
        XDG_CACHE_HOME = "%C/${folder name}";
      }
      // lib.optionalAttrs (cfg.credentialsFile != null) {
        AWS_SHARED_CREDENTIALS_FILE = "%d/credentials";
      };
    serviceConfig = hardening // {
      ExecStart = caches.command name cache;
      CacheDirectory = folder name;
      LoadCredential = [
        "signing-key:${toString cache.push.signingKeyFile}"
      ]
      ++ optionals (cfg.credentialsFile != null) [ "credentials:${cfg.credentialsFile}" ];
    };
  };
  folder = name: "nix-cache/${name}";

  # Root, to whom the queue belongs: Nix's daemon fills it.
  push =
    name: cache:
    let
      unit = base name cache;
    in
    unit
    // {
      description = "Push what was built to the binary cache ${name}";
      # Every build starts it, and there may be many in a second.
      startLimitIntervalSec = 0;
      serviceConfig = unit.serviceConfig // {
        Type = "oneshot";
        ReadWritePaths = [
          (places.folder name)
          (places.roots name)
        ];
      };
    };

  watch =
    name: cache:
    let
      unit = base name cache;
    in
    unit
    // {
      description = "Push new store paths to the binary cache ${name}";
      wantedBy = [ "multi-user.target" ];
      serviceConfig = unit.serviceConfig // {
        DynamicUser = true;
        User = watchUser;
        Restart = "always";
        RestartSec = 10;
      };
    };

  # Needs the janitor's profile and the network, and neither Nix nor a signing key.
  collect = name: cache: {
    description = "Delete old store paths from the binary cache ${name}";
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    environment =
      caches.credentials
      // {
        XDG_CACHE_HOME = "%C/${collectFolder name}";
      }
      // lib.optionalAttrs (cfg.credentialsFile != null) {
        AWS_SHARED_CREDENTIALS_FILE = "%d/credentials";
      };
    serviceConfig = hardening // {
      Type = "oneshot";
      DynamicUser = true;
      ExecStart = "${cfg.package}/bin/nix-cache gc ${name} --older-than ${toString cache.gc.olderThan} --grace ${toString cache.gc.grace} --yes";
      CacheDirectory = collectFolder name;
      LoadCredential = optionals (cfg.credentialsFile != null) [ "credentials:${cfg.credentialsFile}" ];
    };
  };
  collectFolder = name: "nix-cache-gc/${name}";
in
{
  inherit watchUser;

  services =
    mapAttrs' (name: cache: nameValuePair (places.pushService name) (push name cache)) caches.queued
    // mapAttrs' (name: cache: nameValuePair (places.watchService name) (watch name cache)) caches.watched
    // mapAttrs' (name: cache: nameValuePair (places.gcService name) (collect name cache)) caches.collected;

  timers =
    mapAttrs' (
      name: cache:
      nameValuePair (places.gcService name) {
        description = "Delete old store paths from the binary cache ${name} regularly";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnCalendar = cache.gc.schedule;
          Persistent = true;
          RandomizedDelaySec = "15min";
        };
      }
    ) caches.collected
    // mapAttrs' (
    name: cache:
    nameValuePair (places.pushService name) {
      description = "Push what is still queued for the binary cache ${name}";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnBootSec = "1min";
        OnUnitInactiveSec = cache.push.interval;
      };
    }
  ) caches.queued;
}
