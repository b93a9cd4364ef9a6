"""What the client prints: results on standard output, everything else on standard error.

This is the one place that all output passes. Text is escaped and redacted here, so other modules
print foreign values as they are, and never with ``print``, rich or the streams themselves.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import rich.console
from rich.cells import cell_len
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text
from rich.theme import Theme

from nix_cache.redaction import redacted
from nix_cache.shown import shown
from nix_cache.terminal import OutputError

__all__ = [
    "Console",
    "OutputError",
    "StatusLine",
    "columns",
    "confirmed",
    "document",
    "err",
    "error",
    "event",
    "note",
    "out",
]

_PAGES = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.code": "cyan",
    }
)
"""Colours that are readable on light and dark terminals."""


class Console:
    """Standard output or standard error, with colours if that is a terminal.

    Args:
        stderr: which of them.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        self._rich = rich.console.Console(
            stderr=stderr,
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
        return self._rich.is_terminal

    @property
    def rich(self) -> rich.console.Console:
        """For the moving lines of `make`, which show words of ours and nothing foreign."""
        return self._rich

    def print(self, text: str = "", *, style: str | None = None, end: str = "\n") -> None:
        """Print one line. A line end within it is escaped."""
        self._rich.print(Text(shown(text), style=style or ""), end=end)

    def text(self, text: str, *, style: str | None = None) -> None:
        """Print a text of several lines, as it is."""
        self._rich.print(Text(shown(text, lines=True), style=style or ""), end="")

    def formatted(self, markdown: str, width: int) -> str:
        """Return a page of our own documentation as this terminal can show it.

        Args:
            markdown: the page.
            width: in columns.
        """
        from rich.markdown import Markdown  # takes long to load

        page = Markdown(markdown, code_theme="ansi_dark", hyperlinks=False)
        with self._rich.use_theme(_PAGES), self._rich.capture() as capture:
            self._rich.print(page, width=width, soft_wrap=False)
        return capture.get()

    def preformatted(self, text: str) -> None:
        """Print what ``formatted`` returned."""
        self._rich.print(Text.from_ansi(text))


out = Console()
err = Console(stderr=True)


class StatusLine:
    """One line at the bottom of a terminal that moves while something is done.

    Args:
        where: the terminal.
    """

    def __init__(self, where: Console) -> None:
        spinner = "dots" if where.rich.encoding.startswith("utf") else "line"
        self._spinner = Spinner(spinner, style="status.spinner")
        self._live = Live(
            self._spinner,
            console=where.rich,
            refresh_per_second=12.5,
            transient=True,
            # What is printed meanwhile goes through this module, or through streams that escape.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self) -> None:
        """Show it."""
        self._live.start()

    def update(self, text: str) -> None:
        """Show another text."""
        self._spinner.update(text=Text(shown(text)))
        self._live.update(self._spinner, refresh=True)

    def stop(self) -> None:
        """Take it away."""
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


def document(content: Any) -> None:
    """Print a result for programs: JSON in ASCII, with the values as they are but for secrets."""
    text = json.dumps(_for_programs(content), indent=2, sort_keys=True)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def event(content: Any) -> None:
    """Print what happens for programs, while it happens: one line of JSON on standard error."""
    text = json.dumps(_for_programs(content), sort_keys=True)
    sys.stderr.write(text.replace("\x7f", "\\u007f") + "\n")
    sys.stderr.flush()


def columns(rows: Iterable[Sequence[str]], console: Console = out) -> None:
    """Print rows in columns that are never cut: what stands in them is there to be copied."""
    table = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        console.print(f"  {'  '.join(cells).rstrip()}")


def confirmed(question: str) -> bool:
    """Ask for confirmation at a terminal. Without a terminal the answer is no."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    err.print(f"{question} [y/N]", end=" ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _for_programs(value: Any) -> Any:
    """Return a result without secrets, and without halves of characters, which JSON cannot say."""
    if isinstance(value, str):
        return redacted(value).encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_for_programs(name): _for_programs(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_for_programs(inner) for inner in value]
    return value
