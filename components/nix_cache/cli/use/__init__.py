"""``nix-cache use``: settings, keys and credentials onto this machine, and off again."""
