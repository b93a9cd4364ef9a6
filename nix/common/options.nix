# What can be set for the machine or the user as a whole; cache.nix has what can be set for each cache.
{
  # How what was built is pushed unless a configuration chooses.
  trigger,
  # Whether the system collects garbage in caches by timers.
  hasTimers ? false,
}:
{ lib, pkgs, ... }:
let
  inherit (lib) literalExpression mkOption types;
  inherit (import ./types.nix { inherit lib; }) secretFile;
in
{
  options.services.nix-cache = {
    caches = mkOption {
      type = types.attrsOf (types.submodule (import ./cache.nix { inherit hasTimers trigger; }));
      default = { };
      example = literalExpression ''
        {
          team.manifest = ./nix-cache.json;
        }
      '';
      description = "The binary caches that are used here, by the names that they have here.";
    };

    credentialsFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      example = literalExpression ''config.sops.secrets."nix-cache/credentials".path'';
      description = ''
        The path of a credentials file, in the form of `~/.aws/credentials`: a profile for each
        private cache, and for each cache that is pushed to. In a system's configuration the Nix
        daemon and the services that push read it, and only root has to be able to. What root runs
        without the daemon reads `~root/.aws/credentials`; that may be a link to this file.
      '';
    };

    awsConfigFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      example = "/etc/nix/aws-config";
      description = ''
        The path of a configuration file of the AWS tools, in the form of `~/.aws/config`: profiles
        that get their credentials from a role, SSO or a `credential_process`.
      '';
    };

    netrcFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      example = literalExpression "config.age.secrets.netrc.path";
      description = ''
        The path of a netrc file, for caches that are read over HTTPS with a user name and a
        password.
      '';
    };

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../package.nix { };
      defaultText = literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package with the command `nix-cache`. It is needed only for pushing and for collecting garbage.";
    };
  };
}
