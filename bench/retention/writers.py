"""How the programs that push to a cache decide what to upload."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.retention.bucket import SimulatedBucket
from bench.retention.team import Closure
from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS

Push = Callable[[SimulatedBucket, Closure, int], None]
"""Pushes a closure to a bucket on a day."""


def nix_cache_push(bucket: SimulatedBucket, closure: Closure, day: int) -> None:
    """Push as `nix-cache push`: it asks for each narinfo, and uploads NAR and narinfo together."""
    for path in closure:
        if path.hash not in bucket.narinfos:
            bucket.put_nar(path, day)
            bucket.put_narinfo(path, day)


def nix_copy(bucket: SimulatedBucket, closure: Closure, day: int) -> None:
    """Push as `nix copy` on a fresh machine: a NAR that is there is not uploaded again."""
    for path in closure:
        if path.hash not in bucket.narinfos:
            if path.nar_key not in bucket.nars:
                bucket.put_nar(path, day)
            bucket.put_narinfo(path, day)


@dataclass
class RememberingNix:
    """`nix copy` on a machine that stays: Nix trusts its memory of a narinfo for 30 days.

    Attributes:
        seen: by the hash of a path, the day on which its narinfo was read or written last.
    """

    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, bucket: SimulatedBucket, closure: Closure, day: int) -> None:
        """Push a closure."""
        for path in closure:
            if day - self.seen.get(path.hash, -NARINFO_TTL_DAYS) >= NARINFO_TTL_DAYS:
                nix_copy(bucket, (path,), day)
                self.seen[path.hash] = day
