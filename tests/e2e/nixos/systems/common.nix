# Types and options that the configurations of NixOS, nix-darwin and home-manager have in common.
{ lib }:
let
  inherit (lib) mkOption types;
in
rec {
  option = type: default: mkOption { inherit type default; };
  atom = types.either types.bool (types.either types.int (types.either types.package types.str));
  text = types.either types.str types.package;
  setting = types.either atom (types.listOf atom);

  checks = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = option (types.listOf types.str) [ ];
  };

  file = types.submodule {
    options = {
      text = option (types.nullOr types.str) null;
      source = option (types.nullOr types.package) null;
    };
  };

  nix = {
    enable = option types.bool true;
    extraOptions = option types.lines "";
    settings = option (types.attrsOf setting) { };
  };
}
