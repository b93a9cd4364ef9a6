"""A push that breaks at each of its requests in turn, against the real MinIO.

Whatever happens, each narinfo in the bucket is whole: its NAR is there and is what the narinfo
says, and so is the narinfo of each reference. And the next push completes. The evaluator shares no
code with the client.
"""

import base64
import contextlib
import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import zstandard
from nacl.signing import VerifyKey

from nix_cache.cli.errors import ClientError
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.formats import signing
from tests.engine.conftest import running_server
from tests.engine.s3 import s3_client
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.fakes.plain_store import IMPATIENT, PlainStore, Pusher, small_closure
from tools.bootstrap import ROOT
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.faults

BUCKET = "demo"
KEY = signing.generate("cache.example.org-nixbuilder-1")
MOST_REQUESTS = 60
TIMEOUT_SECONDS = 60


class CountingProxy(FaultyProxy):
    """A proxy that does something to one request, or to all from there on."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.count = 0
        self.at = 0
        self.fault = Fault.NONE
        self.goes_on = False
        self.is_lost = False
        self.kill: Callable[[], None] | None = None
        self._counting = threading.Lock()

    def calm(self) -> None:
        """Pass on everything from now on."""
        self.at, self.kill, self.is_lost = 0, None, False

    def treatment(self, request: str) -> tuple[Fault, bool]:
        """Return what to do to a request, and whether its response is passed on."""
        with self._counting:
            self.count += 1
            is_meant = self.at and (
                self.count >= self.at if self.goes_on else self.count == self.at
            )
        if not is_meant:
            return Fault.NONE, True
        if self.kill is not None and not self.is_lost:
            self.kill()
        return (Fault.NONE if self.is_lost else self.fault), not self.is_lost

    def after(self, request: str) -> None:
        """Count a request that was passed on."""
        with self._counting:
            is_meant = self.is_lost and self.count >= self.at > 0
        if is_meant and self.kill is not None:
            self.kill()


@dataclass
class Bench:
    """A bucket, a proxy in front of it, and who pushes through that.

    Attributes:
        root: the bucket's owner, past the proxy.
        proxy: the proxy.
        pusher: the writer.
    """

    root: "S3Client"
    proxy: CountingProxy
    pusher: Pusher
    _known: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))

    def empty(self) -> None:
        """Begin again with nothing but what a stack makes."""
        self._end_requests()
        self.proxy.calm()
        for upload in self.root.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            self.root.abort_multipart_upload(
                Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        for key in self.objects():
            self.root.delete_object(Bucket=BUCKET, Key=key)
        info = f"StoreDir: {self.pusher.store.folder}\nWantMassQuery: 1\nPriority: 40\n"
        self.root.put_object(Bucket=BUCKET, Key="nix-cache-info", Body=info.encode())
        self.proxy.count = 0
        self._known = set(threading.enumerate())

    def objects(self) -> list[str]:
        """Return the keys of all objects."""
        listed = self.root.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [entry["Key"] for entry in listed]

    def require_whole(self) -> int:
        """Each narinfo is whole; returns how many there are."""
        narinfos = {key for key in self.objects() if key.endswith(".narinfo")}
        for key in narinfos:
            text = self._content(key).decode()
            fields = dict(line.split(": ", 1) for line in text.splitlines())
            stored = self._content(fields["URL"])
            assert len(stored) == int(fields["FileSize"])
            assert f"nar/{nix32(hashlib.sha256(stored).digest())}.nar.zst" == fields["URL"]
            nar = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
            assert f"sha256:{nix32(hashlib.sha256(nar).digest())}" == fields["NarHash"]
            assert len(nar) == int(fields["NarSize"])
            folder = fields["StorePath"].rpartition("/")[0]
            references = fields["References"].split()
            for reference in references:
                assert f"{reference[:32]}.narinfo" in narinfos, f"{key} lacks {reference}"
            names = ",".join(sorted(f"{folder}/{name}" for name in references))
            hashed = f"{fields['StorePath']};{fields['NarHash']};{fields['NarSize']}"
            message = f"1;{hashed};{names}"
            signature = base64.b64decode(fields["Sig"].partition(":")[2])
            public = base64.b64decode(KEY.public_text.partition(":")[2])
            VerifyKey(public).verify(message.encode(), signature)
        return len(narinfos)

    def require_completed(self) -> None:
        """Check that the next push completes, and leaves none of its uploads unfinished."""
        self.proxy.calm()
        self.pusher.push()
        assert self.require_whole() == len(self.pusher.store.infos)

    def unfinished(self) -> int:
        """How many uploads in parts there are."""
        return len(self.root.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))

    def _end_requests(self) -> None:
        """Wait for the threads that a failed push left: in a process of its own they would end.

        Threads of earlier tests in this process may never end.
        """
        if self.proxy.fault is Fault.HANG:
            return  # those that hang are never passed on
        gc.collect()  # closes the generators whose idle threads wait for more to do
        for thread in set(threading.enumerate()) - self._known:
            if not thread.name.endswith("(process_request_thread)"):  # the proxy's own
                thread.join(TIMEOUT_SECONDS)
                assert not thread.is_alive(), thread

    def _content(self, key: str) -> bytes:
        return self.root.get_object(Bucket=BUCKET, Key=key)["Body"].read()


class Killable:
    """Pushes in processes that can be killed.

    Args:
        pusher: who pushes.
    """

    def __init__(self, pusher: Pusher) -> None:
        self._program = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fakes.plain_store", pusher.endpoint, pusher.user),
                *(pusher.secret, BUCKET, KEY.secret_text, str(pusher.store.folder)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._child = 0
        self._is_known = threading.Event()

    def push(self) -> bool:
        """Push; returns whether that was killed."""
        assert self._program.stdin
        assert self._program.stdout
        self._is_known.clear()
        self._program.stdin.write("\n")
        self._program.stdin.flush()
        self._child = int(self._program.stdout.readline())
        self._is_known.set()
        status = int(self._program.stdout.readline())
        assert status in {0, signal.SIGKILL}
        return status != 0

    def kill(self) -> None:
        """Kill the push under way."""
        self._is_known.wait()
        os.kill(self._child, signal.SIGKILL)

    def close(self) -> None:
        """End all of it."""
        self._program.communicate(timeout=TIMEOUT_SECONDS)


def nix32(digest: bytes) -> str:
    """Return a hash as Nix spells it."""
    alphabet = "0123456789abcdfghijklmnpqrsvwxyz"
    number = int.from_bytes(digest, "little")
    places = reversed(range((len(digest) * 8 + 4) // 5))
    return "".join(alphabet[number >> (5 * place) & 31] for place in places)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PlainStore:
    """Provide what is pushed."""
    return small_closure(tmp_path_factory.mktemp("plain") / "store")


@pytest.fixture(scope="module")
def bench(
    engine: Engine, store: PlainStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """Provide a bucket behind a proxy."""
    with running_server(tmp_path_factory.mktemp("bucket") / "minio", engine) as server:
        at = server.connection()
        root = s3_client(at.url, at.user, at.password)
        root.create_bucket(Bucket=BUCKET)
        with CountingProxy(at.url.partition("//")[2]) as proxy:
            endpoint = f"http://{proxy.address}"
            pusher = Pusher(endpoint, at.user, at.password, BUCKET, KEY, store)
            yield Bench(root, proxy, pusher)


@pytest.fixture(scope="module")
def killable(bench: Bench) -> Iterator[Killable]:
    """Pushes that can be killed."""
    with contextlib.closing(Killable(bench.pusher)) as found:
        yield found


def test_a_push_uploads_in_parts_and_a_second_one_only_asks(bench: Bench) -> None:
    """Without a fault; the evaluator finds all of it whole."""
    bench.empty()

    result = bench.pusher.push()

    assert len(result.pushed) == 3
    assert bench.require_whole() == 3
    assert bench.unfinished() == 0
    bench.proxy.count = 0
    again = bench.pusher.push()
    assert (len(again.pushed), len(again.skipped)) == (0, 3)
    # nix-cache-info with and without a signature, the root record, three narinfos, the NAR of what
    # was named, and twice the run object.
    assert bench.proxy.count == 9


def test_a_push_keeps_to_a_rate(bench: Bench) -> None:
    """The large NAR takes two seconds at half of its size in a second."""
    bench.empty()
    rate = bench.pusher.store.infos[0].nar_size // 2

    result = bench.pusher.push(options=UploadOptions(jobs=4, bytes_per_second=rate))

    assert result.seconds > 1.5
    assert bench.require_whole() == 3


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.ERROR, Fault.BUSY, Fault.DENIED, Fault.HANG])
def test_a_storage_that_breaks_at_any_request_leaves_a_whole_cache(
    bench: Bench, fault: Fault
) -> None:
    """From that request on, everything fails."""
    broken = 0
    for at in range(1, MOST_REQUESTS):
        bench.empty()
        bench.proxy.at, bench.proxy.fault, bench.proxy.goes_on = at, fault, True
        try:
            bench.pusher.push(times=IMPATIENT)
        except ClientError:
            broken += 1
        else:
            if bench.proxy.count < at:
                break
            assert fault is Fault.DENIED  # the last question may be denied: nothing was collected
        bench.require_whole()
        bench.require_completed()
    else:
        pytest.fail("the push never got through")
    assert broken > 10


def test_an_answer_that_is_lost_at_any_request_does_not_break_a_push(bench: Bench) -> None:
    """The request was done, and is done again."""
    bench.proxy.goes_on = False
    for at in range(1, MOST_REQUESTS):
        bench.empty()
        bench.proxy.at, bench.proxy.is_lost = at, True
        bench.pusher.push()
        assert bench.require_whole() == 3
        if bench.proxy.count < at:
            return
    pytest.fail("the push never got through")


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_client_that_is_killed_at_any_request_leaves_a_whole_cache(
    bench: Bench, killable: Killable, is_done: bool
) -> None:
    """By SIGKILL, before the request reaches the storage or after."""
    bench.proxy.goes_on = False
    for at in range(1, MOST_REQUESTS):
        bench.empty()
        bench.proxy.fault, bench.proxy.is_lost = Fault.RESET, is_done
        bench.proxy.kill, bench.proxy.at = killable.kill, at
        is_killed = killable.push()
        bench.require_whole()
        if not is_killed:
            assert bench.proxy.count < at
            return
        bench.require_completed()
    pytest.fail("the push never got through")
