"""Wheel and source distribution, built so that a second build gives the same bytes."""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.errors import DevError
from dev.release.commands import run
from dev.release.repository import Repository

COMPONENTS = "components"
_NO_SOURCE = shutil.ignore_patterns("__pycache__", ".*_cache", "dist", "*.egg-info")
_STRANGE = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"}
"""Surroundings that are other than those of most machines."""


@dataclass(frozen=True)
class Packages:
    """What a release consists of, as files."""

    wheel: Path
    sdist: Path

    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file, by its name."""
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (self.sdist, self.wheel)
        }


def build(source: Path, folder: Path, seconds: int, *, strange: bool = False) -> Packages:
    """Build both: the source distribution from the source, and from that one the wheel.

    The backend is that of the lock file, for what it writes may change with its version.

    Args:
        source: the folder with ``pyproject.toml``.
        folder: where the files go; made if it is not there.
        seconds: the time that files in them have, since 1970.
        strange: whether to build in surroundings that are other than usual, to see that these do
            not matter: another time zone, language and mode of new files.

    Raises:
        DevError: the backend failed.
    """
    run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source],
        failed="the package could not be built",
        fix="mend components/pyproject.toml; `make lint` and `make test-wheel` help",
        environment={
            **_own(os.environ),
            **(_STRANGE if strange else {}),
            "SOURCE_DATE_EPOCH": f"{seconds}",
        },
        umask=0o077 if strange else 0o022,
    )
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Packages(wheel, sdist)


def build_commit(
    repository: Repository, commit: str, work: Path, folder: Path, *, strange: bool = False
) -> Packages:
    """Build what a commit has, whatever else is in the clone.

    Args:
        repository: the clone.
        commit: its hash.
        work: for the sources, made anew.
        folder: where the files go.
        strange: as for `build`.

    Raises:
        DevError: the commit has no package, or the backend failed.
    """
    repository.export(commit, work, COMPONENTS)
    seconds = repository.seconds(commit)
    if strange:
        for file in work.rglob("*"):
            os.utime(file, (seconds + 86_400, seconds + 86_400))
    return build(work / COMPONENTS, folder, seconds, strange=strange)


def build_working_tree(components: Path, work: Path) -> Packages:
    """Build the sources as they are now, for tests."""
    source = work / "source"
    shutil.copytree(components, source, ignore=_NO_SOURCE)
    return build(source, work / "dist", 1_700_000_000)


def assert_same(first: Packages, second: Packages) -> None:
    """Compare two builds of one commit.

    Raises:
        DevError: a file differs.
    """
    other = second.digests()
    for name, digest in first.digests().items():
        if other.get(name) != digest:
            raise DevError(
                f"{name} is not the same when it is built again: {digest}, then {other.get(name)}",
                f"compare {first.wheel.parent} and {second.wheel.parent}: what depends on the "
                "folder, the time zone, the language or the mode of files has to go",
            )


def check_metadata(packages: Packages) -> None:
    """Let twine check the metadata as the package index does.

    Raises:
        DevError: it finds something.
    """
    run(
        [sys.executable, "-m", "twine", "check", "--strict", packages.sdist, packages.wheel],
        failed="the package's metadata is refused",
        fix="mend components/pyproject.toml or components/README.md",
        environment={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )


def _own(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what would change what is built."""
    changes = ("PYTHONPATH", "SOURCE_DATE_EPOCH", "HATCH_")
    return {name: value for name, value in environment.items() if not name.startswith(changes)}
