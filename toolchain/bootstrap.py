"""Makes `.venv` from a lock file. Runs on any Python from 3.11, before anything is installed.

    python3 toolchain/bootstrap.py [--dev]

uv does the work: one from PATH, or the pinned one, which pip installs into the user's cache once.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
UV_LOCK = ROOT / "toolchain" / "uv.requirements.txt"
LEAST_PYTHON = (3, 11)
UV_VARIABLES = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX"}
"""For settings of pip, the variables by which uv knows them."""


def main() -> int:
    """Make the environment; returns the process's exit code."""
    if sys.version_info < LEAST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        return fail(
            f"this is Python {found}, and 3.11 is the least that works",
            "name a newer one: make up PYTHON=python3.12",
        )
    dev = "--dev" in sys.argv[1:]
    lock = ROOT / ("requirements-dev.txt" if dev else "requirements.txt")
    say(f"python environment: {lock.name} into .venv")
    try:
        uv = find_uv()
        environment = {**registry_of_pip(), **os.environ, "VIRTUAL_ENV": str(VENV)}
        environment.pop("PYTHONHOME", None)
        if not (VENV / "bin" / "python").exists():
            run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], environment)
        # The program's packages are a part of the tests', so installing them removes none of those.
        # What only tests need is not cached: it weighs more than all that the program needs.
        how = ("sync", "--no-cache") if dev else ("install", "--requirement")
        run(
            [uv, "pip", *how, lock, "--quiet", "--require-hashes", "--compile-bytecode"],
            environment,
        )
        run(
            [
                *(uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
                *("--compile-bytecode", "--editable", ROOT / "components"),
            ],
            environment,
        )
    except subprocess.CalledProcessError as failure:
        return fail(
            f"the Python packages of {lock.name} could not be installed "
            f"({Path(failure.cmd[0]).name} ended with {failure.returncode}; see above)",
            "check that the package registry can be reached, then run the same command again",
        )
    except OSError as error:
        return fail(str(error), "free the path or its space, then run the same command again")
    return 0


def find_uv() -> str:
    """The path of a uv: the user's own, or the pinned one."""
    if own := shutil.which("uv"):
        return own
    folder = cache_folder() / f"uv-{pinned_version()}"
    if not (folder / "bin" / "uv").exists():
        say("python environment: installing uv, once")
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--root-user-action", "ignore", "--require-hashes", "--no-deps"),
                *("--target", partial, "--requirement", UV_LOCK),
            ],
            dict(os.environ),
        )
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return str(folder / "bin" / "uv")


def registry_of_pip() -> dict[str, str]:
    """The package registry that pip is set up for, in uv's words: uv does not read pip's files."""
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


def pinned_version() -> str:
    """The version of uv in its lock file."""
    for line in UV_LOCK.read_text(encoding="utf-8").splitlines():
        if line.startswith("uv=="):
            return line.split("==")[1].split()[0]
    raise OSError(f"{UV_LOCK} names no version of uv")


def cache_folder() -> Path:
    """Where what is made once per machine is kept: `$XDG_CACHE_HOME/nix-cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nix-cache"


def run(command: list[str | Path], environment: dict[str, str]) -> None:
    """Run a command to its end, its output going to standard error."""
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=sys.stderr)


def say(text: str) -> None:
    """Tell what goes on, on standard error: `make env` prints for the shell on the other."""
    print(text, file=sys.stderr, flush=True)


def fail(mistake: str, fix: str) -> int:
    """Tell what went wrong and what to do; returns the exit code."""
    say(f"error: {mistake}\n  fix: {fix}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
