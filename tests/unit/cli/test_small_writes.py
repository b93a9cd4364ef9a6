"""Many small writes in one thread: what fails there is continued by ordinary requests."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.small_request import SmallRequest
from nix_cache.cli.s3.transport import StoppedError, Transport
from nix_cache.cli.upload.narinfos import Narinfos
from tests.unit.cli.misbehaving import answer
from tests.unit.cli.test_multiplex import (
    COUNT,
    JOBS,
    PATIENT,
    SMALL,
    Act,
    Storage,
    hangs,
    sends,
    sends_and_closes,
    storage,
)
from tests.unit.cli.test_transport import QUICK, within

WHO = Requester("nixbuilder", "https://s3.example.org", "bucket", "demo", "the test")
LONG = 3_000_000
"""More bytes than a connection takes at once."""

IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


def body_of(number: int) -> bytes:
    """Return what is written under a number."""
    return f"content of {number}".encode()


def writes(server: Storage, numbers: range) -> Iterator[SmallRequest[int] | None]:
    """Requests that write something, none of them after each tenth one."""
    for number in numbers:
        if number % 10 == 9:
            yield None
        yield write(server, number, body_of(number))


def write(server: Storage, number: int, body: bytes) -> SmallRequest[int]:
    """Return a request that writes something."""
    url = f"{server.scheme}://{server.address}/{number}"
    headers = {"Host": server.address, "Content-Length": str(len(body))}
    return SmallRequest(number, url, headers, SMALL, "PUT", body)


def opened(server: Storage, times: TimeLimits = PATIENT, **environment: str) -> Transport:
    """Return a transport with as many open connections as there are jobs."""
    transport = Transport(times, JOBS, environment)
    together = threading.Barrier(JOBS)

    def waits(line: socket.socket, _over: threading.Event) -> None:
        together.wait(10)
        line.sendall(answer(b"/"))

    before = {path: list(acts) for path, acts in server.odd.items()}
    server.odd |= {f"/{number}": [waits] for number in range(JOBS)}
    dict(transport.read_all(server.reads(JOBS), JOBS))
    server.asked.clear()
    server.odd.update(before)
    return transport


def tried(
    transport: Transport, server: Storage, requests: Iterator[SmallRequest[int] | None]
) -> dict[int, Reply | None]:
    """Send requests once, and again after answers that left none to be sent."""
    found: dict[int, Reply | None] = {}
    url = f"{server.scheme}://{server.address}"
    while True:
        before = len(found)
        for answered in transport.try_all(url, requests, JOBS):
            assert answered is not None
            request, reply = answered
            assert request.tag not in found
            found[request.tag] = reply
        if len(found) == before:
            return found


def finished(transport: Transport, server: Storage, number: int) -> Reply:
    """Send a request as all others are sent."""
    one = write(server, number, body_of(number))
    return transport.exchange(one.method, one.url, one.headers, one.body, one.kind)


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_small_bodies_are_written_once_without_a_further_thread(
    is_tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    threads: list[threading.Thread] = []
    start = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        if threading.current_thread() is threading.main_thread():
            threads.append(thread)
        start(thread)

    with storage({}) as server:
        if is_tls:
            server.use_tls(authority)
        transport = opened(server, NIX_SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        monkeypatch.setattr(threading.Thread, "start", counted)
        found = tried(transport, server, writes(server, range(COUNT)))

    assert sorted(found) == list(range(COUNT))
    assert all(reply is not None and reply.status == 200 for reply in found.values())
    assert server.written == {f"/{number}": body_of(number) for number in range(COUNT)}
    assert set(server.asked.values()) == {1}
    assert threads == []


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_a_body_is_sent_as_the_connection_takes_it(is_tls: bool, tmp_path: Path) -> None:
    """The host reads it slowly, and others get their answers meanwhile."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    large = bytes(range(256)) * (LONG // 256)
    with storage({}) as server:
        if is_tls:
            server.use_tls(authority)
        transport = opened(server, NIX_SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        requests = iter([write(server, 0, large), *writes(server, range(1, 20)), None])
        found = tried(transport, server, requests)
        assert finished(transport, server, 30).body == b"/30"  # over a connection that was used

    assert sorted(found) == list(range(20))
    assert None not in found.values()
    assert server.written["/0"] == large


@pytest.mark.parametrize(
    "act",
    [
        sends_and_closes(b""),
        sends_and_closes(answer(b"/20")[:-1]),
        sends(answer(status="503 Slow Down")),
        sends(answer(status="500 Internal Server Error")),
        sends(IN_CHUNKS),
    ],
    ids=["closed", "cut off", "busy", "failed", "unusual"],
)
def test_what_failed_once_is_written_by_an_ordinary_request(act: Act) -> None:
    with storage({"/20": [act]}) as server:
        transport = opened(server)
        found = tried(transport, server, writes(server, range(COUNT)))
        assert found[20] is None
        assert finished(transport, server, 20).body == b"/20"
        assert server.asked["/20"] == 2
        for number, reply in found.items():
            assert number == 20 or (reply is not None and reply.status == 200)


@pytest.mark.parametrize("status", [403, 412])
def test_a_refusal_is_returned_by_the_ordinary_request_that_follows(status: int) -> None:
    """Without being sent again."""
    with storage({"/20": [sends(answer(status=f"{status} No"))]}) as server:
        transport = opened(server)
        assert tried(transport, server, writes(server, range(COUNT)))[20] is None
        assert finished(transport, server, 20).status == status
        assert server.asked["/20"] == 1
        assert finished(transport, server, 20).status == 200  # a later one is sent


def test_a_refused_condition_is_not_the_answer_to_a_write_without_it() -> None:
    """Such as that of a client which has found since that conditions cannot be used."""
    with storage({"/20": [sends(answer(status="412 Precondition Failed"))]}) as server:
        transport = opened(server)
        first = write(server, 20, b"new")
        conditional = first._replace(headers={**first.headers, "If-None-Match": "*"})
        assert tried(transport, server, iter([conditional, None])) == {20: None}
        assert finished(transport, server, 20).status == 200
        assert server.written["/20"] == body_of(20)


def test_a_narinfo_is_written_if_its_first_try_was_the_last_under_a_condition() -> None:
    """A proxy alters ETags, and another writer put the narinfo: that one's signature stays."""
    missing = sends(answer(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found"))
    theirs, both = sends(answer(b"theirs\n", ETag='"1"')), sends(answer(b"theirs\nours\n"))
    refused, done = sends(answer(status="412 Precondition Failed")), sends(answer())
    with storage({}) as server:
        client = S3Client(opened(server), f"http://{server.address}", "region")
        server.odd = {
            "/first.narinfo": [missing, done, refused],
            "/altered.narinfo": [*[theirs, refused] * 3, theirs, theirs, done, both],
            "/20.narinfo": [refused, theirs, theirs, theirs, done, both],
        }
        narinfos = Narinfos(client, WHO, lambda _: None)
        narinfos.change("first.narinfo", added, is_new=True)
        assert narinfos.is_protected
        put = narinfos.small_put("20.narinfo", b"ours\n", None)
        assert list(client.try_puts(iter([put, None]), JOBS)) == [(put, False)]
        narinfos.change("altered.narinfo", added)
        assert not narinfos.is_protected

        assert narinfos.change("20.narinfo", added, is_new=True) == b"theirs\nours\n"
        assert server.odd["/20.narinfo"] == []


def added(there: bytes | None) -> bytes:
    """Return a narinfo with a line of ours."""
    before = there or b""
    return before if b"ours\n" in before else before + b"ours\n"


def test_the_first_try_counts_among_all_tries() -> None:
    busy = [sends(answer(status="503 Slow Down")) for _ in range(9)]
    with storage({"/20": busy}) as server:
        transport = opened(server)
        tried(transport, server, writes(server, range(COUNT)))
        assert finished(transport, server, 20).status == 503
        assert server.asked["/20"] == PATIENT.tries


def test_a_host_that_falls_silent_ends_the_tries_within_its_limit() -> None:
    with storage({"/20": [hangs] * 9}) as server:
        transport = opened(server, QUICK)
        with within(QUICK.first_byte_seconds + 2):
            assert tried(transport, server, writes(server, range(COUNT)))[20] is None


def test_an_answer_before_the_end_of_a_body_ends_the_connection() -> None:
    """What is left of the body would be read as the next request."""

    def refuses(line: socket.socket, _over: threading.Event) -> None:
        line.sendall(answer(b"early"))

    with storage({}) as server:
        transport = opened(server)
        server.odd["/early"] = [refuses]
        url = f"http://{server.address}/early"
        headers = {"Host": server.address, "Content-Length": "0"}
        cheat = SmallRequest(0, url, headers, SMALL, "PUT", b"x" * LONG)
        tried(transport, server, iter([cheat, *writes(server, range(1, 20))]))
        assert all(f"/{number}" in server.asked for number in range(1, 20))
        assert set(server.asked) == {"/early", *(f"/{number}" for number in range(1, 20))}


def test_hosts_with_unusual_answers_get_ordinary_requests_alone() -> None:
    """Else each of them would be sent twice."""
    with storage({f"/{number}": [sends(IN_CHUNKS)] * 2 for number in range(COUNT)}) as server:
        transport = opened(server)
        found = tried(transport, server, writes(server, range(COUNT)))
        assert 1 <= len(found) <= JOBS
        assert tried(transport, server, writes(server, range(COUNT))) == {}


def test_nothing_is_sent_without_an_open_connection() -> None:
    with storage({}) as server:
        found = tried(Transport(PATIENT, JOBS), server, writes(server, range(COUNT)))
        assert found == {}
        assert not server.asked


def test_a_command_that_ends_sends_nothing_more() -> None:
    with storage({}) as server:
        transport = opened(server)
        transport.stop()
        with pytest.raises(StoppedError):
            tried(transport, server, writes(server, range(COUNT)))
        assert len(server.asked) <= 2 * JOBS


def test_a_caller_may_send_a_request_between_answers() -> None:
    """While as many as there may be are under way, which end when the caller goes on."""
    with storage({}) as server:
        transport = opened(server)
        url = f"http://{server.address}"
        with within(PATIENT.first_byte_seconds):
            for answered in transport.try_all(url, writes(server, range(COUNT)), JOBS):
                assert answered is not None
                number = answered[0].tag
                assert finished(transport, server, 500 + number).status == 200
            for number, _ in transport.read_all(server.reads(), JOBS):
                assert finished(transport, server, 900 + number).status == 200
    assert server.asked["/500"] == server.asked["/959"] == 1


def test_all_ways_to_send_share_one_limit() -> None:
    """A request under way in a thread leaves one connection fewer to the others."""
    begun, may_end = threading.Event(), threading.Event()
    most, count, lock = 0, 0, threading.Lock()

    def counts(line: socket.socket, over: threading.Event) -> None:
        nonlocal most, count
        with lock:
            count += 1
            most = max(most, count)
        over.wait(0.01)
        with lock:
            count -= 1
        line.sendall(answer(b"/"))

    def blocks(line: socket.socket, _over: threading.Event) -> None:
        begun.set()
        may_end.wait(10)
        line.sendall(answer(b"/"))

    with storage({}) as server:
        transport = opened(server)
        server.odd |= {"/500": [blocks], **{f"/{number}": [counts] for number in range(COUNT)}}
        thread = threading.Thread(target=finished, args=(transport, server, 500))
        thread.start()
        begun.wait(10)
        found = tried(transport, server, writes(server, range(COUNT)))
        may_end.set()
        thread.join()
    assert len(found) == COUNT
    assert most == JOBS - 1
