"""`nix-cache doctor`: what is wrong with a cache, why it matters, and the fix."""
