"""`nix-cache stats`: what a cache has, how it grew, and what its storage costs."""
