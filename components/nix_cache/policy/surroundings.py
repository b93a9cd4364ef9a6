"""What a policy pack can see of the place in which the engine was started."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the name of a variable


@cache
def environment() -> Mapping[str, str]:
    """Return the engine's environment. A passphrase that a file has none of is an empty one."""
    variables = dict(os.environ)
    file = variables.get(f"{_PASSPHRASE}_FILE")
    if file and _PASSPHRASE not in variables:
        with contextlib.suppress(OSError, ValueError):
            if not Path(file).read_text(encoding="utf-8").strip():
                variables[_PASSPHRASE] = ""
    return variables


@cache
def stack_file(project: str, stack: str, program: Path) -> Mapping[str, Any] | None:
    """Return a stack's configuration file, parsed; None where it cannot be found.

    The engine does not report the program's folder. So the file is looked for in the folder in
    which the engine was started, and in the given one.

    Args:
        project: the project's name.
        stack: the stack's name.
        program: a folder that may be the program's.
    """
    for folder in (*_working_folder(), program):
        named = _parsed(folder / "Pulumi.yaml")
        if named is not None and named.get("name") == project:
            return _parsed(folder / f"Pulumi.{stack}.yaml")
    return None


def _working_folder() -> Iterator[Path]:
    """Yield the folder of the shell: this process has the pack's."""
    if shell_folder := os.environ.get("PWD"):
        yield Path(shell_folder)


def _parsed(file: Path) -> Mapping[str, Any] | None:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content if isinstance(content, Mapping) else None
