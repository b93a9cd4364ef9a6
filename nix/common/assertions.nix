# Combinations that cannot work, or would do harm, on each kind of system. Pure.
{
  caches,
  cfg,
  lib,
  # The configuration's `nix`.
  nix,
  # What generates nix.conf, for messages.
  system,
  # Whether it writes the settings by their names, so that Nix reads `substituters` after
  # `extra-substituters`, and replaces the list.
  sorted ? false,
}:
let
  inherit (builtins)
    attrNames
    concatLists
    elem
    match
    ;
  inherit (lib) concatStringsSep filterAttrs mapAttrsToList;
  inherit (caches) enabled pushed;
  inherit (import ./secrets.nix { inherit lib; }) secretFile;
  inherit (import ./urls.nix { inherit lib; }) hasParameter;

  oneOf = names: "one of ${concatStringsSep ", " names}";

  credentialsFor = option: url: {
    assertion =
      url == null || cfg.credentialsFile != null || cfg.awsConfigFile != null || !hasParameter "profile" url;
    message = "`${option}` is ${toString url}, whose profile is in no file. Set `services.nix-cache.credentialsFile` to the path of a file with it.";
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
        assertion = match "[A-Za-z0-9][A-Za-z0-9._-]*" name != null;
        message = "`${option}` has an invalid name. Files and services are named after it: use only letters, digits, '.', '_' and '-', and start with a letter or digit.";
      }
      {
        assertion = !(manifest ? signingKeys || manifest ? credentials);
        message = "`${option}.manifest` contains secrets, and all users can read the Nix store. Set it to what `pulumi stack output manifest --json` prints, and replace the signing keys and credentials.";
      }
      {
        assertion = manifest == null || manifest.version or null == 1;
        message = "`${option}.manifest` is not the output `manifest` of a stack in version 1. Set it to what `pulumi stack output manifest --json` prints, and take this module from the release of the stack.";
      }
      {
        assertion = manifest == null || manifest.storeDir or builtins.storeDir == builtins.storeDir;
        message = "`${option}.manifest` is of a cache for the store ${
          toString manifest.storeDir or ""
        }, and the store here is ${builtins.storeDir}. Remove the cache: none of its paths can be used here.";
      }
      {
        assertion = cache.substituter != null;
        message = "`${option}` names no cache. Set `manifest`, or `substituter` and `publicKeys`.";
      }
      {
        assertion = cache.publicKeys != [ ];
        message = "`${option}.publicKeys` is empty, so Nix refuses everything in the cache. Set it, or `manifest`.";
      }
      {
        assertion = cache.substituter == null || !hasParameter "trusted" cache.substituter;
        message = "`${option}.substituter` has the parameter `trusted`, with which Nix takes unsigned paths. Remove the parameter.";
      }
      {
        assertion = cache.reader == null || readers ? ${cache.reader};
        message = "`${option}.reader` is ${toString cache.reader}, and the cache has no such reader. ${
          if readers == { } then "Remove it" else "Set it to ${oneOf (attrNames readers)}"
        }.";
      }
      (credentialsFor "${option}.substituter" cache.substituter)
    ];

  ofPushing =
    name: cache:
    let
      cacheOption = "services.nix-cache.caches.${name}";
      option = "${cacheOption}.push";
      inherit (cache.push) signingKeyFile writer;
      pushUrls = if cache.manifest == null then { } else cache.manifest.pushUrls or { };
    in
    [
      {
        assertion = cache.manifest != null;
        message = "`${option}.enable` requires the storage and the writers of the cache. Set `${cacheOption}.manifest`.";
      }
      {
        assertion = cache.manifest == null || writer != null && pushUrls ? ${writer};
        message = "`${option}.writer` is ${
          if writer == null then "not set" else "${writer}, and the cache has no such writer"
        }. ${
          if pushUrls == { } then
            "The manifest names no writers, as the object `nix-cache.json` does not: set `${cacheOption}.manifest` to what `pulumi stack output manifest --json` prints"
          else
            "Set it to ${oneOf (attrNames pushUrls)}"
        }.";
      }
      {
        assertion = signingKeyFile != null;
        message = "`${option}.signingKeyFile` is not set, and nothing is pushed unsigned. Set it to the path of the file with the writer's key.";
      }
      (credentialsFor "${option}.writer" (if writer == null then null else pushUrls.${writer} or null))
    ]
    ++ secretFile "${option}.signingKeyFile" signingKeyFile;

  ofCollecting =
    name: cache:
    let
      option = "services.nix-cache.caches.${name}";
      profiles = if cache.manifest == null then { } else cache.manifest.profiles or { };
    in
    [
      {
        assertion = profiles ? janitor;
        message = "`${option}.gc.enable` requires the janitor of the cache. Set `janitor` to true in its stack, and `${option}.manifest` to what `pulumi stack output manifest --json` prints.";
      }
      {
        assertion = cfg.credentialsFile != null || cfg.awsConfigFile != null;
        message = "`${option}.gc.enable` requires the janitor's credential. Set `services.nix-cache.credentialsFile` to the path of a file with its profile${
          if profiles ? janitor then ", ${profiles.janitor}" else ""
        }.";
      }
    ];

  # Derivatives of Nix count their versions otherwise.
  isOld = package: package.pname or "" == "nix" && !lib.versionAtLeast package.version "2.18";

  # The names of settings that are read after ours and replace a list.
  replacing = builtins.concatMap (
    line:
    let
      found = match "[[:space:]]*(substituters|trusted-public-keys|binary-caches|binary-cache-public-keys)[[:space:]]*=.*" line;
    in
    if found == null then [ ] else found
  ) (lib.splitString "\n" nix.extraOptions);

  # A setting that has lost values of ours, as by mkForce.
  kept = setting: values: {
    assertion = lib.subtractLists (nix.settings.${setting} or [ ]) values == [ ];
    message = "`nix.settings.${setting}` has lost the values of `services.nix-cache`, as by `lib.mkForce`. Remove the `lib.mkForce` there.";
  };
  # A setting that is written after ours and replaces the list.
  notReplaced = setting: values: {
    assertion = !sorted || values == [ ] || elem (nix.settings.${setting} or null) [ null [ ] ];
    message = "`${setting}` is set beside `services.nix-cache`, and ${system} writes it after extra-${setting}, whose values Nix then discards. Set extra-${setting} instead.";
  };
in
{
  # Of the caches, whatever writes nix.conf.
  ofCaches =
    concatLists (
      mapAttrsToList ofReading enabled
      ++ mapAttrsToList ofPushing pushed
      ++ mapAttrsToList ofCollecting caches.collected
    )
    ++ concatLists (
      mapAttrsToList secretFile {
        "services.nix-cache.credentialsFile" = cfg.credentialsFile;
        "services.nix-cache.awsConfigFile" = cfg.awsConfigFile;
        "services.nix-cache.netrcFile" = cfg.netrcFile;
      }
    );

  # Where ${system} writes nix.conf.
  ofNix = lib.optionals (enabled != { }) (
    [
      {
        assertion = replacing == [ ];
        message = "`nix.extraOptions` sets ${concatStringsSep ", " replacing}, which ${system} writes after the settings of `services.nix-cache`, and which replaces the list. Write extra-NAME there.";
      }
      (kept "extra-substituters" caches.substituters)
      (kept "extra-trusted-substituters" caches.trustedSubstituters)
      (kept "extra-trusted-public-keys" caches.publicKeys)
      (notReplaced "substituters" caches.substituters)
      (notReplaced "trusted-substituters" caches.trustedSubstituters)
      (notReplaced "trusted-public-keys" caches.publicKeys)
    ]
    ++ lib.optionals (pushed != { } && nix.package != null) [
      {
        assertion = !isOld nix.package;
        message = "`nix.package` is Nix ${nix.package.version or ""}, and pushing requires 2.18 or newer. Set `nix.package`, such as to `pkgs.nixVersions.latest`.";
      }
    ]
  );

  # Settings that make the caches useless, or unsafe.
  warnings =
    lib.optionals (enabled != { } && nix.settings.substitute or true == false) [
      "`nix.settings.substitute` is false, so Nix reads no binary cache. Remove it to use `services.nix-cache`."
    ]
    ++ lib.optionals (enabled != { } && nix.settings.require-sigs or true == false) [
      "`nix.settings.require-sigs` is false, so Nix takes unsigned paths from every cache. Remove it."
    ];

  # Where Nix runs the hook of a system's configuration.
  ofHook =
    hook:
    let
      names = attrNames caches.hooked;
      first = builtins.head (names ++ [ "NAME" ]);
    in
    lib.optionals (names != [ ]) [
      {
        assertion = nix.settings.post-build-hook or "" == hook;
        message = "`nix.settings.post-build-hook` is ${nix.settings.post-build-hook or "not set"}, and Nix takes only one hook. Call /etc/nix/nix-cache/${first}-post-build-hook in it, and set `services.nix-cache.caches.${first}.push.trigger` to \"none\".";
      }
    ];
}
