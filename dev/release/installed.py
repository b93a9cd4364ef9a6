"""A clean environment with the package in it, as its users have it, and what it brings along."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from dev.errors import DevError
from toolchain.bootstrap import LOCKS, ROOT, find_uv, registry_of_pip

EXTRAS = ("client", "minio", "aws", "spaces", "b2")
"""All that somebody can ask for with the package."""


def install(package: str, folder: Path, *, extras: Iterable[str] = (), also: Iterable[str] = ()) -> Path:
    """Make an environment of a package and its dependencies, each as the lock file has it.

    Args:
        package: a wheel, a source distribution, or whatever else pip takes.
        folder: the environment's, made anew.
        extras: those of the package.
        also: other packages that are wanted, by name.

    Returns:
        The environment's interpreter.

    Raises:
        DevError: something could not be installed.
    """
    uv = find_uv()
    python = folder / "bin" / "python"
    wanted = f"nix-cache[{','.join(extras)}] @ {package}"
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
    # Whatever the lock has not is no part of what was looked at, so it may not be found either.
    _run(
        [
            *(uv, "pip", "install", "--quiet", "--python", str(python)),
            *("--constraint", str(LOCKS["dev"]), wanted, *also),
        ]
    )
    return python


def write_sbom(python: Path, file: Path) -> None:
    """Write what an environment has, as CycloneDX, in the same bytes each time.

    Args:
        python: the environment's interpreter.
        file: where the list goes.

    Raises:
        DevError: it could not be made, or is not valid.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    _run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", str(python)),
            *("--pyproject", str(ROOT / "components" / "pyproject.toml"), "--mc-type", "library"),
            *("--output-format", "JSON", "--spec-version", "1.6", "--output-file", str(file)),
            *("--output-reproducible", "--validate"),
        ]
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**registry_of_pip(), **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DevError(
            f"{' '.join(command[:3])} failed:\n{done.stdout.strip()}",
            "if the package registry cannot be reached, run it again; else see what it says",
        )
