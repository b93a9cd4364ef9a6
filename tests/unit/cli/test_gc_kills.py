"""`nix-cache gc` that is killed at each of its requests, before or after it was answered."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from nix_cache.cli.inventory.ledger import LEDGER_KEY, ledger_content
from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.reply import Reply
from nix_cache.formats.collection_run import RUN_DELETES_WITHIN, RUN_KEY
from nix_cache.formats.own_objects import ROOTS_PREFIX
from nix_cache.formats.root_record import RootRecord
from tests.unit.cli.collected_cache import (
    INFO,
    MANIFEST,
    OLD,
    YOUNG,
    CollectedCache,
    nar_key,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import DoubleTransport, S3Double
from tests.unit.nix_evaluator import needed_by

REFERENCES: Mapping[int, tuple[int, ...]] = {0: (), 1: (0,), 2: (1, 0), 3: (), 4: (3,), 5: (4, 1)}
YOUNG_PATHS = {4}
ORPHANS = (8, 9)
START = datetime(2026, 11, 1, tzinfo=UTC)
_MOST_REQUESTS = 2_000


class KilledError(BaseException):
    """The collection was killed: it sends nothing more, whatever it catches."""


class _Killed(DoubleTransport):
    """A transport of a collection that is killed at a request.

    Args:
        storage: the storage.
        at: the number of the request.
        is_done: whether that request is still carried out.
    """

    def __init__(self, storage: S3Double, at: int, *, is_done: bool) -> None:
        super().__init__(storage)
        self._left = at
        self._is_done = is_done

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        self._left -= 1
        if self._left < -1 or (self._left == -1 and not self._is_done):
            raise KilledError
        reply = super().exchange(method, url, headers, body, kind)
        if self._left == -1:
            raise KilledError
        return reply


@dataclass
class World:
    """A cache with paths that go and stay, NARs and root records that go.

    Attributes:
        page: how many objects a page of a listing has. Longer lists are asked for in parts.
        storage: what holds it.
    """

    page: int
    now: datetime = START
    storage: S3Double = field(init=False)

    def __post_init__(self) -> None:
        """Put everything where it is."""
        storage = self.storage = S3Double(MANIFEST.bucket, page=self.page, clock=lambda: self.now)
        storage.put("nix-cache-info", INFO, age=OLD)
        for number, references in REFERENCES.items():
            age = YOUNG if number in YOUNG_PATHS else OLD
            storage.put(nar_key(number), b"nar", age=age)
            storage.put(narinfo_key(number), narinfo(number, references), age=age)
            storage.put(f"{store_hash(number)}.ls", b"{}", age=age)
        for number in ORPHANS:
            storage.put(nar_key(number), b"nar", age=OLD)
        noted = {nar_key(number): START - timedelta(days=60) for number in ORPHANS}
        storage.put(LEDGER_KEY, ledger_content(noted), age=OLD)
        record = RootRecord(started=START, roots=(), paths=(store_hash(5),))
        storage.put(f"{ROOTS_PREFIX}0.json", record.content, age=OLD)

    def killed(self, at: int, *, is_done: bool) -> bool:
        """Collect until a request; returns whether there was one."""
        connect = partial(_Killed, at=at, is_done=is_done)
        try:
            CollectedCache(self.storage, connect=connect).collect(grace_days=30)
        except KilledError:
            return True
        return False

    def left(self) -> set[str]:
        """Return what is there, but the objects of the collection itself."""
        return self.storage.objects.keys() - {RUN_KEY, LEDGER_KEY}


def require_whole(storage: S3Double) -> None:
    """All that each narinfo needs is there."""
    for key, held in storage.objects.items():
        if key.endswith(".narinfo"):
            assert not needed_by(held, storage.objects) - storage.objects.keys(), key


@pytest.mark.parametrize(("page", "step"), [(1000, 1), (6, 29)])
@pytest.mark.parametrize("is_done", [False, True])
def test_the_cache_is_whole_and_the_next_run_completes(
    page: int, step: int, *, is_done: bool
) -> None:
    """The next run ends where one that was not killed would have."""
    unharmed = World(page)
    assert not unharmed.killed(_MOST_REQUESTS, is_done=False)
    expected = unharmed.left()
    assert {narinfo_key(number) for number in (3, 4)} <= expected
    assert not {narinfo_key(0), nar_key(ORPHANS[0]), f"{ROOTS_PREFIX}0.json"} & expected

    for at in itertools.count(0, step):
        world = World(page)
        if not world.killed(at, is_done=is_done):
            break
        require_whole(world.storage)
        world.now += RUN_DELETES_WITHIN + timedelta(minutes=1)
        done = CollectedCache(world.storage).collect(grace_days=30)
        assert done.well
        assert world.left() == expected, at
    assert at > 20
