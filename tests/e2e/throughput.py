"""How long pushes and pulls take, and what they store."""

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.e2e.cache import WRITER, Cache
from tests.e2e.nix import Nix

TIMEOUT_SECONDS = 1800
_KEPT_KEYS = {"nix-cache-info", "nix-cache.json", "index.html"}


@dataclass(frozen=True)
class Push:
    """What one push of a closure took, in time and in the bucket."""

    seconds: float
    stored_bytes: int


def recipe_url(cache: Cache) -> str:
    """Return the URL that the guides give: profile, endpoint, and Nix's default compression."""
    manifest = cache.outputs["manifest"]
    profile = manifest["profiles"][WRITER]
    endpoint = quote(manifest["endpoint"], safe="")
    return f"s3://{cache.bucket}?profile={profile}&endpoint={endpoint}"


def push(cache: Cache, nix: Nix, url: str, root: str, key: Path) -> Push:
    """Push a closure to the cache, from a machine that remembers nothing of it.

    Args:
        cache: where to; it must not have any of it.
        nix: the machine that has the closure and the writer's credentials.
        url: where to, without the key.
        root: the closure's root.
        key: the file with the signing key.
    """
    before = stored_bytes(cache)
    nix.forget_caches()
    start = time.monotonic()
    nix.get("copy", "--to", f"{url}&secret-key={key}", root, timeout=TIMEOUT_SECONDS)
    seconds = time.monotonic() - start
    return Push(seconds, stored_bytes(cache) - before)


def stored_bytes(cache: Cache) -> int:
    """Return the size of all NARs in the bucket."""
    pages = cache.root.get_paginator("list_objects_v2").paginate(Bucket=cache.bucket, Prefix="nar/")
    return sum(entry["Size"] for page in pages for entry in page.get("Contents", []))


def empty(cache: Cache) -> None:
    """Remove all that was ever pushed."""
    for key in cache.keys() - _KEPT_KEYS:
        cache.root.delete_object(Bucket=cache.bucket, Key=key)


def pull_seconds(cache: Cache, nix: Nix, root: str) -> float:
    """Pull a closure to a machine that has nothing of it, by the substituter's URL."""
    nix.configure(cache.outputs["nixConf"])
    start = time.monotonic()
    nix.get("copy", "--from", cache.read_url, root, timeout=TIMEOUT_SECONDS)
    return time.monotonic() - start
