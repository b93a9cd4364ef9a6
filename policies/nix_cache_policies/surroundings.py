"""What a pack can see of the place that the engine was started in."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_BESIDE_THE_PACK = Path(__file__).absolute().parents[2]


_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the name of a variable


@cache
def environment() -> Mapping[str, str]:
    """The engine's environment. A passphrase that a file has none of is an empty one."""
    variables = dict(os.environ)
    file = variables.get(f"{_PASSPHRASE}_FILE")
    if file and _PASSPHRASE not in variables:
        with contextlib.suppress(OSError, ValueError):
            if not Path(file).read_text(encoding="utf-8").strip():
                variables[_PASSPHRASE] = ""
    return variables


@cache
def stack_file(project: str, stack: str) -> Mapping[str, Any] | None:
    """A stack's configuration file, parsed; None where it cannot be found.

    The engine does not tell where the program is. So it is looked for where the shell was when it
    started the engine, and beside the pack.

    Args:
        project: the project's name.
        stack: the stack's name.
    """
    for folder in _folders():
        named = _parsed(folder / "Pulumi.yaml")
        if named is not None and named.get("name") == project:
            return _parsed(folder / f"Pulumi.{stack}.yaml")
    return None


def _folders() -> Iterator[Path]:
    if shell_folder := os.environ.get("PWD"):
        yield Path(shell_folder)
    yield _BESIDE_THE_PACK


def _parsed(file: Path) -> Mapping[str, Any] | None:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content if isinstance(content, Mapping) else None
