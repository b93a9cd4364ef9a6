"""`make down` on a cache that was used."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from nix_cache.storage.minio_connection import Connection
from nix_cache.storage.minio_server import MinioServer
from tests.engine.clone import cloned
from tests.engine.s3 import s3_client
from toolchain.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OBJECTS = 1500
"""More than one request lists or removes, and so many that the provider, left to empty the bucket
by itself, ends itself every other time."""


def fill(root: "S3Client", bucket: str) -> None:
    """Put many small objects into a bucket."""

    def put(number: int) -> None:
        root.put_object(Bucket=bucket, Key=f"nar/{number}.nar", Body=b"a NAR")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(OBJECTS)))


def test_a_bucket_is_emptied_of_all_objects_in_all_versions(
    connection: Connection, admin: MinioServer
) -> None:
    """After which S3 lets it be removed. One that is not there is empty."""
    root = s3_client(connection.url, connection.user, connection.password)
    root.create_bucket(Bucket="versioned")
    root.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    fill(root, "versioned")
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
        fill(clone.root, "nix-cache")

        told = clone.dev("down")

        assert "removed" in told
        assert "error" not in told
        assert not clone.place.server.exists()
        assert not clone.place.state.exists()
