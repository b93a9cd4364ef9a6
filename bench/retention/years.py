"""Years of pushes to a bucket under one policy, and what went wrong in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from bench.retention.bucket import ExpiryByKey, SimulatedBucket
from bench.retention.collector import Collector
from bench.retention.team import Closure, DailyPush, Team
from bench.retention.writers import Push
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.iam.lifecycle import ExpiryRule

RELEASE_EVERY_DAYS = 91
RELEASE_NEEDED_DAYS = 365
"""A release is fetched by machines for a year after its only push."""

PAUSE_DAYS = range(1000, 1121)
"""Once the team pauses for four months. The last system stays in use."""


@dataclass(frozen=True)
class RetentionPolicy:
    """How a cache is kept small.

    Attributes:
        name: of the policy, for the table.
        writer: makes the program that pushes.
        rules: the lifecycle rules of the bucket.
        older_than_days: of a weekly `nix-cache gc`; None if there is none.
        writes_roots: whether pushes write root records.
        pins: whether the latest system and tool, and releases that are needed are pinned.
    """

    name: str
    writer: Callable[[], Push]
    rules: Sequence[ExpiryRule] = ()
    older_than_days: int | None = None
    writes_roots: bool = False
    pins: bool = False


@dataclass
class Years:
    """What happened.

    Attributes:
        policy: under which.
        days: how many there were.
        metadata_lost_on: the day on which nix-cache-info went; None if it never did.
        latest_incomplete_days: days on which the system that was pushed last could not be fetched.
        tool_incomplete_days: days on which the tool that is pushed daily could not be fetched.
        release_incomplete_days: days on which a release that is needed could not be fetched.
        dangling_days: days with a narinfo that refers to a path without one.
        most_dangling: how many such narinfos there were at most.
        without_nar_days: days with a narinfo whose NAR is missing.
        most_without_nar: how many such narinfos there were at most.
        stored_bytes: at the end.
        most_stored_bytes: at most.
        uploaded_bytes: in all.
    """

    policy: RetentionPolicy
    days: int
    metadata_lost_on: int | None = None
    latest_incomplete_days: int = 0
    tool_incomplete_days: int = 0
    release_incomplete_days: int = 0
    dangling_days: int = 0
    most_dangling: int = 0
    without_nar_days: int = 0
    most_without_nar: int = 0
    stored_bytes: int = 0
    most_stored_bytes: int = 0
    uploaded_bytes: int = 0


def simulate(policy: RetentionPolicy, days: int, seed: int) -> Years:
    """Return what happens in some days of pushes.

    Each day: the storage expires objects at midnight, machines fetch in the morning, the team
    pushes at noon, and once a week a collection runs in the evening.
    """
    result = Years(policy, days)
    bucket, push, expiry = SimulatedBucket(), policy.writer(), ExpiryByKey(policy.rules)
    collector = Collector(policy.older_than_days) if policy.older_than_days is not None else None
    latest = DailyPush((), ())
    releases: list[tuple[int, Closure]] = []
    for day, pushed in enumerate(islice(Team(seed).days(), days)):
        bucket.expire(expiry, day)
        needed = [one for since, one in releases if day - since <= RELEASE_NEEDED_DAYS]
        _look(bucket, latest, needed, day, result)
        if day not in PAUSE_DAYS:
            latest = pushed
            for closure in (pushed.system, pushed.tool):
                if collector and policy.writes_roots:
                    collector.record(closure, day)
                push(bucket, closure, day)
            if day % RELEASE_EVERY_DAYS == 0:
                releases.append((day, pushed.system))
        if collector and day % 7 == 0:
            kept = (latest.system, latest.tool, *needed) if policy.pins else ()
            collector.collect(bucket, day, [closure[-1].hash for closure in kept])
    result.stored_bytes = bucket.stored_bytes
    result.uploaded_bytes = bucket.uploaded_bytes
    return result


def _look(
    bucket: SimulatedBucket, latest: DailyPush, needed: Sequence[Closure], day: int, result: Years
) -> None:
    if result.metadata_lost_on is None and INFO_KEY not in bucket.metadata:
        result.metadata_lost_on = day
    result.latest_incomplete_days += not bucket.has_all(latest.system)
    result.tool_incomplete_days += not bucket.has_all(latest.tool)
    result.release_incomplete_days += not all(map(bucket.has_all, needed))
    result.dangling_days += bool(bucket.dangling)
    result.most_dangling = max(result.most_dangling, len(bucket.dangling))
    result.without_nar_days += bool(bucket.without_nar)
    result.most_without_nar = max(result.most_without_nar, len(bucket.without_nar))
    result.most_stored_bytes = max(result.most_stored_bytes, bucket.stored_bytes)
