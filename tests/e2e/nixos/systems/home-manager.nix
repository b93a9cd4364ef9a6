# The options of home-manager that the module sets or reads, typed as there, and nothing of their effects.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ./common.nix { inherit lib; })
    checks
    file
    nix
    option
    setting
    ;
in
{
  options = checks // {
    home.homeDirectory = option types.str "/home/alice";
    home.packages = option (types.listOf types.package) [ ];
    home.username = option types.str "alice";
    launchd.agents = option (types.attrsOf (
      types.submodule {
        options = {
          enable = option types.bool false;
          config = option (types.attrsOf (types.either (types.attrsOf types.str) setting)) { };
        };
      }
    )) { };
    nix = nix // {
      package = mkOption {
        type = types.nullOr types.package;
        default = null;
      };
    };
    systemd.user.services = option (types.attrsOf (types.attrsOf (types.attrsOf setting))) { };
    xdg.configFile = option (types.attrsOf file) { };
  };
}
