"""How a cache on MinIO grows with its writers, against the same resources declared plainly.

`python -m bench.growth [COUNT …]` writes bench/GROWTH.md and bench/growth.svg.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from bench.growth_report import Cost, Growth, page, plot, summary
from bench.machine import machine_words
from offline import golang
from tests.engine.conftest import running_server
from tests.engine.project import STACK, Project, public_cache
from tools import engine
from tools.bootstrap import ROOT
from tools.engine import Engine
from tools.errors import ToolError
from tools.server import LocalServer

COUNTS = (1, 10, 50, 100)
TIMEOUT_SECONDS = 600.0
_SAMPLE_SECONDS = 0.05
_REPEATS = 3
"""How often a command runs that changes nothing; the run that took least counts."""

PLAIN = Path(__file__).with_name("plain_program.py")
"""The program that declares a cache's resources without the component."""


def main(arguments: list[str]) -> int:
    """Measure; returns the process's exit code."""
    load = os.getloadavg()[0]
    counts = [int(argument) for argument in arguments] or COUNTS
    folder = tempfile.TemporaryDirectory(prefix="nix-cache-growth-")
    with golang.ended_by_signal(), folder as name:
        work = Path(name)
        try:
            engine.remember_choice(ROOT / ".dev", work)
            made = engine.provide(work)
        except ToolError as failure:
            print(f"error: {failure}", file=sys.stderr)
            return 1
        rows: list[Growth] = []
        empty = _of_empty(work, made)
        for count in counts:
            cache, plain = _of_cache(work, made, count), _of_plain(work, made, count)
            rows.append(Growth(count, cache, plain, _without_writes(work, made, count)))
            print(summary(rows[-1]), file=sys.stderr, flush=True)
    (ROOT / "bench" / "growth.svg").write_text(plot(rows), encoding="utf-8")
    (ROOT / "bench" / "GROWTH.md").write_text(
        page(empty, rows, machine_words(), load), encoding="utf-8"
    )
    return 0


def _of_empty(work: Path, made: Engine) -> dict[str, Cost]:
    project = Project.create(work / "empty", made)
    (project.folder / "__main__.py").write_text("import pulumi\n", encoding="utf-8")
    return _measured(project)


def _of_cache(work: Path, made: Engine, count: int) -> dict[str, Cost]:
    folder = work / f"cache-{count}"
    with running_server(folder / "minio", made):
        project = public_cache(folder / "project", made, folder / "minio")
        project.set(writers=[f"writer-{number}" for number in range(count)])
        return _measured(project)


def _without_writes(work: Path, made: Engine, count: int) -> Cost:
    """Return a first up of the cache for which the engine writes the state once, at the end."""
    folder = work / f"unwritten-{count}"
    with running_server(folder / "minio", made):
        project = public_cache(folder / "project", made, folder / "minio")
        project.set(writers=[f"writer-{number}" for number in range(count)])
        project.environment.update(PULUMI_SKIP_CHECKPOINTS="true", PULUMI_EXPERIMENTAL="true")
        return _cost(partial(project.up, timeout=TIMEOUT_SECONDS))


def _of_plain(work: Path, made: Engine, count: int) -> dict[str, Cost]:
    folder = work / f"plain-{count}"
    with running_server(folder / "minio", made) as server:
        return _measured(_plain(folder / "project", made, server, count))


def _plain(folder: Path, made: Engine, server: LocalServer, count: int) -> Project:
    project = Project.create(folder, made)
    (folder / "__main__.py").write_text(PLAIN.read_text(encoding="utf-8"), encoding="utf-8")
    known = server.connection()
    project.config = {
        "nix-cache:domain": "cache.example.org",
        "nix-cache:writers": [f"writer-{number}" for number in range(count)],
        "minio:minioServer": known.server,
        "minio:minioUser": known.user,
    }
    project.environment["MINIO_PASSWORD"] = known.password
    return project


def _measured(project: Project) -> dict[str, Cost]:
    commands = {
        "first up": (("up", "--yes", "--skip-preview"), 1),
        "preview without changes": (("preview",), _REPEATS),
        "refresh": (("refresh", "--yes", "--skip-preview"), _REPEATS),
    }
    costs = {}
    for name, (command, repeats) in commands.items():
        arguments = (*command, "--stack", STACK)
        run = partial(project.pulumi, *arguments, timeout=TIMEOUT_SECONDS)
        costs[name] = min((_cost(run) for _ in range(repeats)), key=_processor_seconds)
    return costs


def _processor_seconds(cost: Cost) -> float:
    return cost.processor_seconds


def _cost(command: Callable[[], object]) -> Cost:
    """Return what a command and all processes that it starts take."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], _memory_of_children())

    watcher = threading.Thread(target=watch)
    before, began = os.times(), time.monotonic()
    watcher.start()
    try:
        command()
    finally:
        done.set()
        watcher.join()
    seconds, after = time.monotonic() - began, os.times()
    processor = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Cost(seconds, processor, peak[0])


def _memory_of_children() -> int:
    """Bytes of the engine and what it started; the MinIO server has its own session."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if Path(process.exe()).name != "minio":
                total += process.memory_info().rss
        except (psutil.Error, OSError):
            continue
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
