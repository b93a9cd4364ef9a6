"""Plain S3 clients, as Nix and the AWS tools are: they know nothing of Pulumi."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from minio import Minio
from minio.commonconfig import SnowballObject

from nix_cache.backends.minio.connection import Connection
from tests.engine.project import Project

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def s3_client(
    url: str, access_key: str = "", secret_key: str = "", session_token: str | None = None
) -> "S3Client":
    """Return a plain S3 client: of a user, or, without a key, anonymous."""
    settings: dict[str, Any] = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 1}}
    if not access_key:
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            config=Config(signature_version=UNSIGNED, **settings),
        )
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        config=Config(signature_version="s3v4", **settings),
    )


def user_client(project: Project, user: str) -> "S3Client":
    """Return an S3 client with the credential that the stack gives out for a writer or a reader."""
    outputs = project.outputs(secrets=True)
    credential = outputs["credentials"][user]
    return s3_client(
        outputs["manifest"]["endpoint"], credential["accessKeyId"], credential["secretAccessKey"]
    )


OBJECTS = 1500
"""More than one request lists or removes, and so many that the provider, left to empty the bucket
by itself, ends itself every other time."""


def fill(connection: Connection, bucket: str) -> None:
    """Put many small objects into a bucket, all of them in one request."""
    root = Minio(connection.server, connection.user, connection.password, secure=connection.ssl)
    root.upload_snowball_objects(
        bucket,
        [
            SnowballObject(f"nar/{number}.nar", data=BytesIO(b"a NAR"), length=5)
            for number in range(OBJECTS)
        ],
    )
    assert len(list(root.list_objects(bucket, recursive=True, prefix="nar/"))) == OBJECTS
