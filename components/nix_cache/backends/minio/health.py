"""How a MinIO server is talked to when it may not be well, and what is said when it is not."""

import os

import certifi
import urllib3

from nix_cache.backends.minio.connection import Connection, MinioNotReadyError, MinioServerError

NO_LOGIN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})
"""The answers of a server that does not know a user, or not by this secret."""

_TIMEOUT_SECONDS = 5.0


def pool(connection: Connection) -> urllib3.PoolManager:
    """Return an HTTP client for the server, which tries once and gives up after seconds."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_TIMEOUT_SECONDS, read=_TIMEOUT_SECONDS),
        retries=False,
        cert_reqs="CERT_NONE" if connection.insecure else "CERT_REQUIRED",
        ca_certs=connection.cacert_file or os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


def unreachable(connection: Connection, failure: Exception) -> MinioNotReadyError:
    """Return the error for a server that could not be talked to."""
    reason = str(failure).rsplit(": ", 1)[-1]
    return MinioNotReadyError(
        f"MinIO at {connection.url} does not answer ({reason}); start it or correct "
        "minio:minioServer, then run the same command again"
    )


def busy(connection: Connection, status: int) -> MinioNotReadyError:
    """Return the error for a server that answers, but not yet."""
    return MinioNotReadyError(
        f"MinIO at {connection.url} answers {status}; wait until it is ready, then run the same "
        "command again"
    )


def refused(connection: Connection, code: str) -> MinioServerError:
    """Return the error for a server that does not take its administrator for one."""
    return MinioServerError(
        f"MinIO at {connection.url} refuses the administrator {connection.user!r} ({code}); "
        "correct minio:minioUser and minio:minioPassword"
    )
