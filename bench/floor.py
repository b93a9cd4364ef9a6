"""The least that a push has to do: `zstd` of the same NARs, then the same bytes over HTTP.

The client signs nothing, checks nothing and retries nothing. It keeps one connection per thread.
"""

import queue
import re
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 25
"""As many as `nix-cache push` and Nix open by default."""

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 120.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class FloorError(Exception):
    """A request of the floor was not answered with success."""


@dataclass(frozen=True)
class PlainRequest:
    """One request.

    Attributes:
        method: of HTTP.
        key: of the object in the bucket.
        body: what is sent, or the file whose content is sent.
    """

    method: str
    key: str
    body: bytes | Path = b""


def send(bucket_url: str, requests: Sequence[PlainRequest]) -> None:
    """Send requests, `CONNECTIONS` at a time, and read all answers.

    Args:
        bucket_url: of a bucket that needs no signature, in path style.
        requests: in the order in which they are taken.

    Raises:
        FloorError: one of them failed.
    """
    tasks: queue.SimpleQueue[PlainRequest] = queue.SimpleQueue()
    for request in requests:
        tasks.put(request)
    failures: list[Exception] = []

    def serve() -> None:
        try:
            with closing(_Connection(bucket_url)) as connection:
                while not failures:
                    connection.exchange(tasks.get_nowait())
        except queue.Empty:
            return
        except (OSError, FloorError) as failure:
            failures.append(failure)

    threads = [
        threading.Thread(target=serve, daemon=True) for _ in range(min(CONNECTIONS, len(requests)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise FloorError(str(failures[0])) from failures[0]


def compress(program: str, folder: Path, names: Sequence[str], target: Path) -> None:
    """Compress files by the `zstd` program, with the level and the threads that it chooses.

    Args:
        program: the path of `zstd`.
        folder: where the files are.
        names: theirs.
        target: the folder for the results, each with the suffix `.zst`.
    """
    target.mkdir()
    subprocess.run(
        [program, "-q", "-T0", "--output-dir-flat", str(target), "--", *names],
        cwd=folder,
        check=True,
        stdin=subprocess.DEVNULL,
    )


class _Connection:
    def __init__(self, bucket_url: str) -> None:
        parts = urlsplit(bucket_url)
        self._host = parts.netloc
        self._path = parts.path
        self._socket = socket.create_connection(
            (parts.hostname or "", parts.port or 80), _TIMEOUT_SECONDS
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def exchange(self, request: PlainRequest) -> None:
        body = request.body
        size = body.stat().st_size if isinstance(body, Path) else len(body)
        head = (
            f"{request.method} {self._path}/{request.key} HTTP/1.1\r\n"
            f"Host: {self._host}\r\nContent-Length: {size}\r\n\r\n"
        ).encode()
        if isinstance(body, Path):
            self._socket.sendall(head)
            with body.open("rb") as file:
                self._socket.sendfile(file)
        else:
            self._socket.sendall(head + body)
        self._read_answer(request)

    def _read_answer(self, request: PlainRequest) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received(request)
        head, _, start = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            line = head.partition(b"\r\n")[0].decode(errors="replace")
            raise FloorError(f"{request.method} {request.key} was answered with {line}")
        length = _LENGTH.search(head)
        left = (int(length[1]) if length else 0) - len(start)
        while left > 0:
            left -= len(self._received(request))

    def _received(self, request: PlainRequest) -> bytes:
        content = self._socket.recv(_CHUNK_BYTES)
        if not content:
            raise FloorError(f"{request.method} {request.key} was not answered")
        return content
