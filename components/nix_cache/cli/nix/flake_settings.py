"""The lists of settings that the ``nixConfig`` of a project's flake replaces.

Nix takes from ``nixConfig`` only plain values, so the text is enough, and no code of the project is
run. What is written in another way is not found.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.nix.conf_lists import PUBLIC_KEYS, SUBSTITUTERS

_MOST_BYTES = 1_000_000
_TOKEN = re.compile(
    r"""(?P<gap>\s+|\#[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:[^"\\]|\\.)*"|''.*?'')
      | (?P<name>[A-Za-z_][A-Za-z0-9_'-]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_LISTS = frozenset({SUBSTITUTERS, PUBLIC_KEYS})


@dataclass(frozen=True)
class ReplacedList:
    """A list that a flake sets in ``nixConfig``.

    Attributes:
        where: the file and line.
        name: the setting.
        values: its items.
    """

    where: str
    name: str
    values: tuple[str, ...]


def replaced_lists(folder: Path) -> list[ReplacedList]:
    """Return the lists that the flake of a folder, or of one above it, replaces.

    What this user cannot read is passed over.
    """
    with contextlib.suppress(OSError):
        folder = folder.absolute()
        for above in (folder, *folder.parents):
            if (flake := above / "flake.nix").is_file():
                with flake.open("rb") as file:
                    return list(_lists(str(flake), file.read(_MOST_BYTES).decode(errors="replace")))
            if (above / ".git").exists() or above.is_mount():
                break
    return []


def _lists(file: str, text: str) -> Iterator[ReplacedList]:
    tokens = [
        (found.lastgroup, found[0], found.start())
        for found in _TOKEN.finditer(text)
        if found.lastgroup != "gap"
    ]
    words = [word for _, word, _ in tokens]
    depth, start = 0, 0  # how deep in nixConfig
    for index, (kind, word, _) in enumerate(tokens):
        if word == "nixConfig" and depth == 0:
            following = words[index + 1 : index + 3]
            depth = 1 if following == ["=", "{"] else 0
            start = index + 3
            if following[:1] == ["."]:
                yield from _list(file, text, tokens, index + 2)
        elif depth and index >= start:
            if word in {"{", "}"}:
                depth += 1 if word == "{" else -1
            elif depth == 1 and kind in {"name", "string"} and words[index - 1] in {"{", ";"}:
                yield from _list(file, text, tokens, index)


def _list(
    file: str, text: str, tokens: list[tuple[str | None, str, int]], index: int
) -> Iterator[ReplacedList]:
    """Yield the list whose name is the token at a position, if it is one that matters."""
    if index + 1 >= len(tokens):
        return
    _, word, position = tokens[index]
    name = word.strip('"')
    if name not in _LISTS or tokens[index + 1][1] != "=":
        return
    values: list[str] = []
    for kind, value, _ in tokens[index + 2 :]:
        if value == ";":
            break
        if kind == "string":
            values += value.strip("\"'").split()
    line = text.count("\n", 0, position) + 1
    yield ReplacedList(f"{file}:{line}", name, tuple(values))
