"""`python -m tools.sdk oldest`: unit tests on another Pulumi SDK that the package allows.

They run in separate environments, `.dev/venv-sdk-oldest` or `.dev/venv-sdk-newest`.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tools import bootstrap
from tools.bootstrap import ROOT

CHOICES = {"oldest": ["--resolution", "lowest-direct"], "newest": ["--upgrade-package", "pulumi"]}
"""By choice, what makes uv take that release of those that the package allows."""


def allowed(pyproject: Path = ROOT / "components" / "pyproject.toml") -> str:
    """Return the package's own requirement of the SDK, such as ``pulumi>=3.259,<4``."""
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    [found] = [line for line in extras["component"] if line.startswith("pulumi>")]
    return str(found)


def environment_with(choice: str) -> Path:
    """Make the tests' environment with another release of the SDK.

    Returns:
        Its interpreter.

    Raises:
        subprocess.CalledProcessError: a package cannot be installed.
    """
    folder = ROOT / ".dev" / f"venv-sdk-{choice}"
    folder.parent.mkdir(exist_ok=True)
    python = bootstrap.provide("dev", folder)
    variables = {**bootstrap.registry_of_pip(), **os.environ, "VIRTUAL_ENV": str(folder)}
    command = [bootstrap.find_uv(), "pip", "install", "--quiet", *CHOICES[choice], allowed()]
    bootstrap.run([*command], variables)
    return python


def main(arguments: list[str]) -> int:
    """Run the unit tests; returns the process's exit code."""
    choice, *options = arguments or [""]
    if choice not in CHOICES:
        return bootstrap.fail(
            f"there is no choice {choice!r} of an SDK", f"name one of: {', '.join(CHOICES)}"
        )
    python = environment_with(choice)
    tests = ["-m", "pytest", "tests/unit", "-n", "2", "-m", "not offline", *options]
    return subprocess.run([python, *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
