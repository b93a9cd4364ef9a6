"""The Python environments of programs on backends other than the one in use in this clone."""

import fcntl
from pathlib import Path

from tools import bootstrap
from tools.bootstrap import ROOT


def program_environment(backend: str) -> Path:
    """Return the environment of a program on a backend, made once per clone by one process."""
    work = ROOT / ".dev"
    work.mkdir(exist_ok=True)
    with (work / f"venv-{backend}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bootstrap.provide(backend, work / f"venv-{backend}")
    return work / f"venv-{backend}"
