"""The rules on the keys of Spaces."""

from typing import Any

from nix_cache.backends.spaces.policy_rules import SPACES_FULL_ACCESS, SPACES_KEYS
from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.model import Resource
from tests.policies.stacks import SPACES_BUCKET_POLICY, SPACES_KEY, found, resource, unknown

PUBLIC = resource(SPACES_BUCKET_POLICY, {"bucket": "public"}, name="anonymous-read")


def key(permission: Any, bucket: Any = "") -> Resource:
    """Return a key with one right."""
    return resource(SPACES_KEY, {"grants": [{"permission": permission, "bucket": bucket}]})


def test_a_key_is_as_narrow_as_spaces_has_it() -> None:
    """Limited in a private cache; with full access only beside a bucket that has a policy."""
    for permission in ("read", "readwrite"):
        assert not found(SPACES_KEYS, key(permission, "private"))
        assert not found(SPACES_KEYS, key(permission, "private"), PUBLIC)
        assert "which has the policy anonymous-read" in found(
            SPACES_KEYS, key(permission, "public"), PUBLIC
        )
    assert not found(SPACES_KEYS, key("fullaccess"), PUBLIC)
    assert "everything in the account" in found(SPACES_KEYS, key("fullaccess"))


def test_a_key_without_rights_and_other_resources_are_right() -> None:
    """There is nothing to limit."""
    assert not found(SPACES_KEYS, resource(SPACES_KEY), PUBLIC)
    assert not found(SPACES_KEYS, PUBLIC)


def test_rights_that_are_not_known_yet_are_reported() -> None:
    """The key's, or the bucket of the policy."""
    nameless = resource(SPACES_BUCKET_POLICY, {"bucket": UNKNOWN})

    assert unknown(SPACES_KEYS, resource(SPACES_KEY, {"grants": UNKNOWN}), PUBLIC)
    assert unknown(SPACES_KEYS, key(UNKNOWN), PUBLIC)
    assert unknown(SPACES_KEYS, key("read", UNKNOWN), PUBLIC)
    assert unknown(SPACES_KEYS, key("read", "b"), nameless)


def test_a_key_to_the_whole_account_is_reported_and_stops_nothing() -> None:
    """A public cache has no narrower one."""
    assert SPACES_FULL_ACCESS.is_advisory
    assert "all Spaces of the account" in found(SPACES_FULL_ACCESS, key("fullaccess"), PUBLIC)
    assert not found(SPACES_FULL_ACCESS, key("readwrite", "private"))
    assert not found(SPACES_FULL_ACCESS, resource(SPACES_KEY))
    assert not found(SPACES_FULL_ACCESS, PUBLIC)
    assert unknown(SPACES_FULL_ACCESS, resource(SPACES_KEY, {"grants": UNKNOWN}))
    assert unknown(SPACES_FULL_ACCESS, key(UNKNOWN))
