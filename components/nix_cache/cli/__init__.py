"""The command ``nix-cache`` for the machines that use a cache. Never imports pulumi."""
