"""Measures `nix-cache gc`: its time beside that of its requests, and the memory of large caches.

`python -m bench.collecting` writes bench/COLLECTING.md. Every way runs in a separate process, and
its time counts from when Python is ready.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.collecting_report import (
    COMMANDS,
    TIMED,
    Collecting,
    CollectingMemory,
    CollectingWay,
    page,
)
from bench.machine import machine_words, memory_folder
from bench.simulated_cache import MOST_PATHS, Paths
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.options import JOBS
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.signature import KeyPair
from nix_cache.cli.s3.transport import Transport
from offline import golang
from tests.engine.conftest import running_server
from tests.unit.cli.client_caches import manifest, outputs
from tools import engine
from tools.bootstrap import ROOT
from tools.errors import ToolError
from tools.server import LocalServer

BUCKET = "bench-collecting"
NARINFOS = 10_000
SIMULATED = 1_000_000
ROUNDS = 5
_NEEDED_BYTES = 10**9
_TIMEOUT_SECONDS = 3600


def main(arguments: Sequence[str]) -> int:
    """Measure; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.collecting", description=__doc__)
    parser.add_argument("--narinfos", type=int, default=NARINFOS)
    parser.add_argument("--simulated", type=int, default=SIMULATED)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--small", action="store_true", help="few narinfos, and no file")
    given = parser.parse_args(arguments)
    if given.small:
        given.narinfos, given.simulated, given.rounds = 500, 2_000, 1
    try:
        made = engine.provide(ROOT / ".dev")
    except ToolError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    place = memory_folder(_NEEDED_BYTES)
    folder = tempfile.TemporaryDirectory(prefix="nix-cache-bench-", dir=place)
    with golang.ended_by_signal(), folder as name:
        work = Path(name)
        with running_server(work / "minio", made) as server:
            _report(f"Putting {given.narinfos:,} narinfos and as many NARs")
            _fill(server, given.narinfos)
            measured = _measured(server, work, given.narinfos, given.rounds)
        memory = _memory(work, given.simulated)
    where = f"memory ({place})" if place else "a disk"
    loads = (load, os.getloadavg()[0])
    text = page(measured, memory, machine_words(), where, loads, _today())
    if not given.small:
        (ROOT / "bench" / "COLLECTING.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _measured(server: LocalServer, work: Path, narinfos: int, rounds: int) -> Collecting:
    seconds: dict[CollectingWay, list[float]] = {way: [] for way in TIMED}
    peak_bytes = 0
    for number in range(rounds):
        folder = work / f"cache-{number}"
        for way in TIMED:  # gc keeps what it read for the run after it
            _report(f"Round {number + 1} of {rounds}: {way.value}")
            document = {
                "way": way.name,
                "manifest": _manifest(server.url),
                "keys": server.key_pair,
                "narinfos": narinfos,
            }
            found = _run(document, folder)
            seconds[way].append(found["seconds"])
            if way in {CollectingWay.GC, CollectingWay.GC_AGAIN}:
                peak_bytes = max(peak_bytes, round(found["peakBytes"]))
    return Collecting(narinfos, seconds, peak_bytes)


def _memory(work: Path, count: int) -> CollectingMemory:
    count = min(count, MOST_PATHS)
    found: dict[CollectingWay, int] = {}
    for way in COMMANDS:
        _report(f"{way.value}, {count:,} simulated narinfos")
        document = {
            "way": way.name,
            "manifest": _manifest("http://localhost"),
            "keys": ("user", "password"),
            "narinfos": count,
            "isSimulated": True,
        }
        found[way] = round(_run(document, work / "simulated")["peakBytes"])
    return CollectingMemory(count, found)


def _run(document: dict[str, object], folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.collecting_run", json.dumps(document)],
        env={**os.environ, "XDG_CACHE_HOME": str(folder), "XDG_STATE_HOME": str(folder)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=_TIMEOUT_SECONDS,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _manifest(endpoint: str) -> dict[str, object]:
    described: dict[str, object] = outputs(bucket=BUCKET, endpoint=endpoint)["manifest"]
    return described


def _fill(server: LocalServer, count: int) -> None:
    client = S3Client.of(
        manifest(bucket=BUCKET, endpoint=server.url),
        KeyPair(*server.key_pair),
        Transport(jobs=JOBS),
    )
    client.succeeded("PUT", "")
    client.put("nix-cache-info", b"StoreDir: /nix/store\n", "text/x-nix-cache-info")
    for _ in in_parallel(lambda one: client.put(*one, "text/plain"), _objects(count), JOBS):
        pass


def _objects(count: int) -> Iterator[tuple[str, bytes]]:
    paths = Paths(count)
    for number in range(count):
        yield paths.nar_key(number), b"nar"
        yield f"{paths.name(number)}.narinfo", paths.narinfo(number)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
