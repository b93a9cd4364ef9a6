"""`python -m bench`: `nix-cache push` beside `nix copy` and beside the floor.

It prints each result when it is there, and writes bench/RESULTS.md in the end.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import small_paths
from bench.machine import machine_words, memory_folder
from bench.pushes import Pushes, accept_unsigned
from bench.report import Case, Measured, Run, page
from offline import golang
from offline.nix import RealNix, find
from offline.programs import TOOLS
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.nix import Nix
from tests.e2e.signing_probe import signs_requests
from tests.e2e.writer import WritingMachine
from tests.engine.conftest import running_server
from tests.engine.project import public_cache
from tools import engine
from tools.bootstrap import ROOT, cache_folder
from tools.errors import ToolError

SHARES = (0.3, *[0.1] * 3, *[0.05] * 5, *[0.03] * 5)
"""Of the large closure's size, for its larger paths: a few large ones, as in most closures."""

_LARGE_CHAIN = 15
"""Small paths in the large closure, in a chain."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        large_bytes: the size of the large closure.
        small_paths: how many small paths the second closure has, beside its root.
        asked_paths: how many paths the closure has, beside its root, of which all are there.
        one_path_bytes: the size of the path whose push shows the memory that one path needs.
        rounds: how often each push runs.
        duration: of the whole run, in words.
    """

    large_bytes: int
    small_paths: int
    asked_paths: int
    one_path_bytes: int
    rounds: int
    duration: str


FULL = Sizes(500 * 10**6, 600, 9_999, 10**9, 5, "an estimated 8 minutes on two idle cores")
SMALL = Sizes(2 * 10**6, 20, 40, 10**6, 1, "less than a minute on two idle cores")

NEEDED_BYTES = 6 * 10**9
"""Of the store, the NARs, the bucket and temporary files."""


def main(arguments: Sequence[str]) -> int:
    """Measure; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--small",
        action="store_true",
        help="try the measurement with tiny sizes, print its page, and write no file",
    )
    is_small = parser.parse_args(arguments).small
    sizes = SMALL if is_small else FULL
    try:
        zstd = _zstd()
        real = find(cache_folder())
        made = engine.provide(ROOT / ".dev")
    except ToolError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    print(f"Measuring pushes takes {sizes.duration}.", file=sys.stderr, flush=True)
    load = os.getloadavg()[0]
    place = memory_folder(NEEDED_BYTES)
    folder = tempfile.TemporaryDirectory(prefix="nix-cache-bench-", dir=place)
    with golang.ended_by_signal(), folder as name:
        session = Path(name)
        with running_server(session / "minio", made) as server:
            project = public_cache(session / "project", made, session / "minio")
            project.set(storeDir=f"{real.nix_folder(session)}/store")
            cache = Cache.up(project, server)
            accept_unsigned(cache)
            signs = signs_requests(real, session)
            # No proxy signs for a Nix that does not: the bucket needs no signature.
            with closing(Nix(real, session, session / "machine", signs=True)) as nix:
                nix.environment.update(_with_bytecode(session))
                writer = WritingMachine(nix, cache)
                pushes = Pushes(cache, writer, zstd, session, sizes.rounds)
                rows = list(_rows(pushes, sizes))
    where = f"memory ({place})" if place else f"{tempfile.gettempdir()}, on a disk"
    text = page(rows, _run(sizes, real, zstd, load, where, signs=signs))
    if not is_small:
        (ROOT / "bench" / "RESULTS.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _with_bytecode(session: Path) -> dict[str, str]:
    """Variables with which Python keeps compiled modules, as an installed client has them."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(session / "bytecode")}


def _zstd() -> str:
    program = shutil.which("zstd")
    if program is None:
        raise ToolError("there is no zstd on PATH", "install zstd, which the floor runs")
    return program


def _rows(pushes: Pushes, sizes: Sizes) -> Iterator[Measured]:
    nix = pushes.writer.nix
    _report("Building the large closure")
    parts = [round(sizes.large_bytes * share) for share in SHARES]
    large = store_paths.build(nix, _LARGE_CHAIN, parts)
    yield pushes.measure(Case("large paths", 1.3, 1.5), large)
    _report("Adding the small paths")
    small = small_paths.add(nix, sizes.small_paths)
    yield pushes.measure(Case("small paths", 1.3, 3.0), small)
    yield pushes.measure(Case("small paths, already there", 1.3, None, 1.2, is_there=True), small)
    _report("Adding the paths that are asked for")
    asked = small_paths.add(nix, sizes.asked_paths)
    yield pushes.measure(Case("many paths, already there", 1.2, None, 1.2, is_there=True), asked)
    _report("Building one large path")
    one = store_paths.build(nix, 0, [sizes.one_path_bytes])
    yield pushes.measure_alone(Case("one path"), one)


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _zstd_version(program: str) -> str:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v([0-9.]+)", printed.stdout)
    return found[1].rstrip(".") if found else "of an unknown version"


def _run(sizes: Sizes, real: RealNix, zstd: str, load: float, where: str, *, signs: bool) -> Run:
    return Run(
        date=datetime.now(UTC).date().isoformat(),
        command="make bench-push",
        machine=machine_words(),
        versions=f"nix-cache {version('nix-cache')}, Python {platform.python_version()}, "
        f"zstd {_zstd_version(zstd)}, MinIO {TOOLS['minio'].version}, Nix {real.version} "
        f"({real.origin}), which sends {'signed' if signs else 'unsigned'} requests",
        place=where,
        rounds=sizes.rounds,
        loads=(load, os.getloadavg()[0]),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
