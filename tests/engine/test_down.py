"""`make down` on a cache that was used."""

from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio
from minio.commonconfig import SnowballObject

from nix_cache.storage.minio_connection import Connection
from nix_cache.storage.minio_server import MinioServer
from tests.engine.clone import cloned
from tests.engine.s3 import s3_client
from toolchain.engine import Engine

pytestmark = pytest.mark.slow

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


def test_a_bucket_is_emptied_of_all_objects_in_all_versions(
    connection: Connection, admin: MinioServer
) -> None:
    """After which S3 lets it be removed. One that is not there is empty."""
    root = s3_client(connection.url, connection.user, connection.password)
    root.create_bucket(Bucket="versioned")
    root.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    fill(connection, "versioned")
    root.put_object(Bucket="versioned", Key="nar/0.nar", Body=b"another NAR")
    root.delete_object(Bucket="versioned", Key="nar/1.nar")

    admin.empty("versioned")
    admin.empty("not-there")

    root.delete_bucket(Bucket="versioned")
    assert root.list_buckets()["Buckets"] == []


def test_down_removes_a_cache_that_holds_many_objects(tmp_path: Path, engine: Engine) -> None:
    """A bucket that is not protected goes with all that was pushed."""
    with cloned(tmp_path / "clone", engine) as clone:
        clone.dev("up")
        fill(clone.connection, "nix-cache")

        told = clone.dev("down")

        assert "removed" in told
        assert "error" not in told
        assert not clone.place.server.exists()
        assert not clone.place.state.exists()
