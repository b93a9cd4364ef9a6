"""Access logs on AWS under mocks: exact inputs, and names that are reserved."""

import json
from typing import Any

import pulumi
import pytest

from nix_cache import BinaryCacheArgs
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.iam import access
from tests.fakes.aws_answers import ACCOUNT, GET_BUCKET
from tests.unit.backends.test_aws import PUBLIC, document, made, output

LOGGED: BinaryCacheArgs = {**PUBLIC, "aws": {"region": "eu-central-1", "access_logs": {}}}
LOG_BUCKET = "team-cache-logs"


def with_logs(**aws: Any) -> BinaryCacheArgs:
    """Return a logged cache with more settings of AWS."""
    return {**PUBLIC, "aws": {"region": "eu-central-1", "access_logs": {}, **aws}}  # type: ignore[typeddict-item]


def test_without_the_setting_nothing_is_logged() -> None:
    recorder = made(PUBLIC)

    assert recorder.names(":Bucket") == ["c-bucket"]
    assert recorder.names(":BucketLogging") == []
    assert output(PUBLIC, "manifest")["accessLogs"] is None


def test_a_logged_cache_registers_these_resources_besides() -> None:
    plain = {(one.type, one.name) for one in made(PUBLIC).resources}
    logged = {(one.type, one.name) for one in made(LOGGED).resources}

    assert plain < logged
    assert sorted((kind.rpartition(":")[2], name) for kind, name in logged - plain) == [
        ("Bucket", "c-log-bucket"),
        ("BucketLifecycleConfiguration", "c-log-bucket-lifecycle"),
        ("BucketLogging", "c-logging"),
        ("BucketOwnershipControls", "c-log-bucket-ownership"),
        ("BucketPolicy", "c-log-bucket-policy"),
        ("BucketPublicAccessBlock", "c-log-bucket-public-access-block"),
        ("BucketServerSideEncryptionConfiguration", "c-log-bucket-encryption"),
        ("NameReservation", "c-names-logs"),
    ]


def test_logs_go_to_another_bucket_once_s3_can_deliver_them() -> None:
    logging = made(LOGGED).one(":BucketLogging", "c-logging")

    assert logging.inputs == {
        "bucket": "team-cache",
        "region": "eu-central-1",
        "targetBucket": LOG_BUCKET,
        "targetPrefix": "access-logs/",
    }
    assert {
        "c-log-bucket-encryption",
        "c-log-bucket-lifecycle",
        "c-log-bucket-ownership",
        "c-log-bucket-policy",
        "c-names-logs",
    } <= logging.depends_on


def test_the_log_bucket_of_a_public_cache_is_closed() -> None:
    """Encrypted with keys of S3 whatever encrypts the cache: S3 delivers to no other bucket."""
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0f"
    recorder = made(with_logs(kms_key_arn=key, cloudfront={}))

    block = recorder.one(":BucketPublicAccessBlock", "c-log-bucket-public-access-block").inputs
    assert [block.pop(name) for name in ("bucket", "region")] == [LOG_BUCKET, "eu-central-1"]
    assert (len(block), set(block.values())) == (4, {True})
    ownership = recorder.one(":BucketOwnershipControls", "c-log-bucket-ownership").inputs
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    encryption = recorder.one(
        ":BucketServerSideEncryptionConfiguration", "c-log-bucket-encryption"
    ).inputs
    assert encryption["rules"] == [
        {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    ]


def test_only_the_logs_of_this_bucket_are_delivered_and_only_over_tls() -> None:
    """No user of the cache is named: the owner reads the logs."""
    found = document(made(LOGGED), ":BucketPolicy", "c-log-bucket-policy")

    assert found == access.merged(
        access.log_delivery_policy(LOG_BUCKET, "access-logs/", "team-cache", ACCOUNT),
        access.tls_only_policy(LOG_BUCKET),
    )
    delivery = found["Statement"][0]
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert delivery["Action"] == ["s3:PutObject"]
    assert delivery["Resource"] == "arn:aws:s3:::team-cache-logs/access-logs/*"
    assert delivery["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::team-cache"},
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }


def test_no_user_of_the_cache_reaches_the_logs() -> None:
    """Neither does the janitor: its credential is on machines that collect garbage."""
    recorder = made({**LOGGED, "janitor": True})

    policies = [one for one in recorder.resources if one.type.endswith(":UserPolicy")]
    names = {one.name for one in policies}
    assert {"c-nixbuilder-write", f"c-{access.JANITOR_IDENTITY}-janitor"} <= names
    for policy in policies:
        assert LOG_BUCKET not in json.dumps(policy.inputs["policy"])


def test_logs_expire_and_so_do_unfinished_uploads() -> None:
    recorder = made(with_logs(access_logs={"expire_after_days": 7}))
    rules = recorder.one(":BucketLifecycleConfiguration", "c-log-bucket-lifecycle").inputs["rules"]

    unfinished, logs = rules
    assert unfinished["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert (logs["filter"], logs["expiration"]) == ({"prefix": "access-logs/"}, {"days": 7})


@pytest.mark.parametrize("protect", [True, False])
def test_logs_are_protected_as_the_cache_is(protect: bool) -> None:
    """So is their delivery, which is ended before anything else of the log bucket is deleted."""
    recorder = made({**LOGGED, "protect": protect})
    bucket = recorder.one(":Bucket", "c-log-bucket")

    assert (bucket.protect, bucket.inputs["forceDestroy"]) == (protect, not protect)
    assert recorder.one(":BucketLogging", "c-logging").protect == protect


def test_the_manifest_names_the_logs_and_what_is_published_does_not() -> None:
    recorder = made(LOGGED)
    published = json.loads(recorder.one(":BucketObjectv2", "c-nix-cache.json").inputs["content"])

    assert output(LOGGED, "manifest")["accessLogs"] == {
        "bucket": LOG_BUCKET,
        "prefix": "access-logs/",
    }
    assert published["accessLogs"] is None
    texts = [r.inputs["content"] for r in recorder.resources if r.type.endswith("BucketObjectv2")]
    assert not any(LOG_BUCKET in text for text in texts)


def test_a_log_bucket_that_exists_stops_the_cache_before_anything_is_made() -> None:
    """The mocks have both buckets then, and both names are reported."""
    answers: dict[str, Any] = {GET_BUCKET: {"id": "x", "bucket": "x"}}

    with pytest.raises(pulumi.RunError) as refusal:
        made(LOGGED, **answers)

    assert f"the bucket '{LOG_BUCKET}' exists already in this account" in str(refusal.value)
    assert "Nothing was changed." in str(refusal.value)


def test_a_bucket_with_a_name_too_long_for_its_logs_is_refused() -> None:
    """63 characters are the most. Names of users are shorter anyway, unless all of them are."""
    short: BinaryCacheArgs = {**LOGGED, "writers": [{"name": "ci1"}], "readers": []}

    assert check({**short, "bucket": "b" * 58})
    assert check({**short, "bucket": "b" * 59, "aws": {"region": "eu-central-1"}})
    with pytest.raises(SettingsError) as refusal:
        check({**short, "bucket": "b" * 59})
    assert [problem.key for problem in refusal.value.problems] == ["bucket"]
    assert "would have more than 63 characters" in str(refusal.value)


@pytest.mark.parametrize("days", [0, 3651, "many"])
def test_days_that_are_no_days_are_refused(days: Any) -> None:
    with pytest.raises(SettingsError, match="whole number from 1 to 3650"):
        check(with_logs(access_logs={"expire_after_days": days}))
