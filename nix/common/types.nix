# Types of options. A value that is one of them can be used in nix.conf, which has no quotes.
{ lib }:
let
  inherit (lib) types;
in
{
  # A string, not a path: Nix copies a path into its store, which all users can read. What the string
  # contains is checked by secrets.nix: an error of a type would print a secret.
  secretFile = types.str;

  url = types.strMatching "[a-z0-9+.-]+://[^[:space:]#]+";

  # An ed25519 key has 32 bytes.
  publicKey = types.strMatching "[^:[:space:]#]+:[A-Za-z0-9+/]{43}=";

  # As `nix-cache push --limit-rate` takes it.
  rate = types.strMatching "[0-9]{1,12}[kKmMgG]?";
}
