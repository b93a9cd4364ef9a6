"""Emptying a bucket, as `make down` does before the provider removes it.

Only a real server lists and removes versions and markers in pages. `make down` itself is shown in
`test_make.py`.
"""

import pytest

from nix_cache.backends.minio.connection import Connection
from nix_cache.backends.minio.server import MinioServer
from tests.engine.s3 import fill, s3_client

pytestmark = pytest.mark.slow


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
