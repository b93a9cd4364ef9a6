"""`nix-cache pin`, `unpin` and `pins`: store paths that collections keep at any age."""
