"""Programs that run with an installed package, far from the sources."""

import os
import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 240


def run(command: list[str | Path], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, with nothing on Python's path but what its environment has."""
    return subprocess.run(
        command,
        cwd=folder,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


def own_environment() -> dict[str, str]:
    """Return the variables for a program: nothing in them adds to Python's path."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "COLUMNS": "200", "NO_COLOR": "1"}


def printed_by(python: Path, program: str, folder: Path) -> str:
    """Return what a program prints, which has to succeed."""
    done = run([python, "-I", "-c", program], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
