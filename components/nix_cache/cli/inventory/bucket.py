"""The bucket as its owner sees it: everything that is in it, and the way to remove some of it."""

import heapq
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.bucket_reader import BucketReader
from nix_cache.cli.inventory.contents import (
    Contents,
    ListedNarinfos,
    ListedNars,
    is_collectable,
)
from nix_cache.cli.inventory.deletions import Deletions
from nix_cache.cli.inventory.ledger import LEDGER_KEY
from nix_cache.cli.inventory.narinfo_reader import NarinfoReader
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.records import Records
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.running import ExplainedRun, RunNote, RunObject
from nix_cache.cli.inventory.stored import Entry
from nix_cache.cli.machine.memory import return_freed_memory
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.clock import Clocks, http_date
from nix_cache.cli.s3.credentials import Credential, Identity
from nix_cache.cli.s3.errors import RefusedError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import Manifest
from nix_cache.iam.lifecycle import NAR_PREFIX

_MISSING = 404
_MOST_ASKED = 1000
"""How many narinfos that a listing lacks are asked for. A listing with a gap has many."""


@dataclass
class Doubt:
    """Whether there may be narinfos without their NAR.

    Attributes:
        remains: whether there may.
    """

    remains: bool


class Bucket(BucketReader):
    """A cache's bucket.

    Args:
        manifest: the cache.
        credential: of one who may list, read and delete.
        profile: where that is from, for messages.
        jobs: how many requests there are at a time.
        remembered: what earlier runs read of narinfos and realisations; None to read all.

    Attributes:
        records: what the bucket records of its paths.
    """

    def __init__(
        self,
        manifest: Manifest,
        credential: Credential | Identity,
        profile: str,
        jobs: int,
        remembered: Remembered | None = None,
    ) -> None:
        return_freed_memory()
        client = S3Client.of(manifest, credential, Transport(jobs=jobs))
        super().__init__(manifest, client, profile, jobs)
        self._manifest = manifest
        remembered = remembered or Remembered(None)
        self._reader = NarinfoReader(
            client, tuple(manifest.public_keys), jobs, lambda: self.has(INFO_KEY), remembered
        )
        self.records: Records = Records(
            client,
            jobs,
            remembered.beside("realisations"),
            self._listed,
            self._explained,
            self._report,
        )
        self._deletions = Deletions(
            client, profile, manifest.bucket, self._explained, self._before_deletion
        )
        self._run = RunNote(ExplainedRun(RunObject(client), self._explained))

    @property
    def run(self) -> str:
        """The id of the collection that was begun here last; empty before."""
        return self._run.name

    def require_alone(self) -> None:
        """Make sure that no other collection goes on.

        Raises:
            ClientError: one does, or the storage refused.
        """
        self._run.require_alone()

    @contextmanager
    def collecting(self) -> Iterator["Doubt"]:
        """Show pushes and other collections that this one goes on, from here to the end.

        Yields:
            whether there may be narinfos without their NAR: at first because of an earlier
            collection, in the end because of this one.

        Raises:
            ClientError: another collection goes on, or the storage refused.
        """
        try:
            doubt = Doubt(self._run.begin())
        except RefusedError as refusal:
            raise ClientError(
                f"{refusal.problem}; nothing was removed",
                f"allow {self._owner.name} s3:PutObject on nix-cache-gc*.json in the bucket, or "
                "name a profile of the bucket's owner",
            ) from None
        try:
            yield doubt
        except BaseException:
            with suppress(Exception):
                self._run.end(unchecked=True)
            raise
        self._run.end(unchecked=doubt.remains)

    def clocks(self) -> Clocks | None:
        """Compare the clock of what answers with this machine's; None if its answers have no date.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained("list"):
            _, answer = self._client.page(most=1)
        return _clocks(answer, "Date")

    def storage_clocks(self) -> Clocks | None:
        """Compare the clock by which the storage dates objects, by the ledger just written.

        A proxy answers with its own date.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained(f"read {LEDGER_KEY}"):
            answer = self._client.head(LEDGER_KEY)
        return None if answer is None else _clocks(answer, "Last-Modified")

    def contents(self, known: Contents | None = None, removed: Container[str] = ()) -> Contents:
        """List what is in the bucket now. Narinfos that are known already are not read again.

        Narinfos that are not as they were listed, or are missing, are listed again: one that is
        gone from both lists is gone.

        Args:
            known: what was there before.
            removed: the hashes of the paths whose narinfos were removed since.

        Raises:
            ClientError: the contents are not known wholly.
        """
        base = known.base if known else None
        listed_nars = ListedNars(base)
        # NARs first: a push puts them before narinfos, so that what is named here was seen.
        nars, foreign = listed_nars.joined(self._listed(NAR_PREFIX, listed_nars.kept))
        listed, listings = self._outside_folders(base)
        narinfos = base.narinfos if base else None
        before = known.narinfos if known else None
        found, doubtful = self._reader.read(listed, nars, narinfos, before, self._report)
        if doubtful:
            base = base or Contents(found, listings, nars, foreign)
            again, listings = self._outside_folders(base)
            self.require_absent(name for name in listed if name not in again)
            found, doubtful = self._reader.read(again, nars, base.narinfos, found, self._report)
            for name, problem in doubtful.items():
                found.put(name, Entry.unreadable(again[name], problem))
        if before is not None:
            gone = before.all.missing_in(found.objects)
            self.require_absent(name for name in gone if name not in removed)
        return Contents(found, listings, nars, foreign, base)

    def require_absent(self, names: Iterable[str]) -> None:
        """Make sure that narinfos that were not listed are not there.

        Args:
            names: the hashes of their store paths. A thousand are asked for.

        Raises:
            ClientError: one is there. The bucket does not list it, or did so only afterwards: what
                it needs was not taken into account.
        """
        keys = [f"{name}.narinfo" for name in heapq.nsmallest(_MOST_ASKED, names)]
        present = set(keys) - self.absent(keys)
        if not present:
            return
        unlisted = sorted(present.difference(stored.key for stored in self.objects()))
        if not unlisted:
            raise ClientError(
                f"{min(present)} was written while the bucket {self._manifest.bucket} was read, "
                "or its listing lacked it before; nothing more was removed",
                "run it again",
            )
        raise ClientError(
            f"the listing of the bucket {self._manifest.bucket} lacks objects that are "
            f"there, such as {unlisted[0]}; nothing more was removed",
            "run it again; if it happens again, the storage or a proxy in front of it is faulty",
        )

    def remove(self, keys: Iterable[str], count: int | None = None) -> int:
        """Remove objects, in this order.

        Args:
            keys: of the objects.
            count: how many there are, for reports; None if ``keys`` has a length.

        Returns:
            how many of them the storage only hides, as it keeps old versions.

        Raises:
            ClientError: the storage refused some.
        """
        return self._deletions.delete(keys, is_collectable, count)

    def _before_deletion(self, text: str) -> None:
        self._report(text)
        self._run.require_own()

    def _outside_folders(self, base: Contents | None) -> tuple[PackedObjects, PackedObjects]:
        """Return the narinfos and the lists of files."""
        kinds = ListedNarinfos(base)
        narinfos, listings, has_info = kinds.joined(self._listed("", kinds.kept))
        if not has_info:
            raise ClientError(
                f"the list of the bucket {self._manifest.bucket} has no {INFO_KEY}: it is not "
                "whole, or this is not a cache; nothing was removed",
                "name the right cache, or run `nix-cache stack repair` in the folder of the "
                "stack's program",
            )
        return narinfos, listings

    def _report(self, text: str) -> None:
        super()._report(text)
        self._run.renew()


def _clocks(answer: Answer, header: str) -> Clocks | None:
    there = http_date(answer.headers.get(header))
    return None if there is None else Clocks(datetime.now(UTC), there)
