"""The policy pack: its rules are in the package, as ``nix_cache.policy``."""

from nix_cache.policy.pack import serve

serve(__file__)
