"""Rules on what expires, on every backend."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_cache.iam.lifecycle import expiry_rules
from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.model import Resource
from nix_cache.policy.rules.expiry import EXPIRY_SPARES_INFO, NARS_OUTLIVE_NARINFOS
from tests.policies.stacks import (
    AWS_BUCKET,
    AWS_LIFECYCLE,
    B2_BUCKET,
    MINIO_LIFECYCLE,
    SPACES_BUCKET,
    found,
    resource,
    unknown,
)

Rules = Sequence[tuple[str, int]]


def on_minio(rules: Rules) -> Resource:
    """Return a lifecycle of MinIO: days after which a prefix goes."""
    return resource(
        MINIO_LIFECYCLE,
        {"rules": [{"id": p, "filter": p, "expiration": f"{days}d"} for p, days in rules]},
    )


def on_aws(rules: Rules) -> Resource:
    """Return the same on AWS."""
    return resource(
        AWS_LIFECYCLE,
        {
            "rules": [
                {"status": "Enabled", "filter": {"prefix": p}, "expiration": {"days": days}}
                for p, days in rules
            ]
        },
    )


def within_aws(rules: Rules) -> Resource:
    """Return the same as a part of the bucket, as older programs have it."""
    return resource(AWS_BUCKET, {"lifecycleRules": _enabled(rules)})


def on_spaces(rules: Rules) -> Resource:
    """Return the same on Spaces."""
    return resource(SPACES_BUCKET, {"lifecycleRules": _enabled(rules)})


def on_b2(rules: Rules) -> Resource:
    """Return the same on B2, where hiding an object is its end."""
    return resource(
        B2_BUCKET,
        {
            "lifecycle_rules": [
                {"fileNamePrefix": p, "daysFromUploadingToHiding": days} for p, days in rules
            ]
        },
    )


def _enabled(rules: Rules) -> list[dict[str, Any]]:
    return [{"enabled": True, "prefix": p, "expiration": {"days": days}} for p, days in rules]


BACKENDS = pytest.mark.parametrize(
    "lifecycle", [on_minio, on_aws, within_aws, on_spaces, on_b2], ids=lambda f: f.__name__
)
Lifecycle = Callable[[Rules], Resource]


@BACKENDS
@pytest.mark.parametrize("days", [1, 30, 90, 3650])
def test_what_the_component_lets_expire_is_right(lifecycle: Lifecycle, days: int) -> None:
    """Soon or late."""
    subject = lifecycle([(rule.prefix, rule.days) for rule in expiry_rules(days)])

    assert not found(EXPIRY_SPARES_INFO, subject)
    assert not found(NARS_OUTLIVE_NARINFOS, subject)


@BACKENDS
@settings(deadline=None, max_examples=20)
@given(length=st.integers(0, len("nix-cache-info")), days=st.integers(1, 3650))
def test_a_rule_whose_prefix_begins_the_info_is_wrong(
    lifecycle: Lifecycle, length: int, days: int
) -> None:
    """From every key to exactly that one."""
    violations = found(EXPIRY_SPARES_INFO, lifecycle([("nix-cache-info"[:length], days)]))

    assert f"removes nix-cache-info after {days} days" in violations


@BACKENDS
def test_nars_may_not_go_before_a_client_forgets_the_narinfo(lifecycle: Lifecycle) -> None:
    """Thirty days later is soon enough, and narinfos that stay need NARs that stay."""
    rules = [(rule.prefix, rule.days) for rule in expiry_rules(90)]
    narinfos = [rule for rule in rules if rule[0] != "nar/"]

    assert not found(NARS_OUTLIVE_NARINFOS, lifecycle([*narinfos, ("nar/", 120)]))
    sooner = found(NARS_OUTLIVE_NARINFOS, lifecycle([*narinfos, ("nar/", 119)]))
    assert "removes NARs after 119 days, while narinfos go after 90" in sooner
    assert "while narinfos stay" in found(NARS_OUTLIVE_NARINFOS, lifecycle([("nar/", 3000)]))


@BACKENDS
def test_nothing_expires_and_nothing_is_wrong(lifecycle: Lifecycle) -> None:
    """No rules, or no lifecycle at all."""
    for subject in (lifecycle([]), resource(lifecycle([]).type)):
        assert not found(EXPIRY_SPARES_INFO, subject)
        assert not found(NARS_OUTLIVE_NARINFOS, subject)


@pytest.mark.parametrize(
    ("type_token", "place"),
    [
        (MINIO_LIFECYCLE, "rules"),
        (AWS_LIFECYCLE, "rules"),
        (AWS_BUCKET, "lifecycleRules"),
        (SPACES_BUCKET, "lifecycleRules"),
        (B2_BUCKET, "lifecycle_rules"),
    ],
)
@pytest.mark.parametrize("rule", [EXPIRY_SPARES_INFO, NARS_OUTLIVE_NARINFOS])
def test_rules_that_are_not_known_yet_are_reported(rule: Any, type_token: str, place: str) -> None:
    """All of them, or one."""
    assert unknown(rule, resource(type_token, {place: UNKNOWN})) == f"{place} is not known yet"
    assert "is not known yet" in unknown(rule, resource(type_token, {place: [UNKNOWN]}))


@pytest.mark.parametrize(
    "rule",
    [
        {"status": "Enabled", "expiration": {"expiredObjectDeleteMarker": True}},
        {"status": "Enabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}},
        {"status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 7}},
        {"status": "Enabled", "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}]},
        {"status": "Disabled", "expiration": {"days": 1}},
        {"status": "Enabled", "filter": {"tag": {"key": "k"}}, "expiration": {"days": 1}},
        {"status": "Enabled", "filter": {"and": {"tags": {"k": "v"}}}, "expiration": {"days": 1}},
    ],
)
def test_rules_that_remove_no_object_of_a_cache_do_not_count(rule: dict[str, Any]) -> None:
    """Noncurrent versions, unfinished uploads, what is tagged, and what is switched off."""
    subject = resource(AWS_LIFECYCLE, {"rules": [rule]})

    assert not found(EXPIRY_SPARES_INFO, subject)
    assert not found(NARS_OUTLIVE_NARINFOS, subject)


@pytest.mark.parametrize(
    ("type_token", "properties"),
    [
        (MINIO_LIFECYCLE, {"rules": [{"id": "all", "expiration": "2030-01-01"}]}),
        (AWS_LIFECYCLE, {"rules": [{"expiration": {"date": "2030-01-01"}}]}),
        (
            AWS_LIFECYCLE,
            {"rules": [{"filter": {"and": {"prefix": "n"}}, "expiration": {"date": "2030"}}]},
        ),
        (AWS_LIFECYCLE, {"rules": [{"prefix": "nix", "expiration": {"date": "2030"}}]}),
        (SPACES_BUCKET, {"lifecycleRules": [{"enabled": True, "expiration": {"date": "2030"}}]}),
    ],
)
def test_a_date_is_an_end_as_well(type_token: str, properties: dict[str, Any]) -> None:
    """However the prefix is written."""
    assert "nix-cache-info on a date" in found(EXPIRY_SPARES_INFO, resource(type_token, properties))


def test_a_delete_marker_is_no_object() -> None:
    """MinIO's word for what only removes the trace of an object."""
    rules = [{"id": "markers", "expiration": "DeleteMarker"}]

    assert not found(EXPIRY_SPARES_INFO, resource(MINIO_LIFECYCLE, {"rules": rules}))


def test_what_b2_removes_of_hidden_objects_does_not_count() -> None:
    """The component's own rule."""
    rules = [{"fileNamePrefix": "", "daysFromHidingToDeleting": 7}]

    assert not found(EXPIRY_SPARES_INFO, resource(B2_BUCKET, {"lifecycle_rules": rules}))
