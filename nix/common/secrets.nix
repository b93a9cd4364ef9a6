# Assertions on options that name a file with a secret. No message contains what may be the secret.
{ lib }:
let
  inherit (builtins) hasContext match stringLength;

  # nix.conf, systemd and launchd take it as it is.
  isPath = text: match "/[^[:space:]#:%]+" text != null;

  # A key or the text of a file, and no path with a mistake in it.
  isSecret =
    text:
    !isPath text
    && stringLength text >= 40
    && (match ".*[:=[:space:]].*" text != null || match "[A-Za-z0-9+/]+" text != null);

  # Two slashes are one.
  isInStore = text: match "/+nix/+store/.*" text != null || lib.hasPrefix "${builtins.storeDir}/" text;
in
{
  # For an option and its value; null is not checked.
  secretFile =
    option: file:
    let
      named = file != null;
      path = named && isPath file;
    in
    [
      {
        assertion = !named || !isSecret file;
        message = "`${option}` contains the secret itself, and all users can read the Nix store, which has the configuration. Set it to the path of a file, as sops-nix and agenix give it, and replace the secret.";
      }
      {
        assertion = !named || path || isSecret file;
        message = "`${option}` is not an absolute path without white space, '#', ':' and '%'. Set it to the path of a file, such as /run/secrets/nix-cache.";
      }
      {
        assertion = !path || !(hasContext file || isInStore file);
        message = "`${option}` is ${builtins.unsafeDiscardStringContext (toString file)}, and all users can read the Nix store. Put the file elsewhere, as sops-nix and agenix do, and replace the secret.";
      }
    ];
}
