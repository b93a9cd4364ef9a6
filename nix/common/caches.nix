# What the caches of a configuration come to: settings of nix.conf, records and variables. Pure.
{ cfg, lib }:
let
  inherit (lib)
    attrNames
    attrValues
    filterAttrs
    mapAttrsToList
    ;
  inherit (import ./urls.nix { inherit lib; }) parameter withParameter;

  hasValue = _: value: value != null && value != [ ];
  url =
    cache:
    if cache.priority == null || cache.substituter == null then
      cache.substituter
    else
      withParameter "priority" (toString cache.priority) cache.substituter;

  # Assertions report what is missing.
  present = builtins.filter (value: value != null);
  urls = wanted: present (map url (builtins.filter wanted (attrValues enabled)));

  # The user whose profile a private cache is read with, as `nix-cache use` records it.
  reader =
    cache:
    let
      profiles = cache.manifest.profiles or { };
      named = parameter "profile" (cache.manifest.readUrl or "");
      owners = builtins.filter (user: profiles.${user} == named) (attrNames profiles);
    in
    if cache.manifest.public or false then
      null
    else if cache.reader != null || owners == [ ] then
      cache.reader
    else
      builtins.head owners;

  enabled = filterAttrs (_: cache: cache.enable) cfg.caches;
in
rec {
  inherit enabled;
  pushed = filterAttrs (_: cache: cache.push.enable) enabled;
  hooked = filterAttrs (_: cache: cache.push.trigger == "hook") pushed;
  # Those with a queue: a hook of the user's own may fill it, too.
  queued = filterAttrs (_: cache: cache.push.trigger != "watch-store") pushed;
  watched = filterAttrs (_: cache: cache.push.trigger == "watch-store") pushed;

  collected = filterAttrs (_: cache: cache.gc.enable or false) enabled;

  substituters = urls (cache: !cache.optional);
  trustedSubstituters = urls (cache: cache.optional);
  publicKeys = lib.unique (builtins.concatMap (cache: cache.publicKeys) (attrValues enabled));

  # What nix.conf gets; a setting that nothing needs is absent.
  settings = filterAttrs hasValue {
    extra-substituters = substituters;
    extra-trusted-substituters = trustedSubstituters;
    extra-trusted-public-keys = publicKeys;
    extra-secret-key-files = present (mapAttrsToList (_: cache: cache.push.signingKeyFile) pushed);
    netrc-file = if enabled == { } then null else cfg.netrcFile;
  };

  # By these the command knows the caches, as if `nix-cache use` had been run: by name, JSON.
  records = lib.mapAttrs (
    _: cache:
    let
      inherit (cache) push;
    in
    builtins.toJSON {
      # Under the name that the client has in its files.
      description =
        cache.manifest // lib.optionalAttrs (push.upstreams != null) { inherit (push) upstreams; };
      reader = reader cache;
      signingKeyFile = if push.enable then push.signingKeyFile else null;
      source = null;
      writer = if push.enable then push.writer else null;
    }
  ) (filterAttrs (_: cache: cache.manifest != null) enabled);

  # Where what reads or pushes finds credentials.
  credentials = filterAttrs hasValue {
    AWS_SHARED_CREDENTIALS_FILE = cfg.credentialsFile;
    AWS_CONFIG_FILE = cfg.awsConfigFile;
  };

  # The variables of a service that pushes to a cache.
  environment =
    cache:
    credentials
    // filterAttrs hasValue {
      NIX_CACHE_LIMIT_RATE = cache.push.limitRate;
      NIX_CACHE_PART_SIZE =
        if cache.push.partSize == null then null else toString cache.push.partSize;
    };

  command = name: cache: "${cfg.package}/bin/nix-cache ${
    if cache.push.trigger == "watch-store" then "watch-store" else "hook --drain"
  } --to ${name}";
}
