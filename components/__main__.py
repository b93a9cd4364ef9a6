"""What the engine runs: the component as a plugin, for programs in other languages."""

from nix_cache.plugin import serve

serve()
