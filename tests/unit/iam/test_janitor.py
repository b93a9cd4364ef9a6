"""The janitor's policy: what it allows, and what it does not."""

import pytest

from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.collection_run import RUN_KEY
from nix_cache.formats.manifest import MANIFEST_KEY
from nix_cache.iam import access
from nix_cache.iam.lifecycle import LANDING_PAGE_KEY, NIX32
from tests.fakes.iam_evaluation import Decision, Request, decide

BUCKET = "b"
OF_BUCKET = f"arn:aws:s3:::{BUCKET}"
CONTENTS = (
    f"{NIX32}.narinfo",
    f"{NIX32}.ls",
    f"nar/{NIX32}.nar.zst",
    "nar/a/b",
    "log/abc-hello.drv",
    "debuginfo/0a1b.debug",
    "realisations/sha256:abc!out.doi",
    "build-trace-v2/abc.doi",
    "nix-cache-roots/0a1b2c.json",
    "nix-cache-pins/release/1",
)
COLLECTION = ("nix-cache-gc.json", RUN_KEY, "nix-cache-gc-undo/2026.json")
METADATA = (INFO_KEY, MANIFEST_KEY, LANDING_PAGE_KEY)
FOREIGN = (
    "",
    "narinfo",
    "nar",
    f"{NIX32[1:]}.narinfo",
    f"{NIX32}x.narinfo",
    f"x{NIX32}.narinfo",
    f"{NIX32}.narinfo.bak",
    "nix-cache-roots",
    "nix-cache-pins",
    "nix-cache",
    "nix-cache-g",
    "nix-cache-info.old",
    "xnar/a",
    "XNAR/a",
)


def allows(action: str, resource: str, *, versioned: bool = False) -> bool:
    """Return whether the janitor of the bucket is allowed an action."""
    document = access.janitor_policy(BUCKET, versioned=versioned)
    return decide(document, Request(action, resource)) is Decision.ALLOWED


def of(key: str, bucket: str = BUCKET) -> str:
    """Return an object's ARN."""
    return f"arn:aws:s3:::{bucket}/{key}"


@pytest.mark.parametrize("key", [*CONTENTS, *COLLECTION])
def test_the_janitor_reads_and_deletes_the_contents(key: str) -> None:
    """Versions alone where the bucket keeps them."""
    assert allows("s3:GetObject", of(key))
    assert allows("s3:DeleteObject", of(key))
    for action in ("s3:GetObjectVersion", "s3:DeleteObjectVersion"):
        assert allows(action, of(key), versioned=True)
        assert not allows(action, of(key))


@pytest.mark.parametrize("key", [*METADATA, *FOREIGN])
def test_the_janitor_deletes_and_puts_nothing_else(key: str) -> None:
    """The cache's metadata above all."""
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"):
        assert not allows(action, of(key), versioned=True)
    assert allows("s3:GetObject", of(key))


@pytest.mark.parametrize("key", CONTENTS)
def test_the_janitor_puts_no_contents(key: str) -> None:
    """A leaked credential can delete, and cannot publish."""
    for action in ("s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectAcl"):
        assert not allows(action, of(key), versioned=True)


@pytest.mark.parametrize("key", COLLECTION)
def test_the_janitor_puts_what_a_collection_writes(key: str) -> None:
    """The ledger, the note of a run, and what later versions add below the same prefix."""
    assert allows("s3:PutObject", of(key))


def test_the_janitor_lists_the_bucket_and_changes_none_of_its_settings() -> None:
    """It also sees whether a deletion can be undone."""
    for action in ("s3:ListBucket", "s3:GetBucketVersioning"):
        assert allows(action, OF_BUCKET)
    assert allows("s3:ListBucketVersions", OF_BUCKET, versioned=True)
    assert not allows("s3:ListBucketVersions", OF_BUCKET)
    for action in (
        "s3:DeleteBucket",
        "s3:DeleteBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:PutBucketVersioning",
        "s3:PutLifecycleConfiguration",
        "s3:GetBucketPolicy",
    ):
        assert not allows(action, OF_BUCKET, versioned=True)


@pytest.mark.parametrize("bucket", ["c", "bb", "b-2", "*"])
def test_the_janitor_has_no_right_on_another_bucket(bucket: str) -> None:
    """Also not on one whose name starts alike."""
    document = access.janitor_policy(BUCKET, versioned=True)
    for statement in document["Statement"]:
        for action in statement["Action"]:
            for resource in (f"arn:aws:s3:::{bucket}", of(CONTENTS[0], bucket)):
                assert not allows(action, resource, versioned=True)


@pytest.mark.parametrize("privilege", [access.Privilege.READ, access.Privilege.WRITE])
def test_versions_change_nothing_for_writers_and_readers(privilege: access.Privilege) -> None:
    """They never meet an earlier version."""
    assert access.policy_for(privilege, BUCKET, versioned=True) == access.policy_for(
        privilege, BUCKET
    )
