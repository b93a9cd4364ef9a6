# A fake of sops-nix and of agenix: the path of a secret, with the default that each of them has.
{ lib, ... }:
let
  inherit (lib) types;
  inherit (import ./common.nix { inherit lib; }) option;

  secret =
    folder:
    types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options.path = option types.str "${folder}/${name}";
          options.file = option (types.nullOr types.path) null;
        }
      )
    );
in
{
  options = {
    age.secrets = option (secret "/run/agenix") { };
    sops.secrets = option (secret "/run/secrets") { };
  };
}
