"""The S3 side of the simulated Backblaze B2, which has none: a bucket on a local MinIO.

It keeps versions, as every bucket of B2. Each key can do there what Backblaze's page
https://www.backblaze.com/docs/cloud-storage-s3-compatible-app-keys has for its capabilities. MinIO
deletes a version also for who may only hide objects, so this module cannot show that difference.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from tests.engine.b2_project import BUCKET
from tests.engine.s3 import s3_client
from tests.fakes.b2_service import Service
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ACTIONS = {
    "listBuckets": (),  # HeadBucket and ListBuckets, which clients of a cache do not use
    "readBuckets": ("s3:GetBucketLocation", "s3:GetBucketVersioning"),
    "listFiles": ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    "readFiles": ("s3:GetObject", "s3:GetObjectVersion"),
    # To delete an object by its name hides it, which writes a marker.
    "writeFiles": ("s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"),
    "deleteFiles": ("s3:DeleteObjectVersion",),
}


def carry_over(service: Service, server: LocalServer) -> None:
    """Give a server the cache's bucket, its objects and its keys."""
    connection = server.connection()
    root: S3Client = s3_client(server.url, connection.user, connection.password)
    root.create_bucket(Bucket=BUCKET)
    root.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for name, text in service.texts(BUCKET).items():
        root.put_object(Bucket=BUCKET, Key=name, Body=text.encode())
    admin = MinioAdmin(
        endpoint=connection.server,
        credentials=StaticProvider(connection.user, connection.password),
        secure=False,
    )
    for name, key in service.keys().items():
        admin.policy_add(name, policy=_policy(key["capabilities"]))
        admin.user_add(key["applicationKeyId"], key["applicationKey"])
        admin.policy_set(name, user=key["applicationKeyId"])


def _policy(capabilities: Iterable[str]) -> dict[str, Any]:
    """Return a policy for the whole bucket."""
    statement = {
        "Effect": "Allow",
        "Action": sorted({action for able in capabilities for action in _ACTIONS[able]}),
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
