"""nix.conf with the files that it includes, read as Nix reads them, but never without end.

Nix opens each included file and reads it in place. It does not notice that a file includes itself:
it recurses until the stack overflows, so every Nix command on the machine fails.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.machine.regular import regular_file
from nix_cache.cli.nix import conf_file
from nix_cache.cli.nix.conf_file import Line, SyntaxMistake

DEEPEST_INCLUDE = 32
"""Files that include each other in a chain. Real ones have two or three."""

MOST_INCLUDES = 1000
"""Files that one nix.conf includes, each counted as often as it is read."""

MOST_MISTAKES = 20
"""After so many nothing more is read."""

MOST_BYTES = 20_000_000
"""Of all files together. A real nix.conf has a few kilobytes."""


@dataclass(frozen=True)
class PlacedLine:
    """A line of nix.conf and where it is.

    Attributes:
        where: the file and number under which messages name it.
        line: the line.
        file: its file; None for a variable.
    """

    where: str
    line: Line
    file: Path | None = None


@dataclass(frozen=True)
class ConfMistake:
    """A line over which Nix fails, or which cannot be followed to its end.

    Attributes:
        where: the file and line.
        problem: what is wrong, as the rest of a sentence about that line.
        fix: what to do, as an order.
        endless: whether following it never ends.
    """

    where: str
    problem: str
    fix: str
    endless: bool = False


class NixConfReader:
    """Reads one nix.conf with all that it includes.

    Args:
        includes_first: whether what a file includes counts before the file's other lines.

    Attributes:
        mistakes: what was found to be wrong so far, at most ``MOST_MISTAKES`` of it.
    """

    def __init__(self, *, includes_first: bool = False) -> None:
        self.mistakes: list[ConfMistake] = []
        self._includes_first = includes_first
        self._includes = 0
        self._bytes = 0

    def file(self, path: Path) -> Iterator[PlacedLine]:
        """Yield the settings of a file and of what it includes; none of one that cannot be read."""
        yield from self._file(path, (), str(path))

    def included(self, path: Path, line: Line) -> Iterator[PlacedLine]:
        """Yield what one line of a file stands for: itself, or the settings that it includes."""
        yield from self._followed(f"{path}:{line.number}", path, (_identity(path),), line)

    def text(self, text: bytes, name: str) -> Iterator[PlacedLine]:
        """Yield the settings of a variable's value. Nix follows no relative path from there.

        Args:
            text: the value.
            name: the variable's, under which messages name its lines.
        """
        for line in self._ordered(text):
            where = f"{name}:{line.number}"
            if isinstance(line, Line) and line.name == "include" and line.value[0][0] != "/":
                self._add(
                    where,
                    "includes a file by a relative path, so every Nix command fails",
                    "write an absolute path",
                )
            else:
                yield from self._followed(where, None, (), line)

    def _file(self, path: Path, opened: Sequence[str], where: str) -> Iterator[PlacedLine]:
        content = _content(path, MOST_BYTES - self._bytes)
        if content is None:
            return
        self._bytes += len(content)
        if self._bytes >= MOST_BYTES:
            self._refuse(
                where,
                f"leads to more than {MOST_BYTES:,} bytes of settings, more than is read here",
                "keep only settings of Nix in nix.conf and in the files that it includes",
            )
            return
        opened = (*opened, _identity(path))
        for line in self._ordered(content):
            yield from self._followed(f"{path}:{line.number}", path, opened, line)

    def _ordered(self, text: bytes) -> Iterator[Line | SyntaxMistake]:
        lines = conf_file.scan(text)
        if not self._includes_first:
            return lines
        return iter(sorted(lines, key=lambda line: getattr(line, "name", "") != "include"))

    def _followed(
        self, where: str, file: Path | None, opened: Sequence[str], line: Line | SyntaxMistake
    ) -> Iterator[PlacedLine]:
        if len(self.mistakes) >= MOST_MISTAKES:
            return
        if isinstance(line, SyntaxMistake):
            self._add(where, line.problem, line.fix)
            return
        if line.name != "include":
            yield PlacedLine(where, line, file)
            return
        target = (file.parent if file else Path("/")) / line.value[0]
        if "\0" in line.value[0]:
            self._refuse(where, "includes a file with NUL in its name", "remove that line")
        elif _identity(target) in opened:
            self._refuse(
                where,
                f"includes {target}, which is being read already, so Nix reads it without end "
                "until it crashes",
                "remove that line",
            )
        elif len(opened) > DEEPEST_INCLUDE or self._includes >= MOST_INCLUDES:
            limit = f"{DEEPEST_INCLUDE} deep or {MOST_INCLUDES:,} in all"
            self._refuse(
                where,
                f"includes one more file, beyond the limit of {limit}",
                "put the settings into fewer files",
            )
        elif line.must_exist and not _exists(target):
            self._add(
                where,
                f"includes {target}, which does not exist, so every Nix command fails",
                "create that file, or write !include, which ignores a missing file",
            )
        else:
            self._includes += 1
            yield from self._file(target, opened, where)

    def _add(self, where: str, problem: str, fix: str) -> None:
        self.mistakes.append(ConfMistake(where, problem, fix))

    def _refuse(self, where: str, problem: str, fix: str) -> None:
        self.mistakes.append(ConfMistake(where, problem, fix, endless=True))


def mistakes_in(path: Path) -> list[ConfMistake]:
    """Return the lines of a nix.conf, and of what it includes, over which Nix fails."""
    reader = NixConfReader()
    for _ in reader.file(path):
        pass
    return reader.mistakes


def _identity(path: Path) -> str:
    return os.path.realpath(path)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True  # Nix cannot read it either, and then ignores it
    except OSError:
        return False
    return True


def _content(path: Path, most_bytes: int) -> bytes | None:
    """Return at most so many bytes of a regular file; None where there is none to read."""
    try:
        with regular_file(path) as file:
            return file.read(most_bytes)
    except (OSError, ValueError):
        return None
