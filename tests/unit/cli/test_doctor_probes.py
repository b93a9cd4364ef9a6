"""What is left in a bucket by tries on a storage that is careless, and how requests fail."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.transport import Transport
from nix_cache.rights import trials
from nix_cache.rights.trials import Outcome
from tests.unit.cli.misbehaving import always, answer, misbehaving


class CarelessStorage(ThreadingHTTPServer):
    """A storage that looks at no checksum, unlike any that is known.

    Attributes:
        objects: what is in it.
        uploads: the keys of unfinished uploads.
        may_delete: whether any user may delete and abort.
        marks: whether a delete leaves a mark, which no user may remove.
        refusals: how many of the next requests are answered 503.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.may_delete = True
        self.marks = False
        self.refusals = 0


class _Handler(BaseHTTPRequestHandler):
    server: CarelessStorage
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, content = self._answer(parts.path, query, body)
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        if self.command == "DELETE" and self.server.marks:
            self.send_header("x-amz-delete-marker", "true")
            self.send_header("x-amz-version-id", "1")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

    def _answer(self, key: str, query: dict[str, list[str]], body: bytes) -> tuple[int, bytes]:
        server = self.server
        if server.refusals:
            server.refusals -= 1
            return 503, b"<Error><Code>SlowDown</Code></Error>"
        if self.command == "POST" and "uploads" in query:
            server.uploads.append(key)
            return 200, b"<UploadId>1</UploadId>"
        if self.command == "DELETE":
            if not server.may_delete or (server.marks and "versionId" in query):
                return 403, b"<Error><Code>AccessDenied</Code></Error>"
            if "uploadId" in query:
                server.uploads.remove(key)
            server.objects.pop(key, None)
            return 204, b""
        if self.command == "PUT":
            server.objects[key] = body
            return 200, b""
        if key in server.objects:
            return 200, server.objects[key]
        return 404, b"" if key == "/bare" else b"<Error><Code>NoSuchKey</Code></Error>"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def storage() -> Iterator[CarelessStorage]:
    """Provide a storage with nothing in it."""
    server = CarelessStorage()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(storage: CarelessStorage) -> S3Client:
    """Provide the way into it."""
    return S3Client(Transport(), f"http://127.0.0.1:{storage.server_address[1]}", "us-east-1")


def test_a_put_that_took_effect_is_taken_back(storage: CarelessStorage, client: S3Client) -> None:
    """And is reported as allowed."""
    assert trials.put(client, "nar/x").outcome is Outcome.ALLOWED
    assert storage.objects == {}


def test_what_cannot_be_taken_back_is_named(storage: CarelessStorage, client: S3Client) -> None:
    """Objects and uploads."""
    storage.may_delete = False

    assert trials.put(client, "nar/x").left == "nar/x"
    upload = trials.upload(client, "log/x")
    assert upload.outcome is Outcome.REFUSED
    assert upload.left == "log/x (an unfinished upload)"


def test_a_mark_that_cannot_be_removed_is_named(storage: CarelessStorage, client: S3Client) -> None:
    """In a bucket that keeps versions."""
    storage.marks = True

    trial = trials.delete(client, "nar/x")

    assert (trial.outcome, trial.left) == (Outcome.ALLOWED, "nar/x (a delete marker)")


def test_what_is_there_stays_as_it_is(storage: CarelessStorage, client: S3Client) -> None:
    """A put that takes effect on a real object puts its own content, and it is not deleted."""
    storage.objects["/nix-cache-info"] = b"StoreDir: /nix/store\n"
    present = Answer(200, {"Content-Type": "text/x-nix-cache-info"}, b"StoreDir: /nix/store\n")

    trial = trials.put(client, "nix-cache-info", present)

    assert trial.outcome is Outcome.ALLOWED
    assert storage.objects == {"/nix-cache-info": b"StoreDir: /nix/store\n"}


def test_an_upload_that_was_begun_is_aborted(storage: CarelessStorage, client: S3Client) -> None:
    """Nothing is left of it."""
    assert trials.upload(client, "log/x").outcome is Outcome.ALLOWED
    assert storage.uploads == []


def test_a_busy_server_is_asked_again(storage: CarelessStorage, client: S3Client) -> None:
    """A few times, and then its answer counts: as unclear, not as a refusal."""
    storage.objects["/x"] = b"content"
    storage.refusals = 2
    assert trials.get(client, "x").outcome is Outcome.ALLOWED
    storage.refusals = 99
    trial = trials.get(client, "x")
    assert trial.outcome is Outcome.UNCLEAR
    assert trial.answer == "503 SlowDown"


def test_an_answer_that_no_storage_gives_says_nothing_of_rights(client: S3Client) -> None:
    """A 404 to a read may hide the object, and without the storage's own word be any server's."""
    assert trials.get(client, "missing").outcome is Outcome.UNCLEAR
    assert trials.ask(client, "policy").outcome is Outcome.ALLOWED
    assert trials.get(client, "bare").outcome is Outcome.UNCLEAR


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        ("200 OK", b"StoreDir: /nix/store\n", Outcome.ALLOWED),
        ("200 OK", b"<!doctype html><title>Log in</title>", Outcome.UNCLEAR),
        ("302 Found", b"", Outcome.UNCLEAR),
        ("400 Bad Request", b"<Error><Code>InvalidRequest</Code></Error>", Outcome.REFUSED),
        ("400 Bad Request", b"", Outcome.UNCLEAR),
        ("401 Unauthorized", b"", Outcome.REFUSED),
        ("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>", Outcome.REFUSED),
        ("404 Not Found", b"", Outcome.UNCLEAR),
        ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>", Outcome.UNCLEAR),
        ("405 Method Not Allowed", b"", Outcome.REFUSED),
        ("410 Gone", b"", Outcome.UNCLEAR),
        ("451 Unavailable", b"", Outcome.UNCLEAR),
    ],
)
def test_only_a_successful_answer_is_access(status: str, body: bytes, outcome: Outcome) -> None:
    """Every other one is a refusal or unclear."""
    with misbehaving(always(answer(body, status))) as server:
        client = S3Client(Transport(), f"{server.url}/bucket", "us-east-1")
        trial = trials.get(client, "nix-cache-info")

    assert trial.outcome is outcome
    assert trial.answer.startswith(status[:3])


def test_a_server_that_is_gone_is_reported_by_its_reason() -> None:
    """In the system's words."""
    client = S3Client(Transport(), "http://127.0.0.1:9/bucket", "us-east-1")

    with pytest.raises(NoAnswerError, match=r"^Connection refused$"):
        client.request("GET", "x")
    unknown = S3Client(Transport(), "http://no-such-host.invalid/bucket", "us-east-1")
    with pytest.raises(NoAnswerError):
        unknown.request("GET", "x")


def test_tries_go_to_names_that_nothing_has() -> None:
    """Drawn again each time, of every kind that Nix writes."""
    first, second = trials.nix_keys(), trials.nix_keys()

    assert not {*first} & {*second}
    assert {key.partition("/")[0] for key in first if "/" in key} == {
        "nar",
        "log",
        "debuginfo",
        "realisations",
        "build-trace-v2",
    }
    assert not any("?" in key or "*" in key for key in first)
