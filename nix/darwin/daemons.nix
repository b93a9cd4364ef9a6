# The launchd daemons that push. launchd has no credentials as systemd has: root reads the files.
{
  caches,
  config,
  lib,
}:
let
  inherit (lib) mapAttrs' nameValuePair;

  places = import ../common/places.nix;
  seconds = import ../common/seconds.nix;

  base = name: cache: log: {
    command = caches.command name cache;
    environment = caches.environment cache;
    path = [
      (if config.nix.enable then config.nix.package else "/nix/var/nix/profiles/default/bin")
      "/usr/bin"
      "/bin"
    ];
    serviceConfig = {
      RunAtLoad = true;
      ProcessType = "Background";
      LowPriorityIO = true;
      StandardOutPath = "/var/log/${log}.log";
      StandardErrorPath = "/var/log/${log}.log";
    };
  };

  push =
    name: cache:
    let
      daemon = base name cache (places.pushService name);
    in
    daemon
    // {
      serviceConfig = daemon.serviceConfig // {
        StartInterval = seconds cache.push.interval;
      };
    };

  watch =
    name: cache:
    let
      daemon = base name cache (places.watchService name);
    in
    daemon
    // {
      serviceConfig = daemon.serviceConfig // {
        KeepAlive = true;
      };
    };
in
{
  daemons =
    mapAttrs' (name: cache: nameValuePair (places.pushService name) (push name cache)) caches.queued
    // mapAttrs' (name: cache: nameValuePair (places.watchService name) (watch name cache)) caches.watched;

  assertions = lib.mapAttrsToList (name: cache: {
    assertion = seconds cache.push.interval != null;
    message = "`services.nix-cache.caches.${name}.push.interval` is ${cache.push.interval}, which launchd can't take. Set it to a number with a unit, such as 15min or 1h.";
  }) caches.queued;
}
