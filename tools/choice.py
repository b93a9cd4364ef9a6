"""`python -m tools.choice COMMAND [BACKEND]`: runs a command of `make` on the local stack meant.

Makes the Python environment of the backend first, where the command runs the program. Needs no
packages.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import bootstrap
from tools.local_backends import DEFAULT, LOCAL_BACKENDS

_ON_ALL = ("down", "status")
"""The commands that act on every local stack, unless a backend is named."""

_WITHOUT_PROGRAM = ("env", "status")
"""The commands that run in any environment: none is made for them but the first one."""


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the process's exit code.

    Args:
        arguments: the command, the name of a backend or an empty text, and further options.
    """
    command, backend, *options = arguments
    if backend and backend not in LOCAL_BACKENDS:
        return bootstrap.fail(
            f"BACKEND is {backend!r}, which has no server that runs on this machine",
            f"name one of: {', '.join(LOCAL_BACKENDS)}; deploy to another backend with pulumi",
        )
    is_elsewhere = "--stack" in options and not backend
    stack = options[options.index("--stack") + 1] if is_elsewhere else ""
    local = [name for name, known in LOCAL_BACKENDS.items() if known.stack == stack]
    for chosen in [backend] if backend else local or chosen_backends(command, Path.cwd()):
        keeps_environment = command in _WITHOUT_PROGRAM or (is_elsewhere and not local)
        if code := bootstrap.main([] if keeps_environment else [chosen]):
            return code
        program = [str(bootstrap.VENV / "bin" / "python"), "-m", "tools", command]
        if code := subprocess.call([*program, "--backend", chosen, *options]):
            return code
    return 0


def chosen_backends(command: str, project: Path) -> Sequence[str]:
    """Return the backends that a command without a named one acts on.

    Args:
        command: the command's name.
        project: the folder of the clone.
    """
    used = [name for name in LOCAL_BACKENDS if is_used(name, project)]
    if command in _ON_ALL:
        return used or [DEFAULT]
    return used if len(used) == 1 else [DEFAULT]


def is_used(name: str, project: Path) -> bool:
    """Return whether a backend has a server or a stack in a clone."""
    work, backend = project / ".dev", LOCAL_BACKENDS[name]
    stacks = (work / "state").glob(f".pulumi/stacks/*/{backend.stack}.json")
    return (work / backend.folder).exists() or any(stacks)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
