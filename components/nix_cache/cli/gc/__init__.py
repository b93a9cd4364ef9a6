"""`nix-cache gc`: removes from a cache what is old and what nothing that stays needs."""
