"""The texts of nix.conf and of the file that it includes for a cache. Pure.

What a line means is taken from Nix's own parser: a line ends with a newline, ``#`` starts a comment
wherever it stands, blanks, tabs and carriage returns separate words, nothing continues a line, and
of several lines the last counts unless it starts with ``extra-``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.machine import masking
from nix_cache.cli.machine.appended import append, cut, split_lines
from nix_cache.cli.machine.places import CLIENT_FOLDER
from nix_cache.render import nix_conf

_WORD = re.compile(r"[^ \t\r\n]+")
_INCLUDES = {"include", "!include"}


@dataclass(frozen=True)
class Line:
    """One line of nix.conf that says something.

    Attributes:
        number: its place in the file, from 1.
        name: the setting, or ``include`` for either kind of include.
        value: the setting's words, or the included file's path.
        must_exist: whether Nix fails where the included file is missing.
    """

    number: int
    name: str
    value: tuple[str, ...]
    must_exist: bool = False


@dataclass(frozen=True)
class SyntaxMistake:
    """One line that stops Nix: neither a setting nor an include.

    Attributes:
        number: its place in the file, from 1.
        problem: what is wrong, as the rest of a sentence about that line.
        fix: what to do, as an order.
    """

    number: int
    problem: str
    fix: str


def parse(text: bytes) -> Iterator[Line]:
    """Yield the lines that say something. Those that Nix would not take are left out."""
    return (line for line in scan(text) if isinstance(line, Line))


def scan(text: bytes) -> Iterator[Line | SyntaxMistake]:
    """Yield the lines that say something, and those over which Nix stops."""
    for number, line in enumerate(split_lines(text), start=1):
        match _words(line):
            case []:
                pass
            case [name, path] if name in _INCLUDES:
                yield Line(number, "include", (path,), must_exist=name == "include")
            case [name, "=", *value] if name not in _INCLUDES:
                yield Line(number, name, tuple(value))
            case words:
                yield _syntax_mistake(number, words)


def settings_text(
    name: str, read_url: str | None, public_keys: Sequence[str], signing_key_file: Path | None
) -> bytes:
    """Return the file with the settings of one cache. It adds to lists and replaces none.

    Args:
        name: the cache's.
        read_url: the substituter; None if another line of nix.conf names it already.
        public_keys: the cache's.
        signing_key_file: with which this machine signs; None if it does not.
    """
    text = f"# The binary cache {name}. `nix-cache use` keeps this file; `--remove` removes it.\n"
    if read_url is None:
        text += nix_conf.key_settings(public_keys)
    else:
        text += nix_conf.substituter_settings(read_url, public_keys)
    if signing_key_file is not None:
        text += f"extra-secret-key-files = {signing_key_file}\n"
    return text.encode()


def with_include(text: bytes | None, name: str) -> bytes:
    """Include a cache's settings at the end of nix.conf, unless that is done somewhere already.

    Args:
        text: nix.conf; None if it does not exist.
        name: the cache's.
    """
    if text is not None and include_line(text, name) is not None:
        return text
    return append(text, [_comment(name), b"!include " + _included(name).encode()])


def without_include(text: bytes, name: str) -> bytes | None:
    """Take out what ``with_include`` put in; None if that had made the file."""
    left: bytes | None = text
    while left is not None and (number := include_line(left, name)) is not None:
        lines = split_lines(left)
        start = number - 1
        if start > 0 and lines[start - 1].strip() == _comment(name):
            start -= 1
        left = cut(lines, start, number)
    return left


def include_line(text: bytes, name: str) -> int | None:
    """Return the number of the line that includes a cache's settings, from 1."""
    wanted = ("!include", _included(name))
    if wanted[1].encode() not in text:
        return None
    for number, line in enumerate(split_lines(text), start=1):
        if tuple(_words(line)) == wanted:
            return number
    return None


def included_names(text: bytes) -> list[str]:
    """Return the caches whose settings nix.conf includes."""
    paths = [Path(line.value[0]) for line in parse(text) if line.name == "include"]
    return [path.stem for path in paths if str(path) == _included(path.stem)]


def _syntax_mistake(number: int, words: Sequence[str]) -> SyntaxMistake:
    """Explain a line. Only names of known settings are shown: any other word may be a secret."""
    first = words[0]
    if first in _INCLUDES:
        return SyntaxMistake(
            number,
            f"has {first} with {len(words) - 1} paths, so every Nix command fails",
            f"write `{first} PATH` with one path, which has no blanks",
        )
    name = first.partition("=")[0].partition(":")[0]
    shown = f"`{name} = VALUE`" if masking.is_shown_setting(name) else "`NAME = VALUE`"
    return SyntaxMistake(
        number,
        f"is not of the form {shown}, so every Nix command fails",
        f"write {shown} with blanks around the equals sign, or remove that line",
    )


def _words(line: bytes) -> list[str]:
    said = line.partition(b"#")[0].decode(errors="surrogateescape")
    return _WORD.findall(said)


def _comment(name: str) -> bytes:
    return f"# The binary cache {name}, added by `nix-cache use`:".encode()


def _included(name: str) -> str:
    """Relative to the folder of nix.conf, whose path may have blanks: Nix knows no quotes."""
    return f"{CLIENT_FOLDER}/{name}.conf"
