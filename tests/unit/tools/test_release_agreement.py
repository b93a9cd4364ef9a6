"""The places that state a version: what agrees, and what does not."""

import dataclasses
import datetime
import json
from typing import Any

import pytest
from packaging.version import Version

from tools.errors import ToolError
from tools.release import agreement
from tools.release.agreement import Section, StatedVersions

TODAY = datetime.date(2026, 11, 21)
V1, V2, V3 = Version("0.1.0"), Version("0.2.0"), Version("0.3.0")
FIRST, SECOND, HEAD = (digit * 40 for digit in "123")
RELEASED = StatedVersions(
    version=V3,
    schema="0.3.0",
    sections=(
        Section(V3, TODAY),
        Section(V2, TODAY - datetime.timedelta(days=9)),
        Section(V1, TODAY - datetime.timedelta(days=9)),
    ),
    releases={V1: FIRST, V2: SECOND},
    packaged={V1: V1, V2: V2},
    tags={"v0.1.0": FIRST, "v0.2.0": SECOND, "v0.3.0": HEAD},
    commit=HEAD,
)
"""A commit that is 0.3.0, with its tag, before its row is in the table."""
ON_THE_WAY = dataclasses.replace(
    RELEASED,
    version=Version("0.3.0.dev0"),
    schema="0.3.0-dev.0",
    sections=(Section(), *RELEASED.sections[1:]),
    tags={"v0.1.0": FIRST},
)
UNRELEASED, OF_V3, OF_V2, OF_V1 = Section(), *RELEASED.sections


def found(stated: StatedVersions, tag: str | None = None, **changes: Any) -> list[str]:
    """Return what does not agree after some changes."""
    changed = dataclasses.replace(stated, **changes)
    return [str(mistake) for mistake in agreement.disagreements(changed, TODAY, tag)]


@pytest.mark.parametrize(
    ("stated", "tag"), [(RELEASED, "v0.3.0"), (RELEASED, None), (ON_THE_WAY, None)]
)
def test_what_agrees_is_found_to(stated: StatedVersions, tag: str | None) -> None:
    """A release, and what is on the way to one; tags may be missing in a clone."""
    assert found(stated, tag) == []


@pytest.mark.parametrize(
    ("stated", "changes", "mistake"),
    [
        (RELEASED, {"sections": (OF_V2, OF_V1)}, "does not begin with the version 0.3.0"),
        (
            RELEASED,
            {"sections": (Section(V3, datetime.date(2026, 11, 22)), OF_V2, OF_V1)},
            "0.3.0 is dated 2026-11-22, which is yet to come",
        ),
        (ON_THE_WAY, {"sections": (OF_V2, OF_V1)}, "begins without Unreleased"),
        (ON_THE_WAY, {"sections": (UNRELEASED, OF_V1, OF_V2)}, "0.2.0 of 2026-11-12 stands below"),
        (RELEASED, {"sections": (OF_V3, UNRELEASED, OF_V2, OF_V1)}, "Unreleased stands below"),
        (ON_THE_WAY, {"sections": (UNRELEASED, OF_V2)}, "no section for the release 0.1.0"),
        (
            ON_THE_WAY,
            {"releases": {V1: FIRST}, "packaged": {V1: V1}},
            "has no row for 0.2.0, which CHANGELOG.md has",
        ),
        (ON_THE_WAY, {"packaged": {V1: V1, V2: V1}}, "version in the commit of 0.2.0 is 0.1.0"),
        (
            ON_THE_WAY,
            {"version": Version("0.2.0.dev0"), "schema": "0.2.0-dev.0"},
            "0.2.0.dev0 is older than the release 0.2.0",
        ),
        (RELEASED, {"schema": "0.3.0-dev.0"}, "schema.json has version 0.3.0-dev.0"),
        (RELEASED, {"tags": {"v0.2.0": FIRST}}, "the tag v0.2.0 is at 1111"),
        (RELEASED, {"tags": {"v0.3.0": FIRST}}, "the tag v0.3.0 is at 1111"),
        (ON_THE_WAY, {"tags": {"v0.2.1": HEAD}}, "has no row for the tag v0.2.1"),
    ],
)
def test_what_does_not_agree_is_one_error_with_its_fix(
    stated: StatedVersions, changes: dict[str, Any], mistake: str
) -> None:
    """It names the file, the value and what to write."""
    [only] = found(stated, **changes)

    assert mistake in only
    assert "\n  fix: " in only


def test_a_tag_of_another_version_is_not_released() -> None:
    """Nor is what is only on the way."""
    assert "the tag is v0.2.0, but the package's version is 0.3.0\n" in found(RELEASED, "v0.2.0")[0]
    assert "version is 0.3.0.dev0\n" in found(ON_THE_WAY, "v0.3.0")[0]


@pytest.mark.parametrize("version", ["0.3", "0.3.0rc1", "1.0.0.dev1", "v0.3.0"])
def test_a_version_of_another_form_is_refused(version: str) -> None:
    """There are releases, and the way to them."""
    with pytest.raises(ToolError, match=r"write X\.Y\.Z for a release"):
        agreement.package_version(f'[project]\nversion = "{version}"\n')


def test_the_changelogs_headings_are_read() -> None:
    """From the top, and only the second level."""
    text = "# Changelog\n\n## Unreleased\n\n### Added\n\n## 0.1.0 - 2026-11-21\n"

    assert agreement.changelog_sections(text) == (Section(), Section(V1, TODAY))


@pytest.mark.parametrize("heading", ["0.1.0", "0.1.0 - 2026-13-01", "unreleased", "v0.1.0 - now"])
def test_a_heading_of_another_form_is_refused(heading: str) -> None:
    """A version without its day, and a day that there is not."""
    with pytest.raises(ToolError, match=f"the heading {heading!r}"):
        agreement.changelog_sections(f"## {heading}\n")


@pytest.mark.parametrize("row", [("0.1.0", "1234567"), ("v0.1.0", FIRST)])
def test_a_row_of_the_table_is_a_version_and_a_whole_hash(row: tuple[str, str]) -> None:
    """A short hash may come to mean another commit."""
    with pytest.raises(ToolError, match="is no release"):
        agreement.read_releases(json.dumps(dict([row])))


@pytest.mark.parametrize(
    ("version", "previous"), [("0.3.0.dev0", V2), ("0.3.0", V2), ("0.2.0", V1), ("0.2.0.dev0", V1)]
)
def test_the_previous_release_is_the_newest_before_a_version(
    version: str, previous: Version
) -> None:
    """Also when a later one is known, as for a fix of an older line."""
    assert agreement.previous_release(Version(version), RELEASED.releases) == previous


def test_a_first_version_has_no_previous_one() -> None:
    """It says so."""
    with pytest.raises(ToolError, match=r"no release before 0\.1\.0"):
        agreement.previous_release(V1, RELEASED.releases)
