# The options of NixOS that the module sets or reads, typed as there, and nothing of their effects.
{ lib, ... }:
let
  inherit (lib) mkOption types;

  option = type: default: mkOption { inherit type default; };
  atom = types.either types.bool (types.either types.int (types.either types.package types.str));
  text = types.either types.str types.package;
  unit = {
    description = option types.str "";
    wants = option (types.listOf types.str) [ ];
    after = option (types.listOf types.str) [ ];
    wantedBy = option (types.listOf types.str) [ ];
  };
in
{
  options = {
    assertions = option (types.listOf (types.attrsOf types.anything)) [ ];
    environment.etc = option (types.attrsOf (
      types.submodule {
        options = {
          text = option (types.nullOr types.str) null;
          source = option (types.nullOr types.package) null;
        };
      }
    )) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    nix.enable = option types.bool true;
    nix.package = mkOption { type = types.package; };
    nix.settings = option (types.attrsOf (types.either atom (types.listOf atom))) { };
    systemd = {
      package = mkOption { type = types.package; };
      services = option (types.attrsOf (
        types.submodule {
          options = unit // {
            environment = option (types.attrsOf text) { };
            path = option (types.listOf text) [ ];
            serviceConfig = option (types.attrsOf atom) { };
            startLimitIntervalSec = option (types.nullOr types.int) null;
          };
        }
      )) { };
      timers = option (types.attrsOf (
        types.submodule {
          options = unit // {
            timerConfig = option (types.attrsOf atom) { };
          };
        }
      )) { };
      tmpfiles.rules = option (types.listOf types.str) [ ];
    };
  };
}
