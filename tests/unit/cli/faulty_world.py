"""A cache whose users are the real commands, one request at a time, with faults.

All commands find this cache, this storage, this local store and this clock. Each runs in a separate
thread, and has its own connection to the storage.
"""

import contextlib
import functools
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from botocore.credentials import Credentials

from nix_cache.cli import app
from nix_cache.cli.caches import manager
from nix_cache.cli.caches.record import Record
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.gc import session as gc_session
from nix_cache.cli.gc import undo
from nix_cache.cli.inventory import bucket as inventory_bucket
from nix_cache.cli.inventory.running import RunNote
from nix_cache.cli.machine import console
from nix_cache.cli.nix.held_closure import HeldClosure
from nix_cache.cli.remove import session as remove_session
from nix_cache.cli.resign import bucket as resign_bucket
from nix_cache.cli.resign import plan as resign_plan
from nix_cache.cli.resign import session as resign_session
from nix_cache.cli.s3 import retry
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.upload import collections, packing, pinning, uploader
from nix_cache.cli.upload import session as push_session
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.pinning import KeepRules, Pinning
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nar_writer import nar_chunks
from nix_cache.formats.narinfo import fingerprint
from nix_cache.formats.path_info import PathInfo
from tests.fakes.plain_store import PlainStore
from tests.unit.cli.client_caches import KEY, NEXT_KEY, WRITER, manifest
from tests.unit.cli.collected_cache import CREDENTIAL, one_by_one
from tests.unit.cli.faulty_requests import Faults, FaultyTransport
from tests.unit.cli.interleaved import Interleaved
from tests.unit.cli.versioned_double import VersionedDouble

PATHS, CONTENTS, UPSTREAM = 7, 5, frozenset({0, 1})
"""How many store paths there are, how many contents they have, and which an upstream cache has."""

OLDER_THAN_DAYS = 30
START = datetime(2026, 11, 1, tzinfo=UTC)
UPSTREAM_URL, UPSTREAM_KEY = "https://upstream.example.org", signing.generate("upstream-1")
METADATA = {"nix-cache-info": b"", "nix-cache.json": b"{}", "index.html": b"<html>"}

_FOLDER = tempfile.TemporaryDirectory(prefix="nix-cache-test-")


@dataclass(frozen=True)
class LocalStore:
    """The store paths of one history.

    Attributes:
        references: of each path, the numbers of earlier ones.
        infos: what the local store holds of them.
    """

    references: tuple[frozenset[int], ...]
    infos: tuple[PathInfo, ...]

    @classmethod
    def of(cls, references: tuple[frozenset[int], ...]) -> "LocalStore":
        """Return paths with these references. Some have the same contents."""
        plain = PlainStore(Path(_FOLDER.name) / "store")
        infos: list[PathInfo] = []
        for number, needed in enumerate(references):
            content = b"content %d\n" % (number % CONTENTS)
            info = plain.add(f"path-{number}", content, [infos[one] for one in sorted(needed)])
            if number in UPSTREAM:
                text = fingerprint(info.path, info.nar_hash, info.nar_size, info.references)
                info = replace(info, signatures=(UPSTREAM_KEY.sign(text.encode()),))
            infos.append(info)
        return cls(references, tuple(infos))

    @property
    def folder(self) -> str:
        """Where the paths are."""
        return str(Path(self.infos[0].path).parent)

    def name(self, number: int) -> str:
        """Return the hash of a path."""
        return Path(self.infos[number].path).name[:32]

    def closure(self, number: int) -> set[int]:
        """Return a path with all that it needs."""
        found = {number}
        for one in range(number, -1, -1):
            if one in found:
                found |= self.references[one]
        return found

    def nar(self, number: int) -> tuple[str, bytes]:
        """Return the key and the content of a path's NAR, as a push puts it."""
        return _nar(self.infos[number])

    def held(self, paths: Sequence[str]) -> contextlib.AbstractContextManager[HeldClosure]:
        """Return the closures of some paths, each path after its references."""
        numbers = {number for number, info in enumerate(self.infos) if info.path in paths}
        wanted = set[int]().union(*map(self.closure, numbers))
        infos = [self.infos[number] for number in sorted(wanted)]
        return nullcontext(HeldClosure(paths, lambda: infos))


@functools.cache
def _nar(info: PathInfo) -> tuple[str, bytes]:
    with packing.packed(info, nar_chunks(Path(info.path))) as packed:
        return packed.file.key, os.pread(packed.descriptor, packed.file.file_size, 0)


@dataclass
class FaultyWorld:
    """A cache, and the commands that use it.

    Attributes:
        store: the local store of the writers.
        storage: what holds the cache.
        now: the true time.
        results: what commands printed for programs, in their order.
        requests: of each command, for messages.
    """

    store: LocalStore
    storage: VersionedDouble = field(init=False)
    now: datetime = START
    results: list[dict[str, Any]] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put the cache's metadata."""
        self.storage = VersionedDouble("demo", clock=lambda: self.now)
        self.storage.before = lambda _: self.wait(timedelta(seconds=1))
        self._local = threading.local()
        self._order = Interleaved([0])

    def begin(self, *, keeps_versions: bool, conditions: str, skew: timedelta, page: int) -> None:
        """Set up the storage.

        Args:
            keeps_versions: whether it does.
            conditions: as of ``S3Double``.
            skew: of the storage's clock.
            page: how many keys a page of a listing has.
        """
        storage = self.storage
        storage.keeps_versions, storage.conditions, storage.page = keeps_versions, conditions, page
        storage.skew = storage.storage_skew = skew
        for key, content in METADATA.items():
            storage.put(key, content or f"StoreDir: {self.store.folder}\n".encode())

    def wait(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time

    @property
    def manifest(self) -> Manifest:
        """What describes the cache, whose writer's key was rotated."""
        return manifest(
            storeDir=self.store.folder,
            publicKeys=[KEY.public_text, NEXT_KEY.public_text],
            upstreams={UPSTREAM_URL: [UPSTREAM_KEY.public_text]},
            keyNames={WRITER: NEXT_KEY.name},
        )

    def run(self, clients: Sequence[tuple[Callable[[], object], Faults]], turns: list[int]) -> None:
        """Run some commands beside each other, to their ends.

        Args:
            clients: each with what happens to its requests. What one raises is raised.
            turns: whose request is next.
        """
        self._order = Interleaved(turns)

        def connected(work: Callable[[], object], faults: Faults) -> None:
            transport = FaultyTransport(self.storage, self._order, faults, self.wait)
            self._local.transport = transport
            self.requests.append(transport.requests)
            work()

        with self._patched():
            self._order.run([partial(connected, *client) for client in clients])

    def collect(self) -> bool:
        """Run `nix-cache gc`; returns whether it ended well."""
        request = gc_session.CollectionRequest(
            cache=None,
            project=None,
            owner="owner",
            older_than_days=OLDER_THAN_DAYS,
            grace_days=0,
            roots_from=None,
            dry_run=False,
            agreed=True,
            jobs=1,
            remembers=False,
        )
        clock = self.now.replace(microsecond=0)
        return gc_session.run(request, as_json=True, clock=lambda: clock)

    def undo(self, run: str) -> bool:
        """Run `nix-cache gc --undo`; returns whether everything is there again."""
        request = undo.UndoRequest(None, None, "owner", run, dry_run=False, agreed=True, jobs=1)
        return undo.run(request, as_json=True)

    def remove(self, number: int) -> bool:
        """Run `nix-cache remove` with dependents; returns whether it ended well."""
        request = remove_session.RemovalRequest(
            cache=None,
            project=None,
            owner="owner",
            paths=(self.store.infos[number].path,),
            signed_by=None,
            since=None,
            with_dependents=True,
            dry_run=False,
            agreed=True,
            jobs=1,
        )
        return remove_session.run(request, as_json=True)

    def resign(self) -> bool:
        """Run `nix-cache resign`; returns whether it ended well."""
        request = resign_session.SigningRequest(
            cache=None,
            project=None,
            owner="owner",
            writer=None,
            leaked=(),
            before=None,
            dry_run=False,
            agreed=True,
            jobs=1,
        )
        return resign_session.run(request, as_json=True)

    def push(self, number: int, *, is_rotated: bool) -> None:
        """Run `nix-cache push`, with the old key or the new one."""
        path = self.store.infos[number].path
        push_session.push(self._writer(is_rotated=is_rotated), [path], UploadOptions(jobs=1))

    def pin(self, name: str, number: int, rules: KeepRules) -> None:
        """Run `nix-cache pin`."""
        self._pinning().pin(name, self.store.infos[number].path, rules)

    def unpin(self, name: str) -> None:
        """Run `nix-cache unpin`."""
        self._pinning().unpin(name)

    def _pinning(self) -> Pinning:
        return Pinning(self._writer(is_rotated=True), lambda _: None)

    def _writer(self, *, is_rotated: bool) -> Writer:
        record = Record(name="demo", manifest=self.manifest, writer=WRITER)
        return Writer(WRITER, record, NEXT_KEY if is_rotated else KEY)

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        """Let commands find this cache, its storage, its writers' store, and this clock."""
        target = Target(Source(self.manifest, {WRITER: NEXT_KEY.secret_text}), None)
        identity = Identity("the test", Credentials("user", "secret"))
        time = mock.Mock(sleep=lambda seconds: self.wait(timedelta(seconds=seconds)))
        time.monotonic = lambda: self.now.timestamp()
        clock = mock.Mock(wraps=datetime, now=lambda _=None: self.now)
        infos = {info.path: info for info in self.store.infos}
        ended = collections.when_ended

        def when_ended(look: Any, progress: Any) -> Any:
            return ended(look, progress, wait_seconds=30.0, sleep=lambda _: self._order.sleep(0))

        replacements: list[tuple[ModuleType, str, Any]] = [
            (manager, "owner_identity", lambda _: CREDENTIAL),
            (manager, "find_target", lambda *_, **__: target),
            (inventory_bucket, "Transport", self._transport),
            (inventory_bucket, "datetime", clock),
            (inventory_bucket, "RunNote", partial(RunNote, clock=lambda: self.now.timestamp())),
            (undo, "datetime", clock),
            (resign_session, "owner_identity", lambda _: identity),
            (resign_session, "find_target", lambda *_, **__: target),
            (resign_session, "SETTLING_SECONDS", 0.0),
            (resign_bucket, "Transport", self._transport),
            (resign_plan, "_local_paths", lambda: frozenset(infos)),
            (resign_plan, "path_infos", lambda paths: {path: infos[path] for path in paths}),
            (push_session, "roots_of", lambda given, _: list(given)),
            (push_session, "held_closure", self.store.held),
            (push_session, "realisations_of", lambda _: []),
            (push_session, "identify", lambda _: identity),
            (push_session, "Transport", self._transport),
            (uploader, "in_order", _in_order),
            (pinning, "identify", lambda _: identity),
            (pinning, "Transport", self._transport),
            (pinning, "_now", lambda: self.now),
            (collections, "when_ended", when_ended),
            (retry, "time", time),
            (console, "document", self.results.append),
            (console, "note", lambda _: None),
            (console, "columns", lambda *_, **__: None),
            *((module, "in_parallel", one_by_one) for module in _parallel_modules()),
        ]
        with contextlib.ExitStack() as patches:
            for module, name, replacement in replacements:
                patches.enter_context(mock.patch.object(module, name, replacement))
            patches.enter_context(mock.patch.object(console.Console, "print"))
            patches.enter_context(mock.patch.dict(os.environ, {"XDG_STATE_HOME": _FOLDER.name}))
            yield

    def _transport(self, *_: object, **__: object) -> FaultyTransport:
        found: FaultyTransport = self._local.transport
        return found


def _in_order(
    steps: Any, items: Sequence[Any], _needs: Mapping[int, Any], _jobs: int
) -> Iterator[Any]:
    for item in items:
        steps.finish(item, steps.prepare(item))
        yield item


@functools.cache
def _parallel_modules() -> list[ModuleType]:
    """Return the modules that do something in several threads."""
    assert app
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith("nix_cache.cli.")
        and name != "nix_cache.cli.machine.parallel"
        and hasattr(module, "in_parallel")
    ]
