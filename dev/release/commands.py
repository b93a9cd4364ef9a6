"""Commands whose output is told only when they fail."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.errors import DevError
from toolchain.bootstrap import ROOT


def run(
    command: Sequence[str | Path],
    *,
    failed: str,
    fix: str,
    environment: Mapping[str, str] | None = None,
    umask: int = -1,
) -> str:
    """Run a command in the repository, and give back what it printed.

    Args:
        command: the program and its arguments.
        failed: what a failure means, in words.
        fix: what to do about it.
        environment: its variables; those of this process if None.
        umask: what new files may not be; as in this process if -1.

    Raises:
        DevError: it failed; with what it printed.
    """
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        umask=umask,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DevError(f"{failed}:\n{done.stdout.strip()}", fix)
    return done.stdout
