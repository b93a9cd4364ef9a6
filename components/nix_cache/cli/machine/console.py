"""What the client prints: results on standard output, everything else on standard error.

This is the one place that all output passes. Text is escaped and redacted here, so other modules
print foreign values as they are, and never with ``print``, rich or the streams themselves.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nix_cache.cli.errors import UsageError
from nix_cache.redaction import redacted
from nix_cache.shown import shown
from nix_cache.terminal import OutputError

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.live import Live

__all__ = [
    "Console",
    "OutputError",
    "Pairs",
    "StatusLine",
    "agreed",
    "columns",
    "confirmed",
    "document",
    "err",
    "error",
    "event",
    "note",
    "out",
]

_PAGES = {
    "markdown.h1": "bold",
    "markdown.h2": "bold underline",
    "markdown.h3": "bold",
    "markdown.code": "cyan",
}
"""Colours that are readable on light and dark terminals."""

_FORCING_VARIABLES = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""With one of these, rich takes anything for a terminal."""


class Console:
    """Standard output or standard error, with colours if that is a terminal.

    rich is loaded where it is needed: most pushes run where there is no terminal.

    Args:
        stderr: which of them.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr

    @cached_property
    def _rich(self) -> "RichConsole":
        from rich.console import Console as RichConsole

        return RichConsole(
            stderr=self._stderr,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
            # NO_COLOR would leave bold and dim.
            color_system=None if os.environ.get("NO_COLOR") else "auto",
        )

    @property
    def is_terminal(self) -> bool:
        """Whether it is a terminal."""
        return not self._is_plain and self._rich.is_terminal

    @property
    def _is_plain(self) -> bool:
        """Whether it is a file or a pipe, where nothing has a colour."""
        stream = sys.stderr if self._stderr else sys.stdout
        is_forced = any(map(os.environ.get, _FORCING_VARIABLES))
        return stream is not None and not is_forced and not stream.isatty()

    def _write(self, text: str) -> None:
        stream = sys.stderr if self._stderr else sys.stdout
        stream.write(text)
        stream.flush()

    @property
    def rich(self) -> "RichConsole":
        """For the moving lines of `make`, which show words of ours and nothing foreign."""
        return self._rich

    def print(self, text: str = "", *, style: str | None = None, end: str = "\n") -> None:
        """Print one line. A line end within it is escaped."""
        if self._is_plain:
            self._write(shown(text) + end)
            return
        from rich.text import Text

        self._rich.print(Text(shown(text), style=style or ""), end=end)

    def text(self, text: str, *, style: str | None = None) -> None:
        """Print a text of several lines, as it is."""
        if self._is_plain:
            self._write(shown(text, lines=True))
            return
        from rich.text import Text

        self._rich.print(Text(shown(text, lines=True), style=style or ""), end="")

    def formatted(self, markdown: str, width: int) -> str:
        """Return a page of our own documentation as this terminal can show it.

        Args:
            markdown: the page.
            width: in columns.
        """
        from rich.markdown import Markdown
        from rich.theme import Theme

        page = Markdown(markdown, code_theme="ansi_dark", hyperlinks=False)
        with self._rich.use_theme(Theme(_PAGES)), self._rich.capture() as capture:
            self._rich.print(page, width=width, soft_wrap=False)
        return capture.get()

    def preformatted(self, text: str) -> None:
        """Print what ``formatted`` returned."""
        from rich.text import Text

        self._rich.print(Text.from_ansi(text))


out = Console()
err = Console(stderr=True)


class StatusLine:
    """One line at the bottom of a terminal that moves while something is done.

    Args:
        where: the terminal.
    """

    def __init__(self, where: Console) -> None:
        self._where = where
        self._live: Live | None = None

    def start(self) -> None:
        """Show it."""
        from rich.live import Live
        from rich.spinner import Spinner

        spinner = "dots" if self._where.rich.encoding.startswith("utf") else "line"
        self._spinner = Spinner(spinner, style="status.spinner")
        self._live = Live(
            self._spinner,
            console=self._where.rich,
            refresh_per_second=12.5,
            transient=True,
            # What is printed meanwhile goes through this module, or through streams that escape.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def update(self, text: str) -> None:
        """Show another text, if it is shown."""
        if self._live is None:
            return
        from rich.text import Text

        self._spinner.update(text=Text(shown(text)))
        self._live.update(self._spinner, refresh=True)

    def stop(self) -> None:
        """Take it away."""
        if self._live is not None:
            self._live.stop()


def error(text: object, *, lines: bool = False) -> None:
    """Print one mistake.

    Args:
        text: what is wrong, and how it is mended.
        lines: whether the text has several lines.
    """
    err.print("error:", style="red", end=" ")
    if lines:
        err.text(f"{text}\n")
    else:
        err.print(str(text))


def note(text: str) -> None:
    """Print one thing worth knowing; one that starts with ``WARNING`` so that it is seen."""
    err.print(text, style="bold yellow" if text.lstrip().startswith("WARNING") else None)


class Pairs:
    """A mapping in a result for programs that is written while it is computed.

    Args:
        items: names and values, in the order in which they are written.
    """

    def __init__(self, items: Iterable[tuple[str, Any]]) -> None:
        self.items = items


def document(content: Any) -> None:
    """Print a result for programs: JSON in ASCII, with the values as they are but for secrets.

    Iterators are written as lists, while they are computed: they may be longer than the memory.
    """
    for text in _json(content, "\n"):
        sys.stdout.write(text.replace("\x7f", "\\u007f"))
    sys.stdout.write("\n")


def _json(value: Any, line: str) -> Iterator[str]:
    """Yield a value as JSON, with names in order.

    Args:
        value: what is written.
        line: the line end, with the indentation of this value.
    """
    inner = f"{line}  "
    if isinstance(value, Mapping | Pairs):
        pairs = value.items if isinstance(value, Pairs) else sorted(value.items())
        parts = ((f"{json.dumps(_for_programs(name))}: ", one) for name, one in pairs)
        yield from _enclosed("{}", parts, line, inner)
    elif isinstance(value, list | tuple | Iterator):
        yield from _enclosed("[]", (("", one) for one in value), line, inner)
    else:
        yield json.dumps(_for_programs(value))


def _enclosed(
    brackets: str, parts: Iterable[tuple[str, Any]], line: str, inner: str
) -> Iterator[str]:
    is_empty = True
    for start, value in parts:
        yield f"{brackets[0] if is_empty else ','}{inner}{start}"
        yield from _json(value, inner)
        is_empty = False
    yield brackets if is_empty else f"{line}{brackets[1]}"


def event(content: Any) -> None:
    """Print what happens for programs, while it happens: one line of JSON on standard error."""
    text = json.dumps(_for_programs(content), sort_keys=True)
    sys.stderr.write(text.replace("\x7f", "\\u007f") + "\n")
    sys.stderr.flush()


def columns(rows: Iterable[Sequence[str]], console: Console = out) -> None:
    """Print rows in columns that are never cut: what stands in them is there to be copied."""
    table = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        console.print(f"  {'  '.join(cells).rstrip()}")


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def confirmed(question: str) -> bool:
    """Ask for confirmation at a terminal. Without a terminal the answer is no."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    err.print(f"{question} [y/N]", end=" ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def agreed(question: str, undone: str, *, beforehand: bool) -> bool:
    """Return whether the user agrees to something, by the command line or at a terminal.

    Args:
        question: what to ask.
        undone: what holds without an answer, such as ``nothing was removed``.
        beforehand: whether the command line agrees.

    Raises:
        UsageError: standard input is no terminal to ask at.
    """
    if beforehand:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"this has to be agreed to, and standard input is no terminal to ask at; {undone}",
            "look at it with --dry-run, then run this again with --yes",
        )
    return confirmed(question)


def _for_programs(value: Any) -> Any:
    """Return a result without secrets, and without halves of characters, which JSON cannot say."""
    if isinstance(value, str):
        return redacted(value).encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_for_programs(name): _for_programs(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_for_programs(inner) for inner in value]
    return value
