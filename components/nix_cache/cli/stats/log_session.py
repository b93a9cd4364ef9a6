"""One run of `nix-cache stats --traffic`: reads access logs, and prints who read what."""

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nix_cache.backends.registry import BACKENDS
from nix_cache.cli.caches.manager import find_manager
from nix_cache.cli.commands import completing
from nix_cache.cli.errors import UsageError
from nix_cache.cli.inventory.parsed import parsed_narinfos
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.times import past_time
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.stats import metrics_file, prometheus
from nix_cache.cli.stats.access_log import time_text
from nix_cache.cli.stats.log_objects import LoggedTraffic, LogReader, Period
from nix_cache.cli.stats.traffic import TrafficSum
from nix_cache.cli.stats.traffic_report import LARGEST, document, print_summary
from nix_cache.formats.manifest import AccessLogs, Manifest
from nix_cache.formats.nar_url import NarUrl
from nix_cache.formats.narinfo import Narinfo
from nix_cache.iam.lifecycle import NIX32

_BY_DEFAULT = timedelta(days=1)
_NARINFO_KEY = re.compile(rf"[{NIX32}]{{32}}\.narinfo")
_MOST_NARINFOS = 1000
"""Narinfos that are read to name the store paths of NARs: those that clients asked for most."""


@dataclass(frozen=True)
class TrafficRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may read the logs.
        since: the begin of the time; None for the last day.
        until: the end of the time; None for now.
        prometheus: a file for the figures, ``-`` for standard output; None for none.
        jobs: how many logs are read at a time.
    """

    cache: str | None
    project: Path | None
    owner: str | None
    since: str | None
    until: str | None
    prometheus: Path | None
    jobs: int


def run(request: TrafficRequest, *, as_json: bool) -> None:
    """Add up the access logs of a time, and print the sum.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.

    Raises:
        UsageError: the request makes no sense, or the cache has no access logs.
        ClientError: the storage refused or did not answer, or a file cannot be written.
    """
    metrics_file.require_place(request.prometheus, as_json=as_json)
    period = _period(request.since, request.until)
    if request.owner is None:
        raise UsageError(
            "--traffic reads access logs, which the janitor of the cache cannot read",
            "name a credentials profile of the owner of the log bucket with --owner",
        )
    manager = find_manager(request.cache, request.project, request.owner)
    manifest = manager.target.manifest
    logs = _logs(manifest)
    transport = Transport(jobs=request.jobs)
    client = S3Client(
        transport,
        f"{manifest.endpoint.rstrip('/')}/{logs.bucket}",
        manifest.region,
        manager.credential,
    )
    requester = Requester(manager.profile, manifest.endpoint, logs.bucket)
    with completing(manager.target.stack), Progress() as progress:
        progress.tell(f"waiting for {manifest.endpoint}")
        reader = LogReader(client, logs, manifest.bucket, period)
        try:
            traffic = reader.read(request.jobs, progress.tell)
        except StorageError as failure:
            raise explain(failure, requester, "list and read access logs") from None
        cache = S3Client.of(manifest, manager.credential, transport)
        paths = _paths(traffic.sum, cache, request.jobs)
    _print_remarks(traffic, period)
    if request.prometheus is not None:
        text = prometheus.traffic_text(
            traffic.sum,
            manifest.bucket,
            period.since.timestamp(),
            period.until.timestamp(),
            time.time(),
        )
        if metrics_file.write(request.prometheus, text):
            return
    if as_json:
        console.document(
            {
                "since": time_text(period.since),
                "until": time_text(period.until),
                "logObjects": traffic.objects,
                **document(traffic.sum, paths),
                "unreadable": [
                    {"object": one.key, "line": one.number, "problem": one.problem}
                    for one in traffic.unreadable
                ],
            }
        )
    else:
        console.out.print(
            f"Requests to the bucket {manifest.bucket} from {time_text(period.since)} to "
            f"{time_text(period.until)}"
        )
        print_summary(traffic.sum, paths)


def _period(since: str | None, until: str | None) -> Period:
    end = datetime.now(UTC) if until is None else past_time("--until", until, "leave it out")
    begin = (
        end - _BY_DEFAULT if since is None else past_time("--since", since, "give an earlier one")
    )
    if begin >= end:
        raise UsageError(
            f"--since {time_text(begin)} is not before --until {time_text(end)}",
            "give an earlier --since, or a later --until",
        )
    return Period(begin, end)


def _logs(manifest: Manifest) -> AccessLogs:
    """Return where the logs of a cache are.

    Raises:
        UsageError: it has none, or the source does not name them.
    """
    if manifest.access_logs is not None:
        return manifest.access_logs
    backend = BACKENDS.get(manifest.backend)
    if backend is not None and backend.access_logs_setting:
        raise UsageError(
            f"the cache {manifest.bucket} keeps no access logs, or its source does not name them",
            f"set {backend.access_logs_setting} to {{}} in the stack and run `pulumi up`; then "
            "name the stack or its outputs: what a cache publishes does not name its logs",
        )
    able = ", ".join(one.title for one in BACKENDS.values() if one.access_logs_setting)
    also = "; --live follows the requests" if backend is not None and backend.has_trace else ""
    raise UsageError(
        f"--traffic needs a service whose access logs a stack can keep ({able}), and the backend "
        f"of this cache is {manifest.backend}",
        f"leave out --traffic{also}",
    )


def _paths(traffic: TrafficSum, client: S3Client, jobs: int) -> Mapping[str, str]:
    """Return the store paths of the NARs that were sent most, as far as they are easily known.

    Clients ask for the narinfo before the NAR, so the narinfos that they asked for most are read.
    """
    wanted = {one.key for one in traffic.nars.largest(LARGEST)}
    if not wanted:
        return {}
    asked = [
        Stored(one.key, 0, None)
        for one in traffic.narinfos.largest(_MOST_NARINFOS)
        if _NARINFO_KEY.fullmatch(one.key)
    ]
    found: dict[str, str] = {}
    with suppress(StorageError):  # the owner of the logs need not be able to read the cache
        for _, narinfo in parsed_narinfos(client, asked, jobs):
            if isinstance(narinfo, Narinfo):
                key = NarUrl.parse(narinfo.url).key
                if key is not None and key in wanted:
                    found[key] = narinfo.store_path
    return found


def _print_remarks(traffic: LoggedTraffic, period: Period) -> None:
    if not traffic.objects:
        console.note(
            f"No logs were delivered since {time_text(period.since)}. The first ones come some "
            "hours after logging began."
        )
    else:
        console.note(
            "Most requests are logged within a few hours, and a few never: the last hours are not "
            "complete."
        )
    if traffic.sum.unreadable:
        console.note(
            f"WARNING: {traffic.sum.unreadable:,} lines of the logs cannot be read and are not "
            "counted:"
        )
        for one in traffic.unreadable:
            console.note(f"  {one.key}, line {one.number}: {one.problem}")
