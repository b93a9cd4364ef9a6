"""The engine in a job: one command on one stack, and its events."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.ci.outcome import RunOutcome, outcome
from tools.errors import ToolError
from tools.place import ClonePlace

_COMMANDS: Mapping[str, Sequence[str]] = {
    "preview": ("preview",),
    "deploy": ("up", "--yes", "--suppress-outputs"),
}
_STATE_CREDENTIAL = {
    "STATE_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "STATE_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
}
"""Secrets of the job, and the variables by which the engine knows them. They have different
names because a job has all its secrets as variables, empty where they are not set, and an empty
variable would hide the credential that a job without stored keys was given."""


def run(command: str, place: ClonePlace, stack: str) -> RunOutcome:
    """Preview or deploy a stack under its policies. What the engine prints goes to the log.

    Args:
        command: preview or deploy.
        place: the folder of the program.
        stack: the stack's name.

    Raises:
        ToolError: there is no such stack, or no engine.
    """
    file = place.project / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise ToolError(
            f"there is no stack {stack!r}: {file.name} is missing", "name another stack"
        )
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise ToolError("there is no `pulumi` on PATH", "install it in a step before")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events"
        done = subprocess.run(
            [
                *(pulumi, *_COMMANDS[command], "--stack", stack, *place.policy_options(stack)),
                *("--event-log", str(log), "--non-interactive", "--color", "never"),
            ],
            cwd=place.project,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        # Where it fails early, it has not begun its log.
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return outcome(lines, done.returncode)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the engine's environment.

    Args:
        variables: the job's.
    """
    engine_variables = {
        name: variables[secret]
        for secret, name in _STATE_CREDENTIAL.items()
        if variables.get(secret)
    }
    kept = {name: value for name, value in variables.items() if name not in _STATE_CREDENTIAL}
    # The engine has --event-log only with this; the Automation API sets it too.
    return {
        **kept,
        **engine_variables,
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
    }
