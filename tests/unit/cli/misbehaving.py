"""A real server on a loopback port that answers as a test says, byte by byte."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate

EVIL_SECONDS = 60.0
"""The longest that a server goes on doing nothing. Every test is done long before."""


@dataclass
class Misbehaving:
    """The server.

    Attributes:
        address: its host and port.
        over: set when the test is done; what waits for it ends.
        requests: the first line of every request so far.
        received: every request so far, as it came in.
    """

    address: str
    over: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://{self.address}"

    def hang(self) -> None:
        """Do nothing until the test is done."""
        self.over.wait(EVIL_SECONDS)

    def drip(self, line: socket.socket, content: bytes, pause: float) -> None:
        """Send one byte after the other, for ever, with a pause before each."""
        number = 0
        while not self.over.wait(pause):
            line.sendall(content[number % len(content) :][:1])
            number += 1

    def flood(self, line: socket.socket, content: bytes) -> None:
        """Send something again and again."""
        while not self.over.is_set():
            line.sendall(content)


Answer = Callable[[Misbehaving, socket.socket, int], None]
"""What a server does about a request: given itself, the connection, and the request's number."""


def answer(
    body: bytes = b"", status: str = "200 OK", length: int | None = None, **headers: str
) -> bytes:
    """Return a complete answer, with the server's time as every storage sends it."""
    headers.setdefault("Date", formatdate(usegmt=True))
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(content: bytes) -> Answer:
    """Answer every request alike."""
    return lambda _server, line, _number: line.sendall(content)


@contextlib.contextmanager
def misbehaving(act: Answer) -> Iterator[Misbehaving]:
    """Provide a server that reads the head of each request and then does something about it.

    Args:
        act: what it does. The connection is kept until it returns, and closed if it raises.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = Misbehaving(f"127.0.0.1:{listener.getsockname()[1]}")
        threads = [threading.Thread(target=_listen, args=(listener, server, act), daemon=True)]
        threads[0].start()
        try:
            yield server
        finally:
            server.over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            threads[0].join(10)


def _listen(listener: socket.socket, server: Misbehaving, act: Answer) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(line, server, act), daemon=True).start()


def _serve(line: socket.socket, server: Misbehaving, act: Answer) -> None:
    with line, contextlib.suppress(OSError):
        while head := _request(line):
            server.received.append(head)
            server.requests.append(head.partition(b"\r\n")[0].decode())
            act(server, line, len(server.requests))


def _request(line: socket.socket) -> bytes:
    """Return the next request with its body; nothing when there is no more."""
    request = b""
    while b"\r\n\r\n" not in request:
        if not (chunk := line.recv(65536)):
            return b""
        request += chunk
    head, _, body = request.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    while len(body) < int(length or 0) and (chunk := line.recv(65536)):
        body += chunk
    return head + b"\r\n\r\n" + body
