"""The page of `bench`, and the client of its floor."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import floor
from bench.floor import FloorError, PlainRequest
from bench.report import Case, Measured, Run, Way, page

RUN = Run("2026-01-02", "make bench-push", "2 cores", "Nix 2.34", "memory", 3, (0.1, 1.9))


SECONDS = {Way.NIX_COPY: [8.0, 6.0, 90.0], Way.OURS: [2.0, 70.0, 1.0], Way.FLOOR: [1.6] * 3}
"""Three rounds whose means are not their medians."""


def measured(case: Case, *, without: Way | None = None, peak_bytes: int = 10**8) -> Measured:
    """Return results of a case."""
    seconds = {way: times for way, times in SECONDS.items() if way is not without}
    return Measured(case, 1029, 500 * 10**6, seconds, peak_bytes)


def test_medians_are_compared_with_nix_copy_and_with_the_floor() -> None:
    """Each beside its goal."""
    text = page([measured(Case("large", 1.2, 1.5))], RUN)

    assert (
        "| large | 1,029 | 500.0 MB | 8.00 s (6.00 to 90.00) | 2.00 s (1.00 to 70.00) "
        "| 1.60 s (1.60 to 1.60) | 4.00 (goal: at least 1.5, met) "
        "| 1.25 (goal: at most 1.2, missed) |  | 100 MB (goal: at most 256 MB, met) |\n"
    ) in text


def test_what_was_not_measured_has_empty_cells() -> None:
    """And what has no goal has none."""
    text = page([measured(Case("one"), without=Way.FLOOR, peak_bytes=257 * 10**6)], RUN)

    assert (
        "| 2.00 s (1.00 to 70.00) |  | 4.00 |  |  | 257 MB (goal: at most 256 MB, missed) |" in text
    )


def test_the_page_has_what_makes_it_repeatable() -> None:
    """Date, command, machine, load and Nix."""
    text = page([measured(Case("large"))], RUN)

    assert "`make bench-push` wrote this on 2026-01-02" in text
    assert "medians of 3 rounds" in text
    assert "MinIO: 2 cores.\n" in text
    assert "0.1 before and 1.9 after" in text
    assert "Versions: Nix 2.34.\n" in text
    assert "temporary files are in memory.\n" in text


@contextmanager
def bucket(status: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Run a server that keeps what is put; returns a bucket's URL, and the bodies by path."""
    kept: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(b"x" * 200_000)

        def _answer(self, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/bucket", kept
        finally:
            server.shutdown()


def test_the_floor_puts_contents_and_files_and_reads_whole_answers(tmp_path: Path) -> None:
    """On connections that are used again: what is left of an answer would break the next one."""
    file = tmp_path / "file"
    file.write_bytes(b"f" * 300_000)
    puts = [PlainRequest("PUT", f"put-{number}", b"content") for number in range(40)]
    gets = [PlainRequest("GET", f"get-{number}") for number in range(40)]

    with bucket(200) as (url, kept):
        floor.send(url, [*gets, *puts, PlainRequest("PUT", "file", file)])

    assert kept == {
        **{f"/bucket/{put.key}": b"content" for put in puts},
        "/bucket/file": b"f" * 300_000,
    }


def test_the_floor_fails_when_a_request_does() -> None:
    """A measurement of failures would be a fast one."""
    with (
        bucket(403) as (url, _),
        pytest.raises(FloorError, match=r"GET key was answered with .*403"),
    ):
        floor.send(url, [PlainRequest("GET", "key")])
