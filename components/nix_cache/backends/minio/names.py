"""Which names are taken on a MinIO server, by our own signed requests.

Every run of the engine asks this. MinIO's client needs 0.15 s of processor time to be imported,
most of it for the encryption of requests that are not made here.
"""

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import urllib3

from nix_cache.backends.minio import health
from nix_cache.backends.minio.connection import Connection, NameKind
from nix_cache.iam.access import Privilege

_REGION = "us-east-1"
_NOTHING = hashlib.sha256(b"").hexdigest()
_NO_SUCH = {"NoSuchBucket", "XMinioAdminNoSuchUser", "XMinioAdminNoSuchPolicy"}
_CODE = re.compile(r'<Code>(\w+)</Code>|"Code":\s*"(\w+)"')
"""The code of an error, in XML from S3 and in JSON from the administration API."""


class Names:
    """The names on one server, as its administrator sees them."""

    def __init__(self, connection: Connection, http: urllib3.PoolManager | None = None) -> None:
        self._connection = connection
        self._http = http or health.pool(connection)

    def check_answers(self) -> None:
        """Make sure that the server answers, and accepts this administrator.

        Raises:
            nix_cache.backends.minio.connection.MinioServerError: it does not.
        """
        self.has(NameKind.USER, self._connection.user)

    def has(self, kind: NameKind, name: str) -> bool:
        """Return whether a bucket, a user or a policy of this name exists.

        Raises:
            nix_cache.backends.minio.connection.MinioServerError: the server is down, busy, or
                refuses the administrator.
        """
        return self._look(kind, name) is not None

    def is_of_cache(self, kind: NameKind, name: str, bucket: str) -> bool:
        """Return whether something is a cache's by its rights: those in the cache's bucket.

        Raises:
            nix_cache.backends.minio.connection.MinioServerError: as from ``has``.
        """
        found = self._look(kind, name) or ""
        match kind:
            case NameKind.BUCKET:
                return name == bucket
            case NameKind.USER:
                policies = set(json.loads(found or "{}").get("policyName", "").split(","))
                return bool(policies & {f"{bucket}-{privilege}" for privilege in Privilege})
            case NameKind.POLICY:
                return f'"arn:aws:s3:::{bucket}/' in found

    def _look(self, kind: NameKind, name: str) -> str | None:
        match kind:
            case NameKind.BUCKET:
                return self._get(f"/{quote(name, safe='-_.~')}", "location=")
            case NameKind.USER:
                return self._get("/minio/admin/v3/user-info", _query(accessKey=name))
            case NameKind.POLICY:
                return self._get("/minio/admin/v3/info-canned-policy", _query(name=name))

    def _get(self, path: str, query: str) -> str | None:
        headers = signed_headers(self._connection, path, query, datetime.now(UTC))
        try:
            answer = self._http.request(
                "GET", f"{self._connection.url}{path}?{query}", headers=headers, redirect=False
            )
        except urllib3.exceptions.HTTPError as failure:
            raise health.unreachable(self._connection, failure) from None
        text = answer.data.decode(errors="replace")
        if answer.status == 200:
            return text
        if answer.status >= 500:
            raise health.busy(self._connection, answer.status)
        found = _CODE.search(text)
        code = (found[1] or found[2]) if found else f"HTTP {answer.status}"
        if code in _NO_SUCH:
            return None
        raise health.refused(self._connection, code)


def signed_headers(connection: Connection, path: str, query: str, now: datetime) -> dict[str, str]:
    """Return the headers of a GET by AWS Signature Version 4.

    Args:
        connection: the server and whose signature it is.
        path: the path, quoted.
        query: the query, quoted, its names in alphabetical order.
        now: the time in UTC.
    """
    date, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": connection.server.removesuffix(":443" if connection.ssl else ":80"),
        "x-amz-content-sha256": _NOTHING,
        "x-amz-date": moment,
    }
    names = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join(["GET", path, query, *lines, "", names, _NOTHING])
    scope = f"{date}/{_REGION}/s3/aws4_request"
    text = "\n".join(
        ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()]
    )
    key = f"AWS4{connection.password}".encode()
    for part in (date, _REGION, "s3", "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={connection.user}/{scope}, SignedHeaders={names}, "
        f"Signature={key.hex()}"
    )
    return {**headers, "authorization": authorization}


def _query(**parameters: str) -> str:
    return urlencode(parameters, quote_via=quote, safe="-_.~")
