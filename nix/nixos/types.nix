# Types of options. A value that is one of them can stand in nix.conf, which knows no quotes.
{ lib }:
let
  inherit (lib) types;
in
{
  # A text, not a path: Nix would copy a path into its store, where all users can read it.
  secretFile = types.strMatching "/[^[:space:]#]+";

  url = types.strMatching "[a-z0-9+.-]+://[^[:space:]#]+";

  # An ed25519 key has 32 bytes.
  publicKey = types.strMatching "[^:[:space:]#]+:[A-Za-z0-9+/]{43}=";
}
