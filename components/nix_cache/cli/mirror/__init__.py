"""`nix-cache mirror`: copies a cache, or closures of it, into another cache."""
