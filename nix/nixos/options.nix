# What can be set for the machine as a whole; cache.nix has what can be set for each cache.
{ lib, pkgs, ... }:
let
  inherit (lib) literalExpression mkOption types;
  inherit (import ./types.nix { inherit lib; }) secretFile;
in
{
  options.services.nix-cache = {
    caches = mkOption {
      type = types.attrsOf (types.submodule ./cache.nix);
      default = { };
      example = literalExpression ''
        {
          team.manifest = ./nix-cache.json;
        }
      '';
      description = "The binary caches that this machine uses, by the names that they have here.";
    };

    credentialsFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      example = "/run/secrets/nix-cache-credentials";
      description = ''
        The credentials file of the Nix daemon, in the form of `~/.aws/credentials`: a profile for
        each private cache, and for each cache that this machine pushes to. Only root has to read
        it. The daemon gets it as `AWS_SHARED_CREDENTIALS_FILE`. What root runs without the daemon
        reads `/root/.aws/credentials`, as ever; that may be this file.
      '';
    };

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../package.nix { };
      defaultText = literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package with the command `nix-cache`. Only machines that push need it.";
    };
  };
}
