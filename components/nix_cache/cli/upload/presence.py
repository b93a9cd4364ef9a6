"""What a push reads of its bucket and states there before it uploads, with retries and progress."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.cli.upload.collections import Seen
from nix_cache.cli.upload.held import Held
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.root_record import RootRecord

MOST_PATHS = 500_000
"""Paths in a root record, so that it can be read again."""


@dataclass(frozen=True)
class Outside:
    """What pushed paths refer to, and what is not among these.

    Attributes:
        relied: store paths that the cache has to have already.
        upstream: by the URL of an upstream cache, the hashes of paths that it has.
    """

    relied: tuple[str, ...] = ()
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Presence:
    """What the cache has of the paths of a push.

    All methods raise a ``ClientError`` if the storage refuses or does not answer.

    Args:
        bucket: the cache's.
        writer: as whom it is read.
        progress: reports how far it is.
    """

    def __init__(self, bucket: Bucket, writer: Writer, progress: Progress) -> None:
        self._bucket = bucket
        self._writer = writer
        self._progress = progress

    def require_access(self) -> None:
        """Make sure that the writer may read what is always there."""
        self._progress.tell(f"waiting for {self._writer.manifest.endpoint}")
        retry(self._bucket.require_access, self._progress.note)

    def require_readable(self, path: str) -> None:
        """Make sure that the writer may read a narinfo that is there."""
        retry(lambda: self._bucket.require_readable(path), self._progress.note)

    def protect(
        self,
        roots: Sequence[str],
        paths: Sequence[str],
        upstream: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Write a root record, so that a collection keeps what the push relies on.

        Args:
            roots: the store paths that were named.
            paths: all that they need.
            upstream: by the URL of an upstream cache, the hashes of paths that it has.
        """
        if len(paths) > MOST_PATHS:
            raise ClientError(
                f"the closure has {len(paths):,} paths, more than {MOST_PATHS:,}",
                "push fewer paths at a time",
            )
        record = RootRecord(
            started=datetime.now(UTC).replace(microsecond=0),
            writer=self._writer.name,
            roots=tuple(path.rpartition("/")[2] for path in roots),
            paths=tuple(path.rpartition("/")[2][:32] for path in paths),
            upstream=upstream,
        )
        if not retry(lambda: self._bucket.protect(record), self._progress.note):
            self._progress.note(
                f"WARNING: {self._writer.name} may not write root records, so a `nix-cache gc` at "
                "the same time may delete what this push relies on. Run `pulumi up` on the stack "
                "with this version of the component."
            )

    def collections(self) -> Seen:
        """Look whether a collection goes on."""
        return retry(self._bucket.collections, self._progress.note)

    def held(self, infos: Sequence[PathInfo]) -> dict[str, Held]:
        """Return those of some paths that the cache has, by store path."""

        def report(count: int) -> None:
            self._progress.tell(f"asked the cache for {count} of {len(infos)} paths")

        return retry(lambda: self._bucket.held(infos, report), self._progress.note)

    def broken(
        self, roots: set[str], held: Mapping[str, Held], *, repairs: bool, all_nars: bool
    ) -> set[str]:
        """Return those paths of the cache that are uploaded again.

        The NAR of each costs a request, so that without ``--repair`` only those of the paths that
        were named are asked for, unless a collection may have left narinfos without theirs.

        Args:
            roots: the store paths that were named.
            held: by store path, what the cache has.
            repairs: whether the user asked for a repair.
            all_nars: whether narinfos may be there without their NAR.
        """
        asked = [one for path, one in held.items() if repairs or all_nars or path in roots]

        def report(count: int) -> None:
            self._progress.tell(f"asked the cache for {count} of {len(asked)} NARs")

        broken = retry(lambda: self._bucket.without_nar(asked, report), self._progress.note)
        if repairs:
            broken |= roots & held.keys()
            broken |= {path for path, one in held.items() if one.fault and not one.is_signable}
        if self._writer.manifest.expire_after_days:
            # A narinfo that is written now would outlive a NAR that was written earlier.
            broken |= {path for path, one in held.items() if one.is_signable}
        return broken

    def absent_paths(self, paths: Sequence[str]) -> list[str]:
        """Return those of some paths that the cache lacks."""
        keys = {narinfo_key(path): path for path in paths}
        return sorted(keys[key] for key in self.absent(keys))

    def absent(self, keys: Collection[str]) -> set[str]:
        """Return those of some objects that the bucket lacks."""
        return retry(lambda: self._bucket.absent(sorted(keys)), self._progress.note)

    def require_relied(self, outside: Outside, left_out: Collection[str]) -> None:
        """Make sure that the cache still has what pushed paths rely on.

        Args:
            outside: what that is.
            left_out: the paths that are known to be missing.

        Raises:
            ClientError: a collection deleted some of it.
        """
        gone = set(self.absent_paths(outside.relied)) - set(left_out)
        if gone:
            raise ClientError(
                f"a collection of the cache deleted {counted(len(gone), 'path')} that others rely "
                f"on, such as {min(gone)}",
                "push or mirror these first, then run this again",
            )
