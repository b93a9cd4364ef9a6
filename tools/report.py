"""What `make` prints: progress on standard error, results on standard output."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from nix_cache.cli.machine.console import columns, err, out
from nix_cache.shown import shown
from tools.engine import Part
from tools.progress import BuildProgress, PlainProgress


class LiveProgress:
    """Progress as one line that is rewritten, for a terminal."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            console=err.rich,
        )
        self._task: TaskID | None = None

    def step(self, text: str) -> None:
        """Begin a new step."""
        self._bar.start()
        self._end()
        self._task = self._bar.add_task(shown(text), total=None)

    def update(self, done: int, total: int, text: str) -> None:
        """Report ``done`` of ``total`` of the step; 0 where that is unknown."""
        if self._task is not None:
            self._bar.update(
                self._task, completed=done, total=total or None, description=shown(text)
            )

    def done(self, text: str) -> None:
        """End the step after its success."""
        self._end()
        self._bar.stop()
        err.print("✓", style="green", end=" ")
        err.print(text)

    def _end(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def progress() -> BuildProgress:
    """Progress that fits where it goes: a terminal, or a log."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def parts(found: Iterable[Part]) -> None:
    """Show which parts of the toolchain are official, built here, or emulators."""
    columns([(part.name, part.version, str(part.origin)) for part in found], err)


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values as a table."""
    columns(rows, out)


def summary(stack: str, outputs: Mapping[str, Any], changes: Mapping[str, int]) -> None:
    """Print what a user needs after `make up`, in at most 15 lines for one public key.

    Args:
        stack: the stack's name.
        outputs: its outputs.
        changes: the number of changed resources, by operation.
    """
    out.print()
    out.print(f"{_changed(changes)} The cache is up.", style="bold")
    out.print()
    keys = [("public key", key) for key in outputs["publicKeys"]]
    facts([("URL", outputs["readUrl"]), *keys])
    out.print()
    out.print("Next", style="bold")
    facts(
        [
            ('eval "$(make env)"', "use pulumi and nix-cache in this shell; then:"),
            (f"nix-cache use {stack}", "configure Nix on this machine to use the cache"),
            ("pulumi stack output nixConf", "print these settings for other machines"),
            ("make preview", f"show what a change of Pulumi.{stack}.yaml would do"),
            ("make down", "delete the cache and its server"),
        ]
    )


def _changed(changes: Mapping[str, int]) -> str:
    """One sentence on how many resources were created, updated and so on."""
    if not changes:
        return "No changes."
    (first, count), *others = changes.items()
    resources = "resource" if count == 1 else "resources"
    parts = [f"{first}d {count} {resources}", *(f"{what}d {many}" for what, many in others)]
    return f"{', '.join(parts).capitalize()}."
