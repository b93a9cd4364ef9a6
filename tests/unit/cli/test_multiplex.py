"""Many small reads: the usual ones share a thread, and unusual ones keep all limits."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from nix_cache.cli.limits import ERROR_BYTES, LimitKind, TimeLimits
from nix_cache.cli.s3 import multiplex
from nix_cache.cli.s3.causes import Cause
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import OversizedError, Reply
from nix_cache.cli.s3.small_request import SmallRequest
from nix_cache.cli.s3.transport import Transport
from tests.unit.cli.misbehaving import answer
from tests.unit.cli.test_transport import QUICK, within

SMALL = LimitKind("small thing", 100)
COUNT, JOBS = 60, 4
PATIENT = replace(QUICK, unanswered_seconds=10, stalled_seconds=10, first_byte_seconds=10)
"""For what is not about time."""

Act = Callable[[socket.socket, threading.Event], None]
"""What a storage does about a request: given the connection, and what is set after the test."""


class Storage(socketserver.ThreadingTCPServer):
    """Answers each request with its path, or as a test says.

    Attributes:
        odd: by path, what is done about the first requests for it.
        asked: how often each path was asked for.
        written: by path, the body of the latest request.
        lines: how many connections there were.
        over: set when the test is done.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, odd: dict[str, list[Act]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.odd = odd
        self.asked: Counter[str] = Counter()
        self.written: dict[str, bytes] = {}
        self.lines = 0
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.scheme = "http"

    def use_tls(self, authority: trustme.CA) -> None:
        """Answer under TLS only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.scheme = "https"

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def reads(self, count: int = COUNT, kind: LimitKind = SMALL) -> Iterator[SmallRequest[int]]:
        """Requests for some paths, each with its number."""
        for number in range(count):
            url = f"{self.scheme}://{self.address}/{number}"
            yield SmallRequest(number, url, {"Host": self.address}, kind)


class _Handler(socketserver.StreamRequestHandler):
    server: Storage

    def handle(self) -> None:
        """Answer the requests of one connection."""
        with self.server.lock:
            self.server.lines += 1
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                path = line.split()[1].decode()
                length = 0
                while header := self.rfile.readline().strip():
                    name, _, value = header.partition(b":")
                    length = int(value) if name == b"Content-Length" else length
                body = self.rfile.read(length)
                with self.server.lock:
                    self.server.asked[path] += 1
                    self.server.written[path] = body
                    odd = self.server.odd.get(path)
                    act = odd.pop(0) if odd else None
                if act is None:
                    self.request.sendall(answer(path.encode()))
                else:
                    act(self.request, self.server.over)


@contextlib.contextmanager
def storage(odd: dict[str, list[Act]]) -> Iterator[Storage]:
    """Provide a storage on a loopback port."""
    with Storage(odd) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()


def sends(content: bytes) -> Act:
    """Send something."""
    return lambda line, _over: line.sendall(content)


def sends_and_closes(content: bytes) -> Act:
    """Send something and close the connection."""

    def act(line: socket.socket, _over: threading.Event) -> None:
        line.sendall(content)
        line.shutdown(socket.SHUT_RDWR)

    return act


def hangs(_line: socket.socket, over: threading.Event) -> None:
    """Do nothing."""
    over.wait(60)


def drips(line: socket.socket, over: threading.Event) -> None:
    """Send a body byte by byte, for ever."""
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    while not over.wait(0.05):
        line.sendall(b"x")


def in_pieces(line: socket.socket, _over: threading.Event) -> None:
    """Send an answer byte by byte."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in answer(b"/slow"):
        line.sendall(bytes([byte]))


def read_all(server: Storage, times: TimeLimits = PATIENT) -> dict[int, Reply | Exception]:
    """Ask for everything; returns the answers by number, of which there is one for each."""
    found: dict[int, Reply | Exception] = {}
    for number, reply in Transport(times, JOBS).read_all(server.reads(), JOBS):
        assert number not in found
        found[number] = reply
    assert len(found) == COUNT
    return found


def require_paths(found: dict[int, Reply | Exception], *, but: int = -1) -> None:
    """Make sure that each answer is that to its own request."""
    for number, reply in found.items():
        if number != but:
            assert isinstance(reply, Reply)
            assert reply.body == f"/{number}".encode()
            assert reply.url.endswith(f"/{number}")


def test_usual_answers_need_no_further_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    start = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        if threading.current_thread() is threading.main_thread():
            threads.append(thread)
        start(thread)

    with storage({}) as server:
        monkeypatch.setattr(threading.Thread, "start", counted)
        require_paths(read_all(server))
    assert len(threads) == JOBS
    assert server.lines <= JOBS
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize(
    "act", [None, sends_and_closes(b""), in_pieces], ids=["plain", "closed", "in pieces"]
)
def test_answers_under_tls_are_read_alike(act: Act | None, tmp_path: Path) -> None:
    """A TLS record may hold more than one read of the socket returns, or less than an answer."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    transport = Transport(PATIENT, JOBS, {"NIX_SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    long = LimitKind("long thing", 200_000)
    with storage({"/30": [act] if act else [], "/40": [sends(answer(b"x" * 150_000))]}) as server:
        server.use_tls(authority)
        found = dict(transport.read_all(server.reads(kind=long), JOBS))
    large, pieces = found.pop(40), found.pop(30)
    assert isinstance(large, Reply)
    assert large.body == b"x" * 150_000
    assert isinstance(pieces, Reply)
    assert pieces.body == (b"/slow" if act is in_pieces else b"/30")
    require_paths(found)
    assert server.asked["/20"] == server.asked["/40"] == 1


@pytest.mark.parametrize("number", [0, 3, JOBS, 30, COUNT - 1])
@pytest.mark.parametrize(
    "act",
    [
        sends_and_closes(b""),
        sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Le"),
        sends_and_closes(answer(b"half", length=8)),
        sends(answer(status="503 Slow Down")),
        sends(answer(b"<Error><Code>SlowDown</Code></Error>", "400 Bad Request")),
    ],
    ids=["closed", "cut head", "cut body", "busy", "busy code"],
)
def test_what_failed_is_asked_for_again(act: Act, number: int) -> None:
    with storage({f"/{number}": [act]}) as server:
        require_paths(read_all(server))
    assert server.asked.pop(f"/{number}") == 2
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize("number", [0, 30])
def test_no_request_has_more_tries_than_the_limit(number: int) -> None:
    refusals = [sends(answer(status="503 Slow Down"))] * 10
    with storage({f"/{number}": refusals}) as server:
        found = read_all(server)
    refused = found[number]
    assert isinstance(refused, Reply)
    assert refused.status == 503
    assert server.asked[f"/{number}"] == PATIENT.tries
    require_paths(found, but=number)


@pytest.mark.parametrize("act", [hangs, drips])
def test_a_request_without_progress_ends_within_its_limit(act: Act) -> None:
    with storage({"/30": [act] * 10}) as server, within(QUICK.stalled_seconds):
        found = read_all(server, QUICK)
    failure = found[30]
    assert isinstance(failure, NoAnswerError)
    assert failure.cause is Cause.TIMEOUT
    require_paths(found, but=30)


def test_a_host_that_falls_silent_is_given_up() -> None:
    silent: dict[str, list[Act]] = {f"/{number}": [hangs] * 10 for number in range(20, COUNT)}
    with storage(silent) as server, within(2 * QUICK.stalled_seconds):
        found = read_all(server, QUICK)
    last = found[COUNT - 1]
    assert isinstance(last, NoAnswerError)
    assert last.given_up
    assert server.asked.total() < COUNT


@pytest.mark.parametrize("number", [1, 30])
@pytest.mark.parametrize(
    ("content", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, b"ab"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab", 200, b"ab"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (answer(b"<Error/>", "404 Not Found"), 404, b"<Error/>"),
        (answer(b"ab") + answer(b"smuggled"), 200, b"ab"),
        (answer(b"ab", Connection="close"), 200, b"ab"),
        (answer(b"x" * (ERROR_BYTES + 9), "403 Forbidden"), 403, b"x" * ERROR_BYTES),
    ],
    ids=["chunked", "bare", "empty", "missing", "smuggled", "closing", "long error"],
)
def test_odd_answers_are_read_as_those_to_single_requests(
    content: bytes, status: int, body: bytes, number: int
) -> None:
    with storage({f"/{number}": [sends(content)] * 2}) as server:
        found = read_all(server)
    reply = found[number]
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (status, body)
    require_paths(found, but=number)


@pytest.mark.parametrize("number", [1, 30])
def test_a_body_is_read_up_to_the_limit_of_its_kind(number: int) -> None:
    with storage({f"/{number}": [sends(answer(b"x" * 101))]}) as server:
        found = read_all(server)
    assert isinstance(found[number], OversizedError)
    require_paths(found, but=number)


def test_an_answer_may_come_in_pieces() -> None:
    with storage({"/30": [in_pieces]}) as server:
        found = read_all(server)
    reply = found[30]
    assert isinstance(reply, Reply)
    assert reply.body == b"/slow"
    assert server.asked["/30"] == 1


def test_bytes_after_a_body_end_the_connection() -> None:
    """Also if they come after the head. Else what follows them would be another request's."""
    then: list[bytes] = []

    def head_first(line: socket.socket, over: threading.Event) -> None:
        head, _, body = answer(b"/30").partition(b"\r\n\r\n")
        line.sendall(head + b"\r\n\r\n")
        over.wait(0.02)
        line.sendall(body + answer(b"smuggled"))
        then.append(line.recv(1))

    with storage({"/30": [head_first]}) as server:
        reads = Transport(PATIENT, JOBS).read_all(server.reads(1000), JOBS)
        require_paths(dict(reads))
    assert then == [b""]


def test_connections_that_the_server_limits_are_opened_again() -> None:
    """Such as after 1,000 requests. Most requests still share a thread."""
    closing: dict[str, list[Act]] = {
        f"/{number}": [sends_and_closes(answer(f"/{number}".encode()))]
        for number in range(0, 60, 3)
    }
    with storage(closing) as server:
        require_paths(read_all(server))
    assert server.lines > JOBS


def test_a_request_that_cannot_be_written_down_is_refused() -> None:
    transport = Transport(PATIENT, JOBS)
    with storage({}) as server:
        reads = list(server.reads(20))
        reads[10] = reads[10]._replace(headers={"Host": server.address, "A": "b\r\nc: d"})
        with pytest.raises(ValueError, match="Invalid header value"):
            dict(transport.read_all(reads, JOBS))
    assert server.asked["/10"] == 0


def test_a_request_to_another_host_is_not_sent_to_this_one() -> None:
    with storage({}) as one, storage({}) as other:
        reads = [*one.reads(20), *other.reads(1)]
        dict(Transport(PATIENT, JOBS).read_all(reads, JOBS))
    assert (one.asked["/0"], other.asked["/0"]) == (1, 1)


def test_connections_can_be_used_after_a_caller_that_stopped_early() -> None:
    transport = Transport(PATIENT, JOBS)
    with storage({}) as server:
        answers: Any = transport.read_all(server.reads(), JOBS)
        for _ in range(JOBS + 2):
            next(answers)
        answers.close()
        url = f"http://{server.address}/7"
        for _ in range(JOBS + 1):
            reply = transport.exchange("GET", url, {"Host": server.address}, None, SMALL)
            assert reply.body == b"/7"


def test_a_busy_host_gets_fewer_requests_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    init = multiplex.Multiplexer.__init__

    def noted(self: Any, host: Any, idle: Any, times: Any, limit: Any, most: int) -> None:
        used.append(most)
        init(self, host, idle, times, limit, most)

    monkeypatch.setattr(multiplex.Multiplexer, "__init__", noted)
    transport = Transport(PATIENT, JOBS)
    with storage({f"/{COUNT - 1}": [sends(answer(status="503 Slow Down"))]}) as server:
        dict(transport.read_all(server.reads(), JOBS))
        dict(transport.read_all(server.reads(2 * JOBS), JOBS))
    assert used[0] == JOBS
    assert used[-1] < JOBS
