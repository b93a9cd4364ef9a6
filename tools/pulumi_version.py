"""`make pulumi`: brings all places to the version of Pulumi that requirements/program.in pins."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from nix_cache import terminal
from nix_cache.cli.machine import console
from offline import builds, golang
from tools import bootstrap
from tools.bootstrap import ROOT
from tools.errors import BuildError

PINNED = ("requirements/program.in", r"^pulumi==(\S+)")
"""The one place that is changed by hand: a file, and the pattern of the version in it."""

TEXTS: Mapping[str, str] = {
    ".github/actions/stack/action.yml": r"^ +pulumi-version: (\S+)$",
    "offline/host/__init__.py": r'^SDK_VERSION = "(\S+)"$',
    "offline/host/run_child.py": r'^SDK_VERSION = "(\S+)"$',
}
"""The places that are plain text, each with the pattern of the version in it."""

LOCK_SCRIPT = ROOT / "tools" / "lock.sh"
"""Writes the locks, after the version was changed."""

GO_MODULES = ("offline/modules/pulumi", "offline/modules/pulumi-language-go")
"""The Go modules that build a part of the engine. An example keeps the SDK that it is for."""

_REQUIRED = re.compile(r"^\s*(?:require )?(github\.com/pulumi/pulumi/\w+/v3) v(\S+)", re.MULTILINE)


def pinned(root: Path = ROOT) -> str:
    """Return the version that is pinned."""
    file, pattern = PINNED
    return _version_in(root / file, pattern)


def found(root: Path = ROOT) -> dict[str, str]:
    """Return the version in each other place.

    Raises:
        ValueError: a place has none any more.
    """
    texts = {place: _version_in(root / place, pattern) for place, pattern in TEXTS.items()}
    modules = {
        f"{folder}/go.mod {module}": version
        for folder in GO_MODULES
        for module, version in _required(root / folder)
    }
    return {**texts, **modules}


def rewrite(root: Path, version: str) -> list[str]:
    """Write a version into every place that is plain text; returns those that had another one."""
    changed = []
    for place, pattern in TEXTS.items():
        old = _version_in(root / place, pattern)
        if old != version:
            text = (root / place).read_text()
            start, end = _match(text, pattern, place).span(1)
            (root / place).write_text(text[:start] + version + text[end:])
            changed.append(place)
    return changed


def require(root: Path, version: str) -> list[str]:
    """Let every Go module require a version; returns those that required another one.

    Raises:
        BuildError: there is no Go, or it cannot get that version.
    """
    outdated = [
        folder for folder in GO_MODULES if any(v != version for _, v in _required(root / folder))
    ]
    if not outdated:
        return []
    with tempfile.TemporaryDirectory() as cache:
        least = max(golang.needed_version(root / folder / "go.mod") for folder in outdated)
        go = golang.find(least) or golang.install(builds.GO_PACKAGE, Path(cache) / "go", least)
        environment = {**golang.environment(go, Path(cache)), "GOFLAGS": "-modcacherw"}
        (Path(cache) / "tmp").mkdir()
        for folder in outdated:
            wanted = [f"{module}@v{version}" for module, _ in _required(root / folder)]
            for arguments in (["get", *wanted], ["mod", "tidy"]):
                _run([str(go.executable), *arguments], root / folder, environment)
    return outdated


def main() -> int:
    """Bring all places to the pinned version; returns the process's exit code."""
    version = pinned()
    try:
        changed = [*rewrite(ROOT, version), *require(ROOT, version)]
    except BuildError as failure:
        console.error(failure, lines=True)
        return 1
    for place in changed:
        console.note(f"{place}: {version}")
    path = f"{Path(bootstrap.find_uv()).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run([LOCK_SCRIPT], env=environment, check=False).returncode


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    console.note(f"{folder.name}: {' '.join(command[1:])}")
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:
        raise BuildError(f"`{' '.join(command[1:])}` failed in {folder}", "see above")


def _required(folder: Path) -> list[tuple[str, str]]:
    modules = _REQUIRED.findall((folder / "go.mod").read_text())
    if not modules:
        raise ValueError(f"{folder}/go.mod requires no module of Pulumi")
    return modules


def _version_in(file: Path, pattern: str) -> str:
    return str(_match(file.read_text(), pattern, str(file))[1])


def _match(text: str, pattern: str, place: str) -> re.Match[str]:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"{place} has no version of Pulumi; correct its pattern in {__file__}")
    return match


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
