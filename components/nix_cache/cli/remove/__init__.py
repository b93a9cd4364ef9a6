"""`nix-cache remove`: removes store paths from a cache at once, with what depends on them."""
