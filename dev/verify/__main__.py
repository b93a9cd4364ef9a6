"""Verifies one storage service: python -m dev.verify BACKEND."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from dev import report
from dev.errors import DevError
from dev.place import Place, private_folder
from dev.verify.backend import VERIFIED, Backend, backend
from dev.verify.journey import Journey
from dev.verify.stack import ThrowAwayStack
from nix_cache import terminal
from nix_cache.cli.machine import console
from toolchain import engine
from toolchain.errors import ToolchainError


def verify(row: Backend) -> int:
    """Bring a cache up, try it out, and remove it; returns how many steps failed.

    Raises:
        DevError: it cannot be brought up, or not be removed.
        ToolchainError: there is no engine.
    """
    place = Place(Path.cwd())
    found = engine.provide(private_folder(place.work), report.progress())
    folder = Path(tempfile.mkdtemp(prefix="nix-cache-verify-"))
    console.note(f"everything is kept in {folder} until it is removed")
    stack = ThrowAwayStack(folder / "stack", found, row, os.environ)
    journey = Journey(row, stack, _tell)
    try:
        journey.run()
    finally:
        console.note(f"removing the bucket {stack.bucket} and all that belongs to it")
        stack.remove()
        folder.rmdir()
    return journey.failures


def _tell(outcome: str, step: str) -> None:
    console.out.print(f"  {outcome.ljust(6)}  {step}")


def _ask(row: Backend) -> bool:
    """Say what will be done and what it costs; only yes goes on."""
    console.note(
        f"This makes a cache on {row.service} that nothing protects, tries out who can do what, "
        f"and removes it. What it costs: {row.costs}"
    )
    return console.confirmed("Go on?")


def main(arguments: list[str] | None = None) -> int:
    """Verify one service; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.verify", description=__doc__)
    parser.add_argument("backend", choices=VERIFIED)
    parser.add_argument("--yes", action="store_true", help="go on without asking")
    options = parser.parse_args(arguments)
    row = backend(options.backend)
    missing = [
        f"{name} ({what})" for name, what in row.variables.items() if not os.environ.get(name)
    ]
    if missing:
        console.error(f"set in the environment: {', '.join(missing)}")
        return 2
    if not (options.yes or _ask(row)):
        console.note("nothing was done")
        return 2
    try:
        failures = verify(row)
    except (DevError, ToolchainError) as failure:
        console.error(failure, lines=True)
        return 1
    except KeyboardInterrupt:
        console.error("interrupted")
        return 130
    console.note(f"{failures} steps failed" if failures else "every step went well")
    return 1 if failures else 0


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
