"""What the command `nix-cache stack verify` does."""

import importlib.util
import os
import tempfile
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console, interrupt
from nix_cache.cli.stack.engine import find_pulumi
from nix_cache.cli.stack.verify.backend import Backend, backend, verified
from nix_cache.cli.stack.verify.journey import Journey
from nix_cache.cli.stack.verify.throw_away import ThrowAwayStack


def verify(name: str, pulumi: str | None, *, yes: bool) -> int:
    """Bring a cache up on a service, test it, and remove it.

    Args:
        name: the service, as in `nix-cache:backend`.
        pulumi: the program `pulumi`; the one on PATH if None.
        yes: whether to go on without asking.

    Returns:
        the number of steps that failed.

    Raises:
        ClientError: something is missing, the user did not agree, or the cache cannot be brought
            up or removed.
    """
    if name not in verified():
        raise ClientError(f"unknown backend {name!r}", f"name one of: {', '.join(verified())}")
    row = backend(name)
    _require(row)
    program = find_pulumi(pulumi)
    console.note(
        f"This creates a cache without protection on {row.service}, tests who can do what, and "
        f"removes it. Costs: {row.costs}"
    )
    if not (yes or console.confirmed("Go on?")):
        raise ClientError("nothing was done: you did not confirm", "answer yes, or add --yes")
    failures = _verified(row, program)
    console.note(f"{failures} steps failed" if failures else "every step succeeded")
    return failures


def _require(row: Backend) -> None:
    """Check that the package and the environment variables of a service are there."""
    if importlib.util.find_spec(row.package) is None:
        raise ClientError(
            f"the package {row.package}, which {row.service} needs, is not installed",
            f"install it: pip install 'nix-cache[{row.name}]'",
        )
    missing = [
        f"{name} ({what})" for name, what in row.variables.items() if not os.environ.get(name)
    ]
    if missing:
        raise ClientError(
            f"environment variables that {row.service} needs are not set",
            f"set {', '.join(missing)}",
        )


def _verified(row: Backend, program: str) -> int:
    folder = Path(tempfile.mkdtemp(prefix="nix-cache-verify-"))
    console.note(f"everything is kept in {folder} until it is removed")
    stack = ThrowAwayStack(folder / "stack", program, row, os.environ)
    journey = Journey(row, stack, _print)
    try:
        stack.prepare()
        journey.run()
    finally:
        with interrupt.shielded():  # a second signal must not leave the bucket and its keys behind
            console.note(f"removing the bucket {stack.bucket} and all that belongs to it")
            stack.remove()
            folder.rmdir()
    return journey.failures


def _print(outcome: str, step: str) -> None:
    console.out.print(f"  {outcome.ljust(6)}  {step}")
