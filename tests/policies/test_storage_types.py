"""The one name under which rules know a type."""

import pytest

from nix_cache.policy.storage_types import CACHE, SIGNING_KEY, canonical
from tests.policies.stacks import AWS_BUCKET


@pytest.mark.parametrize(
    ("token", "known"),
    [
        ("aws:s3/bucketV2:BucketV2", AWS_BUCKET),
        (AWS_BUCKET, AWS_BUCKET),
        (SIGNING_KEY, SIGNING_KEY),
        ("nix-cache:index:SigningKey", SIGNING_KEY),
        (CACHE, CACHE),
        ("nix-cache-other:index:SigningKey", "nix-cache-other:index:SigningKey"),
    ],
)
def test_a_type_has_one_name(token: str, known: str) -> None:
    """Whatever the program's language, and whatever the provider called it for a time."""
    assert canonical(token) == known
