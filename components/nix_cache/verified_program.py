"""The program of `nix-cache stack verify`: one cache, by the stack's configuration."""

import pulumi

from nix_cache import BinaryCache
from nix_cache.program import read_config


def run() -> None:
    """Declare the cache, and export what the verification reads."""
    args, opts = read_config()
    cache = BinaryCache("nix-cache", args, opts)
    pulumi.export("readUrl", cache.read_url)
    pulumi.export("credentials", cache.credentials)
    pulumi.export("manifest", cache.manifest)
