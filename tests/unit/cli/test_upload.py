"""The parts of an upload that need no server: packing, order, options, collections, progress."""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.client import SmallPut
from nix_cache.cli.s3.errors import BusyError
from nix_cache.cli.s3.multipart import (
    LARGEST_PART_BYTES,
    MOST_PARTS,
    SMALLEST_PART_BYTES,
    part_size,
)
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.pace import AdaptiveLimit, RateLimit
from nix_cache.cli.upload.collections import Seen, when_ended
from nix_cache.cli.upload.meter import Meter, Total
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.packing import packed
from nix_cache.cli.upload.schedule import Begun, Steps, Task, in_order
from nix_cache.formats.collection_run import CollectionRun
from nix_cache.formats.nar_writer import nar_chunks
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from tests.fakes.plain_store import PlainStore
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.peak_memory import peak_bytes, prelude
from tools.bootstrap import ROOT

MOST_MEMORY_BYTES = 256_000_000
LARGE_GIGABYTES = 1

PACKING = """\
import resource, sys
from pathlib import Path
from nix_cache.cli.errors import ClientError
from nix_cache.cli.upload.packing import packed
from nix_cache.formats.nar_writer import nar_chunks
from tests.fakes.plain_store import PlainStore
import os
path = Path(sys.argv[1])
info = PlainStore(path.parent).add("noise", path.read_bytes())
os.environ["TMPDIR"] = sys.argv[2]
if sys.argv[3:] != ["unlimited"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    with packed(info, nar_chunks(path)):
        print("there was space")
except ClientError as failure:
    print(failure)
"""


@pytest.fixture
def info(tmp_path: Path) -> PathInfo:
    """Provide a store path of one file."""
    return PlainStore(tmp_path / "store").add("file", b"content\n" * 100_000)


def chunks(info: PathInfo) -> Iterator[bytes]:
    """Its NAR."""
    return nar_chunks(Path(info.path), chunk_size=10_000)


class TestPacking:
    """NARs in temporary files."""

    def test_a_nar_is_compressed_and_named_by_the_hash_of_the_file(self, info: PathInfo) -> None:
        """What is in the file is the NAR."""
        with packed(info, chunks(info)) as nar:
            stored = os.pread(nar.descriptor, nar.file.file_size + 1, 0)

        assert zstandard.decompress(stored) == b"".join(chunks(info))
        assert NixHash.of(stored) == nar.file.file_hash
        assert nar.file.key == f"nar/{nar.file.file_hash.nix32[7:]}.nar.zst"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"Content\n" * 100_000, "its NAR has the hash sha256:"),
            (b"content\n" * 99_999, "its NAR has 800,104 bytes, registered are 800,112"),
            (b"content\n" * 100_001, "its NAR is larger than the registered 800,112 bytes"),
        ],
    )
    def test_a_path_that_is_not_as_registered_is_refused(
        self, info: PathInfo, content: bytes, problem: str
    ) -> None:
        """Before anything is signed."""
        Path(info.path).write_bytes(content)

        with pytest.raises(ClientError) as refused, packed(info, chunks(info)):
            pass

        assert f"{info.path} is damaged and is not pushed: {problem}" in refused.value.problem
        assert "--repair-path" in refused.value.fix

    def test_a_store_that_this_process_does_not_see_is_not_called_damaged(
        self, info: PathInfo
    ) -> None:
        """As in a container that reaches the daemon of its host, or with a remote daemon."""
        Path(info.path).unlink()

        with pytest.raises(ClientError) as refused, packed(info, chunks(info)):
            pass

        assert refused.value.problem == f"Nix has {info.path}, and this process does not see it"
        assert f"mount its {Path(info.path).parent}" in refused.value.fix

    @pytest.mark.parametrize("how", ["a limit of file sizes", "a small file system"])
    def test_a_full_disk_is_named_with_the_way_to_another(self, tmp_path: Path, how: str) -> None:
        """A real one: the message names the folder, the space that is needed, and the fix."""
        folder = tmp_path / "small"
        folder.mkdir()
        noise = os.urandom(3_000_000)
        info = PlainStore(tmp_path / "store").add("noise", noise)
        run = [sys.executable, "-c", PACKING, info.path, str(folder)]
        if how == "a small file system":
            mount = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
            run = ["unshare", "--mount", "sh", "-c", mount, str(folder), *run, "unlimited"]
            allowed = subprocess.run(
                [*run[:4], 'mount -t tmpfs tmpfs "$0"', str(folder)],
                capture_output=True,
                check=False,
            )
            if allowed.returncode:
                pytest.skip("this machine allows no mounts")
        done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=True)

        assert done.stdout.startswith(
            f"{folder} has no space left for the compressed NAR of {info.path} "
            f"(up to {info.nar_size:,} bytes); free some space there, or set TMPDIR"
        )

    def test_a_temporary_folder_that_cannot_be_written_is_named(
        self, info: PathInfo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Not a traceback."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

        with pytest.raises(ClientError, match="gone cannot be written"), packed(info, chunks(info)):
            pass

    @pytest.mark.slow
    def test_a_large_path_takes_bounded_memory(self, tmp_path: Path) -> None:
        """A gigabyte, half of it compressible, measured in its own process."""
        program = f"""
{prelude(tmp_path / "peak")}
import hashlib, itertools, os
from nix_cache.cli.upload.packing import packed
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
noise = os.urandom(1 << 19)
def chunks():
    for number in range({LARGE_GIGABYTES} << 10):
        yield number.to_bytes(8, "big") + noise[8:] + bytes(1 << 19)
size = {LARGE_GIGABYTES} << 30
digest = hashlib.sha256()
for chunk in chunks():
    digest.update(chunk)
registered = NixHash("sha256", digest.digest())
info = PathInfo("/nix/store/x", registered, size, (), None, (), None, True, 0)
with packed(info, chunks()) as nar:
    print(nar.file.file_size)
"""
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 1 << 19
        assert peak_bytes(tmp_path / "peak") < MOST_MEMORY_BYTES


class SomeQuick:
    """Steps that take one request each, some of which fail, as some numbers say.

    Args:
        needs: by number, the numbers that are finished before.
        choices: used over and over.
    """

    def __init__(self, needs: Mapping[int, set[int]], choices: list[int]) -> None:
        self.prepared: list[int] = []
        self.finished: list[int] = []
        self.log: list[str] = []
        self._needs = needs
        self._choices = itertools.cycle(choices)
        self._lock = threading.Lock()

    def by_thread(self, number: int) -> int:
        """Do the first step."""
        with self._lock:
            self.prepared.append(number)
        return number * 2

    def finish_by_thread(self, number: int, result: int) -> None:
        """Do the second step."""
        assert result == number * 2
        with self._lock:
            assert self._needs.get(number, set()) <= set(self.finished)
            self.finished.append(number)
            self.log.append("finished")

    def is_quick(self, number: int) -> bool:
        """Most are."""
        return number % 4 != 3

    def prepare(self, number: int, task: Task) -> Begun | None:
        """Begin a first step."""
        if next(self._choices) == 0:
            return None
        put = SmallPut(task, str(number), b"", {})
        return Begun(put, lambda: self.by_thread(number))

    def finish(self, number: int, result: int, task: Task) -> Begun | None:
        """Begin a second step."""
        self.log.append("finish")
        if next(self._choices) == 0:
            return None
        put = SmallPut(task, str(number), b"", {})
        return Begun(put, lambda: self.finish_by_thread(number, result))

    def send(
        self, puts: Iterator[SmallPut[Task] | None], waker: Waker
    ) -> Iterator[tuple[SmallPut[Task], bool] | None]:
        """Send some at a time, in another order; connections are lost now and then."""
        waker.clear()
        while (choice := next(self._choices)) != 1:
            some = list(itertools.takewhile(lambda one: one is not None, puts_of(puts, choice)))
            if not some:
                return
            for put in reversed(some):
                assert put is not None
                yield put, next(self._choices) != 2
                if choice == 3:
                    yield None


def puts_of(puts: Iterator[SmallPut[Task] | None], most: int) -> Iterator[SmallPut[Task] | None]:
    """Return at most so many."""
    return itertools.islice(puts, max(1, most))


class TestOrder:
    """Narinfos come after those of their references."""

    @given(st.lists(st.sets(st.integers(0, 30), max_size=4), min_size=1, max_size=20), st.data())
    def test_each_second_step_comes_after_those_it_depends_on(
        self, wanted: list[set[int]], data: st.DataObject
    ) -> None:
        """With any graph and any number of threads."""
        needs = {
            number: {one % number for one in ones} if number else set()
            for number, ones in enumerate(wanted)
        }
        finished: list[int] = []
        prepared: list[int] = []
        lock = threading.Lock()

        def finish(number: int, result: int) -> None:
            assert result == number * 2
            with lock:
                assert needs[number] <= set(finished)
                finished.append(number)

        def prepare(number: int) -> int:
            prepared.append(number)
            return number * 2

        jobs = data.draw(st.integers(1, 5))
        done = list(in_order(Steps(prepare, finish), range(len(wanted)), needs, jobs))

        assert sorted(done) == sorted(prepared) == list(range(len(wanted)))

    @given(st.lists(st.sets(st.integers(0, 30), max_size=4), min_size=1, max_size=20), st.data())
    def test_steps_of_one_request_keep_the_order_whatever_becomes_of_them(
        self, wanted: list[set[int]], data: st.DataObject
    ) -> None:
        """Some are none, some fail, and connections are lost in between."""
        needs = {
            number: {one % number for one in ones} if number else set()
            for number, ones in enumerate(wanted)
        }
        quick = SomeQuick(needs, data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=40)))
        steps = Steps(quick.by_thread, quick.finish_by_thread, quick=quick)
        jobs = data.draw(st.integers(1, 5))

        done = list(in_order(steps, range(len(wanted)), needs, jobs))

        everything = list(range(len(wanted)))
        assert sorted(done) == sorted(quick.finished) == sorted(quick.prepared) == everything

    def test_the_first_narinfo_is_written_before_the_others_are_begun(self) -> None:
        """It shows how the storage takes them."""
        quick = SomeQuick({}, [5])
        steps = Steps(quick.by_thread, quick.finish_by_thread, quick=quick)

        assert sorted(in_order(steps, range(9), {}, 4)) == list(range(9))
        first = quick.log.index("finished")
        assert [one for one in quick.log[:first] if one == "finish"] == ["finish"]

    def test_the_first_failure_ends_all(self) -> None:
        """What comes after it is not begun."""
        begun: list[int] = []

        def prepare(number: int) -> int:
            begun.append(number)
            if number == 2:
                raise ValueError("no")
            return number

        with pytest.raises(ValueError, match="no"):
            list(in_order(Steps(prepare, lambda *_: None), range(1000), {}, 1))
        assert len(begun) < 1000

    def test_what_takes_longest_begins_first(self) -> None:
        """So that nothing long is left for one thread at the end."""
        begun: list[int] = []

        def prepare(number: int) -> int:
            begun.append(number)
            return number

        sizes = [2, 5, 1, 5]
        steps = Steps(prepare, lambda *_: None, lambda number: sizes[number])
        assert sorted(in_order(steps, range(4), {3: [0]}, 1)) == [0, 1, 2, 3]
        assert begun == [1, 3, 0, 2]

    def test_an_order_that_is_none_is_refused(self) -> None:
        """It would wait for ever."""
        with pytest.raises(ValueError, match="comes before what it depends on"):
            list(in_order(Steps(int, lambda *_: None), [0, 1], {0: [1]}, 1))


def read(part_size: str | None = None, limit_rate: str | None = None) -> UploadOptions:
    """Options as a command gives them."""
    return UploadOptions.of(part_size=part_size, limit_rate=limit_rate, environment={})


class TestOptions:
    """Part sizes and rates."""

    @pytest.mark.parametrize(
        ("given", "part_bytes", "rate"),
        [
            ({}, None, None),
            ({"part_size": "5", "limit_rate": "500k"}, 5 << 20, 500_000),
            ({"part_size": "5120", "limit_rate": "2M"}, 5 << 30, 2_000_000),
            ({"limit_rate": "1000"}, None, 1000),
        ],
    )
    def test_options_are_read(
        self, given: dict[str, str], part_bytes: int | None, rate: int | None
    ) -> None:
        """The environment counts where an option is not given."""
        found = read(**given)
        variables = {f"NIX_CACHE_{name.upper()}": text for name, text in given.items()}

        assert (found.part_bytes, found.bytes_per_second) == (part_bytes, rate)
        assert UploadOptions.of(environment=variables) == found
        assert UploadOptions.of(part_size="7", environment=variables).part_bytes == 7 << 20

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            *(
                ("part_size", text)
                for text in ("", "4", "0", "-6", "6M", "5121", "1e3", "\N{FULLWIDTH DIGIT NINE}")
            ),
            *(("limit_rate", text) for text in ("", "999", "0", "-1", "1.5M", "2T", "fast")),
        ],
    )
    def test_other_values_are_refused_by_name(self, name: str, text: str) -> None:
        """With the name of the option or the variable."""
        option = f"--{name.replace('_', '-')}"
        with pytest.raises(UsageError, match=f"^{option} {text!r} is not a"):
            read(**{name: text})
        variable = f"NIX_CACHE_{name.upper()}"
        if text:
            with pytest.raises(UsageError, match=f"^{variable} {text!r} is not a"):
                UploadOptions.of(environment={variable: text})

    def test_the_cache_chooses_the_size_of_parts_unless_the_user_does(self) -> None:
        """A manifest that is older, or has 0, chooses none."""
        assert read().part_bytes_of(manifest()) is None
        assert read().part_bytes_of(manifest(partSizeMib=0)) is None
        assert read().part_bytes_of(manifest(partSizeMib=90)) == 90 << 20
        assert read(part_size="8").part_bytes_of(manifest(partSizeMib=90)) == 8 << 20

    @given(st.integers(0, 10_000 * LARGEST_PART_BYTES))
    def test_parts_are_few_enough_and_large_enough(self, total: int) -> None:
        """For every service: at most 10,000 equal parts of at least 5 MiB."""
        size = part_size(total, None)

        assert SMALLEST_PART_BYTES <= size <= LARGEST_PART_BYTES
        assert -(-total // size) <= MOST_PARTS

    @given(st.integers(0, 10_000 * LARGEST_PART_BYTES), st.integers(5, 5120))
    def test_a_chosen_size_is_kept_or_the_one_that_suffices_is_named(
        self, total: int, mebibytes: int
    ) -> None:
        """Larger parts than chosen would not pass the proxy; the named size is the least one."""
        chosen = mebibytes << 20
        if total <= MOST_PARTS * chosen:
            assert part_size(total, chosen) == chosen
            return
        with pytest.raises(ClientError, match=r"more than 10,000 parts of") as refusal:
            part_size(total, chosen)
        named = re.search(r"--part-size (\d+),", refusal.value.fix)
        assert named
        sufficient = int(named[1]) << 20
        assert part_size(total, sufficient) == sufficient
        with pytest.raises(ClientError):
            part_size(total, sufficient - (1 << 20))

    def test_a_file_that_s3_cannot_store_is_named(self) -> None:
        with pytest.raises(ClientError, match=r"has .* bytes, and S3 stores at most"):
            part_size(MOST_PARTS * LARGEST_PART_BYTES + 1, None)


def answered(run: CollectionRun, age: timedelta | None) -> Answer:
    """Return the answer to reading the run object."""
    now = datetime.now(UTC)
    headers = {"Date": format_datetime(now, usegmt=True)}
    if age is not None:
        headers["Last-Modified"] = format_datetime(now - age, usegmt=True)
    return Answer(200, headers, run.content)


class TestCollections:
    """Collections beside a push."""

    RUN = CollectionRun.new()

    @pytest.mark.parametrize(
        ("answer", "goes_on"),
        [
            (None, False),
            (answered(RUN, timedelta(minutes=59)), True),
            (answered(RUN, timedelta(minutes=61)), False),
            (answered(RUN, None), True),
            (answered(RUN.ended, timedelta()), False),
            (Answer(200, {}, b"<html>"), True),
        ],
    )
    def test_only_a_fresh_run_object_stands_for_a_collection(
        self, answer: Answer | None, goes_on: bool
    ) -> None:
        """By the storage's clock alone."""
        assert Seen.of(answer).goes_on is goes_on

    def test_a_collection_since_then_is_noticed(self) -> None:
        """Also one that began and ended meanwhile, and one that went on at the start."""
        none, goes_on = Seen(), Seen(self.RUN, True)
        ended, later = Seen(self.RUN.ended), Seen(CollectionRun.new().ended)

        assert not none.may_have_deleted(none)
        assert not ended.may_have_deleted(ended)
        assert none.may_have_deleted(ended)
        assert ended.may_have_deleted(later)
        assert goes_on.may_have_deleted(ended)
        assert Seen(self.RUN, True).may_have_deleted(Seen(self.RUN, False))
        assert not Seen(self.RUN, False).may_have_deleted(Seen(self.RUN, False))

    def test_a_push_waits_for_the_end_of_a_collection(self) -> None:
        """And for no longer than ten minutes."""
        looks = iter([Seen(self.RUN, True), Seen(self.RUN, True), Seen(self.RUN.ended)])
        waits: list[float] = []
        notes: list[str] = []

        ended = when_ended(lambda: next(looks), notes.append, sleep=waits.append)
        assert ended == Seen(self.RUN.ended)
        assert len(waits) == 2
        assert self.RUN.started is not None
        assert notes == [
            f"A collection of the cache goes on since {self.RUN.started:%Y-%m-%d %H:%M} UTC, or "
            "was killed; waiting at most 10 minutes for its end."
        ]
        with pytest.raises(BusyError, match="goes on for more than 10 minutes"):
            when_ended(lambda: Seen(self.RUN, True), lambda _: None, sleep=waits.append)
        assert 600 <= sum(waits) < 620


class TestPace:
    """How many requests there are at a time, and how fast."""

    def test_throttling_halves_and_success_adds_one_by_one(self) -> None:
        """Refusals within a second count once."""
        now = [0.0]
        limit = AdaptiveLimit(16, lambda: now[0])
        limit.throttled()
        limit.throttled()
        assert limit.allowed == 8
        now[0] += 1.5
        limit.throttled()
        assert limit.allowed == 4
        for _ in range(5):
            limit.succeeded()
        assert limit.allowed == 5
        for _ in range(1000):
            limit.succeeded()
        assert limit.allowed == 16
        for _ in range(20):
            now[0] += 2
            limit.throttled()
        assert limit.allowed == 1

    def test_no_more_requests_go_on_than_allowed(self) -> None:
        """Threads wait for a slot."""
        limit, most, under_way, lock = AdaptiveLimit(2), [0], [0], threading.Lock()

        def work() -> None:
            for _ in range(20):
                with limit.slot():
                    with lock:
                        under_way[0] += 1
                        most[0] = max(most[0], under_way[0])
                    time.sleep(0.0005)
                    with lock:
                        under_way[0] -= 1

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] == 2

    def test_bytes_are_sent_no_faster_than_allowed(self) -> None:
        """Over all threads, with pieces that keep waits short."""
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        rate = RateLimit(1000, lambda: now[0], sleep)
        for _ in range(20):
            rate.take(500)
        assert 9 <= now[0] <= 10
        assert RateLimit(100_000).piece_bytes == 25_000


class TestMeter:
    """Progress for people and for programs."""

    def test_events_have_paths_bytes_rate_and_remaining_time(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One JSON object a line, and the last one when all is done."""
        now = [0.0]
        with Progress() as progress:
            meter = Meter(Total(2, 4000), progress, has_events=True, clock=lambda: now[0])
            meter.read(1000)
            meter.packed(1000, 1000)
            meter.sent(500)
            now[0] = 10.0
            meter.sent(500)
            meter.finished()
            meter.read(3000)
            meter.packed(3000, 3000)
            meter.sent(3000)
            now[0] = 20.0
            meter.finished()

        first, middle, last = map(json.loads, capsys.readouterr().err.splitlines())
        assert first["secondsLeft"] is None
        assert (middle["sentBytes"], middle["bytesPerSecond"]) == (1000, 100)
        assert middle["secondsLeft"] == 30
        assert (last["paths"], last["narBytes"], last["secondsLeft"]) == (2, 4000, 0)

    def test_the_remaining_time_counts_what_is_sent_not_what_is_packed(self) -> None:
        """Packing takes a moment, and sending takes hours on a slow line."""
        now = [0.0]
        with Progress() as progress:
            meter = Meter(Total(2, 4000), progress, has_events=False, clock=lambda: now[0])
            now[0] = 10.0
            meter.read(4000)
            assert meter.state()["secondsLeft"] is None  # nothing was sent yet
            meter.packed(3000, 1500)
            meter.sent(500)
            assert meter.state()["secondsLeft"] == 30  # 2000 in all, if the rest compresses so
            meter.packed(1000, 100)
            meter.sent(300)
            assert meter.state()["secondsLeft"] == 10  # 1600 in all
            meter.sent(800)
            assert meter.state()["secondsLeft"] is None  # all is sent, and narinfos are left
            meter.finished()
            meter.finished()
            assert meter.state()["secondsLeft"] == 0

    def test_people_see_what_was_sent_apart_from_what_was_read(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A NAR that is packed is not pushed yet."""
        now = [0.0]
        with Progress() as progress:
            progress._show()
            meter = Meter(Total(1, 4000), progress, has_events=False, clock=lambda: now[0])
            now[0] = 10.0
            meter.packed(4000, 4000)
            meter.sent(1000)
        shown = capsys.readouterr().err
        assert "pushed 0 of 1 paths, 0:30 left, 1.0 kB sent at 100 B/s, 0 B of 4.0 kB read" in shown

    def test_nothing_but_notes_is_printed_between_events(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A moving line would be in the middle of a JSON line."""
        monkeypatch.setattr("nix_cache.cli.machine.progress._QUIET_SECONDS", 0.0)
        shown = threading.Event()
        monkeypatch.setattr(Progress, "_show", lambda _: shown.set())
        with Progress(has_events=True) as progress:
            progress.tell("asked the cache for 1 of 3 paths")
            progress.note("WARNING: to be read")
            assert not shown.wait(0.1)
        assert capsys.readouterr().err == "WARNING: to be read\n"

    def test_what_has_to_be_sent_again_does_not_count(self) -> None:
        """A try that failed is taken back."""
        with Progress() as progress:
            meter = Meter(Total(1, 10), progress, has_events=False)
            meter.sent(10)
            meter.sent(-10)
            meter.sent(10)
        assert meter.sent_bytes == 10
