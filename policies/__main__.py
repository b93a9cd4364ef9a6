"""The policy pack: it serves the engine until the engine is done."""

from nix_cache_policies.pack import serve

serve()
