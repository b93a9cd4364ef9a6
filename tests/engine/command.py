"""The engine's commands, run as a user at a shell runs them."""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.engine import Engine

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        exit_code: its own.
        stdout: what it printed as its result.
        output: all that it printed, what went to standard error last.
        seconds: how long it took.
    """

    exit_code: int
    stdout: str
    output: str
    seconds: float

    def checked(self, what: str) -> "Result":
        """Return the same, after failing a test over a command that failed."""
        assert self.exit_code == 0, f"{what} failed:\n{self.output}"
        return self


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what a user has set for Pulumi and for storage."""
    users_own = ("PULUMI_", "MINIO_", "AWS_", "B2_")
    return {name: value for name, value in os.environ.items() if not name.startswith(users_own)}


def pulumi(
    engine: Engine,
    folder: Path,
    environment: Mapping[str, str],
    arguments: Iterable[str],
    timeout: float = TIMEOUT_SECONDS,
) -> Result:
    """Run a command of the engine, whatever its outcome."""
    began = time.monotonic()
    done = subprocess.run(
        [str(engine.pulumi), *arguments, "--non-interactive", "--color", "never"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    seconds = time.monotonic() - began
    return Result(done.returncode, done.stdout, done.stdout + done.stderr, seconds)
