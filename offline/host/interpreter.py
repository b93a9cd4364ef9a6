"""The Python of a project: where it is, the environment to run it in, what is installed in it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.host.options import RuntimeOptions
from offline.host.packages import Package
from tools.errors import ToolError

_IDENTIFY = "import json, sys; print(json.dumps([sys.executable, sys.version.split()[0]]))"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Installed:
    """What is installed for an interpreter; `direct` names what nothing else there requires."""

    packages: tuple[Package, ...]
    direct: frozenset[str]


@dataclass(frozen=True)
class Interpreter:
    """A project's Python, in a virtual environment or (`virtualenv` None) from PATH."""

    executable: Path
    virtualenv: Path | None

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables `base` with the virtual environment activated."""
        variables = dict(base)
        if self.virtualenv is not None:
            path = [str(self.virtualenv / "bin"), *filter(None, [variables.get("PATH")])]
            variables["PATH"] = os.pathsep.join(path)
            variables["VIRTUAL_ENV"] = str(self.virtualenv)
            variables.pop("PYTHONHOME", None)
        return variables

    def identify(self) -> tuple[str, str]:
        """Return its path and version as it reports them; raises ToolError when it cannot."""
        executable, version = self._ask("-I", "-S", "-c", _IDENTIFY)
        return str(executable), str(version)

    def installed(self) -> Installed:
        """Ask the interpreter what is installed; raises ToolError when it cannot answer."""
        answer = self._ask(str(Path(__file__).with_name("inspect_environment.py")))
        packages = tuple(_package(entry) for entry in answer["packages"])
        return Installed(
            packages=packages,
            direct=frozenset(package.name for package in packages)
            - frozenset(answer["required_by_others"]),
        )

    def _ask(self, *arguments: str) -> Any:
        """Run Python code that prints JSON, and return that."""
        command = [str(self.executable), *arguments]
        try:
            result = subprocess.run(
                command,
                env=self.environment(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_SECONDS,
                check=True,
            )
            return json.loads(result.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise ToolError(
                f"{self.executable} does not answer as Python does: {said[-1] if said else error}",
                "make the project's Python environment again",
            ) from error


def find_interpreter(options: RuntimeOptions, environ: Mapping[str, str]) -> Interpreter:
    """Return the interpreter that `options` ask for, else PULUMI_PYTHON_CMD or Python from PATH.

    Raises ToolError when there is none.
    """
    if options.virtualenv is not None:
        return Interpreter(_virtualenv_python(options.virtualenv), options.virtualenv)
    asked = environ.get("PULUMI_PYTHON_CMD")
    names = [asked] if asked else ["python3", "python"]
    for name in names:
        found = shutil.which(name, path=environ.get("PATH"))
        if found:
            return Interpreter(Path(found), None)
    raise ToolError(
        f"no Python: {' or '.join(names)} is not on PATH",
        "set the runtime option virtualenv, or PULUMI_PYTHON_CMD, to a Python that is installed",
    )


def _virtualenv_python(virtualenv: Path) -> Path:
    python = virtualenv / "bin" / "python"
    if python.is_file():
        return python
    what = "is not a virtual environment" if virtualenv.exists() else "does not exist"
    raise ToolError(
        f"runtime option 'virtualenv' names {virtualenv}, which {what}",
        f"make it with `python3 -m venv {virtualenv}` and install the project's requirements "
        f"with `{python} -m pip install -r requirements.txt`",
    )


def _package(entry: Mapping[str, str | None]) -> Package:
    name, version, plugin = str(entry["name"]), str(entry["version"]), entry["plugin"]
    try:
        return Package(name, version, None if plugin is None else dict(json.loads(plugin)))
    except (ValueError, TypeError) as error:
        raise ToolError(
            f"pulumi-plugin.json of the Python package {name} {version} cannot be read: {error}",
            f"install a sound release of {name}",
        ) from error
