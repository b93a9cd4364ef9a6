"""The options below `runtime:` in Pulumi.yaml, PulumiPlugin.yaml or PulumiPolicy.yaml, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from offline.host import EMULATOR
from tools.errors import ToolError

PLUGIN_VIRTUALENV = "venv"
"""Where a plugin's environment is when its options do not say, as with the official host."""

_OTHER_TOOLCHAINS = {"uv": "uv.lock", "poetry": "poetry.lock"}


@dataclass(frozen=True)
class RuntimeOptions:
    """What a project asks of its language host; `virtualenv` None is Python from PATH."""

    virtualenv: Path | None


def read_options(
    options: Mapping[str, object], root: Path, program: Path, *, plugin: bool
) -> RuntimeOptions:
    """Check a project's runtime options, all of them, and resolve paths against `root`.

    `root` is the folder of the project's YAML file, `program` that of its Python program.
    Raises ToolError with every mistake at once.
    """
    mistakes = [
        *(_unknown(name) for name in sorted(options) if name not in _CHECKS),
        *(check(options[name]) for name, check in _CHECKS.items() if name in options),
    ]
    found = [mistake for mistake in mistakes if mistake is not None]
    if found:
        raise ToolError(
            "; ".join(problem for problem, _ in found),
            "; ".join(fix for _, fix in found)
            + f", in the project file in {root}; this is {EMULATOR}",
        )
    if "toolchain" not in options:
        _refuse_other_lock_files(program)
    virtualenv = options.get("virtualenv") or (PLUGIN_VIRTUALENV if plugin else "")
    return RuntimeOptions(virtualenv=root / str(virtualenv) if virtualenv else None)


def _unknown(name: str) -> tuple[str, str]:
    known = ", ".join(_CHECKS)
    return f"runtime option {name!r} is unknown", f"remove {name!r}; known are {known}"


def _check_virtualenv(value: object) -> tuple[str, str] | None:
    if isinstance(value, str):
        return None
    problem = f"runtime option 'virtualenv' must be a string, not {value!r}"
    return problem, "give the path of the environment's folder"


def _check_toolchain(value: object) -> tuple[str, str] | None:
    if value == "pip":
        return None
    return f"runtime option 'toolchain' is {value!r}", "set toolchain: pip, the only one supported"


def _check_typechecker(value: object) -> tuple[str, str] | None:
    problem = f"runtime option 'typechecker' is {value!r}, which this host does not run"
    return problem, "remove it and run the type checker yourself"


_CHECKS = {
    "virtualenv": _check_virtualenv,
    "toolchain": _check_toolchain,
    "typechecker": _check_typechecker,
}


def _refuse_other_lock_files(program: Path) -> None:
    """Refuse what would make the official host choose uv or poetry by itself."""
    for name, lock_file in _OTHER_TOOLCHAINS.items():
        for folder in (program, *program.parents):
            if (folder / lock_file).exists():
                raise ToolError(
                    f"{folder / lock_file} makes {name} this project's toolchain, "
                    f"and {EMULATOR} supports only pip",
                    "set the runtime option toolchain: pip and, for a separate environment, "
                    "virtualenv",
                )
