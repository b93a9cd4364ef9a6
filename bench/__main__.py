"""`python -m bench`: the generated push URL against the recipe's, for a closure of 500 MB.

It prints each result when it is there, and writes all of them to bench/RESULTS.md.
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.machine import machine_words
from bench.report import LARGEST_SHARE, Row, page
from offline import golang
from offline.nix import RealNix, find
from tests.e2e import store_paths, throughput
from tests.e2e.cache import WRITER, Cache
from tests.e2e.nix import Nix
from tests.e2e.signing_probe import signs_requests
from tests.engine.conftest import running_server
from tests.engine.project import public_cache
from tools import engine
from tools.bootstrap import ROOT, cache_folder
from tools.errors import ToolError

CLOSURE_BYTES = 500 * 10**6
SHARES = (LARGEST_SHARE, *[0.1] * 3, *[0.05] * 5, *[0.03] * 5)
"""Of the closure's size, for its larger paths: a few large ones, as in most closures."""

SMALL_PATHS = 15
"""In a chain, for Nix uploads a path after those that it refers to; real closures are this deep."""

RUNS = 3
LEVELS = {1: RUNS, 6: RUNS, 9: 1, 12: 1}
"""Of zstd, how often each is run; 3 is the default."""


def main() -> int:
    """Measure; returns the process's exit code."""
    try:
        real = find(cache_folder())
        made = engine.provide(ROOT / ".dev")
    except ToolError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    folder = tempfile.TemporaryDirectory(prefix="nix-cache-bench-")
    with golang.ended_by_signal(), folder as name:
        session = Path(name)
        signs = signs_requests(real, session)
        with running_server(session / "minio", made) as server:
            project = public_cache(session / "project", made, session / "minio")
            project.set(storeDir=f"{real.nix_folder(session)}/store")
            cache = Cache.up(project, server)
            bench = Bench(cache, real, session, signs=signs)
            text = bench.run()
    (ROOT / "bench" / "RESULTS.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


class Bench:
    """One run of all measurements."""

    def __init__(self, cache: Cache, real: RealNix, session: Path, *, signs: bool) -> None:
        self._cache = cache
        self._real = real
        self._session = session
        self._signs = signs
        self._machines = 0

    def run(self) -> str:
        """Measure everything; gives back the page."""
        with self._machine() as writer:
            self._cache.let_write(writer)
            sizes = [round(CLOSURE_BYTES * share) for share in SHARES]
            closure = store_paths.build(writer, SMALL_PATHS, sizes)
            ours = self._cache.outputs["pushUrls"][WRITER]
            ways = {
                "the guides' (xz)": (throughput.recipe_url(self._cache), 1),
                "**generated (zstd, level 3)**": (ours, RUNS),
                **{
                    f"zstd, level {level}": (f"{ours}&compression-level={level}", runs)
                    for level, runs in LEVELS.items()
                },
                "no compression": (ours.replace("=zstd", "=none"), RUNS),
            }
            rows = []
            for name, (url, runs) in ways.items():
                rows.append(self._measure(name, writer, url, closure.root, runs))
                print(rows[-1], file=sys.stderr, flush=True)
        nar_bytes = sum(self._cache.narinfo(path).nar_size for path in closure.paths)
        nix = f"Nix {self._real.version} ({self._real.origin})"
        if not self._signs:
            nix += ", its uploads signed by a proxy in Python"
        return page(rows, nar_bytes, len(closure.paths), machine_words(), nix)

    def _measure(self, name: str, writer: Nix, url: str, root: str, runs: int) -> Row:
        key = writer.write_key(self._cache.outputs["signingKeys"][WRITER])
        pushes, pulls = [], []
        for _ in range(runs):
            throughput.empty(self._cache)
            pushes.append(throughput.push(self._cache, writer, url, root, key))
            with self._machine() as reader:
                pulls.append(throughput.pull_seconds(self._cache, reader, root))
        seconds = statistics.median(push.seconds for push in pushes)
        return Row(name, seconds, pushes[-1].stored_bytes, statistics.median(pulls))

    @contextmanager
    def _machine(self) -> Iterator[Nix]:
        self._machines += 1
        folder = self._session / f"machine-{self._machines}"
        with closing(Nix(self._real, self._session, folder, signs=self._signs)) as nix:
            yield nix


if __name__ == "__main__":
    sys.exit(main())
