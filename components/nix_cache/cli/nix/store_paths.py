"""Lists of store paths, as people and other programs write them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.formats.narinfo import BASE_NAME

_SEPARATOR = re.compile(r"[\s\0]+")
_HASH = re.compile(r"[0-9a-df-np-sv-z]{32}")
_PART = re.compile(r"[0-9A-Za-z+._?=@%~-]*")
"""What a part of a path may be. Quotes, commas and colons join or wrap paths in lists."""

_HOW = "give store paths as `nix path-info --recursive` prints them, separated by white space"
_SHOWN = 100


def split(text: str) -> Iterator[tuple[int, str]]:
    """Split a list at any white space or NUL.

    Yields:
        each entry, after the number of its line.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        yield from ((number, entry) for entry in _SEPARATOR.split(line) if entry)


def entries_in(file: Path) -> list[tuple[str, str]]:
    """Read a list from a file.

    Args:
        file: its path; ``-`` for standard input.

    Returns:
        each entry, after the place where it was found, for messages.

    Raises:
        ClientError: it cannot be read, or is not text in UTF-8.
    """
    name = "standard input" if str(file) == "-" else str(file)
    if str(file) == "-" and sys.stdin is None:
        raise ClientError("standard input is closed", "name a file")
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as failure:
        raise ClientError(f"{name} cannot be read: {failure}", "name another file") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ClientError(f"{name} is not text in UTF-8", f"save it as UTF-8; {_HOW}") from None
    return [(f"{name}:{number}", entry) for number, entry in split(text)]


def hashes_in(file: Path) -> tuple[str, ...]:
    """Read the hashes of the paths in a file, each once.

    Args:
        file: its path; ``-`` for standard input.

    Raises:
        ClientError: it cannot be read.
        UsageError: an entry is not a store path.
    """
    hashes = (store_hash(entry, place) for place, entry in entries_in(file))
    return tuple(dict.fromkeys(hashes))


def store_hash(text: str, place: str) -> str:
    """Return the hash of a store path.

    Args:
        text: a store path, a path within one, its last part, its hash, or the key of its narinfo.
        place: where it was found, for messages.

    Raises:
        UsageError: it is something else.
    """
    if text.endswith(".narinfo") and _HASH.fullmatch(text.removesuffix(".narinfo")):
        return text[:32]
    if _HASH.fullmatch(text):
        return text
    parts = text.split("/")
    names = [part for part in parts if BASE_NAME.fullmatch(part)]
    if names and all(map(_PART.fullmatch, parts)):
        return names[0][:32]
    shown = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"
    raise UsageError(f"{place}: {shown} is not a store path", _fix(text))


def _fix(text: str) -> str:
    if re.search(r"\.drv[!^]", text):
        return "name the outputs of the derivation: print them with `nix-store --query --outputs`"
    if "/" in text and not re.search(r"[\"',;#]", text):
        return f"if it is a link into the store, give its target (`readlink -f`); {_HOW}"
    return _HOW
