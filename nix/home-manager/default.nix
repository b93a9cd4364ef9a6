# The home-manager module: users who read a binary cache of this project, and those who push to it.
#
# A user's nix.conf counts only as far as the Nix daemon trusts the user. What the system allows is
# known where home-manager is a module of NixOS or nix-darwin.
{
  config,
  lib,
  osConfig ? null,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf;

  cfg = config.services.nix-cache;
  caches = import ../common/caches.nix { inherit cfg lib; };
  places = import ../common/places.nix;
  services = import ./services.nix { inherit caches config lib; };
  trust = import ./trust.nix {
    inherit
      caches
      cfg
      lib
      osConfig
      ;
    user = config.home.username;
  };
  assertions = import ../common/assertions.nix {
    inherit caches cfg lib;
    inherit (config) nix;
    system = "home-manager";
    sorted = true;
  };
  inherit (pkgs.stdenv.hostPlatform) isDarwin;
in
{
  _class = "homeManager";

  imports = [ (import ../common/options.nix { trigger = "watch-store"; }) ];

  options.services.nix-cache.trusted = lib.mkOption {
    type = lib.types.nullOr lib.types.bool;
    default = null;
    description = ''
      Whether the Nix daemon takes these settings from the user: it trusts the user, or the caches
      are in its `trusted-substituters` and their keys in its `trusted-public-keys`, or there is no
      daemon. Where home-manager is a module of NixOS or nix-darwin, that is found out.
    '';
  };

  config = {
    assertions =
      assertions.ofCaches
      ++ assertions.ofNix
      ++ trust.assertions
      ++ [
        {
          assertion = caches.enabled == { } || config.nix.enable;
          message = "`nix.enable` is false, so home-manager writes no nix.conf, and `services.nix-cache` has no effect. Set it to true, or use `nix-cache use` instead.";
        }
      ]
      ++ lib.mapAttrsToList (name: _: {
        assertion = false;
        message = "`services.nix-cache.caches.${name}.push.trigger` is \"hook\", and the Nix daemon runs only hooks of the system's configuration. Set it to \"watch-store\", or push in the configuration of NixOS or nix-darwin.";
      }) caches.hooked
      ++ lib.mapAttrsToList (name: cache: {
        assertion = !cache.optional;
        message = "`services.nix-cache.caches.${name}.optional` is true, which only a system's configuration can have. Remove it.";
      }) caches.enabled;
    warnings = assertions.warnings ++ trust.warnings;

    nix.settings = caches.settings;

    home.packages = mkIf (caches.pushed != { }) [ cfg.package ];

    xdg.configFile = lib.mapAttrs' (
      name: text: lib.nameValuePair (places.record name) { inherit text; }
    ) caches.records;

    systemd.user.services = mkIf (!isDarwin) services.systemd;
    launchd.agents = mkIf isDarwin services.launchd;
  };
}
