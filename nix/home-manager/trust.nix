# Whether the Nix daemon takes the caches from a user, as far as the system's configuration is known.
{
  caches,
  cfg,
  lib,
  osConfig,
  user,
}:
let
  inherit (builtins) any concatLists elem;

  known = osConfig != null && osConfig.nix.enable;
  os = if known then osConfig.nix.settings else { };
  listed = names: concatLists (map (name: os.${name} or [ ]) names);

  account = osConfig.users.users.${user} or { };
  groups = (account.extraGroups or [ ]) ++ lib.optionals (account ? group) [ account.group ];
  isTrusted = any (
    one: one == user || one == "*" || any (group: one == "@${group}") groups
  ) (listed [
    "trusted-users"
    "extra-trusted-users"
  ]);

  # Parameters and a final slash do not count.
  base = url: lib.removeSuffix "/" (builtins.head (lib.splitString "?" url));
  allowed = map base (listed [
    "substituters"
    "extra-substituters"
    "trusted-substituters"
    "extra-trusted-substituters"
  ]);
  isAllowed =
    builtins.all (url: elem (base url) allowed) (caches.substituters ++ caches.trustedSubstituters)
    && lib.subtractLists (listed [
      "trusted-public-keys"
      "extra-trusted-public-keys"
    ]) caches.publicKeys == [ ];

  fix = "Import the module in the system's configuration, too, and set `services.nix-cache.caches.NAME.optional` to true there, which adds the cache to `trusted-substituters` and its keys to `trusted-public-keys`";
  private = lib.filterAttrs (_: cache: cache.manifest.public or true == false) caches.enabled;
  osCredentials = osConfig.services.nix-cache.credentialsFile or null;
in
{
  assertions = lib.optionals (caches.enabled != { } && known && cfg.trusted != true) [
    {
      assertion = isTrusted || isAllowed;
      message = "`services.nix-cache` of ${user} has no effect: the Nix daemon does not trust ${user}, so it takes only caches in its `trusted-substituters`, with keys in its `trusted-public-keys`. ${fix}.";
    }
  ];

  warnings =
    lib.optionals (caches.enabled != { } && !known && cfg.trusted != true) [
      "`services.nix-cache`: a Nix daemon that does not trust ${user} ignores these caches, unless they are in its `trusted-substituters` and their keys in its `trusted-public-keys`. ${fix}. Or set `services.nix-cache.trusted` to true if that is so."
    ]
    ++ lib.optionals (private != { } && osCredentials == null && cfg.trusted != true) [
      "`services.nix-cache`: the cache ${builtins.head (builtins.attrNames private)} is private, and a Nix daemon reads it with root's credentials, not with those of ${user}. Set `services.nix-cache.credentialsFile` in the system's configuration."
    ];
}
