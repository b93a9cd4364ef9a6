# What can be set for one cache.
{ config, lib, ... }:
let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    types
    ;
  inherit (import ./types.nix { inherit lib; }) publicKey secretFile url;
  inherit (import ./urls.nix { inherit lib; }) withParameter;

  manifest = if config.manifest == null then { } else config.manifest;
  readUrl = manifest.readUrl or null;
  profile = if config.reader == null then null else manifest.profiles.${config.reader} or null;
in
{
  options = {
    enable = mkEnableOption "this cache" // {
      default = true;
    };

    manifest = mkOption {
      type = types.nullOr (types.either types.path (types.attrsOf types.anything));
      default = null;
      apply = given: if types.path.check given then lib.importJSON given else given;
      example = literalExpression "./nix-cache.json";
      description = ''
        The output `manifest` of the cache's stack, or a JSON file with it, which
        `pulumi stack output manifest --json` prints. It holds no secret. For reading alone, the
        object `nix-cache.json` of a public cache is enough.
      '';
    };

    reader = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "laptop";
      description = ''
        Whose profile of the credentials file a private cache is read with, one of its readers or
        writers. Without one, the profile that its URL names.
      '';
    };

    substituter = mkOption {
      type = types.nullOr url;
      default =
        if readUrl == null || profile == null then readUrl else withParameter "profile" profile readUrl;
      defaultText = literalExpression "the manifest's";
      example = "https://minio.example.org/nix-cache";
      description = "The URL that Nix reads the cache from.";
    };

    publicKeys = mkOption {
      type = types.listOf publicKey;
      default = manifest.publicKeys or [ ];
      defaultText = literalExpression "the manifest's";
      example = [ "cache.example.org-nixbuilder-1:S3d1PIQaTDgJdsVVdRhrMwTgZ1wGyYPYHnbJLGTOhBk=" ];
      description = "The keys one of which has to have signed what Nix takes from the cache.";
    };

    priority = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
      example = 30;
      description = ''
        In which order caches are asked: those of smaller numbers first. Without it the cache says
        so itself; that of nixos.org says 40.
      '';
    };

    push = {
      enable = mkEnableOption "pushing to this cache: this machine is one of its writers";

      writer = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "nixbuilder";
        description = "As which of the cache's writers. Its profile is in the credentials file.";
      };

      signingKeyFile = mkOption {
        type = types.nullOr secretFile;
        default = null;
        example = "/run/secrets/nix-cache-signing-key";
        description = ''
          The file with the writer's signing key, from the stack's output `signingKeys`. Only root
          has to read it. Nix signs everything that is built here with it.
        '';
      };

      afterEveryBuild = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Whether all that is built here is pushed, by Nix's `post-build-hook`. Nix takes only one
          hook: without this, let yours call `/etc/nix/nix-cache/NAME-post-build-hook`, or run
          `nix-cache push` by hand.
        '';
      };

      interval = mkOption {
        type = types.str;
        default = "15min";
        example = "1h";
        description = ''
          After which time what could not be pushed is tried again, in the form of
          {manpage}`systemd.time(7)`. What was just built is pushed at once.
        '';
      };
    };
  };
}
