"""`nix-cache stack drift` on a stack of the tests, run from another folder than the program's."""

import json
import shlex
import subprocess
import sys

from tests.engine.command import TIMEOUT_SECONDS, Result
from tests.engine.project import STACK, Project


def on_stack(program: Project, command: str, *options: str, stack: str = STACK) -> Result:
    """Run a command of `nix-cache stack`, in the program's own environment if it is in Python."""
    place = ("--stack", stack, "--cwd", str(program.folder))
    return typed(program, shlex.join(["nix-cache", "stack", command, *options, *place]))


def typed(program: Project, line: str) -> Result:
    """Run a command line that begins with `nix-cache`, as a shell reads it."""
    name, *arguments = shlex.split(line)
    assert name == "nix-cache"
    own = program.folder / ".venv" / "bin" / "python"
    python = own if own.exists() else sys.executable
    done = subprocess.run(
        [str(python), "-m", "nix_cache.cli", *arguments],
        cwd="/",
        env={**program.variables(), "XDG_STATE_HOME": str(program.folder / "kept")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stdout + done.stderr, 0)


def drifted(program: Project) -> set[str]:
    """Return what was changed outside, as it is reported. The state stays as it is."""
    state = program.state_file.read_bytes()
    result = on_stack(program, "drift", "--json")
    assert result.exit_code in (0, 2), result.output
    found = {finding["what"] for finding in json.loads(result.stdout)["drift"]}
    assert result.exit_code == (2 if found else 0)
    assert program.state_file.read_bytes() == state
    return found
