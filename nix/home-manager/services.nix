# The user's services that push: units of systemd, and agents of launchd.
{
  caches,
  config,
  lib,
}:
let
  inherit (lib) mapAttrs' nameValuePair;

  places = import ../common/places.nix;
  nix = config.nix.package;

  environment =
    cache:
    caches.environment cache
    // {
      PATH = builtins.concatStringsSep ":" (
        lib.optionals (nix != null) [ "${nix}/bin" ]
        ++ [
          "/nix/var/nix/profiles/default/bin"
          "/run/current-system/sw/bin"
          "/usr/bin"
          "/bin"
        ]
      );
    };

  unit = name: cache: {
    Unit.Description = "Push new store paths to the binary cache ${name}";
    Install.WantedBy = [ "default.target" ];
    Service = {
      Environment = lib.mapAttrsToList (variable: value: "${variable}=${value}") (environment cache);
      ExecStart = caches.command name cache;
      NoNewPrivileges = true;
      Restart = "always";
      RestartSec = 10;
    };
  };

  agent = name: cache: {
    enable = true;
    config = {
      ProgramArguments = lib.splitString " " (caches.command name cache);
      EnvironmentVariables = environment cache;
      KeepAlive = true;
      RunAtLoad = true;
      ProcessType = "Background";
      StandardErrorPath = "${config.home.homeDirectory}/Library/Logs/${places.watchService name}.log";
    };
  };

  forEach =
    made: mapAttrs' (name: cache: nameValuePair (places.watchService name) (made name cache)) caches.watched;
in
{
  systemd = forEach unit;
  launchd = forEach agent;
}
