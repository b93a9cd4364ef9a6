"""What `nix-cache doctor` prints: how many findings there are, and the findings by theme."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from nix_cache.cli.doctor.checks import Result
from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.machine import console

_MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOT_CHECKED: ("--", "dim"),
    Level.WARNING: ("warn", "yellow"),
    Level.ERROR: ("ERROR", "bold red"),
}
_MARK_WIDTH = 5
_SHOWN_ITEMS = 10


def document(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return the findings for programs."""
    return [
        {
            "theme": result.theme,
            "level": result.finding.level.value,
            "what": result.finding.what,
            "why": result.finding.why,
            "fix": result.finding.fix,
            "items": list(result.finding.items),
        }
        for result in results
    ]


def table(results: Iterable[Result]) -> None:
    """Print how many findings there are, and the findings by theme."""
    known = list(results)
    console.out.print(summary(known), style="bold")
    for theme, group in groupby(known, key=lambda result: result.theme):
        console.out.print(theme, style="bold")
        for result in group:
            _finding(result.finding)


def summary(results: Iterable[Result]) -> str:
    """How many findings there are of each level."""
    counts = Counter(result.finding.level for result in results)
    errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
    return ", ".join(
        [
            f"{errors} error{'' if errors == 1 else 's'}",
            f"{warnings} warning{'' if warnings == 1 else 's'}",
            f"{counts[Level.NOT_CHECKED]} not checked",
            f"{counts[Level.OK]} ok",
        ]
    )


def _finding(finding: Finding) -> None:
    mark, style = _MARKS[finding.level]
    console.out.print(f"  {mark:<{_MARK_WIDTH}}", style=style, end="  ")
    console.out.print(finding.what)
    margin = " " * (_MARK_WIDTH + 4)
    for item in finding.items[:_SHOWN_ITEMS]:
        console.out.print(f"{margin}- {item}")
    if len(finding.items) > _SHOWN_ITEMS:
        console.out.print(
            f"{margin}- and {len(finding.items) - _SHOWN_ITEMS} more; --json prints all"
        )
    for label, text in (("why", finding.why), ("fix", finding.fix)):
        if text:
            console.out.print(f"{margin}{label}: {text}")
