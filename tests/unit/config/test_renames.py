"""Settings under the names that they had before: what they mean, and what is said about them."""

from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator

from nix_cache.config.check import check
from nix_cache.config.problems import Problem, SettingsError
from nix_cache.config.renames import as_written, renamed
from nix_cache.config.setting import SettingsModel, setting
from nix_cache.config.spelling import Spelling
from nix_cache.config.stack import checked_settings
from tests.unit.config.test_settings import LEAST

CONFIGURED = {
    "nix-cache:domain": "cache.example.org",
    "nix-cache:minio": '{"endpoint": "https://minio.example.org"}',
    "nix-cache:manifest": "",  # the project file's default
}
"""A stack's configuration, as the engine hands it over."""


class Part(SettingsModel):
    """A part of a cache with renamed settings within."""

    new_name: str = setting("A name.", default="", renamed_from="old_name")


class Whole(SettingsModel):
    """A cache with renamed settings at every depth."""

    part: Part | None = setting("One part.", default=None)
    many_parts: tuple[Annotated[Part, BeforeValidator(lambda raw: raw)], ...] = setting(
        "Parts.", default=(), renamed_from="parts"
    )


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_former_name_means_the_same(public: bool, wanted: bool) -> None:
    """Also when it turns off what is on by default."""
    old = check({**LEAST, "public": public, "descriptor": wanted})

    new = check({**LEAST, "public": public, "manifest": wanted})
    assert old.model_dump() == new.model_dump()
    assert old.has_manifest is wanted


@pytest.mark.parametrize("unset", [None, ""])
def test_a_former_name_without_a_value_is_left_alone(unset: str | None) -> None:
    """The engine has an empty value for what a project file names and a stack does not."""
    cache = check({**LEAST, "descriptor": unset, "manifest": True})

    assert cache.has_manifest
    assert cache.deprecations == ()


def test_the_warning_names_both_as_the_user_spells_them() -> None:
    """Once, and not for the present name."""
    stack, _ = checked_settings({**CONFIGURED, "nix-cache:descriptor": "false"})

    assert not stack.has_manifest
    assert stack.deprecations == (
        "nix-cache:descriptor is deprecated. Rename it to nix-cache:manifest.",
    )
    assert check({**LEAST, "descriptor": True}).deprecations == (
        "descriptor is deprecated. Rename it to manifest.",
    )
    assert check({**LEAST, "manifest": True}).deprecations == ()


def test_both_names_at_once_are_one_error_beside_all_others() -> None:
    """Even with one value: which of them counts would be a guess."""
    both = {"nix-cache:descriptor": "true", "nix-cache:manifest": "true"}
    with pytest.raises(SettingsError) as refusal:
        checked_settings({**CONFIGURED, **both, "nix-cache:priority": "-1"})

    assert str(refusal.value).splitlines() == [
        "2 mistakes in the settings of the cache. Nothing was changed.",
        "  nix-cache:descriptor is the former name of manifest, which is set too",
        "      fix: remove descriptor",
        "  nix-cache:priority = '-1' is below 0",
        "      fix: set it to a whole number from 0 to 1000",
    ]


def test_a_mistake_under_a_former_name_is_reported_under_it() -> None:
    """A user looks for what they wrote."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "descriptor": 7})

    [problem] = refusal.value.problems
    assert (problem.key, problem.mistake) == ("descriptor", "is neither true nor false")


@pytest.mark.parametrize("old", ["oldName", "old_name"])
def test_settings_are_renamed_within_others_in_either_spelling(old: str) -> None:
    """In an object, in a list of objects, and in a list that was renamed itself."""
    raw: dict[str, Any] = {"part": {old: "a"}, "parts": [{old: "b"}, {"newName": "c"}]}

    result = renamed(raw, Whole)

    whole = Whole.model_validate(result.raw)
    assert whole.part
    assert whole.part.new_name == "a"
    assert [part.new_name for part in whole.many_parts] == ["b", "c"]
    warnings = [name.deprecation("", Spelling.SNAKE_CASE) for name in result.former]
    assert warnings == [
        "part.old_name is deprecated. Rename it to part.new_name.",
        "parts is deprecated. Rename it to many_parts.",
        "many_parts[0].old_name is deprecated. Rename it to many_parts[0].new_name.",
    ]
    assert raw == {"part": {old: "a"}, "parts": [{old: "b"}, {"newName": "c"}]}


def test_a_conflict_within_another_setting_names_its_place() -> None:
    """So that it is found in a long configuration."""
    [problem] = renamed({"manyParts": [{"old_name": "a", "newName": "b"}]}, Whole).problems

    assert problem.key == "manyParts[0].oldName"
    assert problem.fix == "remove manyParts[0].oldName"


@pytest.mark.parametrize("raw", [None, "text", 7, [7], [["text"]]])
def test_what_is_no_object_is_left_to_the_check(raw: object) -> None:
    """It has its own message."""
    assert renamed({"part": raw}, Whole).raw == {"part": raw}


def test_only_whole_names_are_reported_as_they_were_written() -> None:
    """A setting whose name begins alike is another one."""
    former = renamed({"parts": []}, Whole).former
    keys = ["manyParts", "manyParts[0].newName", "manyPartsAtOnce"]
    problems = [Problem(key, "", "is wrong", "set it") for key in keys]

    found = [problem.key for problem in as_written(problems, former)]

    assert found == ["parts", "parts[0].newName", "manyPartsAtOnce"]
