"""Which cache a file in this client's folder was written for. Pure.

Each text carries the name of its cache in its first lines. A file that exists is overwritten or
removed only for the cache that it names. Signing keys have no room for a name: the cache's record
names their file.
"""

import re
from enum import Enum
from pathlib import Path

from nix_cache.cli.errors import ClientError

_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)"


class FileKind(Enum):
    """What a file is, by the mark in it."""

    SETTINGS = re.compile(rf"# The binary cache {_NAME}\. ".encode())
    HOOK_SETTINGS = re.compile(rf"# The hook that pushes to the binary cache {_NAME}; ".encode())
    HOOK_SCRIPT = re.compile(rf"#!/bin/sh\n# [^\n]* for the cache {_NAME}, ".encode())


def owner(kind: FileKind, content: bytes) -> str | None:
    """Return the name of the cache that a file was written for; None for a foreign file."""
    found = kind.value.match(content)
    return found["name"].decode() if found else None


def require_own(kind: FileKind, path: Path, content: bytes | None, name: str) -> None:
    """Refuse to overwrite a file that was not written for a cache.

    Args:
        kind: what the file is to be.
        path: the file.
        content: what it holds now; None if it does not exist.
        name: the cache's.

    Raises:
        ClientError: it exists, and was written for something else.
    """
    if content is not None and owner(kind, content) != name:
        raise ClientError(
            f"{path} exists and was not written for the cache {name}; nothing was changed",
            "move that file away, or use the cache under another name with --name",
        )
