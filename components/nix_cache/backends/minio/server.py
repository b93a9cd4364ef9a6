"""Questions to a MinIO server, answered without Pulumi: does it answer, is a name taken.

Used where an answer is needed before the engine acts. Each question ends within seconds, while the
provider's own client goes on trying a busy server for minutes.
"""

import json

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioAdminException, S3Error, ServerError

from nix_cache.backends.minio import health
from nix_cache.backends.minio.connection import Connection, MinioServerError, NameKind
from nix_cache.backends.minio.names import Names


class MinioServer:
    """A server to put questions to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = health.pool(connection)
        self._names = Names(connection, self._http)
        self._s3 = self._client(connection.user, connection.password)
        self._admin = MinioAdmin(
            endpoint=connection.server,
            credentials=StaticProvider(connection.user, connection.password),
            secure=connection.ssl,
            http_client=self._http,
        )

    def check_answers(self) -> None:
        """Make sure that the server answers, and knows this administrator as one.

        Raises:
            MinioServerError: it does not.
        """
        self._names.check_answers()

    def check_users_are_read(self) -> None:
        """Make sure that the server answers, knows this administrator, and has read its users.

        It begins to answer before, and what is changed of a user until then may be undone by the
        reading. Only a list waits for it, and lists all users.

        Raises:
            MinioServerError: it does not, or has not yet.
        """
        try:
            self._admin.user_list()
        except MinioAdminException as refusal:
            raise self._refused_admin(refusal) from None
        except urllib3.exceptions.HTTPError as failure:
            raise self._not_ready(failure) from None

    def has(self, kind: NameKind, name: str) -> bool:
        """Return whether a bucket, a user or a policy of this name exists.

        Raises:
            MinioServerError: the server is down, busy, or refuses the administrator.
        """
        return self._names.has(kind, name)

    def empty(self, bucket: str) -> None:
        """Remove every object of a bucket, in all its versions. One that is not there is empty.

        Raises:
            MinioServerError: the server is down, busy, or refuses the administrator.
        """
        try:
            objects = self._s3.list_objects(bucket, recursive=True, include_version=True)
            doomed = (DeleteObject(str(o.object_name), o.version_id) for o in objects)
            for error in self._s3.remove_objects(bucket, doomed):
                raise self._refused(str(error.code))
        except S3Error as refusal:
            if refusal.code != "NoSuchBucket":
                raise self._refused(str(refusal.code)) from None
        except (ServerError, urllib3.exceptions.HTTPError) as failure:
            raise self._not_ready(failure) from None

    def remove_empty_bucket(self, bucket: str) -> bool:
        """Remove a bucket that has nothing in it; returns whether there was one to remove.

        Raises:
            MinioServerError: the server is down, busy, or refuses the administrator.
        """
        try:
            self._s3.remove_bucket(bucket)
        except S3Error as refusal:
            if refusal.code in ("NoSuchBucket", "BucketNotEmpty"):
                return False
            raise self._refused(str(refusal.code)) from None
        except (ServerError, urllib3.exceptions.HTTPError) as failure:
            raise self._not_ready(failure) from None
        return True

    def accepts(self, user: str, secret: str) -> bool:
        """Return whether a user of this name is enabled and has this secret.

        Raises:
            MinioServerError: the server is down or busy.
        """
        try:
            self._client(user, secret).list_buckets()
        except S3Error as refusal:
            return refusal.code not in health.NO_LOGIN
        except (ServerError, urllib3.exceptions.HTTPError) as failure:
            raise self._not_ready(failure) from None
        return True

    def _client(self, user: str, secret: str) -> Minio:
        return Minio(
            self._connection.server,
            access_key=user,
            secret_key=secret,
            secure=self._connection.ssl,
            region="us-east-1",
            http_client=self._http,
        )

    def _refused_admin(self, refusal: MinioAdminException) -> MinioServerError:
        status = int(refusal._code)
        if status >= 500:
            return health.busy(self._connection, status)
        return self._refused(_admin_code(refusal) or f"HTTP {status}")

    def _not_ready(self, failure: Exception) -> MinioServerError:
        if isinstance(failure, ServerError):
            return health.busy(self._connection, failure.status_code)
        return health.unreachable(self._connection, failure)

    def _refused(self, code: str) -> MinioServerError:
        return health.refused(self._connection, code)


def _admin_code(refusal: MinioAdminException) -> str:
    try:
        return str(json.loads(refusal._body)["Code"])
    except (ValueError, KeyError, TypeError):
        return ""
