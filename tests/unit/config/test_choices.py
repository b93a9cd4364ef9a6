"""Settings that are choices: as values, as members of enums, and as other languages send them."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest

import nix_cache
from nix_cache.config.catalogue import all_settings
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.schema import package_schema
from tests.samples import SAMPLES

SCHEMA = package_schema()
ENUMS = {
    token.rpartition(":")[2]: {member["name"]: member["value"] for member in kind["enum"]}
    for token, kind in SCHEMA["types"].items()
    if "enum" in kind
}
GROUPS = {"": SCHEMA["resources"]["nix-cache:index:BinaryCache"]["inputProperties"]} | {
    token.rpartition(":")[2]: kind["properties"]
    for token, kind in SCHEMA["types"].items()
    if "properties" in kind
}


def choices() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """By enum, where its setting is in the arguments, and its backend."""
    cache, *groups = all_settings()
    names = {group.name: group for group in groups}

    def within(settings: Any, at: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], str]]:
        for setting in settings:
            here = (*at, setting.name)
            if setting.choice:
                yield setting.choice.name, here, at[0] if at else "minio"
            elif setting.kind.is_group:
                yield from within(names[setting.kind.name].settings, here)

    return within(cache.settings, ())


def checked(at: tuple[str, ...], backend: str, value: Any) -> Any:
    """Return the checked value of a choice; everything else about the cache is right."""
    sample: dict[str, Any] = {**SAMPLES[backend], "public": True}
    if at == ("backend",):
        return check({**SAMPLES[str(value)], "backend": value}).backend
    inner = value
    for step in reversed(at[1:]):
        inner = {step: inner}
    found: Any = check({**sample, at[0]: {**sample[at[0]], **inner}}).backend_settings
    for step in at[1:]:
        found = {
            field.alias: getattr(found, name) for name, field in type(found).model_fields.items()
        }[step]
    return found


def test_every_setting_with_fixed_values_is_a_choice() -> None:
    """As an enum or, for programs that write the value, as a text or a number."""
    assert set(ENUMS) == {
        "Backend",
        "AwsNarStorageClass",
        "AwsSigningKeyStore",
        "CloudFrontPriceClass",
        "SpacesRegion",
        "SpacesCdnTtlSeconds",
        "S3AddressingStyle",
    }
    for name, at, _ in choices():
        group = name.removesuffix(at[-1][0].upper() + at[-1][1:])
        plain, enum = GROUPS[group][at[-1]]["oneOf"]
        assert "$ref" not in plain
        assert enum["$ref"] == f"#/types/nix-cache:index:{name}"
        assert plain["type"] == enum["type"] == GROUPS[group][at[-1]]["type"]


def test_the_names_of_values_are_names_in_every_language() -> None:
    """In PascalCase, which no language has as a keyword, and without two of one name."""
    for name, members in ENUMS.items():
        assert all(re.fullmatch(r"[A-Z][A-Za-z0-9]*", member) for member in members), name
        assert len(set(members.values())) == len(members)
    assert ENUMS["AwsNarStorageClass"]["IntelligentTiering"] == "INTELLIGENT_TIERING"
    assert ENUMS["AwsSigningKeyStore"]["SecretsManager"] == "secrets-manager"
    assert ENUMS["CloudFrontPriceClass"]["PriceClass100"] == "PriceClass_100"
    assert ENUMS["SpacesCdnTtlSeconds"]["Seconds60"] == 60
    assert ENUMS["Backend"]["B2"] == "b2"


@pytest.mark.parametrize(("name", "at", "backend"), list(choices()), ids=lambda part: str(part))
def test_a_choice_is_written_as_its_value_or_by_its_enum(
    name: str, at: tuple[str, ...], backend: str
) -> None:
    """Other languages send whole numbers as floats."""
    enum: type[Enum] = getattr(nix_cache, name)

    assert [member.value for member in enum] == list(ENUMS[name].values())
    for member in enum:
        value = member.value
        forms = [member, value, *([float(value)] if isinstance(value, int) else [])]
        for form in forms:
            found = checked(at, backend, form)
            assert found == value
            assert type(found) is type(value)


@pytest.mark.parametrize(("name", "at", "backend"), list(choices()), ids=lambda part: str(part))
def test_another_value_is_a_mistake_with_all_that_are_allowed(
    name: str, at: tuple[str, ...], backend: str
) -> None:
    """In the fix."""
    sample: dict[str, Any] = {**SAMPLES[backend], "public": True}
    inner: Any = "another"
    for step in reversed(at[1:]):
        inner = {step: inner}
    value = inner if len(at) == 1 else {**sample[at[0]], **inner}

    with pytest.raises(SettingsError) as refusal:
        check({**sample, at[0]: value})

    [problem] = refusal.value.problems
    assert problem.key == ".".join(at)
    assert problem.value == "'another'"
    assert problem.fix == f"set it to one of {', '.join(map(str, ENUMS[name].values()))}"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"priority": 41.0}, lambda cache: cache.priority),
        ({"expireAfterDays": 41.0}, lambda cache: cache.expire_after_days),
        (
            {"writers": [{"name": "ci-runner", "generation": 41.0}]},
            lambda cache: cache.writers[0].generation,
        ),
        (
            {"writers": [{"name": "abc", "generation": 42, "trustedGenerations": [41.0]}]},
            lambda cache: cache.writers[0].trusted_generations[0],
        ),
    ],
)
def test_whole_numbers_come_as_floats_from_other_languages(settings: Any, found: Any) -> None:
    """They are whole numbers afterwards; others are mistakes."""
    value = found(check({**SAMPLES["minio"], **settings}))

    assert value == 41
    assert type(value) is int
    with pytest.raises(SettingsError, match="is not a whole number"):
        check({**SAMPLES["minio"], "priority": 40.5})
