# Reading from caches: the settings that a stack gives out as `nixosModule`, and the credentials.
{ config, lib, ... }:
let
  inherit (lib) mkIf;
  inherit (import ./urls.nix { inherit lib; }) withParameter;

  cfg = config.services.nix-cache;
  caches = builtins.filter (cache: cache.enable) (builtins.attrValues cfg.caches);
  url =
    cache:
    if cache.priority == null then
      cache.substituter
    else
      withParameter "priority" (toString cache.priority) cache.substituter;
in
{
  config = mkIf (caches != [ ]) {
    nix.settings = {
      extra-substituters = map url caches;
      extra-trusted-public-keys = lib.unique (builtins.concatMap (cache: cache.publicKeys) caches);
    };

    systemd.services = mkIf (cfg.credentialsFile != null) {
      nix-daemon.environment.AWS_SHARED_CREDENTIALS_FILE = cfg.credentialsFile;
    };
  };
}
