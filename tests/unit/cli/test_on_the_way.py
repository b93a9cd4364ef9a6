"""What doctor finds between here and the storage, on real servers that behave so."""

import gzip
import re
import socket

import pytest

from nix_cache.cli.doctor import on_the_way
from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.credentials import Credential
from tests.unit.cli.client_caches import WRITER, manifest
from tests.unit.cli.misbehaving import Answer, Misbehaving, always, answer, misbehaving

INFO = b"StoreDir: /nix/store\n"
PAIR = Credential(access_key_id="id", secret_access_key="a-secret-key")
BAD_DIGEST = b"<Error><Code>BadDigest</Code></Error>"


def subject(url: str, environment: dict[str, str] | None = None) -> Subject:
    """Return a public cache at a server, with its writer's credential."""
    described = manifest().model_copy(update={"endpoint": url, "read_url": f"{url}/demo"})
    return Subject(described, {WRITER: PAIR}, environment=environment or {})


def limited(most_bytes: int) -> Answer:
    """Return a server that refuses larger bodies as nginx does, and else looks at checksums."""

    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        body = server.received[-1].partition(b"\r\n\r\n")[2]
        too_large = len(body) > most_bytes
        line.sendall(
            answer(b"<html>413</html>", "413 Request Entity Too Large")
            if too_large
            else answer(BAD_DIGEST, "400 Bad Request")
        )

    return act


@pytest.mark.parametrize(
    ("most_bytes", "deep", "level", "what", "fix"),
    [
        (1 << 30, False, Level.OK, "takes bodies of 2 MiB", ""),
        (1 << 30, True, Level.OK, "takes bodies of 16 MiB", ""),
        (1 << 20, False, Level.ERROR, "bodies of 2 MiB are refused", "client_max_body_size 17m"),
        (9 << 20, False, Level.OK, "takes bodies of 2 MiB", ""),
        (9 << 20, True, Level.ERROR, "10 MiB are refused .* 9 MiB pass", "--part-size 9$"),
        (100, True, Level.ERROR, "bodies of 1 MiB are refused", "client_max_body_size"),
    ],
)
def test_a_limit_of_bodies_is_found(
    most_bytes: int, deep: bool, level: Level, what: str, fix: str
) -> None:
    with misbehaving(limited(most_bytes)) as server:
        [found] = on_the_way.bodies(subject(server.url), deep=deep)

    assert found.level is level
    assert re.search(what, found.what)
    assert re.search(fix, found.fix)


def test_a_writer_that_cannot_upload_shows_no_limit() -> None:
    refusal = answer(b"<Error><Code>AccessDenied</Code></Error>", "403 Forbidden")
    with misbehaving(always(refusal)) as server:
        [found] = on_the_way.bodies(subject(server.url), deep=False)

    assert found.level is Level.NOT_CHECKED


def compressed() -> list[Finding]:
    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        wants = b"accept-encoding: deflate, gzip, br, zstd" in server.received[-1].lower()
        line.sendall(
            answer(gzip.compress(INFO), Content_Encoding="gzip") if wants else answer(INFO)
        )

    with misbehaving(act) as server:
        return list(on_the_way.compression(subject(server.url)))


def test_compression_on_the_way_is_found_by_asking_as_nix_asks() -> None:
    [found] = compressed()

    assert found.level is Level.WARNING
    assert "compresses answers on the way (gzip)" in found.what


def test_what_is_stored_compressed_is_not_compressed_on_the_way() -> None:
    stored = answer(gzip.compress(INFO), Content_Encoding="gzip")
    with misbehaving(always(stored)) as server:
        [found] = on_the_way.compression(subject(server.url))

    assert found.level is Level.OK


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 0),
        ({"HTTP_PROXY": "http://p:1"}, 1),
        ({"HTTP_PROXY": "http://p:1", "http_proxy": "http://p:1"}, 0),
        ({"HTTPS_PROXY": "http://p:1"}, 0),
    ],
)
def test_a_variable_that_nix_does_not_read_is_named(
    environment: dict[str, str], count: int
) -> None:
    found = list(on_the_way.proxies(subject("http://s3.example.org", environment)))

    assert len(found) == count
