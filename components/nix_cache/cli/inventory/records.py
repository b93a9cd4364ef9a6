"""Reads what a bucket records of its paths: root records, pins, realisations, and gc's own note."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from nix_cache.cli.inventory.columns import taken
from nix_cache.cli.inventory.ledger import LEDGER_KEY, Ledger, ledger_content
from nix_cache.cli.inventory.narinfo_reader import received
from nix_cache.cli.inventory.pins import Pin, pins_of, read_revision, revisions_among
from nix_cache.cli.inventory.read_once import OnceReader
from nix_cache.cli.inventory.realisation_reader import RealisationReader
from nix_cache.cli.inventory.realisations import PackedRealisations, listed_realisations
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.roots import Pushed, read_root_record, root_records_among
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.limits import LEDGER_BYTES
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.cli.s3.reply import OversizedError
from nix_cache.formats.own_objects import PINS_PREFIX, ROOTS_PREFIX
from nix_cache.formats.realisation import LISTED_PREFIXES

_MISSING = 404
_Kept = TypeVar("_Kept")


class Lister(Protocol):
    """Lists objects of the bucket."""

    def __call__(self, prefix: str, keep: Callable[[list[Stored]], _Kept], /) -> list[_Kept]:
        """Return what is kept of each page of the objects whose keys begin with a prefix."""


class Records:
    """The records of a bucket.

    Args:
        client: of the bucket.
        jobs: how many are read at a time.
        remembered: what earlier runs read of realisations.
        listed: lists objects.
        explained: given what is done, turns errors of the storage into those of the client.
        report: called with what is being done.
    """

    def __init__(
        self,
        client: S3Client,
        jobs: int,
        remembered: Remembered,
        listed: Lister,
        explained: Callable[[str], AbstractContextManager[None]],
        report: Callable[[str], None],
    ) -> None:
        self._client = client
        self._listed = listed
        self._explained = explained
        self._report = report
        self._realisations = RealisationReader(client, jobs, remembered)
        self._roots = OnceReader(client, jobs, read_root_record, "root records")
        self._revisions = OnceReader(client, jobs, read_revision, "revisions of pins")

    def pushes(self) -> tuple[Pushed, ...]:
        """Read the root records.

        Raises:
            ClientError: one cannot be read, or the storage refused.
        """

        def listed() -> list[Stored]:
            return root_records_among(self._objects(ROOTS_PREFIX))

        with self._explained("read root records"):
            return self._roots.read(listed(), listed, self._report)

    def pins(self, now: datetime) -> tuple[Pin, ...]:
        """Read the pins.

        Args:
            now: the time, by the storage's clock.

        Raises:
            ClientError: one cannot be read, or the storage refused.
        """
        listed = list(self._objects(PINS_PREFIX))
        with self._explained("read pins"):
            revisions = self._revisions.read(
                revisions_among(listed), lambda: self._objects(PINS_PREFIX), self._report
            )
        return pins_of(revisions, listed, now)

    def realisations(self) -> PackedRealisations:
        """List and read the realisations. Those that were read already are not read again.

        Raises:
            ClientError: the storage refused to list, or did not answer.
        """
        found = self.listed_realisations()
        with self._explained("read realisations"):
            self._realisations.read(found, self._report)
        return found

    def listed_realisations(self) -> PackedRealisations:
        """List the realisations.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        pages = (taken(self._listed(prefix, listed_realisations)) for prefix in LISTED_PREFIXES)
        return PackedRealisations(itertools.chain.from_iterable(pages))

    def ledger(self) -> Ledger | None:
        """Read what earlier runs noted; None if that cannot be read.

        Raises:
            ClientError: the storage refused, or a newer version wrote it.
        """
        with self._explained(f"read {LEDGER_KEY}"):
            try:
                answer = received(self._client, LEDGER_KEY, LEDGER_BYTES)
            except AnsweredError as refusal:
                if refusal.status == _MISSING:
                    return Ledger()
                raise
            except OversizedError:
                return None
        try:
            return Ledger.parse(answer.body)
        except ValueError:
            return None

    def note(self, orphans: Mapping[str, datetime]) -> None:
        """Keep what later runs need to know.

        Args:
            orphans: by the key of each NAR that no narinfo names, since when that is known.

        Raises:
            ClientError: the storage refused.
        """
        with self._explained(f"write {LEDGER_KEY}"):
            self._client.put(LEDGER_KEY, ledger_content(orphans), "application/json")

    def _objects(self, prefix: str) -> Iterator[Stored]:
        return itertools.chain.from_iterable(self._listed(prefix, list))
