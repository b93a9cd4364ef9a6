# Combinations that cannot work, or would do harm.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) concatStringsSep mapAttrsToList;
  inherit (import ./urls.nix { inherit lib; }) hasParameter;

  cfg = config.services.nix-cache;
  caches = lib.filterAttrs (_: cache: cache.enable) cfg.caches;
  pushed = lib.filterAttrs (_: cache: cache.push.enable) caches;
  hooked = lib.filterAttrs (_: cache: cache.push.afterEveryBuild) pushed;
  nix = config.nix.package;
  hook = import ./hook.nix { inherit config lib pkgs; };
  firstHooked = builtins.head (builtins.attrNames hooked);

  outsideStore = option: file: {
    assertion = file == null || !lib.hasPrefix "${builtins.storeDir}/" file;
    message = "`${option}` is ${toString file}, and all users can read the Nix store: put it elsewhere, as sops-nix and agenix do, and replace the secret.";
  };

  credentialsFor = option: url: {
    assertion = url == null || cfg.credentialsFile != null || !hasParameter "profile" url;
    message = "`${option}` is ${toString url}, which names a profile, and there is no file with it: set `services.nix-cache.credentialsFile`.";
  };

  ofReading =
    name: cache:
    let
      option = "services.nix-cache.caches.${name}";
      manifest = cache.manifest;
      readers = if manifest == null || manifest.public or false then { } else manifest.profiles or { };
    in
    [
      {
        assertion = builtins.match "[A-Za-z0-9._-]+" name != null;
        message = "`${option}`: files and units are named after the cache, so its name may only have letters, digits, '.', '_' and '-'.";
      }
      {
        assertion = manifest == null || manifest.version or null == 1;
        message = "`${option}.manifest` is not the output `manifest` of a stack in version 1: take what `pulumi stack output manifest --json` prints, and this module from the same release as the stack.";
      }
      {
        assertion = manifest == null || manifest.storeDir or builtins.storeDir == builtins.storeDir;
        message = "`${option}.manifest` is of a cache for the store ${
          toString manifest.storeDir or ""
        }, and this machine's is ${builtins.storeDir}: no path of it can be used here.";
      }
      {
        assertion = cache.substituter != null;
        message = "`${option}` names no cache: set `manifest`, or `substituter` and `publicKeys`.";
      }
      {
        assertion = cache.publicKeys != [ ];
        message = "`${option}.publicKeys` is empty, so Nix would refuse all that the cache has: set it, or `manifest`.";
      }
      {
        assertion = cache.substituter == null || !hasParameter "trusted" cache.substituter;
        message = "`${option}.substituter` has the parameter `trusted`, which lets unsigned paths in: take it out.";
      }
      {
        assertion = cache.reader == null || readers ? ${cache.reader};
        message = "`${option}.reader` is ${toString cache.reader}, and the cache's manifest has no such reader: ${
          if readers == { } then
            "leave it out"
          else
            "take one of ${concatStringsSep ", " (builtins.attrNames readers)}"
        }.";
      }
      (credentialsFor "${option}.substituter" cache.substituter)
    ];

  ofPushing =
    name: cache:
    let
      option = "services.nix-cache.caches.${name}.push";
      inherit (cache.push) signingKeyFile writer;
      pushUrls = if cache.manifest == null then { } else cache.manifest.pushUrls or { };
    in
    [
      {
        assertion = cache.manifest != null;
        message = "`${option}.enable` needs `services.nix-cache.caches.${name}.manifest`, for where and as whom to push.";
      }
      {
        assertion = cache.manifest == null || writer != null && pushUrls ? ${writer};
        message = "`${option}.writer` is ${
          if writer == null then "not set" else "${writer}, and the cache has no such writer"
        }: ${
          if pushUrls == { } then
            "the manifest names no writers, as the object `nix-cache.json` does not. Set `services.nix-cache.caches.${name}.manifest` to what `pulumi stack output manifest --json` prints"
          else
            "take one of ${concatStringsSep ", " (builtins.attrNames pushUrls)}"
        }.";
      }
      {
        assertion = signingKeyFile != null;
        message = "`${option}.signingKeyFile` is not set, and nothing is pushed unsigned: set it to the file with the writer's key.";
      }
      (outsideStore "${option}.signingKeyFile" signingKeyFile)
      (credentialsFor "${option}.writer" (if writer == null then null else pushUrls.${writer} or null))
    ];
in
{
  config.assertions =
    builtins.concatLists (mapAttrsToList ofReading caches ++ mapAttrsToList ofPushing pushed)
    ++ [
      (outsideStore "services.nix-cache.credentialsFile" cfg.credentialsFile)
      {
        assertion = caches == { } || config.nix.enable;
        message = "`nix.enable` is false, so NixOS writes no nix.conf, and `services.nix-cache` would have no effect: turn it on, or leave the caches to `nix-cache use`.";
      }
    ]
    ++ lib.optionals (pushed != { }) [
      {
        # Derivatives of Nix count otherwise.
        assertion = nix.pname or "" != "nix" || lib.versionAtLeast nix.version "2.18";
        message = "`nix.package` is Nix ${nix.version or ""}, and pushing needs 2.18 or newer: set `nix.package`, such as to `pkgs.nixVersions.latest`.";
      }
    ]
    ++ lib.optionals (hooked != { }) [
      {
        assertion = config.nix.settings.post-build-hook == "${hook.forCaches (builtins.attrNames hooked)}";
        message = "`nix.settings.post-build-hook` is ${config.nix.settings.post-build-hook}, and Nix takes only one hook: let it call /etc/nix/nix-cache/${firstHooked}-post-build-hook, and set `services.nix-cache.caches.${firstHooked}.push.afterEveryBuild` to false.";
      }
    ];
}
