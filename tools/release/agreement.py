"""The places that state a version have to agree. Pure."""

import datetime
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from nix_cache.versions import semantic_version
from tools.errors import ToolError

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_RELEASED = re.compile(r"^(?P<version>\d+\.\d+\.\d+) - (?P<date>\d{4}-\d\d-\d\d)$")


@dataclass(frozen=True)
class Section:
    """A section of the changelog.

    Attributes:
        version: whose it is; none for what is not released yet.
        date: when that was released.
    """

    version: Version | None = None
    date: datetime.date | None = None


@dataclass(frozen=True)
class StatedVersions:
    """What the repository states about its versions.

    Attributes:
        version: that of the package.
        schema: that of the component's schema for other languages, as those write versions.
        sections: those of the changelog, from the top.
        releases: by version, the hash of its commit, as the table of releases has it.
        packaged: by version in that table, the package's version in that commit.
        tags: by tag, the hash of its commit.
        commit: the hash of the commit that is looked at.
    """

    version: Version
    schema: str
    sections: tuple[Section, ...]
    releases: Mapping[Version, str]
    packaged: Mapping[Version, Version]
    tags: Mapping[str, str]
    commit: str


def package_version(pyproject: str) -> Version:
    """Return the version in the text of a ``pyproject.toml``.

    Raises:
        ToolError: it is neither ``X.Y.Z`` nor ``X.Y.Z.dev0``.
    """
    text = str(tomllib.loads(pyproject)["project"]["version"])
    if not re.fullmatch(r"\d+\.\d+\.\d+(\.dev0)?", text):
        raise ToolError(
            f"components/pyproject.toml: version = {text!r} is of no form that is used here",
            "write X.Y.Z for a release, or X.Y.Z.dev0 on the way to it",
        )
    return Version(text)


def changelog_sections(changelog: str) -> tuple[Section, ...]:
    """Return the sections of the changelog, from the top.

    Raises:
        ToolError: a heading is neither ``Unreleased`` nor a version with its date.
    """
    return tuple(map(_section, _HEADING.findall(changelog)))


def read_releases(text: str) -> dict[Version, str]:
    """Return the table of releases: by version, the hash of its commit.

    Raises:
        ToolError: a row is not a version and a whole hash.
    """
    rows: dict[str, str] = json.loads(text)
    for version, commit in rows.items():
        if not re.fullmatch(r"\d+\.\d+\.\d+", version) or not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise ToolError(
                f"tools/release/releases.json: {version!r}: {commit!r} is no release",
                "write the version as X.Y.Z, and the commit's hash with all its 40 digits",
            )
    return {Version(version): commit for version, commit in rows.items()}


def previous_release(version: Version, releases: Mapping[Version, str]) -> Version:
    """Return the newest release before a version: what its users come from.

    Raises:
        ToolError: there is none.
    """
    earlier = [release for release in releases if release < version]
    if not earlier:
        raise ToolError(
            f"tools/release/releases.json has no release before {version}",
            "add its row: the version, and the hash of its commit",
        )
    return max(earlier)


def disagreements(
    stated: StatedVersions, today: datetime.date, tag: str | None = None
) -> list[ToolError]:
    """Everything that does not agree, each with its fix.

    Args:
        stated: what the repository says.
        today: in UTC.
        tag: the tag that is being released, if one is.
    """
    return [
        *_of_the_schema(stated),
        *_of_the_top_section(stated, today),
        *_of_earlier_sections(stated),
        *_of_releases(stated),
        *_of_tags(stated),
        *_of_the_tag(stated, tag),
    ]


def _section(heading: str) -> Section:
    if heading == UNRELEASED:
        return Section()
    if found := _RELEASED.match(heading):
        try:
            return Section(Version(found["version"]), datetime.date.fromisoformat(found["date"]))
        except (InvalidVersion, ValueError):
            pass
    raise ToolError(
        f"CHANGELOG.md: the heading {heading!r} is of no form that is used here",
        f"write {UNRELEASED}, or the version and its date, as in 1.2.3 - 2026-11-21",
    )


def _of_the_schema(stated: StatedVersions) -> list[ToolError]:
    if stated.schema == semantic_version(str(stated.version)):
        return []
    return [
        ToolError(
            f"components/schema.json has version {stated.schema}, the package {stated.version}",
            "write it again: make schema",
        )
    ]


def _of_the_top_section(stated: StatedVersions, today: datetime.date) -> list[ToolError]:
    top = stated.sections[0] if stated.sections else None
    if stated.version.is_devrelease:
        if top == Section():
            return []
        return [
            ToolError(
                f"CHANGELOG.md begins without {UNRELEASED}, but the version is {stated.version}",
                f"add the section {UNRELEASED}, or release: version = "
                f"{stated.version.base_version!r} in components/pyproject.toml",
            )
        ]
    if top is None or top.version != stated.version:
        return [
            ToolError(
                f"CHANGELOG.md does not begin with the version {stated.version} of the package",
                f"turn its first heading into: ## {stated.version} - {today}",
            )
        ]
    if top.date and top.date > today:
        return [
            ToolError(
                f"CHANGELOG.md: {stated.version} is dated {top.date}, which is yet to come",
                f"write the day of the release: {today}",
            )
        ]
    return []


def _of_earlier_sections(stated: StatedVersions) -> list[ToolError]:
    found = []
    for newer, older in zip(stated.sections, stated.sections[1:], strict=False):
        if older.version is None:
            found.append(
                ToolError(
                    f"CHANGELOG.md: {UNRELEASED} stands below a section",
                    "put it at the top, or give it a version and a date",
                )
            )
        elif newer.version is None or newer.date is None or older.date is None:
            continue
        elif older.version >= newer.version or older.date > newer.date:
            found.append(
                ToolError(
                    f"CHANGELOG.md: {older.version} of {older.date} stands below "
                    f"{newer.version} of {newer.date}",
                    "put the newest first",
                )
            )
    return found


def _of_releases(stated: StatedVersions) -> list[ToolError]:
    logged = {section.version for section in stated.sections} - {None}
    found = [
        ToolError(
            f"CHANGELOG.md has no section for the release {version}",
            "bring it back: a release's section stays",
        )
        for version in stated.releases
        if version not in logged
    ]
    found += [
        ToolError(
            f"tools/release/releases.json has no row for {version}, which CHANGELOG.md has",
            f'add it: "{version}": "the hash of its commit"',
        )
        for version in logged
        if version and version not in stated.releases and version != stated.version
    ]
    found += [
        ToolError(
            f"tools/release/releases.json: the package's version in the commit of {version} is "
            f"{stated.packaged[version]}",
            f"write the hash of the commit that made {version}",
        )
        for version in stated.releases
        if stated.packaged[version] != version
    ]
    if stated.releases and stated.version < max(stated.releases):
        found.append(
            ToolError(
                f"the package {stated.version} is older than the release {max(stated.releases)}",
                "raise it in components/pyproject.toml",
            )
        )
    return found


def _of_tags(stated: StatedVersions) -> list[ToolError]:
    found = []
    known = {f"v{version}": release for version, release in stated.releases.items()}
    known.setdefault(f"v{stated.version}", stated.commit)
    for tag, commit in stated.tags.items():
        if tag not in known:
            found.append(
                ToolError(
                    f"tools/release/releases.json has no row for the tag {tag}",
                    f'add it: "{tag.removeprefix("v")}": "{commit}"',
                )
            )
        elif commit != known[tag]:
            found.append(
                ToolError(
                    f"the tag {tag} is at {commit}, but its version is of {known[tag]}",
                    "find out which is right; a tag that others have is never moved",
                )
            )
    return found


def _of_the_tag(stated: StatedVersions, tag: str | None) -> list[ToolError]:
    if tag is None or tag == f"v{stated.version}":
        return []
    return [
        ToolError(
            f"the tag is {tag}, but the package's version is {stated.version}",
            "set the tag at the commit that has its version, or release the version's own tag",
        )
    ]
