"""What Spaces does otherwise than MinIO, for the local service: its own answer, or MinIO's.

- A bucket policy and keys limited to the bucket exclude each other, in either order.
- A bucket that the account has already may be made again.
- Lifecycle rules may do nothing but abort uploads, and come back sorted by id.
- A bucket knows its region, and there is one more error for one that belongs to another user.
"""

import hashlib
import threading
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from nix_cache.backends.minio.connection import Connection
from tests.fakes.forwarding import Headers
from tests.fakes.spaces_keys import KeyRefusedError, SpacesKeys

REGION = "fra1"
DOMAIN = f"{REGION}.spaces.test"
"""The host under which Spaces is found; a bucket's name may stand before it."""

FOREIGN = "of-another-account"
"""A bucket's name that another user has."""

_XML = {"Content-Type": "application/xml"}


class Answer(NamedTuple):
    """To a request."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class SpacesRequest:
    """To Spaces.

    Attributes:
        method: of HTTP.
        host: the one that was asked for.
        path: as it was sent.
        query: as it was sent.
        body: as it was sent.
    """

    method: str
    host: str
    path: str
    query: str
    body: bytes

    @property
    def bucket(self) -> str:
        """The bucket, from the host or from the path."""
        if self.host.endswith(f".{DOMAIN}"):
            return self.host.removesuffix(f".{DOMAIN}")
        return self.path.strip("/").partition("/")[0]

    @property
    def is_of_the_bucket(self) -> bool:
        """Whether it is about the bucket itself, and no object."""
        own_host = self.host != DOMAIN
        return bool(self.bucket) and self.path.strip("/") == ("" if own_host else self.bucket)

    def asks(self, method: str, about: str) -> bool:
        """Return whether it does this to that of the bucket: ``PUT``, ``policy``."""
        topics = parse_qs(self.query, keep_blank_values=True)
        return self.is_of_the_bucket and self.method == method and about in topics


class SpacesBuckets:
    """The buckets of an account.

    Args:
        connection: how the administrator of the MinIO server reaches it.
        keys: the keys of the account.
    """

    def __init__(self, connection: Connection, keys: SpacesKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._http = urllib3.PoolManager()
        self._aborting: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()

    def answer(self, request: SpacesRequest, pass_on: Callable[[bytes], Answer]) -> Answer:
        """Return what Spaces answers.

        Args:
            request: what was asked.
            pass_on: has the request, with a body, answered by MinIO.
        """
        bucket = request.bucket
        if bucket == FOREIGN:
            making = request.method == "PUT" and request.is_of_the_bucket
            return _refused(
                *(HTTPStatus.CONFLICT, "BucketAlreadyExists")
                if making
                else (HTTPStatus.FORBIDDEN, "AccessDenied")
            )
        if request.asks("PUT", "policy"):
            if any(key.is_limited_to(bucket) for key in self._keys.all()):
                return _refused(HTTPStatus.FORBIDDEN, "AccessDenied")
        elif request.asks("PUT", "lifecycle"):
            return self._set_lifecycle(bucket, request.body, pass_on)
        elif request.asks("GET", "lifecycle"):
            return self._report_lifecycle(bucket, pass_on(b""))
        elif request.asks("DELETE", "lifecycle"):
            self._aborting.pop(bucket, None)
        answer = pass_on(request.body)
        if request.asks("GET", "location") and answer.status == HTTPStatus.OK:
            location = ET.Element("LocationConstraint")
            location.text = REGION
            return Answer(HTTPStatus.OK, _XML, ET.tostring(location))
        if b"BucketAlreadyOwnedByYou" in answer.body:
            return Answer(HTTPStatus.OK, {}, b"")
        if request.method == "DELETE" and request.is_of_the_bucket and not request.query:
            self._aborting.pop(bucket, None)
        return answer

    def check_limits(self, grants: list[dict[str, str]]) -> None:
        """Make sure that no key is limited to a bucket that has a policy.

        Raises:
            KeyRefusedError: one would be.
        """
        for bucket in (grant["bucket"] for grant in grants if grant["bucket"]):
            if self._ask("GET", bucket, "policy").status == HTTPStatus.OK:
                raise KeyRefusedError(f"the bucket {bucket} has a policy")

    def _set_lifecycle(
        self, bucket: str, body: bytes, pass_on: Callable[[bytes], Answer]
    ) -> Answer:
        """Give MinIO the rules that it takes, and keep the others here."""
        configuration = _parsed(body)
        aborting = [rule for rule in _rules(configuration) if rule.find("Expiration") is None]
        for rule in aborting:
            configuration.remove(rule)
        with self._lock:
            # MinIO finds out who asks by a question that changes nothing.
            if (asked := pass_on(body)).status == HTTPStatus.FORBIDDEN:
                return asked
            left = len(_rules(configuration))
            answer = (
                self._ask("PUT", bucket, "lifecycle", ET.tostring(configuration))
                if left
                else self._ask("DELETE", bucket, "lifecycle")
            )
            if answer.status < HTTPStatus.BAD_REQUEST:
                self._aborting[bucket] = [ET.tostring(rule) for rule in aborting]
                return Answer(HTTPStatus.OK, {}, b"")
        return answer

    def _report_lifecycle(self, bucket: str, of_minio: Answer) -> Answer:
        aborting = [ET.fromstring(rule) for rule in self._aborting.get(bucket, [])]
        expiring = []
        if of_minio.status == HTTPStatus.OK:
            expiring = _rules(_parsed(of_minio.body))
        elif of_minio.status != HTTPStatus.NOT_FOUND or not aborting:
            return of_minio
        configuration = ET.Element("LifecycleConfiguration")
        configuration.extend(
            sorted([*aborting, *expiring], key=lambda rule: rule.findtext("ID") or "")
        )
        return Answer(HTTPStatus.OK, _XML, ET.tostring(configuration))

    def _ask(self, method: str, bucket: str, about: str, body: bytes = b"") -> Answer:
        """Ask MinIO as its administrator."""
        known = self._connection
        request = AWSRequest(
            method,
            f"{known.url}/{bucket}?{about}=",
            data=body,
            headers={"Content-MD5": b64encode(hashlib.md5(body).digest()).decode()},
        )
        S3SigV4Auth(Credentials(known.user, known.password), "s3", "us-east-1").add_auth(request)
        prepared = request.prepare()
        answer = self._http.request(
            method, prepared.url, body=body or None, headers=dict(prepared.headers)
        )
        return Answer(answer.status, dict(answer.headers), answer.data)


def _rules(configuration: ET.Element) -> list[ET.Element]:
    return configuration.findall("Rule")


def _parsed(document: bytes) -> ET.Element:
    """Return a document without its namespace, which MinIO leaves out and clients do not miss."""
    root = ET.fromstring(document)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _refused(status: int, code: str) -> Answer:
    error = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Answer(status, _XML, error.encode())
