# What can be set for one cache.
{ hasTimers, trigger }:
{ config, lib, ... }:
let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    types
    ;
  inherit (import ./types.nix { inherit lib; })
    publicKey
    rate
    secretFile
    url
    ;
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
        `pulumi stack output manifest --json` prints. It contains no secret. For reading a public
        cache, its object `nix-cache.json` is enough.
      '';
    };

    optional = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the cache is read only by users and flakes that choose it. It is then in
        `trusted-substituters` and not in `substituters`, so users need not be trusted to use it.
      '';
    };

    reader = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "laptop";
      description = ''
        The reader or writer of a private cache whose profile it is read with. By default it is the
        profile that the cache's URL names.
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
      description = "The keys that sign the cache. Nix takes a path if one of them signed it.";
    };

    priority = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
      example = 30;
      description = ''
        Nix asks caches of a smaller number first. By default the cache itself has a number; that of
        cache.nixos.org is 40.
      '';
    };

    push = {
      enable = mkEnableOption "pushing to this cache, as one of its writers";

      writer = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "nixbuilder";
        description = "The writer. Its profile is in the credentials file.";
      };

      signingKeyFile = mkOption {
        type = types.nullOr secretFile;
        default = null;
        example = literalExpression ''config.sops.secrets."nix-cache/signing-key".path'';
        description = ''
          The path of the file with the writer's signing key, from the stack's output `signingKeys`.
          In a system's configuration only root has to be able to read it. Nix signs everything that
          is built here with it.
        '';
      };

      trigger = mkOption {
        type = types.enum [
          "hook"
          "watch-store"
          "none"
        ];
        default = if config.push.afterEveryBuild == false then "none" else trigger;
        defaultText = literalExpression ''"${trigger}"'';
        description = ''
          What is pushed, and when. `hook`: what is built, by Nix's `post-build-hook`, of which Nix
          takes only one. `watch-store`: everything that becomes valid in the store, whatever made
          it, by a service that runs all the time. `none`: what you push by hand, or by your
          own hook, if it calls `/etc/nix/nix-cache/NAME-post-build-hook`.
        '';
      };

      afterEveryBuild = mkOption {
        type = types.nullOr types.bool;
        default = null;
        description = "The earlier name of `trigger`: `false` is `none`.";
      };

      interval = mkOption {
        type = types.str;
        default = "15min";
        example = "1h";
        description = ''
          The time after which what could not be pushed is tried again, such as `15min` or `1h`. What
          was just built is pushed at once.
        '';
      };

      limitRate = mkOption {
        type = types.nullOr rate;
        default = null;
        example = "2M";
        description = "The most bytes per second that a service uploads.";
      };

      partSize = mkOption {
        type = types.nullOr (types.ints.between 6 5000);
        default = null;
        example = 8;
        description = ''
          Services upload files above this many MB in parts of this size. Set it behind a proxy that
          limits the size of requests.
        '';
      };

      upstreams = mkOption {
        type = types.nullOr (types.attrsOf (types.listOf publicKey));
        default = null;
        defaultText = literalExpression "the manifest's";
        example = literalExpression "{ }";
        description = ''
          The upstream caches with their public keys. Paths that they signed are not pushed. `{ }`
          pushes everything.
        '';
      };
    };
  }
  // lib.optionalAttrs hasTimers {
    gc = {
      enable = mkEnableOption "collecting garbage in this cache, as its janitor";

      olderThan = mkOption {
        type = types.ints.between 1 36500;
        default = 90;
        description = ''
          Paths that were pushed within the last days, so many, are kept with their closures.
        '';
      };

      grace = mkOption {
        type = types.ints.between 0 36500;
        default = 30;
        description = "The days for which a NAR is kept after the last narinfo that names it.";
      };

      schedule = mkOption {
        type = types.str;
        default = "weekly";
        example = "*-*-* 03:00";
        description = "When it runs, as a calendar event of systemd.";
      };
    };
  };
}
