"""What the client prints: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def error(text: object) -> None:
    """Print one mistake."""
    err.print("error:", style="red", end=" ")
    err.print(str(text), markup=False)


def note(text: str) -> None:
    """Print one thing worth knowing; one that starts with ``WARNING`` so that it is seen."""
    style = "bold yellow" if text.lstrip().startswith("WARNING") else None
    err.print(text, style=style, markup=False)


def document(content: Any) -> None:
    """Print a result for programs."""
    json.dump(content, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


def columns(rows: Iterable[Sequence[str]], console: Console = out) -> None:
    """Print rows in columns that are never cut: what stands in them is there to be copied."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(f"  {line.rstrip()}", markup=False)


def confirmed(question: str) -> bool:
    """Ask somebody at a terminal. Without a terminal the answer is no."""
    if not sys.stdin.isatty():
        return False
    err.print(f"{question} [y/N] ", end="", markup=False)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
