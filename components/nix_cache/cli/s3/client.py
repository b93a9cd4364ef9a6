"""Requests to a bucket, anonymous or signed: the one client of S3. No redirect is followed."""

import base64
import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

import urllib3

from nix_cache.cli.limits import body_limit
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.credentials import Credential, Identity
from nix_cache.cli.s3.errors import (
    AnsweredError,
    MalformedAnswerError,
    StorageError,
)
from nix_cache.cli.s3.outcome import Answer, successful, whole
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.signature import KeyPair
from nix_cache.cli.s3.signed import BucketRequests
from nix_cache.cli.s3.small_request import SmallRequest
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.manifest import Manifest

if TYPE_CHECKING:
    from botocore.credentials import Credentials

    from nix_cache.cli.s3.answers import Deleted, LifecycleRule, Page

_MISSING = 404

_Tag = TypeVar("_Tag")


class SmallPut(NamedTuple, Generic[_Tag]):
    """A small object to write.

    Attributes:
        tag: by which the caller knows it.
        key: the object.
        content: what is to be in it.
        headers: to send along.
    """

    tag: _Tag
    key: str
    content: bytes
    headers: Mapping[str, str]


class S3Client:
    """A way into a bucket, as one user.

    ``request`` returns whatever was answered. All other methods raise an ``AnsweredError`` for an
    error, a ``MalformedAnswerError`` for what S3 does not answer, and a ``ForeignAnswerError`` for
    the answer of something else, such as a redirect or a web page. All raise ``NoAnswerError`` and
    ``OversizedError`` as the transport does.

    Args:
        transport: the run's connections.
        url: of the bucket, in path or virtual-hosted style, or of what stands for it.
        region: what requests are signed for.
        credential: of the user whose requests these are; None for anonymous ones.
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        region: str,
        credential: "Credential | Identity | Credentials | KeyPair | None" = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._transport = transport
        self._region = region
        self._requests = BucketRequests(self.url, region, credential)

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        credential: "Credential | Identity | Credentials | KeyPair | None",
        transport: Transport,
    ) -> Self:
        """Return the client of a cache's bucket, at the storage's endpoint and in path style."""
        return cls(transport, bucket_url(manifest), manifest.region, credential)

    def anonymous_at(self, url: str) -> "S3Client":
        """Return a client without a credential for another place, with the same connections.

        Args:
            url: of the bucket, or of a cache that is read by HTTP.
        """
        return S3Client(self._transport, url, self._region)

    def request(
        self,
        method: str,
        key: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | FilePart = b"",
    ) -> Answer:
        """Send one request, and return the answer whatever it is.

        Args:
            method: of HTTP.
            key: the object; the bucket itself if empty.
            query: what stands after the question mark, encoded.
            headers: to send along.
            body: to send along.
        """
        reply = self._exchanged(method, key, query, headers or {}, body)
        return Answer(reply.status, reply.headers, reply.body)

    @contextlib.contextmanager
    def streamed(self, key: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """Open an object to be read in pieces, as it is stored."""
        url, signed = self._requests.signed("GET", key, "", {}, b"")
        with self._transport.opened(url, signed) as response:
            yield response

    def signed(self, key: str, query: str) -> tuple[str, dict[str, str]]:
        """Return the URL and the headers of a GET, for a connection that the caller opens.

        Args:
            key: what follows the client's URL.
            query: what stands after the question mark, encoded.
        """
        return self._requests.signed("GET", key, query, {}, b"")

    def get(self, key: str, *, may_be_page: bool = False) -> Answer:
        """Read an object as a whole.

        Args:
            key: the object.
            may_be_page: whether a web page is returned, too.
        """
        return whole(self.succeeded("GET", key, may_be_page=may_be_page))

    def get_all(
        self, keys: Iterable[str], jobs: int, *, may_be_page: bool = False
    ) -> Iterator[tuple[str, Callable[[], Answer]]]:
        """Read many small objects as a whole.

        Args:
            keys: the objects.
            jobs: how many requests there are at a time.
            may_be_page: whether web pages are returned, too.

        Yields:
            each key with a function that returns or raises what ``get`` does, in the order in which
            the answers come.
        """

        def reads() -> Iterator[SmallRequest[str]]:
            for key in keys:
                url, signed = self._requests.signed("GET", key, "", {}, b"")
                yield SmallRequest(key, url, signed, body_limit(key))

        def answer(key: str, reply: Reply | Exception) -> Answer:
            if isinstance(reply, Exception):
                raise reply
            return whole(successful(reply, "GET", key, may_be_page=may_be_page))

        for key, reply in self._transport.read_all(reads(), jobs):
            yield key, functools.partial(answer, key, reply)

    def head(self, key: str) -> Answer | None:
        """Read the headers of an object; None if it is not there."""
        try:
            return self.succeeded("HEAD", key)
        except AnsweredError as failure:
            if failure.status == _MISSING:
                return None
            raise

    def put(self, key: str, body: bytes | FilePart, content_type: str) -> None:
        """Write an object."""
        self.succeeded("PUT", key, headers={"Content-Type": content_type}, body=body)

    def try_puts(
        self,
        puts: "Iterator[SmallPut[_Tag] | None]",
        jobs: int,
        waker: Waker | None = None,
    ) -> "Iterator[tuple[SmallPut[_Tag], bool] | None]":
        """Write small objects over connections that are open, in this thread.

        It ends when nothing is under way and there is nothing to write, or when there are no such
        connections.

        Args:
            puts: taken one by one; None where there is none before others were written.
            jobs: how many requests there are at a time.
            waker: asks for the caller's turn while requests are under way.

        Yields:
            each object, and whether it was written. If not, the same ``put`` has to follow, and
            goes on from there. None for the caller's turn, as ``Multiplexer.exchanges`` does.
        """

        def requests() -> "Iterator[SmallRequest[SmallPut[_Tag]] | None]":
            for put in puts:
                if put is None:
                    yield None
                    continue
                url, signed = self._requests.signed("PUT", put.key, "", put.headers, put.content)
                yield SmallRequest(put, url, signed, body_limit(put.key), "PUT", put.content)

        for found in self._transport.try_all(self.url, requests(), jobs, waker):
            if found is None:
                yield None
                continue
            request, reply = found
            is_written = reply is not None
            if reply is not None:
                try:
                    successful(reply, "PUT", request.tag.key, may_be_page=False)
                except StorageError:
                    is_written = False
            yield request.tag, is_written

    def delete(self, objects: Sequence[str | tuple[str, str]]) -> "Deleted":
        """Delete objects, or versions of objects by their ids, at most 1,000 at a time.

        Their list is protected by Content-MD5, which every storage accepts: B2 rejects newer
        checksums, and older servers overlook them.
        """
        from nix_cache.cli.s3 import answers  # XML, which a push does without

        body = answers.deletion(objects)
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        headers = {
            "Content-MD5": base64.b64encode(digest).decode(),
            "Content-Type": "application/xml",
        }
        return answers.deleted(self.succeeded("POST", "", "delete", headers, body).body)

    def page(
        self,
        *,
        prefix: str = "",
        delimiter: str = "",
        token: str = "",
        most: int = 1000,
        after: str = "",
    ) -> "tuple[Page, Answer]":
        """List some objects: one page, and the answer with which it came."""
        from nix_cache.cli.s3 import answers

        query = {"list-type": "2", "encoding-type": "url"}
        given = {"prefix": prefix, "delimiter": delimiter, "continuation-token": token}
        given["start-after"] = after
        query |= {name: value for name, value in given.items() if value}
        if most != 1000:
            query["max-keys"] = str(most)
        answer = self.succeeded("GET", "", urlencode(query, quote_via=quote, safe=""))
        return answers.page(answer.body), answer

    def pages(
        self, *, prefix: str = "", delimiter: str = "", after: str = "", first: int = 1000
    ) -> "Iterator[Page]":
        """List objects, page by page, as long as the storage promises more and says how.

        Pass them through ``checked_pages``: a storage may promise more without end.

        Args:
            prefix: what keys begin with.
            delimiter: what ends the name of a folder, for which one prefix stands.
            after: names up to this one are left out. Some services overlook it.
            first: the most names on the first page.
        """
        token = ""
        while True:
            page, _ = self.page(
                prefix=prefix,
                delimiter=delimiter,
                token=token,
                most=1000 if token else first,
                after="" if token else after,
            )
            yield page
            if not page.is_truncated or not page.token:
                return
            if page.token == token:
                raise MalformedAnswerError("the continuation token is repeated")
            token = page.token

    def lifecycle(self) -> "tuple[LifecycleRule, ...]":
        """Read the rules by which the bucket removes objects by age or date."""
        from nix_cache.cli.s3 import answers

        return answers.lifecycle(self.succeeded("GET", "", "lifecycle").body)

    def succeeded(
        self,
        method: str,
        key: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | FilePart = b"",
        *,
        may_be_page: bool = False,
    ) -> Answer:
        """Send one request as ``request`` does, and return the answer if it is a success."""
        reply = self._exchanged(method, key, query, headers or {}, body)
        return successful(reply, method, key, may_be_page=may_be_page)

    def _exchanged(
        self, method: str, key: str, query: str, headers: Mapping[str, str], body: bytes | FilePart
    ) -> Reply:
        url, signed = self._requests.signed(method, key, query, headers, body)
        return self._transport.exchange(method, url, signed, body or None, body_limit(key))


def bucket_url(manifest: Manifest) -> str:
    """Return the URL of a cache's bucket at its storage."""
    return f"{manifest.endpoint.rstrip('/')}/{manifest.bucket}"
