"""How long pushes by ``nix copy`` take."""

import time
from pathlib import Path
from urllib.parse import quote

from tests.e2e.cache import WRITER, Cache
from tests.e2e.nix import Nix

TIMEOUT_SECONDS = 1800


def recipe_url(cache: Cache) -> str:
    """Return the URL that the guides give: profile, endpoint, and Nix's default compression."""
    manifest = cache.outputs["manifest"]
    profile = manifest["profiles"][WRITER]
    endpoint = quote(manifest["endpoint"], safe="")
    return f"s3://{cache.bucket}?profile={profile}&endpoint={endpoint}"


def push_seconds(nix: Nix, url: str, root: str, key: Path) -> float:
    """Push a closure to a cache that has none of it, from a machine that remembers nothing of it.

    Args:
        nix: the machine that has the closure and the writer's credentials.
        url: where to, without the key.
        root: the closure's root.
        key: the file with the signing key.
    """
    nix.forget_caches()
    start = time.monotonic()
    nix.get("copy", "--to", f"{url}&secret-key={key}", root, timeout=TIMEOUT_SECONDS)
    return time.monotonic() - start
