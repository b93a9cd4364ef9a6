"""The component on Backblaze B2 under mocks: exact inputs, absent keys, secrets, options."""

from typing import Any

import pulumi
import pytest

from nix_cache import BinaryCacheArgs
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from tests.unit.mocks import Recorder
from tests.unit.test_component import made, outputs_of

PUBLIC: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "backend": "b2",
    "bucket": "team-cache",
    "public": True,
    "b2": {"region": "us-west-004"},
}
PRIVATE: BinaryCacheArgs = {**PUBLIC, "public": False}
MARK = "c-names-id"


def test_a_public_cache_registers_exactly_these_resources() -> None:
    """Nothing more than it needs, each under the component's name."""
    recorder = made(PUBLIC)

    assert sorted((r.type.rpartition(":")[2], r.name) for r in recorder.resources) == [
        ("B2Bucket", "c-bucket"),
        ("B2Key", "c-nixbuilder"),
        ("B2TextObject", "c-index.html"),
        ("B2TextObject", "c-nix-cache-info"),
        ("B2TextObject", "c-nix-cache.json"),
        ("BinaryCache", "c"),
        ("NameReservation", "c-names"),
        ("SigningKey", "c-nixbuilder-key-1"),
    ]


def test_the_bucket_is_encrypted_marked_protected_and_not_forced_away() -> None:
    """It keeps for a week what a writer hid or replaced, and what was never finished."""
    bucket = made(PUBLIC).one(":B2Bucket", "c-bucket")

    assert bucket.inputs == {
        "bucket": "team-cache",
        "type": "allPublic",
        "encryption": "SSE-B2",
        "lifecycle_rules": [
            {
                "fileNamePrefix": "",
                "daysFromHidingToDeleting": 7,
                "daysFromStartingToCancelingUnfinishedLargeFiles": 7,
            }
        ],
        "mark": MARK,
        "adopt": False,
        "force_destroy": False,
    }
    assert bucket.protect


def test_a_private_development_cache_can_be_removed_with_all_that_is_in_it() -> None:
    """Only without protection."""
    recorder = made({**PRIVATE, "protect": False, "adopt": True})
    bucket = recorder.one(":B2Bucket", "c-bucket").inputs

    assert (bucket["type"], bucket["force_destroy"], bucket["adopt"]) == ("allPrivate", True, True)
    assert not any(resource.protect for resource in recorder.resources)


def test_the_reservation_says_where_the_account_has_to_be() -> None:
    """And nothing of who the account is."""
    reserved = made(PUBLIC).one(":NameReservation", "c-names")

    assert reserved.inputs == {
        "backend": "b2",
        "bucket": "team-cache",
        "region": "us-west-004",
        "adopt": False,
        "spelling": "snake_case",
    }


def test_every_writer_and_reader_has_a_key_for_this_bucket_alone() -> None:
    """A writer's reads and writes, a reader's reads; no user lists, no user deletes."""
    recorder = made({**PRIVATE, "writers": [{"name": "ci-x"}, {"name": "ops"}]})

    assert recorder.names(":B2Key") == ["c-ci-x", "c-nixreader", "c-ops"]
    writer, reader = recorder.one(":B2Key", "c-ci-x"), recorder.one(":B2Key", "c-nixreader")
    assert writer.inputs == {
        "key_name": f"ci-x-{MARK}",
        "bucket_id": "c-bucket-id",
        "capabilities": ["readFiles", "writeFiles"],
    }
    assert writer.secret_outputs == {"secret_access_key"}
    assert reader.inputs == {
        "key_name": f"nixreader-{MARK}",
        "bucket_id": "c-bucket-id",
        "capabilities": ["readFiles"],
    }


def test_credentials_are_secrets_under_the_names_of_the_aws_tools() -> None:
    """The key's id is the public half."""
    values, secret = outputs_of(PUBLIC)

    assert secret == {"signing_keys", "credentials"}
    assert values["credentials"] == {
        "nixbuilder": {
            "accessKeyId": "c-nixbuilder-id",
            "secretAccessKey": f"secret-of-nixbuilder-{MARK}",
        }
    }


def test_nix_cache_info_is_an_object_with_its_own_content_type() -> None:
    """Exactly these inputs, so that nothing else of it can differ."""
    assert made(PUBLIC).one(":B2TextObject", "c-nix-cache-info").inputs == {
        "bucket_id": "c-bucket-id",
        "key": "nix-cache-info",
        "text": "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n",
        "content_type": "text/x-nix-cache-info",
    }


def test_clients_get_backblazes_own_endpoint_of_the_region() -> None:
    """Profiles have the bucket's name, which no other user's bucket has."""
    public, _ = outputs_of(PUBLIC)
    private, _ = outputs_of(PRIVATE)
    signed = "endpoint=https%3A%2F%2Fs3.us-west-004.backblazeb2.com&region=us-west-004"

    assert public["read_url"] == "https://s3.us-west-004.backblazeb2.com/team-cache"
    assert public["push_urls"]["nixbuilder"] == (
        f"s3://team-cache?profile=team-cache-nixbuilder&{signed}"
        "&compression=zstd&parallel-compression=true&multipart-upload=true"
    )
    assert private["read_url"] == f"s3://team-cache?profile=team-cache-nixreader&{signed}"
    assert private["manifest"]["region"] == "us-west-004"
    assert private["manifest"]["backend"] == "b2"


def test_another_endpoint_is_used_instead() -> None:
    """For caches with another host before the service."""
    args: Any = {**PUBLIC, "b2": {"region": "us-west-004", "endpoint": "https://b2.example.org"}}
    values, _ = outputs_of(args)

    assert values["read_url"] == "https://b2.example.org/team-cache"
    assert "endpoint=https%3A%2F%2Fb2.example.org&" in values["push_urls"]["nixbuilder"]


def test_everything_in_the_account_waits_for_the_reservation() -> None:
    """So that what is found out keeps all of it from being made."""
    for resource in made(PUBLIC).resources:
        if resource.type.endswith((":B2Bucket", ":B2Key", ":B2TextObject")):
            assert "c-names" in resource.depends_on, resource.name


def test_what_the_reservation_finds_is_one_error_and_nothing_in_the_account_is_made() -> None:
    """With the reservation's own words."""
    recorder = Recorder(taken={"team-cache": "the bucket is another account's"})

    with pytest.raises(pulumi.RunError, match="another account's\nNothing was changed"):
        made(PUBLIC, recorder=recorder)
    assert recorder.names(":B2Bucket") + recorder.names(":B2Key") == []


def test_all_children_belong_to_the_component() -> None:
    """And none to each other."""
    assert {r.parent for r in made(PRIVATE).resources if r.name != "c"} == {"c"}


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"bucket": "abcde"}, "bucket = 'abcde' is not a name that B2 accepts"),
        ({"bucket": "b2-cache"}, "bucket = 'b2-cache' is not a name that B2 accepts"),
        ({"bucket": "abcdef"}, None),
        ({"b2": {"region": "us-west-4"}}, "b2.region = 'us-west-4' has an invalid format"),
        (
            {"expireAfterDays": 90},
            "as none may match nix-cache-info, and Backblaze B2 has at most 100",
        ),
    ],
)
def test_what_b2_cannot_do_is_refused_before_anything_is_made(
    settings: dict[str, Any], mistake: str | None
) -> None:
    """With the setting, the value and the fix."""
    written: dict[str, Any] = {**PUBLIC, **settings}
    if mistake is None:
        check(written)
        return
    with pytest.raises(SettingsError) as refusal:
        check(written)
    assert mistake in str(refusal.value)


def test_names_that_b2_does_not_take_are_fine_elsewhere() -> None:
    """MinIO has no such rules."""
    check({"domain": "a", "bucket": "b2-x", "minio": {"endpoint": "https://minio.example.org"}})
