"""A clean environment with the package in it, as its users have it, and what it brings along."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from nix_cache.backends.registry import BACKENDS
from nix_cache.cli.machine import console
from tools.bootstrap import LOCKS, ROOT, find_uv, registry_of_pip
from tools.errors import ToolError

EXTRAS = ("client", "policy", *BACKENDS)
"""All extras that can be installed with the package."""


def requirement(package: Path, extras: Iterable[str]) -> str:
    """Return what asks for a wheel or a source distribution with some of its extras."""
    return f"nix-cache[{','.join(extras)}] @ {package.as_uri()}"


def install(folder: Path, *requirements: str) -> Path:
    """Make an environment of some packages and their dependencies, each as the lock file has it.

    Args:
        folder: the environment's, created again.
        requirements: what is wanted, as pip takes it. What the lock file knows comes in its
            version there, and only if its hash is right.

    Returns:
        The environment's interpreter.

    Raises:
        ToolError: something could not be installed.
    """
    uv = find_uv()
    python = folder / "bin" / "python"
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
    _run(
        [
            *(uv, "pip", "install", "--quiet", "--python", str(python)),
            *("--constraint", str(LOCKS["dev"]), *requirements),
        ]
    )
    return python


def write_sbom(python: Path, pyproject: Path, file: Path) -> int:
    """Write what an environment has, as CycloneDX, in the same bytes each time.

    Args:
        python: the environment's interpreter.
        pyproject: the package's, which says what the list is of.
        file: where the list goes.

    Returns:
        How many packages there are in it.

    Raises:
        ToolError: it could not be made, or is not valid.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    _run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", str(python)),
            *("--pyproject", str(pyproject), "--mc-type", "library"),
            *("--output-format", "JSON", "--spec-version", "1.6", "--output-file", str(file)),
            *("--output-reproducible", "--validate"),
        ]
    )
    return len(json.loads(file.read_text())["components"])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**registry_of_pip(), **os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(
            f"{' '.join(command[:3])} failed:\n{done.stdout.strip()}",
            "if the package registry cannot be reached, run it again; else see what it says",
        )


def main(arguments: list[str]) -> int:
    """Write the list of what the wheel in a folder brings with all extras; returns the exit code.

    Args:
        arguments: the folder and the list's file.
    """
    [wheel] = Path(arguments[0]).absolute().glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        python = install(Path(folder) / "venv", requirement(wheel, EXTRAS))
        count = write_sbom(python, ROOT / "components" / "pyproject.toml", Path(arguments[1]))
    console.note(f"{arguments[1]}: {count} packages, with the licenses that they declare")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
