"""`nix-cache exec`: runs a command, and pushes what it built."""
