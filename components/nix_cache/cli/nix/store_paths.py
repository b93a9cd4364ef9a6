"""Store paths on command lines and in lists, as people and other programs write them."""

import itertools
import os
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
_HOW_NAMED = "give a store path, its hash, or a link to one such as ./result"
_OUTPUTS = "name the outputs of the derivation: print them with `nix-store --query --outputs`"
_SHOWN = 100
_MOST_LINKS = 40
"""As Linux follows."""


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
        raise ClientError(
            f"{name} cannot be read: {failure.strerror}", "name another file"
        ) from None
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


def followed(given: str) -> Iterator[Path]:
    """Follow a path link by link, outer folders first, to where it leads.

    Links within the store are followed too, so a caller stops at the first path that it looks for.

    Args:
        given: a path, such as ``./result``.

    Yields:
        the absolute path, and where each link on it leads; at most 40 of them.
    """
    path = Path(os.path.abspath(given))  # noqa: PTH100  # resolve() follows all links at once
    for _ in range(_MOST_LINKS):
        yield path
        link = next((part for part in reversed([path, *path.parents]) if part.is_symlink()), None)
        if link is None:
            return
        path = Path(os.path.normpath(link.parent / link.readlink() / path.relative_to(link)))


def named_hash(text: str, place: str, hint: str = "") -> str:
    """Return the hash of a store path that a command line names.

    Args:
        text: as for ``store_hash``, or a link to a store path, such as ``./result``.
        place: the argument or option, for messages.
        hint: what the command line takes besides, where that is often given here.

    Raises:
        UsageError: it is something else.
    """
    try:
        return store_hash(text, place)
    except UsageError as mistake:
        for path in itertools.islice(followed(text), 1, None):
            if names := [part for part in path.parts if BASE_NAME.fullmatch(part)]:
                return names[0][:32]
        fix = _OUTPUTS if _is_derivation_output(text) else _HOW_NAMED
        raise UsageError(mistake.problem, f"{fix}; {hint}" if hint else fix) from None


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


def _is_derivation_output(text: str) -> bool:
    return re.search(r"\.drv[!^]", text) is not None


def _fix(text: str) -> str:
    if _is_derivation_output(text):
        return _OUTPUTS
    if "/" in text and not re.search(r"[\"',;#]", text):
        return f"if it is a link into the store, give its target (`readlink -f`); {_HOW}"
    return _HOW
