# The options of the module of Determinate Nix for nix-darwin that ours sets, typed as there.
{ lib, ... }:
let
  inherit (lib) types;
  inherit (import ./common.nix { inherit lib; }) option setting;
in
{
  options.determinateNix = {
    customSettings = option (types.attrsOf setting) { };
    determinateNixd.authentication.additionalNetrcSources =
      option (types.nullOr (types.listOf types.str))
        null;
  };
  config.nix.enable = lib.mkForce false;
}
