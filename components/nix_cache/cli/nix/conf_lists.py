"""What becomes of the lists in nix.conf: who adds an item, and which line discards it. Pure.

A setting replaces the list so far, ``extra-`` before its name adds to it.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nix_cache.cli.nix.conf_includes import ConfMistake, PlacedLine
from nix_cache.shown import shown_value

SUBSTITUTERS = "substituters"
TRUSTED_SUBSTITUTERS = "trusted-substituters"
PUBLIC_KEYS = "trusted-public-keys"

_ALIASES = {
    "binary-caches": SUBSTITUTERS,
    "trusted-binary-caches": TRUSTED_SUBSTITUTERS,
    "binary-cache-public-keys": PUBLIC_KEYS,
}
"""Older names, which Nix still takes."""

_KEY_BYTES = 32


@dataclass(frozen=True)
class Item:
    """One item of a list.

    Attributes:
        value: its text.
        where: the file and line that add it.
    """

    value: str
    where: str


@dataclass(frozen=True)
class History:
    """What becomes of one list.

    Attributes:
        items: what it holds in the end, apart from Nix's own default.
        discarded: items that a later line discards, with that line.
        replaced: whether a line replaces Nix's own default.
    """

    items: tuple[Item, ...] = ()
    discarded: tuple[tuple[Item, PlacedLine], ...] = ()
    replaced: bool = False


def history(lines: Iterable[PlacedLine], setting: str) -> History:
    """Follow one list through all lines, in the order in which Nix reads them."""
    items: list[Item] = []
    discarded: list[tuple[Item, PlacedLine]] = []
    is_replaced = False
    for placed in lines:
        name, is_extra = named(placed)
        if name != setting:
            continue
        if not is_extra:
            discarded += [(item, placed) for item in items]
            items, is_replaced = [], True
        items += [Item(value, placed.where) for value in placed.line.value]
    return History(tuple(items), tuple(discarded), is_replaced)


def named(placed: PlacedLine) -> tuple[str, bool]:
    """Return which setting a line is about, by its present name, and whether it adds to a list."""
    name = placed.line.name.removeprefix("extra-")
    return _ALIASES.get(name, name), name != placed.line.name


def key_mistakes(lines: Iterable[PlacedLine]) -> Iterator[ConfMistake]:
    """Yield the lines with a key over which Nix fails as soon as it looks at a signature."""
    for placed in lines:
        if named(placed)[0] != PUBLIC_KEYS:
            continue
        for key in placed.line.value:
            if problem := _key_problem(key):
                yield ConfMistake(
                    placed.where,
                    f"has {_shown(key)} in {placed.line.name}, which {problem}, so Nix refuses "
                    "every signature",
                    "write NAME:BASE64 there, as the cache publishes it, or remove it",
                )


def is_key(text: str) -> bool:
    """Return whether a text is a public key that Nix takes."""
    return not _key_problem(text)


def _key_problem(key: str) -> str:
    """Return what is wrong with a public key; empty if Nix takes it."""
    name, colon, encoded = key.partition(":")
    if not colon:
        return "is not a public key"
    if not name or not encoded:
        return "has no name or no key"
    try:
        # Nix reads up to the first padding, which may be missing.
        text = encoded.partition("=")[0]
        material = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return "is not base64 after the colon"
    if len(material) != _KEY_BYTES:
        return f"has {len(material)} bytes after the colon instead of {_KEY_BYTES}"
    return ""


def _shown(key: str) -> str:
    """Return a wrong key without its material, which may be secret."""
    name, colon, _ = key.partition(":")
    return f"the key {shown_value(name)}" if colon and name else shown_value(key)
