"""Programs that run with an installed package, far from the sources."""

import os
import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 240


def run(command: list[str | Path], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, with nothing on Python's path but what its environment has."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command,
        cwd=folder,
        env={**own, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


def told_by(python: Path, program: str, folder: Path) -> str:
    """What a program prints, which has to succeed."""
    done = run([python, "-I", "-c", program], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
