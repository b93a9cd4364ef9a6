# The options of NixOS that the module sets or reads, typed as there, and nothing of their effects.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ./common.nix { inherit lib; })
    atom
    checks
    file
    nix
    option
    setting
    text
    ;

  unit = {
    description = option types.str "";
    wants = option (types.listOf types.str) [ ];
    after = option (types.listOf types.str) [ ];
    wantedBy = option (types.listOf types.str) [ ];
  };
in
{
  options = checks // {
    environment.etc = option (types.attrsOf file) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    nix = nix // {
      package = mkOption { type = types.package; };
    };
    systemd = {
      package = mkOption { type = types.package; };
      services = option (types.attrsOf (
        types.submodule {
          options = unit // {
            environment = option (types.attrsOf text) { };
            path = option (types.listOf text) [ ];
            serviceConfig = option (types.attrsOf setting) { };
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
