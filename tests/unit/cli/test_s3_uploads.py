"""What the S3 client sends for an upload, and how it reads redirects, denials and odd hosts."""

import hashlib
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import ClientError as ServiceError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import IssuerError, Meaning, UnusableKeyError
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.multipart import MultipartUpload
from nix_cache.cli.s3.reply import RedirectedError
from nix_cache.cli.s3.transport import StoppedError, Transport
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.root_record import RootRecord
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.misbehaving import Misbehaving, always, answer, misbehaving

PAIR = Credentials("key", "secret")
QUICK = TimeLimits(backoff_seconds=0.01)
CONTENT = bytes(range(256)) * 1000
PATH = f"/nix/store/{'0' * 32}-name"
INFO = PathInfo(PATH, NixHash.of(b"nar"), 3, (), None, (), None, True, 0)


def client(url: str, transport: Transport | None = None) -> S3Client:
    """Return a client of a bucket there."""
    return S3Client(transport or Transport(QUICK), f"{url}/demo", "us-east-1", PAIR)


@pytest.fixture
def part(tmp_path: Path) -> Iterator[FilePart]:
    """Provide the middle of a file."""
    (tmp_path / "file").write_bytes(b"before" + CONTENT + b"after")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    yield FilePart(descriptor, len(b"before"), len(CONTENT))
    os.close(descriptor)


def body_of(request: bytes) -> bytes:
    """Return what came after the head."""
    return request.partition(b"\r\n\r\n")[2]


class TestFiles:
    """Parts of files."""

    def test_a_part_of_a_file_is_sent_and_signed(self, part: FilePart) -> None:
        """With its length and its hash, and nothing around it."""
        with misbehaving(always(answer())) as server:
            client(server.url).put("nar/a", part, "application/x-nix-nar")

        head = server.received[0].decode(errors="replace").lower()
        assert body_of(server.received[0]) == CONTENT
        assert f"content-length: {len(CONTENT)}" in head
        assert f"x-amz-content-sha256: {hashlib.sha256(CONTENT).hexdigest()}" in head
        assert "transfer-encoding" not in head

    def test_a_busy_storage_gets_all_of_it_again(self, part: FilePart) -> None:
        """And what was sent in vain does not count."""
        sent: list[int] = []
        counted = FilePart(part.descriptor, part.start, part.size, sent=sent.append)

        def busy_once(server: Misbehaving, line: socket.socket, number: int) -> None:
            line.sendall(answer(b"", "503 Slow Down") if number == 1 else answer())

        with misbehaving(busy_once) as server:
            client(server.url).put("nar/a", counted, "x/y")

        assert [body_of(request) for request in server.received] == [CONTENT, CONTENT]
        assert sum(sent) == len(CONTENT)

    def test_nothing_is_sent_after_a_stop(self, part: FilePart) -> None:
        """An interrupted command aborts its uploads; parts that come later would undo that."""
        transport = Transport(QUICK)
        transport.stop()
        with misbehaving(always(answer())) as server, pytest.raises(StoppedError):
            client(server.url, transport).put("nar/a", part, "x/y")


class TestParts:
    """Uploads in parts."""

    BEGUN = answer(b"<R><UploadId>an id/+=</UploadId></R>")

    def test_parts_are_named_by_number_and_id(self, part: FilePart) -> None:
        """And put together in their order."""

        def serve(server: Misbehaving, line: socket.socket, number: int) -> None:
            line.sendall(self.BEGUN if number == 1 else answer(ETag='"e&1"'))

        with misbehaving(serve) as server:
            upload = MultipartUpload(client(server.url), "nar/a", "x/y")
            etag = upload.put(1, part)
            upload.complete([etag, '"2"'], 10)
            upload.abort()

        lines = [line.rpartition(" ")[0] for line in server.requests]
        assert lines == [
            "POST /demo/nar/a?uploads",
            "PUT /demo/nar/a?partNumber=1&uploadId=an%20id%2F%2B%3D",
            "POST /demo/nar/a?uploadId=an%20id%2F%2B%3D",
            "DELETE /demo/nar/a?uploadId=an%20id%2F%2B%3D",
        ]
        assert (
            b'<Part><PartNumber>1</PartNumber><ETag>"e&amp;1"</ETag></Part>'
            b'<Part><PartNumber>2</PartNumber><ETag>"2"</ETag></Part>'
        ) in server.received[2]

    @pytest.mark.parametrize(("size", "is_done"), [(10, True), (11, False)])
    def test_an_upload_that_is_gone_may_have_been_completed(self, size: int, is_done: bool) -> None:
        """The answer to the first try was lost: then the object is there, of the right size."""
        gone = answer(b"<Error><Code>NoSuchUpload</Code></Error>", "404 Not Found")
        there = answer(b"", length=size)

        def serve(_: Misbehaving, line: socket.socket, number: int) -> None:
            line.sendall([self.BEGUN, gone, there][number - 1])

        with misbehaving(serve) as server:
            upload = MultipartUpload(client(server.url), "nar/a", "x/y")
            if is_done:
                upload.complete(['"1"'], 10)
            else:
                with pytest.raises(Exception, match="NoSuchUpload"):
                    upload.complete(['"1"'], 10)


class TestAnswers:
    """Answers that were misread."""

    def test_a_redirect_of_aws_names_the_region_of_the_bucket(self) -> None:
        """Its answer has no Location, but the region and an endpoint."""
        body = b"<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-1.amazonaws.com"
        region: dict[str, Any] = {"x-amz-bucket-region": "eu-west-1"}
        moved = answer(body + b"</Endpoint></Error>", "301 Moved Permanently", **region)
        with misbehaving(always(moved)) as server, pytest.raises(RedirectedError) as redirected:
            client(server.url).get("nar/a")

        assert "redirects to http://b.s3.eu-west-1.amazonaws.com" in redirected.value.problem
        assert "the bucket is in the region eu-west-1" in redirected.value.problem
        assert redirected.value.fix.startswith("set the region eu-west-1")

    def test_a_redirect_without_a_target_does_not_name_its_own_url(self) -> None:
        """There is nothing to set."""
        with (
            misbehaving(always(answer(b"", "301 Moved Permanently"))) as server,
            pytest.raises(RedirectedError, match="redirects to a place that it does not name"),
        ):
            client(server.url).get("nar/a")

    def test_a_zone_of_an_address_is_not_signed_with_the_host(self) -> None:
        """The zone means something on this machine alone."""
        url, headers = client("http://[fe80::1%25eth0]:9000").signed("nar/a", "")

        assert url.startswith("http://[fe80::1%25eth0]:9000/")
        assert headers["Host"] == "[fe80::1]:9000"

    @pytest.mark.parametrize("key", ["nar/../nix-cache-info", "..", "./a", "nar/."])
    def test_a_key_with_a_segment_of_dots_is_refused(self, key: str) -> None:
        """HTTP clients and proxies would ask for another object."""
        with misbehaving(always(answer())) as server:
            with pytest.raises(UnusableKeyError, match="has a segment"):
                client(server.url).get(key)
            client(server.url).get("nar/..a/b.")

        assert len(server.requests) == 1

    def test_a_denial_by_the_issuer_of_a_credential_is_not_an_absent_path(self) -> None:
        """STS denies the role while the cache is asked for paths."""
        denial = {
            "Error": {"Code": "AccessDenied", "Message": "no"},
            "ResponseMetadata": {"HTTPStatusCode": 403},
        }

        def fail() -> dict[str, str]:
            raise ServiceError(denial, "AssumeRoleWithWebIdentity")  # type: ignore[arg-type]

        s3 = S3Client(
            Transport(QUICK),
            "http://127.0.0.1:9/demo",
            "us-east-1",
            DeferredRefreshableCredentials(fail, "test"),
        )
        with pytest.raises(IssuerError) as refused:
            s3.get("nar/a")
        assert refused.value.meaning is Meaning.NO_CREDENTIAL

        who = Requester("ci", "https://s3.example.org", "demo", "team", "the environment")
        with pytest.raises(Exception, match="cannot be had: the service that issues it answers"):
            Bucket(manifest(), s3, who, 1).held([INFO])


class TestSignedReads:
    """Narinfos are read without a signature only where the storage allows that."""

    @pytest.mark.parametrize("is_allowed", [True, False])
    def test_a_public_bucket_is_asked_anonymously_if_it_answers(self, is_allowed: bool) -> None:
        """Behind a CDN, the bucket of a public cache can be private."""

        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            is_signed = b"authorization:" in server.received[-1].lower()
            line.sendall(answer(b"x") if is_signed or is_allowed else answer(b"", "403 Forbidden"))

        with misbehaving(act) as server:
            bucket = _bucket(server.url, public=True)
            bucket.require_access()
            assert INFO.path in bucket.held([INFO])

        assert _are_signed(server) == [True, False, not is_allowed]

    def test_a_private_bucket_is_never_asked_anonymously(self) -> None:
        with misbehaving(always(answer(b"x"))) as server:
            bucket = _bucket(server.url, public=False)
            bucket.require_access()
            bucket.held([INFO])

        assert _are_signed(server) == [True, True]


class TestStores:
    """Readers pass over a cache that is for another store, so nothing is pushed there."""

    @pytest.mark.parametrize("info", [b"StoreDir: /nix/store\nPriority: 40\n", b""])
    def test_the_store_of_the_manifest_is_accepted(self, info: bytes) -> None:
        """So is an object that names none, as Nix accepts it."""
        with misbehaving(always(answer(info))) as server:
            _bucket(server.url, public=False).require_access()

    def test_another_store_is_refused_with_both_names(self) -> None:
        with misbehaving(always(answer(b"StoreDir: /data/nix/store\n"))) as server:
            bucket = _bucket(server.url, public=False)
            with pytest.raises(ClientError, match="for the store /data/nix/store, and the cache"):
                bucket.require_access()

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("XAmzContentSHA256Mismatch", "changed an upload on its way"),
            ("MalformedXML", "took an object for a request on a bucket"),
        ],
    )
    def test_what_happens_to_an_upload_on_its_way_is_named(self, code: str, words: str) -> None:
        """It is not tried again."""
        body = f"<Error><Code>{code}</Code></Error>".encode()
        record = RootRecord(started=datetime(2026, 1, 1, tzinfo=UTC), paths=())
        with misbehaving(always(answer(body, "400 Bad Request"))) as server:
            with pytest.raises(ClientError, match=words):
                _bucket(server.url, public=False).protect(record)
            assert len(server.received) == 1


class TestReadableNarinfos:
    """A storage that refuses to read narinfos would get everything again with every push."""

    def test_a_refusal_is_reported_at_the_first_narinfo(self) -> None:
        body = b"<Error><Code>AccessDenied</Code></Error>"
        with misbehaving(always(answer(body, "403 Forbidden"))) as server:
            bucket = _bucket(server.url, public=False)
            assert bucket.held([INFO]) == {}
            with pytest.raises(ClientError, match="refuses ci to read the narinfo") as refused:
                bucket.require_readable(PATH)

        assert "s3:GetObject on all objects of the bucket demo" in refused.value.fix

    @pytest.mark.parametrize("is_portal", [False, True])
    def test_a_web_page_in_place_of_a_narinfo_is_a_damaged_object(self, is_portal: bool) -> None:
        """It can be repaired. Where all objects are pages, something else answers."""
        page = answer(b"<!DOCTYPE html>\n<title>Parked</title>\n", Content_Type="text/html")

        def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
            is_narinfo = ".narinfo" in server.requests[-1]
            line.sendall(page if is_narinfo or is_portal else answer(b"StoreDir: /nix/store\n"))

        with misbehaving(act) as server:
            bucket = _bucket(server.url, public=False)
            if is_portal:
                with pytest.raises(ClientError, match="is a web page"):
                    bucket.held([INFO])
            else:
                fault = bucket.held([INFO])[INFO.path].fault
                assert fault == "its narinfo cannot be read: it is a web page or XML"

    def test_one_narinfo_that_could_be_read_is_enough(self) -> None:
        with misbehaving(always(answer(b"StorePath: x"))) as server:
            bucket = _bucket(server.url, public=False)
            bucket.require_readable(PATH)
            bucket.require_readable(PATH)

        assert len(server.requests) == 1


def _bucket(url: str, *, public: bool) -> Bucket:
    cache = manifest(endpoint=url, public=public)
    client = S3Client.of(cache, PAIR, Transport(QUICK))
    return Bucket(cache, client, Requester("ci", url, "demo"), 1)


def _are_signed(server: Misbehaving) -> list[bool]:
    return [b"authorization:" in request.lower() for request in server.received]
