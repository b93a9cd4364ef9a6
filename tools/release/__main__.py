"""The first step of `make release-check`: version, schema, changelog, table and tags agree."""

import argparse
import datetime
import json
import sys

from packaging.version import Version

from nix_cache import terminal
from nix_cache.cli.machine import console
from tools.bootstrap import ROOT
from tools.errors import ToolError
from tools.release import agreement
from tools.release.repository import Repository


def versions(repository: Repository, commit: str) -> agreement.StatedVersions:
    """Return what a commit, and the tags around it, state about versions.

    Raises:
        ToolError: something has a form that is not used here, or the history is incomplete.
    """
    releases = agreement.read_releases(repository.text(commit, "tools/release/releases.json"))

    def packaged(at: str) -> Version:
        return agreement.package_version(repository.text(at, "components/pyproject.toml"))

    return agreement.StatedVersions(
        version=packaged(commit),
        schema=str(json.loads(repository.text(commit, "components/schema.json"))["version"]),
        sections=agreement.changelog_sections(repository.text(commit, "CHANGELOG.md")),
        releases=releases,
        packaged={version: packaged(at) for version, at in releases.items()},
        tags=repository.tags(),
        commit=commit,
    )


def main(arguments: list[str] | None = None) -> int:
    """Check the last commit; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("--tag", help="the tag that is being released, such as v1.2.3")
    options = parser.parse_args(arguments)
    repository = Repository(ROOT)
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        stated = versions(repository, repository.commit("HEAD"))
        mistakes = agreement.disagreements(stated, today, options.tag)
    except ToolError as failure:
        mistakes = [failure]
    for mistake in mistakes:
        console.error(mistake, lines=True)
    if not mistakes:
        console.note(f"{stated.version}: schema, changelog, table of releases and tags agree")
    return 1 if mistakes else 0


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
