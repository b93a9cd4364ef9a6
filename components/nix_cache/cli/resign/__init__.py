"""The command `nix-cache resign`: sign a cache with the current key of a writer."""
