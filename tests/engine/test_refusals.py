"""What neither a writer nor a reader can do on MinIO, by plain S3 and the admin API.

Only a real server shows what a policy refuses. What users can do is in `test_access.py`.
"""

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.error import MinioAdminException

from tests.engine.s3 import s3_client
from tests.engine.two_caches import (
    FOREIGN,
    NAR,
    NARINFO,
    PRIVATE,
    PUBLIC,
    UNWRITABLE,
    WRITABLE,
    TwoCaches,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OWN = ("nix-cache-info", "index.html", "nix-cache.json")
"""The cache's metadata."""

USERS = ("nixbuilder", "team-reader")
"""A writer and a reader of the public cache."""

OPEN_TO_ALL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:*"],
            "Resource": [f"arn:aws:s3:::{PUBLIC}/*"],
        }
    ],
}


@pytest.mark.parametrize("user", ["", *USERS])
@pytest.mark.parametrize("key", [NAR, *OWN])
@pytest.mark.usefixtures("unchanged")
def test_no_user_deletes_many_at_once(caches: TwoCaches, user: str, key: str) -> None:
    """A request that succeeds as a whole, and reports the result for each object."""
    client = caches.client(user) if user else s3_client(caches.url)

    answer = client.delete_objects(Bucket=PUBLIC, Delete={"Objects": [{"Key": key}]})

    assert "Deleted" not in answer
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [(key, "AccessDenied")]


def _delete(s3: "S3Client", key: str) -> None:
    s3.delete_object(Bucket=PUBLIC, Key=key)


def _begin_upload(s3: "S3Client", key: str) -> None:
    s3.create_multipart_upload(Bucket=PUBLIC, Key=key)


def _copy_nar_to(s3: "S3Client", key: str) -> None:
    s3.copy_object(Bucket=PUBLIC, Key=key, CopySource={"Bucket": PUBLIC, "Key": NAR})


REFUSED_TO_ALL: dict[str, Callable[["S3Client"], object]] = {
    "delete-nar": lambda s3: s3.delete_object(Bucket=PUBLIC, Key=NAR),
    "delete-narinfo": lambda s3: s3.delete_object(Bucket=PUBLIC, Key=NARINFO),
    "delete-version": lambda s3: s3.delete_object(Bucket=PUBLIC, Key=NAR, VersionId="null"),
    **{f"delete-{key}": functools.partial(_delete, key=key) for key in OWN},
    "list": lambda s3: s3.list_objects(Bucket=PUBLIC),
    "list-v2": lambda s3: s3.list_objects_v2(Bucket=PUBLIC, Prefix="nar/"),
    "list-versions": lambda s3: s3.list_object_versions(Bucket=PUBLIC),
    "list-uploads": lambda s3: s3.list_multipart_uploads(Bucket=PUBLIC),
    "list-another": lambda s3: s3.list_objects_v2(Bucket=PRIVATE),
    "list-foreign": lambda s3: s3.list_objects_v2(Bucket=FOREIGN),
    "list-buckets": lambda s3: s3.list_buckets(),
    **{f"upload-parts-of-{key}": functools.partial(_begin_upload, key=key) for key in OWN},
    **{f"copy-to-{key}": functools.partial(_copy_nar_to, key=key) for key in OWN},
    "put-another": lambda s3: s3.put_object(Bucket=PRIVATE, Key=NAR, Body=b"no"),
    "put-foreign": lambda s3: s3.put_object(Bucket=FOREIGN, Key=NAR, Body=b"no"),
    "get-another": lambda s3: s3.get_object(Bucket=PRIVATE, Key=NAR),
    "get-info-of-another": lambda s3: s3.get_object(Bucket=PRIVATE, Key="nix-cache-info"),
    "copy-from-another": lambda s3: s3.copy_object(
        Bucket=PUBLIC, Key="nar/stolen.nar", CopySource={"Bucket": PRIVATE, "Key": NAR}
    ),
    "tag": lambda s3: s3.put_object_tagging(
        Bucket=PUBLIC, Key=NAR, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    ),
    "get-policy": lambda s3: s3.get_bucket_policy(Bucket=PUBLIC),
    "put-policy": lambda s3: s3.put_bucket_policy(Bucket=PUBLIC, Policy=json.dumps(OPEN_TO_ALL)),
    "delete-policy": lambda s3: s3.delete_bucket_policy(Bucket=PUBLIC),
    "put-acl": lambda s3: s3.put_bucket_acl(Bucket=PUBLIC, ACL="public-read"),
    "put-lifecycle": lambda s3: s3.put_bucket_lifecycle_configuration(
        Bucket=PUBLIC,
        LifecycleConfiguration={
            "Rules": [{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]
        },
    ),
    "delete-lifecycle": lambda s3: s3.delete_bucket_lifecycle(Bucket=PUBLIC),
    "put-versioning": lambda s3: s3.put_bucket_versioning(
        Bucket=PUBLIC, VersioningConfiguration={"Status": "Enabled"}
    ),
    "make-bucket": lambda s3: s3.create_bucket(Bucket="a-new-bucket"),
    "delete-bucket": lambda s3: s3.delete_bucket(Bucket=FOREIGN),
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("action", REFUSED_TO_ALL)
@pytest.mark.usefixtures("unchanged")
def test_neither_writers_nor_readers_may(caches: TwoCaches, user: str, action: str) -> None:
    """List, delete, touch the cache's metadata, another bucket, or any bucket's settings."""
    with pytest.raises(ClientError) as refusal:
        REFUSED_TO_ALL[action](caches.client(user))

    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("key", UNWRITABLE)
@pytest.mark.usefixtures("unchanged")
def test_neither_writers_nor_readers_put(caches: TwoCaches, user: str, key: str) -> None:
    """The cache's own metadata, and names that Nix does not write."""
    with pytest.raises(ClientError) as refusal:
        caches.client(user).put_object(Bucket=PUBLIC, Key=key, Body=b"no")

    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


ADMINISTRATION: dict[str, Callable[[MinioAdmin, str], object]] = {
    "server-info": lambda admin, _: admin.info(),
    "list-users": lambda admin, _: admin.user_list(),
    "add-user": lambda admin, _: admin.user_add("mallory", "a-secret-of-hers"),
    "remove-user": lambda admin, _: admin.user_remove("private.cache-team-reader"),
    "disable-user": lambda admin, _: admin.user_disable("private.cache-team-reader"),
    "change-own-secret": lambda admin, user: admin.user_add(user, "another-secret"),
    "change-another's-secret": lambda admin, _: admin.user_add(
        "private.cache-team-reader", "another-secret"
    ),
    "add-access-key": lambda admin, _: admin.add_service_account(
        access_key="one-key-more", secret_key="and-its-secret"
    ),
    "list-policies": lambda admin, _: admin.policy_list(),
    "add-policy": lambda admin, _: admin.policy_add("all", policy=OPEN_TO_ALL),
    "remove-policy": lambda admin, _: admin.policy_remove("nix-cache-read"),
    "set-own-policy": lambda admin, user: admin.policy_set("consoleAdmin", user=user),
    "attach-own-policy": lambda admin, user: admin.attach_policy(["consoleAdmin"], user=user),
    "list-groups": lambda admin, _: admin.group_list(),
    "set-quota": lambda admin, _: admin.bucket_quota_set(PUBLIC, 1),
    "stop": lambda admin, _: admin.service_stop(),
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("action", ADMINISTRATION)
def test_neither_writers_nor_readers_administer_anything(
    caches: TwoCaches, user: str, action: str
) -> None:
    """Not even themselves: a changed secret would lock out all others who use it."""
    with pytest.raises(MinioAdminException, match="AccessDenied"):
        ADMINISTRATION[action](caches.administrate(user), user)

    info = caches.client(user).get_object(Bucket=PUBLIC, Key="nix-cache-info")
    assert info["Body"].read().startswith(b"StoreDir:")


@pytest.mark.parametrize("key", WRITABLE)
@pytest.mark.usefixtures("unchanged")
def test_a_reader_puts_nothing(caches: TwoCaches, key: str) -> None:
    """Neither in one piece nor in parts, and aborts no writer's upload."""
    reader = caches.client("team-reader")
    upload = caches.root.create_multipart_upload(Bucket=PUBLIC, Key=key)["UploadId"]
    attempts: list[Callable[[], object]] = [
        lambda: reader.put_object(Bucket=PUBLIC, Key=key, Body=b"no"),
        lambda: reader.create_multipart_upload(Bucket=PUBLIC, Key=key),
        lambda: reader.upload_part(
            Bucket=PUBLIC, Key=key, UploadId=upload, PartNumber=1, Body=b"no"
        ),
        lambda: reader.list_parts(Bucket=PUBLIC, Key=key, UploadId=upload),
        lambda: reader.abort_multipart_upload(Bucket=PUBLIC, Key=key, UploadId=upload),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as refusal:
            attempt()
        assert refusal.value.response["Error"]["Code"] == "AccessDenied"

    caches.root.abort_multipart_upload(Bucket=PUBLIC, Key=key, UploadId=upload)
