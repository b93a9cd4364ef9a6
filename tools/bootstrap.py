"""Makes Python environments from lock files. Runs on any Python from 3.11, with nothing installed.

    python3 tools/bootstrap.py [BACKEND | dev | docs]

A program has an environment for its backend alone, `.venv`: each provider package that is
installed makes the engine look for its plugin. What tests and checks need has another, `.venv-dev`,
and so has what builds the site of the documentation, `.venv-docs`.
uv does the work: one from PATH, or the pinned one, which pip installs into the user's cache once.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
DEV_VENV = ROOT / ".venv-dev"
OTHERS = {"dev": DEV_VENV, "docs": ROOT / ".venv-docs"}
"""The folders of the environments that no program runs in."""
LOCKS = {lock.stem: lock for lock in sorted((ROOT / "requirements").glob("*.txt"))}
"""What can be installed: a backend's program, or one of the others."""
UV_LOCK = ROOT / "tools" / "uv.requirements.txt"
LEAST_PYTHON = (3, 11)
_STAMP = ".nix-cache-environment"
"""The file in an environment that names what it was made from."""
UV_VARIABLES = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX"}
"""For settings of pip, the variables by which uv knows them."""


def main(arguments: Sequence[str] = ()) -> int:
    """Make the environment; returns the process's exit code.

    Args:
        arguments: the name of what to install; what is installed, or else MinIO's, by default.
    """
    if sys.version_info < LEAST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        return fail(
            f"this is Python {found}, and 3.11 is the least that works",
            "name a newer one: make up PYTHON=python3.12",
        )
    chosen = arguments[0] if arguments else _installed(VENV) or "minio"
    if chosen not in LOCKS:
        return fail(f"there is no environment {chosen!r}", f"name one of: {', '.join(LOCKS)}")
    folder = OTHERS.get(chosen, VENV)
    try:
        provide(chosen, folder)
    except subprocess.CalledProcessError as failure:
        return fail(
            f"the Python packages of {LOCKS[chosen].name} could not be installed "
            f"({Path(failure.cmd[0]).name} ended with {failure.returncode}; see above)",
            "check that the package registry can be reached, then run the same command again",
        )
    except OSError as error:
        return fail(str(error), "free the path or its space, then run the same command again")
    return 0


def provide(name: str, folder: Path) -> Path:
    """Make a folder an environment of exactly what a lock file has, and of this project's package.

    The one that builds the site does without the package.

    Args:
        name: the key in `LOCKS`.
        folder: the environment. One that is complete already is left alone.

    Returns:
        The environment's interpreter.

    Raises:
        subprocess.CalledProcessError: a package cannot be installed.
        OSError: the folder cannot be written, or no uv can be had.
    """
    lock = LOCKS[name]
    python = folder / "bin" / "python"
    stamp = f"{name} {_digest(lock, ROOT / 'components' / 'pyproject.toml', Path(__file__))}"
    if python.exists() and _read(folder / _STAMP) == stamp:
        return python
    say(f"python environment: {lock.name} into {folder.name}")
    uv = find_uv()
    environment = {**registry_of_pip(), **os.environ, "VIRTUAL_ENV": str(folder)}
    environment.pop("PYTHONHOME", None)
    if not python.exists():
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], environment)
    run(
        [uv, "pip", "sync", lock, "--quiet", "--require-hashes", "--compile-bytecode"],
        environment,
    )
    if name != "docs":
        run(
            [
                *(uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
                *("--compile-bytecode", "--editable", ROOT / "components"),
            ],
            environment,
        )
    (folder / _STAMP).write_text(stamp)
    return python


def _installed(folder: Path) -> str:
    """Return the name of what a folder was made from; nothing if it was not made here."""
    return _read(folder / _STAMP).partition(" ")[0]


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def find_uv() -> str:
    """Return the path of a uv: the user's own, or the pinned one."""
    return shutil.which("uv") or str(pinned_program("uv", "uv", UV_LOCK))


def pinned_program(package: str, program: str, lock: Path) -> Path:
    """Return the path of a program that a package brings, installed once into the user's cache.

    Args:
        package: the name of the package, which needs no other.
        program: the name of the program.
        lock: the file with the package's version and hashes.

    Raises:
        subprocess.CalledProcessError: the package cannot be installed.
        OSError: the cache cannot be written, or the lock file lacks the package.
    """
    folder = cache_folder() / f"{package}-{pinned_version(package, lock)}"
    found = folder / "bin" / program
    if not found.exists():
        say(f"installing {package}, once")
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--root-user-action", "ignore", "--require-hashes", "--no-deps"),
                *("--target", partial, "--requirement", lock),
            ],
            dict(os.environ),
        )
        try:
            partial.rename(folder)
        except OSError:  # it is there: from another process, or from an installation that failed
            if not found.exists():
                shutil.rmtree(folder)
                partial.rename(folder)
            shutil.rmtree(partial, ignore_errors=True)
    return found


def registry_of_pip() -> dict[str, str]:
    """Return pip's package registry as options of uv, which does not read pip's files."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        if variable := UV_VARIABLES.get(name.rpartition(".")[2]):
            found[variable] = " ".join(value.strip("'\"").split("\\n")).strip()
    return found


def pinned_version(package: str, lock: Path) -> str:
    """Return the version of a package in a lock file."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{package}=="):
            return line.split("==")[1].split()[0]
    raise OSError(f"{lock} names no version of {package}")


def cache_folder() -> Path:
    """Where what is made once per machine is kept: `$XDG_CACHE_HOME/nix-cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nix-cache"


def run(command: list[str | Path], environment: dict[str, str]) -> None:
    """Run a command to its end, its output going to standard error."""
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=sys.stderr)


def say(text: str) -> None:
    """Report progress on standard error: `make env` prints for the shell on the other."""
    print(text, file=sys.stderr, flush=True)


def fail(mistake: str, fix: str) -> int:
    """Report an error and its fix; return the exit code."""
    say(f"error: {mistake}\n  fix: {fix}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
