"""`make release-check`: all of a release but its upload. The files are left in `dist/`."""

import argparse
import datetime
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from dev.errors import DevError
from dev.release import agreement, installed, packages
from dev.release.commands import run
from dev.release.packages import Packages
from dev.release.repository import Repository
from nix_cache import terminal
from nix_cache.cli.machine import console
from toolchain.bootstrap import ROOT

DIST = ROOT / "dist"
PACKAGES = DIST / "packages"
SBOM = DIST / "nix_cache.cdx.json"
"""Folder and file as the workflow that uploads them knows them."""
_SOURCES = ("components", "CHANGELOG.md", "dev/release/releases.json")


def told(repository: Repository, commit: str) -> agreement.Told:
    """What a commit, and the tags around it, say of versions.

    Raises:
        DevError: something has a form that is not used here, or the history is not all there.
    """
    releases = agreement.read_releases(repository.text(commit, "dev/release/releases.json"))

    def packaged(at: str) -> Version:
        return agreement.package_version(repository.text(at, "components/pyproject.toml"))

    return agreement.Told(
        version=packaged(commit),
        schema=str(json.loads(repository.text(commit, "components/schema.json"))["version"]),
        sections=agreement.changelog_sections(repository.text(commit, "CHANGELOG.md")),
        releases=releases,
        packaged={version: packaged(at) for version, at in releases.items()},
        tags=repository.tags(),
        commit=commit,
    )


def check(repository: Repository, tag: str | None, work: Path) -> Iterator[tuple[str, str]]:
    """Do all that a release takes but its upload, for the last commit.

    Args:
        repository: the clone.
        tag: the tag that is being released, if one is.
        work: for what is made on the way.

    Yields:
        What was done, and what came of it.

    Raises:
        DevError: something is wrong; nothing after it was done.
        ExceptionGroup: of several such errors.
    """
    commit = repository.commit("HEAD")
    yield "commit", commit
    if changed := repository.changed(*_SOURCES):
        yield "not in it", f"{', '.join(changed[:3])}: {len(changed)} not committed"

    said = told(repository, commit)
    mistakes = agreement.disagreements(said, datetime.datetime.now(datetime.UTC).date(), tag)
    if mistakes:
        raise ExceptionGroup("versions do not agree", mistakes)
    yield (
        "version",
        f"{said.version}, as in the schema, the changelog, the table of releases and the tags",
    )

    shutil.rmtree(DIST, ignore_errors=True)
    built = packages.build_commit(repository, commit, work / "source", PACKAGES)
    for name, digest in built.digests().items():
        yield "built", f"{name}  sha256 {digest}"
    elsewhere = work / "another folder" / "and a longer one"
    again = packages.build_commit(
        repository, commit, elsewhere / "source", elsewhere / "dist", strange=True
    )
    packages.assert_same(built, again)
    yield "same", "built again in other surroundings: every byte"

    packages.check_metadata(built)
    yield "metadata", "twine check --strict finds nothing"

    python = installed.install(work / "venv", installed.requirement(built.wheel, installed.EXTRAS))
    pyproject = work / "source" / "components" / "pyproject.toml"
    count = installed.write_sbom(python, pyproject, SBOM)
    yield "SBOM", f"{SBOM.name}: {count} packages, with the licenses that they declare"

    yield "tested", _tested(built)


def _tested(built: Packages) -> str:
    printed = run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--no-header", "tests/package"),
            *("--packages", built.wheel.parent),
        ],
        failed="the package does not pass its tests",
        fix="mend what they tell; `make test-wheel` runs them on the sources",
    )
    return f"tests/package: {printed.splitlines()[-1].strip('= ')}"


def main(arguments: list[str] | None = None) -> int:
    """Check a release; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.release", description=__doc__)
    parser.add_argument("--tag", help="the tag that is being released, such as v1.2.3")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="nix-cache-release-") as work:
            for step, outcome in check(Repository(ROOT), options.tag, Path(work)):
                console.columns([(step.ljust(9), outcome)])
    except ExceptionGroup as several:
        for failure in several.exceptions:
            console.error(failure, lines=True)
        return 1
    except (DevError, OSError) as failure:
        console.error(failure, lines=True)
        return 1
    console.out.print()
    console.out.print(f"What an upload would take is in {PACKAGES}")
    return 0


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
