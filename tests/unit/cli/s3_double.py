"""A storage that speaks S3 and is in memory: it answers real clients, without a network.

It does what `nix-cache gc`, `nix-cache resign` and pushes of small files need of S3, and fails the
test over anything else it is asked for.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import md5
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from urllib3 import BaseHTTPResponse, HTTPHeaderDict, HTTPResponse

from nix_cache.cli.limits import LimitKind
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import OversizedError, Reply
from nix_cache.cli.s3.small_request import SmallRequest
from nix_cache.cli.s3.transport import Transport

_ANYTHING = LimitKind("object", 1 << 40)
_Tag = TypeVar("_Tag")
_LISTING_PARAMETERS = {
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
}


@dataclass(frozen=True)
class Held:
    """An object.

    Attributes:
        content: its bytes.
        written: when it was put, by the true time.
        encoding: its Content-Encoding.
    """

    content: bytes
    written: datetime
    encoding: str = ""

    @property
    def etag(self) -> str:
        """The hash of the content."""
        return f'"{md5(self.content, usedforsecurity=False).hexdigest()}"'


@dataclass
class Answer:
    """What a request is answered, before faults."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class S3Double:
    """A bucket.

    Attributes:
        bucket: its name.
        objects: by key.
        page: how many keys a page of a listing has.
        skew: by how much the date of answers is wrong.
        storage_skew: by how much the dates of objects are wrong.
        dates: by key, what a listing states as its date; None for none at all.
        sizes: by key, what a listing states as its size.
        unlisted: the keys that listings leave out.
        faults: by key, what happens to answers to reading it.
        refusing: whether it answers no HEAD.
        before: called before each request, with its number.
        after: called after each request that was done, with its number.
        deleted: the keys that were deleted, in their order.
        requests: how many there were.
        seen: what was there when the objects outside of folders were listed last.
        deletions: each deletion: its keys, and what was seen at that time.
        present: by key, what was last answered to HEAD: whether it is there.
        conditions: whether it writes only under the conditions of requests, overlooks these, or
            refuses requests that have one: ``kept``, ``ignored`` or ``refused``.
        conditional: what it answers next to writes under a condition, without doing them.
        log: in their order, ``list`` for objects outside of folders, ``put`` and ``delete``.
        clock: the true time.
    """

    bucket: str
    objects: dict[str, Held] = field(default_factory=dict)
    page: int = 1000
    skew: timedelta = timedelta()
    storage_skew: timedelta = timedelta()
    dates: dict[str, str | None] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    faults: dict[str, Callable[[Answer], Answer]] = field(default_factory=dict)
    refusing: bool = False
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    deleted: list[str] = field(default_factory=list)
    requests: int = 0
    seen: dict[str, Held] = field(default_factory=dict)
    deletions: list[tuple[list[str], dict[str, Held]]] = field(default_factory=list)
    present: dict[str, bool] = field(default_factory=dict)
    conditions: str = "kept"
    conditional: list[Answer] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    clock: Callable[[], datetime] = _now

    def put(
        self, key: str, content: bytes, *, age: timedelta = timedelta(), encoding: str = ""
    ) -> None:
        """Put an object, as another client would."""
        self.objects[key] = Held(content, self.clock() - age, encoding)

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, kind: LimitKind
    ) -> Reply:
        """Answer a request, in the place of the client's transport.

        Raises:
            NoAnswerError: the answer is cut off.
        """
        self.before(self.requests)
        self.requests += 1
        parts = urlsplit(url)
        bucket, *rest = parts.path.removeprefix("/").split("/", 1)
        assert bucket == self.bucket, url
        key = unquote(rest[0]) if rest else ""
        query = {name: values[0] for name, values in parse_qs(parts.query, True).items()}
        refusal = self._condition(key, headers) if method == "PUT" else None
        answer = refusal or self.answer(method, key, query, body or b"")
        self.after(self.requests)
        if method == "GET" and key in self.faults:
            answer = self.faults[key](answer)
        stated = answer.headers.get("Content-Length", "")
        if method == "GET" and stated.isdecimal() and int(stated) > len(answer.body):
            raise NoAnswerError("the connection was closed")
        if answer.status == 200 and method == "GET" and len(answer.body) > kind.most_bytes:
            raise OversizedError(f"{key} is larger than {kind.most_bytes} bytes", "look at it")
        received = HTTPHeaderDict({"Date": _http(self.clock() + self.skew), **answer.headers})
        return Reply(url, answer.status, received, b"" if method == "HEAD" else answer.body)

    def answer(self, method: str, key: str, query: dict[str, str], body: bytes) -> Answer:
        """Do what a request asks for.

        Raises:
            AssertionError: the double does not implement it.
        """
        match method, bool(key), sorted(query):
            case "GET", False, _ if query.get("list-type") == "2":
                assert query.keys() <= _LISTING_PARAMETERS, query
                if "delimiter" in query and "continuation-token" not in query:
                    self.seen = dict(self.objects)
                    self.log.append("list")
                return self._page(query)
            case "GET", False, ["versioning"]:
                return Answer(200, {}, b"<VersioningConfiguration/>")
            case "HEAD", True, [] if self.refusing:
                return Answer(403)
            case "GET" | "HEAD", True, []:
                if method == "HEAD":
                    self.present[key] = key in self.objects
                return self._object(key)
            case "PUT", True, []:
                self.put(key, body)
                self.log.append("put")
                return Answer(200, {"ETag": self.objects[key].etag})
            case "POST", False, ["delete"]:
                return self._deletion(body)
        raise AssertionError(f"the double does not implement {method} {key} {query}")

    def _condition(self, key: str, headers: Mapping[str, str]) -> Answer | None:
        """Return the answer to a write whose condition does not hold."""
        wanted, absent = headers.get("If-Match"), headers.get("If-None-Match")
        if self.conditions == "ignored" or (wanted is None and absent is None):
            return None
        if self.conditional:
            return self.conditional.pop(0)
        if self.conditions == "refused":
            return _error(501, "NotImplemented")
        held = self.objects.get(key)
        if wanted is not None and held is None:
            return missing()
        if (absent and held) or (wanted and held and held.etag != wanted):
            return _error(412, "PreconditionFailed")
        return None

    def _page(self, query: dict[str, str]) -> Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        start = query.get("continuation-token") or query.get("start-after", "")
        assert query.get("encoding-type") == "url"
        assert delimiter in {"", "/"}
        names: dict[str, bool] = {}
        for key in sorted(self.objects, key=str.encode):
            if key.startswith(prefix) and key not in self.unlisted:
                head, folder, _ = key[len(prefix) :].partition(delimiter or "\0")
                names[f"{prefix}{head}{folder}" if folder else key] = bool(folder)
        left = [name for name in names if name > start]
        most = min(self.page, int(query.get("max-keys", 1000)))
        shown, more = left[:most], left[most:]
        parts = [f"<KeyCount>{len(shown)}</KeyCount>", "<EncodingType>url</EncodingType>"]
        parts += [f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"]
        if more:
            parts.append(f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>")
        for name in shown:
            if names[name]:
                parts.append(f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>")
            else:
                parts.append(self._listed(name))
        return Answer(200, {}, f"<ListBucketResult>{''.join(parts)}</ListBucketResult>".encode())

    def _listed(self, key: str) -> str:
        held = self.objects[key]
        date = self.dates.get(key, f"{held.written + self.storage_skew:%Y-%m-%dT%H:%M:%S.000Z}")
        return (
            f"<Contents><Key>{quote(key)}</Key><ETag>{escape(held.etag)}</ETag>"
            f"<Size>{self.sizes.get(key, len(held.content))}</Size>"
            + (f"<LastModified>{escape(date)}</LastModified>" if date is not None else "")
            + "</Contents>"
        )

    def _object(self, key: str) -> Answer:
        if key not in self.objects:
            return missing()
        held = self.objects[key]
        headers = {
            "ETag": held.etag,
            "Content-Length": str(len(held.content)),
            "Last-Modified": _http(held.written + self.storage_skew),
        }
        if held.encoding:
            headers["Content-Encoding"] = held.encoding
        return Answer(200, headers, held.content)

    def _deletion(self, body: bytes) -> Answer:
        text = re.sub(rb' xmlns="[^"]*"', b"", body)
        keys = [str(one.text) for one in ET.fromstring(text).iterfind("Object/Key")]
        assert 0 < len(keys) <= 1000
        self.deletions.append((keys, self.seen))
        self.log.append("delete")
        for key in keys:
            self.objects.pop(key, None)
            self.deleted.append(key)
        done = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return Answer(200, {}, f"<DeleteResult>{done}</DeleteResult>".encode())


def missing() -> Answer:
    """Return what S3 answers for an object that is not there."""
    return _error(404, "NoSuchKey")


def _error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return Answer(status, {"Content-Length": str(len(body))}, body)


def _http(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


class DoubleTransport(Transport):
    """A transport that reaches nothing but a double.

    Attributes:
        storage: the double, which may be exchanged.
    """

    def __init__(self, storage: S3Double) -> None:
        super().__init__()
        self.storage = storage

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        content = body.read(0, body.size) if isinstance(body, FilePart) else body
        return self.storage.exchange(method, url, headers, content, kind)

    @contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        reply = self.exchange("GET", url, headers, None, _ANYTHING)
        yield HTTPResponse(
            io.BytesIO(reply.body),
            HTTPHeaderDict(reply.headers),
            reply.status,
            preload_content=False,
            decode_content=False,
        )

    def try_all(
        self,
        url: str,
        requests: Iterator[SmallRequest[_Tag] | None],
        jobs: int,
        waker: Waker | None = None,
    ) -> Iterator[tuple[SmallRequest[_Tag], Reply | None]]:
        del url, jobs, waker
        for one in requests:
            if one is None:
                return
            reply = self.exchange(one.method, one.url, one.headers, one.body or None, one.kind)
            yield one, reply if reply.status < 300 else None

    def read_all(
        self, reads: Iterable[SmallRequest[_Tag]], jobs: int
    ) -> Iterator[tuple[_Tag, Reply]]:
        del jobs
        for read in reads:
            yield read.tag, self.exchange("GET", read.url, read.headers, None, read.kind)
