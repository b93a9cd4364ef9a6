"""The lists of settings that the ``nixConfig`` of a project's flake replaces.

Nix takes from ``nixConfig`` only plain values, so the text is enough, and no code of the project is
run. What is written in another way is not found.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.nix.conf_lists import PUBLIC_KEYS, SUBSTITUTERS

_MOST_BYTES = 200_000
_TOKEN = re.compile(
    r"""(?P<gap>\s+|\#[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<string>"(?:[^"\\]|\\.)*(?:"|\Z)|''.*?(?:''|\Z))
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
                    return list(
                        lists_in(str(flake), file.read(_MOST_BYTES).decode(errors="replace"))
                    )
            if (above / ".git").exists() or above.is_mount():
                break
    return []


def lists_in(file: str, text: str) -> Iterator[ReplacedList]:
    """Yield the lists that a text sets in ``nixConfig``, in time that grows with its length.

    Args:
        file: under which name messages have it.
        text: the flake, in any state.
    """
    tokens = list(_tokens(text))
    words = [token.text for token in tokens]
    depth, start = 0, 0  # how deep in nixConfig
    for index, token in enumerate(tokens):
        if token.text == "nixConfig" and depth == 0:
            following = words[index + 1 : index + 3]
            depth = 1 if following == ["=", "{"] else 0
            start = index + 3
            if following[:1] == ["."]:
                yield from _list(file, tokens, index + 2)
        elif depth and index >= start:
            if token.text in {"{", "}"}:
                depth += 1 if token.text == "{" else -1
            elif depth == 1 and words[index - 1] in {"{", ";"}:
                yield from _list(file, tokens, index)


@dataclass(frozen=True, slots=True)
class _Token:
    """A word of the text.

    Attributes:
        text: the word.
        line: its line, from 1.
        is_string: whether it is a string, with its quotes.
    """

    text: str
    line: int
    is_string: bool


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for found in _TOKEN.finditer(text):
        if found.lastgroup != "gap":
            yield _Token(found[0], line, found.lastgroup == "string")
        line += found[0].count("\n")


def _list(file: str, tokens: Sequence[_Token], index: int) -> Iterator[ReplacedList]:
    """Yield the list whose name is the token at a position, if it is one that matters."""
    if index + 1 >= len(tokens):
        return
    name = tokens[index].text.strip('"')
    if name not in _LISTS or tokens[index + 1].text != "=":
        return
    values: list[str] = []
    for position in range(index + 2, len(tokens)):
        token = tokens[position]
        if token.text in {";", "=", "}"}:
            break
        if token.is_string:
            values += token.text.strip("\"'").split()
    yield ReplacedList(f"{file}:{tokens[index].line}", name, tuple(values))
