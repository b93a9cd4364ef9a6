"""How `nix-cache doctor` judges storages that take writes without a signature, and others."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.doctor.unsigned_writes import unsigned_writes
from nix_cache.cli.s3.credentials import Credential
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import READER, WRITER

WRITER_ID, SECRET = "writer-id", "secret-of-the-writer"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@dataclass(frozen=True)
class Request:
    """What a storage was asked.

    Attributes:
        method: of HTTP.
        path: without the query.
        query: the query's values.
        headers: by name in lower case.
        body: what was sent.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def credential(self) -> str:
        """The access key id that it names; empty if none."""
        named = self.query.get("X-Amz-Credential", [""])[0]
        found = re.search(r"Credential=([^,]+)", self.headers.get("authorization", ""))
        return (named or (found[1] if found else "")).partition("/")[0]

    @property
    def signature(self) -> str:
        """The signature that it has; empty if none."""
        found = re.search(r"Signature=(\w+)", self.headers.get("authorization", ""))
        return self.query.get("X-Amz-Signature", [found[1] if found else ""])[0]

    @property
    def kind(self) -> str:
        """What it tries to put."""
        if self.headers.get("x-amz-content-sha256") != TRAILER:
            return "plain"
        if "x-amz-meta-snowball-auto-extract" in self.headers:
            return "archive"
        return "part" if "uploadId" in self.query else "object"


Reply = tuple[int, str, str]
"""A status, a code and a message."""

REFUSED: Reply = (403, "SignatureDoesNotMatch", "The signature does not match.")
DENIED: Reply = (403, "AccessDenied", "Access Denied.")
UNKNOWN: Reply = (403, "InvalidAccessKeyId", "The access key id does not exist.")
MALFORMED: Reply = (400, "BadRequest", "malformed chunked encoding")
CHECKSUM: Reply = (400, "XAmzContentChecksumMismatch", "The checksum does not match.")
NO_TAR: Reply = (400, "BadRequest", "tar file error: unexpected EOF")
NO_UPLOAD: Reply = (404, "NoSuchUpload", "The upload does not exist.")
STORED: Reply = (200, "", "")

Storage = Callable[[Request], Reply]


def safe(request: Request) -> Reply:
    """Verify every signature."""
    return REFUSED if request.credential == WRITER_ID else UNKNOWN


def unsafe(request: Request) -> Reply:
    """Answer as the open-source MinIO does."""
    if request.credential != WRITER_ID:
        return UNKNOWN
    in_query = "X-Amz-Credential" in request.query
    match request.kind:
        case "archive":
            return NO_TAR
        case "object" if in_query:
            return MALFORMED
        case "part" if in_query:
            return NO_UPLOAD
    return REFUSED


def instead(kind: str, reply: Reply, others: Storage = safe) -> Storage:
    """Answer one kind of request in another way, for every id."""
    return lambda request: reply if request.kind == kind else others(request)


def for_writers(kind: str, reply: Reply) -> Storage:
    """Answer one kind of request in another way, if it names the writer."""
    return lambda request: (
        reply if request.kind == kind and request.credential == WRITER_ID else safe(request)
    )


class FakeStorage(ThreadingHTTPServer):
    """A storage that answers PUTs in some way.

    Attributes:
        storage: how.
        objects: what it stored.
        requests: what it was asked.
        may_delete: whether it lets anyone delete.
    """

    daemon_threads = True

    def __init__(self, storage: Storage) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.storage = storage
        self.objects: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.may_delete = True


class _Handler(BaseHTTPRequestHandler):
    server: FakeStorage
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            unquote(parts.path),
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        self.server.requests.append(request)
        status, code, message = self._answer(request)
        if status == 0:
            self.close_connection = True
            return
        text = (
            f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if code else message
        )
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PUT = do_DELETE = _serve  # noqa: N815

    def _answer(self, request: Request) -> Reply:
        objects = self.server.objects
        if request.method == "GET":
            if request.path in objects:
                return (200, "", objects[request.path].decode())
            return (404, "NoSuchKey", "")
        if request.method == "DELETE":
            if not self.server.may_delete:
                return DENIED
            objects.pop(request.path, None)
            return (204, "", "")
        reply = self.server.storage(request)
        if reply == STORED:
            objects[request.path] = request.body
        return reply

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[Callable[[Storage], FakeStorage]]:
    """Start storages, which end with the test."""
    started: list[tuple[FakeStorage, threading.Thread]] = []

    def start(storage: Storage) -> FakeStorage:
        server = FakeStorage(storage)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


def look(
    server: FakeStorage, *, users: tuple[str, ...] = (WRITER,), **credentials: Credential
) -> list[Finding]:
    """Return what the check finds of a storage."""
    url = f"http://127.0.0.1:{server.server_address[1]}"
    known = credentials or {WRITER: Credential(access_key_id=WRITER_ID, secret_access_key=SECRET)}
    subject = Subject(client_caches.manifest(endpoint=url), known, users)
    return list(unsigned_writes(subject))


Serve = Callable[[Storage], FakeStorage]


def test_a_storage_that_verifies_signatures_is_well(served: Serve) -> None:
    """Every request is refused."""
    [finding] = look(served(safe))

    assert finding.level is Level.OK
    assert "refuses writes without a signature" in finding.what


@pytest.mark.parametrize("reply", [DENIED, (403, "", "<html>blocked</html>"), (401, "", "")])
def test_a_proxy_that_refuses_them_is_well(served: Serve, reply: Reply) -> None:
    """Whatever stands behind it, and whatever it says."""
    front: Storage = lambda request: safe(request) if request.kind == "plain" else reply  # noqa: E731

    assert [finding.level for finding in look(served(front))] == [Level.OK]


def test_a_storage_that_takes_them_is_an_error_with_each_way_in(served: Serve) -> None:
    """As the open-source MinIO: two ways by the query string, and archives in both ways."""
    [finding] = look(served(unsafe))

    assert finding.level is Level.ERROR
    assert "accepts writes without a signature" in finding.what
    assert finding.why
    assert "nix-cache help backends/minio#" in finding.fix
    assert list(finding.items) == [
        "an object, the access key id in the query string: 400 BadRequest",
        "a part of an upload, the access key id in the query string: 404 NoSuchUpload",
        "an archive to unpack, the access key id in the query string: 400 BadRequest",
        "an archive to unpack, the access key id in a header: 400 BadRequest",
    ]


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("object", CHECKSUM),
        ("object", MALFORMED),
        ("object", (400, "IncompleteBody", "")),
        ("object", (400, "BadDigest", "")),
        ("part", NO_UPLOAD),
        ("archive", NO_TAR),
        ("archive", STORED),
        ("plain", (400, "BadDigest", "")),
    ],
)
def test_one_way_in_is_enough(served: Serve, kind: str, reply: Reply) -> None:
    """An error about the body says that nothing else was missing."""
    found = look(served(for_writers(kind, reply)))

    assert found[0].level is Level.ERROR


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"])
def test_a_storage_that_looks_at_the_body_first_proves_nothing(served: Serve, code: str) -> None:
    """It says the same to an access key id that it does not know."""
    [finding] = look(served(lambda _: (400, code, "")))

    assert finding.level is Level.NOT_CHECKED
    assert code in finding.what


def test_a_web_page_in_the_storages_place_proves_nothing(served: Serve) -> None:
    """It answers everything with 200."""
    storage = served(lambda _: (200, "", "<html>parked</html>"))

    [finding] = look(storage)

    assert finding.level is Level.NOT_CHECKED
    assert {request.method for request in storage.requests} == {"PUT", "GET"}


def test_a_storage_that_takes_them_from_anyone_is_an_error(served: Serve) -> None:
    """Whatever access key id they name."""
    [finding] = look(served(instead("object", CHECKSUM)))

    assert finding.level is Level.ERROR


@pytest.mark.parametrize(
    "reply",
    [
        (501, "NotImplemented", "A header is not implemented."),
        (400, "InvalidRequest", "Unsupported."),
        (400, "BadRequest", "Something else."),
        (404, "NoSuchBucket", ""),
        (302, "", ""),
        (0, "", ""),
    ],
)
def test_any_other_answer_is_not_checked_and_reported(served: Serve, reply: Reply) -> None:
    """Neither safe nor unsafe; also where nothing comes back."""
    [finding] = look(served(for_writers("object", reply)))

    assert finding.level is Level.NOT_CHECKED
    assert (str(reply[0]) if reply[0] else "no answer") in finding.what


@pytest.mark.parametrize("reply", [DENIED, UNKNOWN, (503, "SlowDown", ""), (400, "", "<html>")])
def test_an_id_that_may_not_write_proves_nothing(served: Serve, reply: Reply) -> None:
    """MinIO asks the policy first, so both kinds of servers would refuse it."""
    storage = served(instead("plain", reply, unsafe))

    [finding] = look(storage)

    assert finding.level is Level.NOT_CHECKED
    assert str(reply[0]) in finding.what
    assert {request.kind for request in storage.requests} == {"plain"}
    assert [request.method for request in storage.requests[-2:]] == ["PUT", "GET"]


def test_without_a_writers_id_nothing_is_sent(served: Serve) -> None:
    """A reader's id is of no use, and another id is not taken."""
    storage = served(unsafe)
    reader = Credential(access_key_id="reader-id", secret_access_key="secret-of-the-reader")

    for users in ((), (READER,), (WRITER, READER)):
        [finding] = look(storage, users=users, **{READER: reader})
        assert finding.level is Level.NOT_CHECKED
        assert "access key id of a writer" in finding.what
    assert storage.requests == []


def test_nothing_is_signed_and_nothing_could_be_stored(served: Serve) -> None:
    """Signatures of zeros, no secret, a wrong checksum and broken framing, one unused name."""
    storage = served(unsafe)
    look(storage)
    puts = [request for request in storage.requests if request.method == "PUT"]

    assert len(puts) > 6
    assert {request.signature for request in puts} == {"0" * 64}
    assert SECRET not in str(storage.requests)
    assert {request.method for request in storage.requests} == {"PUT", "GET"}
    assert len({request.path for request in storage.requests}) == 1
    for request in puts:
        if request.kind in {"object", "part"}:
            assert not request.body.endswith(b"\r\n\r\n")
            assert b"x-amz-checksum-crc32:AAAAAA==" in request.body
        elif request.kind == "archive":
            assert len(request.body) < 512  # less than a header of tar
        else:
            assert "content-md5" in request.headers


def test_what_was_stored_is_removed_and_reported(served: Serve) -> None:
    """A storage that looks at nothing at all."""
    storage = served(for_writers("object", STORED))

    found = look(storage)

    assert [finding.level for finding in found] == [Level.ERROR, Level.WARNING]
    assert "was removed" in found[1].what
    assert storage.objects == {}


def test_what_cannot_be_removed_is_named(served: Serve) -> None:
    """By its key, with who can."""
    storage = served(for_writers("object", STORED))
    storage.may_delete = False

    found = look(storage)

    [key] = [path.removeprefix("/demo/") for path in storage.objects]
    assert found[1].items == (key,)
    assert "bucket's owner" in found[1].fix
    assert "was removed" not in found[1].what


def test_the_first_writer_whom_the_storage_would_let_write_is_taken(served: Serve) -> None:
    """Another one may have been taken away."""
    storage = served(unsafe)
    gone = Credential(access_key_id="gone-id", secret_access_key=SECRET)
    here = Credential(access_key_id=WRITER_ID, secret_access_key=SECRET)
    url = f"http://127.0.0.1:{storage.server_address[1]}"
    push_urls = {"gone": "s3://demo", WRITER: "s3://demo"}
    subject = Subject(
        client_caches.manifest(endpoint=url, pushUrls=push_urls),
        {"gone": gone, WRITER: here},
        ("gone", WRITER),
    )

    [finding] = unsigned_writes(subject)

    assert finding.level is Level.ERROR
