"""Measures pushes of one closure: `nix copy`, `nix-cache push` and the floor, in turn."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import floor
from bench.floor import PlainRequest
from bench.report import Case, Measured, Way
from bench.small_paths import file_of
from nix_cache.formats.nar_writer import nar_chunks
from nix_cache.formats.narinfo import narinfo_key
from tests.e2e.cache import Cache
from tests.e2e.store_paths import Closure
from tests.e2e.writer import WritingMachine
from tools.bootstrap import ROOT

TIMEOUT_SECONDS = 1800
_SAMPLE_SECONDS = 0.02
_KEPT_KEYS = {"nix-cache-info", "nix-cache.json", "index.html"}
_DELETED_AT_ONCE = 1000


Push = Callable[[], float]
"""Pushes, and returns how many seconds that took."""


def accept_unsigned(cache: Cache) -> None:
    """Let anonymous requests read and write the cache's bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:*"],
        "Resource": [f"arn:aws:s3:::{cache.bucket}", f"arn:aws:s3:::{cache.bucket}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    cache.root.put_bucket_policy(Bucket=cache.bucket, Policy=json.dumps(policy))


@dataclass(frozen=True)
class Pushes:
    """Pushes from one machine to one cache.

    Attributes:
        cache: whose bucket accepts unsigned requests.
        writer: the machine.
        zstd: the path of the program.
        folder: for the floor's files.
        rounds: how often each push runs.
    """

    cache: Cache
    writer: WritingMachine
    zstd: str
    folder: Path
    rounds: int

    def measure(self, case: Case, closure: Closure) -> Measured:
        """Measure the pushes of one closure.

        Args:
            case: what is measured.
            closure: what is pushed.
        """
        self._empty()
        self._by_client(closure)  # what the floor needs; and no round is the first to read files
        narinfos = self._narinfos(closure)
        if case.is_there:
            reads = [PlainRequest("GET", key) for key in narinfos]
            ways = self._ways(closure, lambda: floor.send(self._url, reads))
            ways[Way.ASKING] = lambda: self._by_asking(closure)
            return self._measured(case, closure, ways, lambda: None)
        with_nars = _Nars.write(self.writer, closure, self.folder)
        contents = self._contents(list(narinfos))
        ways = self._ways(closure, lambda: self._floor(with_nars, contents))
        try:
            return self._measured(case, closure, ways, self._empty)
        finally:
            shutil.rmtree(with_nars.folder)

    def measure_alone(self, case: Case, closure: Closure) -> Measured:
        """Measure the time and the memory of one push of a closure, without comparing it."""
        self._empty()
        began = time.monotonic()
        peak = self._peak(closure)
        seconds = {Way.OURS: [time.monotonic() - began]}
        self._require_whole(closure, Way.OURS)
        return Measured(case, len(closure.paths), self._nar_bytes(closure), seconds, peak)

    def _ways(self, closure: Closure, least: Callable[[], None]) -> dict[Way, Push]:
        return {
            Way.NIX_COPY: _timed(lambda: self._by_nix(closure)),
            Way.OURS: _timed(lambda: self._by_client(closure)),
            Way.FLOOR: _timed(least),
        }

    def _measured(
        self,
        case: Case,
        closure: Closure,
        ways: Mapping[Way, Push],
        before_each: Callable[[], None],
    ) -> Measured:
        seconds: dict[Way, list[float]] = {way: [] for way in ways}
        order = list(ways)
        for number in range(self.rounds):
            start = number % len(order)
            for way in order[start:] + order[:start]:
                before_each()
                self.writer.nix.forget_caches()
                os.sync()  # what one way wrote is not written to the disk at the next one's cost
                seconds[way].append(ways[way]())
                self._require_whole(closure, way)
                print(
                    f"  {case.name}, round {number + 1} of {self.rounds}: "
                    f"{way.value} {seconds[way][-1]:.2f} s",
                    file=sys.stderr,
                    flush=True,
                )
        before_each()
        peak = self._peak(closure)
        return Measured(case, len(closure.paths), self._nar_bytes(closure), seconds, peak)

    def _nar_bytes(self, closure: Closure) -> int:
        return sum(_nar_size(self.writer, path) for path in closure.paths)

    def _peak(self, closure: Closure) -> int:
        """Push, and return the most memory that this took."""
        push, most = self.writer.start("push", closure.root), 0
        while push.poll() is None:
            most = max(most, _resident(push.pid))
            time.sleep(_SAMPLE_SECONDS)
        output, _ = push.communicate()
        assert push.returncode == 0, output
        return most

    def _by_asking(self, closure: Closure) -> float:
        """Ask for all paths, in a separate process; returns the seconds without its start."""
        done = subprocess.run(
            [sys.executable, "-m", "bench.asking", closure.root],
            env=self.writer.environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    def _by_nix(self, closure: Closure) -> None:
        nix = self.writer.nix
        url = self.cache.push_url(nix)
        nix.get("copy", "--to", url, closure.root, timeout=TIMEOUT_SECONDS)

    def _by_client(self, closure: Closure) -> None:
        done = self.writer.run("push", closure.root)
        assert done.exit_code == 0, done.output

    def _floor(self, nars: "_Nars", narinfos: Mapping[str, bytes]) -> None:
        target = nars.folder / "compressed"
        shutil.rmtree(target, ignore_errors=True)
        floor.compress(self.zstd, nars.folder, nars.names, target)
        uploads = [
            PlainRequest("PUT", f"nar/{name}.zst", target / f"{name}.zst") for name in nars.names
        ]
        uploads += [PlainRequest("PUT", key, content) for key, content in narinfos.items()]
        floor.send(self._url, uploads)

    def _require_whole(self, closure: Closure, way: Way) -> None:
        missing = set(self._narinfos(closure)) - self.cache.keys()
        assert not missing, f"after {way.value}, the bucket lacks {min(missing)}"

    @staticmethod
    def _narinfos(closure: Closure) -> list[str]:
        return [narinfo_key(path) for path in closure.paths]

    def _contents(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: self.cache.read(key) for key in keys}

    def _empty(self) -> None:
        keys = sorted(self.cache.keys() - _KEPT_KEYS)
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = keys[start : start + _DELETED_AT_ONCE]
            self.cache.root.delete_objects(
                Bucket=self.cache.bucket,
                Delete={"Objects": [{"Key": key} for key in some], "Quiet": True},
            )

    @property
    def _url(self) -> str:
        return f"{self.cache.server.url}/{self.cache.bucket}"


@dataclass(frozen=True)
class _Nars:
    """The NARs of a closure as files.

    Attributes:
        folder: where they are.
        names: of the files, in the order of the paths.
    """

    folder: Path
    names: Sequence[str]

    @classmethod
    def write(cls, writer: WritingMachine, closure: Closure, folder: Path) -> "_Nars":
        target = folder / "nars"
        target.mkdir()
        names = []
        for path in closure.paths:
            names.append(f"{Path(path).name[:32]}.nar")
            with (target / names[-1]).open("wb") as file:
                file.writelines(nar_chunks(file_of(writer.nix, path)))
        return cls(target, names)


def _timed(push: Callable[[], None]) -> Push:
    def timed() -> float:
        began = time.monotonic()
        push()
        return time.monotonic() - began

    return timed


def _resident(pid: int) -> int:
    """Return the memory of a process and of all that it started, in bytes."""
    total = 0
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        for process in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _nar_size(writer: WritingMachine, path: str) -> int:
    return sum(len(chunk) for chunk in nar_chunks(file_of(writer.nix, path)))
