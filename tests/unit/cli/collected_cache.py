"""A cache on the storage in memory, and `nix-cache gc` on it: for tests of what it keeps."""

import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from nix_cache.cli.caches import manager
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.gc import session
from nix_cache.cli.inventory import bucket as gc_bucket
from nix_cache.cli.inventory import bucket_reader, narinfo_reader, read_once, realisation_reader
from nix_cache.cli.inventory import listing as gc_listing
from nix_cache.cli.inventory.running import RunNote
from nix_cache.cli.s3.credentials import Credential
from nix_cache.formats.manifest import Manifest
from nix_cache.iam.lifecycle import NIX32
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.s3_double import DoubleTransport, S3Double

MANIFEST = manifest()
CREDENTIAL = Credential(access_key_id="owner", secret_access_key="secret")
INFO = b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
OLD, YOUNG = timedelta(days=99), timedelta(hours=2)


def store_hash(number: int) -> str:
    """Return the hash of one of a few store paths."""
    return NIX32[number] * 32


def base_name(number: int) -> str:
    """Return the last part of one of a few store paths."""
    return f"{store_hash(number)}-path"


def narinfo_key(number: int) -> str:
    """Return the key of its narinfo."""
    return f"{store_hash(number)}.narinfo"


def nar_key(number: int) -> str:
    """Return the key of one of a few NARs."""
    return f"nar/{NIX32[number] * 52}.nar.zst"


def narinfo(
    number: int,
    references: Iterable[int] = (),
    url: str | None = None,
    size: str = "120",
    base: str = "",
) -> bytes:
    """Return a narinfo as Nix writes it; ``base`` is the last part of another path."""
    names = " ".join(base_name(one) for one in references)
    return (
        f"StorePath: /nix/store/{base or base_name(number)}\nURL: {url or nar_key(number)}\n"
        f"Compression: zstd\nFileHash: sha256:{'0' * 52}\nFileSize: 100\n"
        f"NarHash: sha256:{'0' * 52}\nNarSize: {size}\nReferences: {names}\n"
        f"Sig: k-1:{'A' * 86}==\n"
    ).encode()


@dataclass
class Done:
    """What came of a run.

    Attributes:
        well: whether it ended well.
        result: for programs.
        said: on standard error.
    """

    well: bool
    result: dict[str, Any]
    said: str


@dataclass(frozen=True)
class CollectedCache:
    """A cache.

    Attributes:
        storage: what holds it, and its clock, which is also that of collections.
        manifest: what describes it.
        connect: returns what a collection reaches the storage by.
    """

    storage: S3Double
    manifest: Manifest = MANIFEST
    connect: Callable[[S3Double], DoubleTransport] = DoubleTransport

    def push(
        self, number: int, references: Iterable[int] = (), *, age: timedelta = YOUNG, **how: Any
    ) -> None:
        """Put a path, as Nix does."""
        self.storage.put(nar_key(number), b"nar", age=age)
        self.storage.put(narinfo_key(number), narinfo(number, references, **how), age=age)

    def collect(
        self,
        *,
        roots: Sequence[str] = (),
        set_aside: Sequence[str] = (),
        grace_days: int = 0,
        dry_run: bool = False,
        folder: Path | None = None,
    ) -> Done:
        """Run the command."""
        request = session.CollectionRequest(
            cache=None,
            project=None,
            owner="owner",
            older_than_days=30,
            grace_days=grace_days,
            roots_from=None,
            dry_run=dry_run,
            agreed=True,
            jobs=1,
            set_aside=tuple(set_aside),
            remembers=False,
        )
        if roots:
            assert folder
            file = folder / "roots"
            file.write_text("\n".join(roots))
            request = replace(request, roots_from=file)
        out, err = io.StringIO(), io.StringIO()
        with self._patched(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            well = session.run(request, as_json=True, clock=self._now)
        return Done(well, json.loads(out.getvalue()), err.getvalue())

    @property
    def paths(self) -> set[int]:
        """Those whose narinfos are there."""
        return {n for n in range(32) if narinfo_key(n) in self.storage.objects}

    @property
    def nars(self) -> set[int]:
        """Those that are there."""
        return {n for n in range(32) if nar_key(n) in self.storage.objects}

    def _now(self) -> datetime:
        return self.storage.clock().replace(microsecond=0)

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        clock = self.storage.clock
        transport = self.connect(self.storage)
        target = Target(Source(self.manifest), None)
        with (
            mock.patch.object(manager, "owner_identity", return_value=CREDENTIAL),
            mock.patch.object(manager, "find_target", return_value=target),
            mock.patch.object(gc_bucket, "Transport", return_value=transport),
            mock.patch.object(gc_bucket, "datetime", mock.Mock(now=lambda _: clock())),
            mock.patch.object(
                gc_bucket, "RunNote", partial(RunNote, clock=lambda: clock().timestamp())
            ),
            mock.patch.object(bucket_reader, "in_parallel", one_by_one),
            mock.patch.object(gc_listing, "in_parallel", one_by_one),
            mock.patch.object(narinfo_reader, "in_parallel", one_by_one),
            mock.patch.object(read_once, "in_parallel", one_by_one),
            mock.patch.object(realisation_reader, "in_parallel", one_by_one),
        ):
            yield


def collected_cache(objects: Mapping[str, bytes] | None = None) -> CollectedCache:
    """Return a cache with nothing but its metadata and some objects."""
    storage = S3Double(MANIFEST.bucket)
    storage.put("nix-cache-info", INFO, age=OLD)
    for key, content in (objects or {}).items():
        storage.put(key, content, age=OLD)
    return CollectedCache(storage)


def one_by_one(work: Any, items: Iterable[Any], jobs: int) -> Iterator[tuple[Any, Any]]:
    """Work in this thread, so that what happens meanwhile always happens at the same request."""
    return ((item, work(item)) for item in items)
