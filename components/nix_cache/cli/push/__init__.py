"""`nix-cache push`: signs closures and copies them into the cache."""
