"""One run of `nix-cache stats --live`: prints requests while a server answers them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nix_cache.backends.registry import BACKENDS
from nix_cache.cli.caches.manager import find_manager
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import size
from nix_cache.cli.s3.trace import Trace
from nix_cache.cli.stats.trace_line import traced_request
from nix_cache.cli.stats.traffic import BucketRequest, TrafficSum
from nix_cache.cli.stats.traffic_report import document, print_summary

_CLIENT_WIDTH = 24
_METHOD_WIDTH = 6
_LONGEST_KEY = 300
_UPLOADS = frozenset({"PUT", "POST"})


def run(
    cache: str | None,
    project: Path | None,
    owner: str | None,
    seconds: float | None,
    *,
    as_json: bool,
) -> None:
    """Print the requests to a cache's bucket until Ctrl-C, then what they add up to.

    Args:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of an administrator of the server.
        seconds: after which it ends; None for no end.
        as_json: whether requests and the summary are for programs.

    Raises:
        UsageError: no profile is named, or the backend has no trace.
        ClientError: the server refuses or does not answer, or the connection breaks.
    """
    if owner is None:
        raise UsageError(
            "--live reads the trace of the server, which needs a credential of its administrator",
            "name a credentials profile with --owner",
        )
    manager = find_manager(cache, project, owner)
    manifest = manager.target.manifest
    backend = BACKENDS.get(manifest.backend)
    if backend is None or not backend.has_trace:
        able = ", ".join(one.title for one in BACKENDS.values() if one.has_trace)
        raise UsageError(
            f"--live needs a server whose requests can be followed ({able}), and the backend of "
            f"this cache is {manifest.backend}",
            "use --traffic, which reads access logs"
            if backend is not None and backend.access_logs_setting
            else "leave out --live, and see the traffic in the service's own logs",
        )
    trace, traffic = Trace(manifest, manager.credential, manager.profile), TrafficSum()
    ends_at = None if seconds is None else time.monotonic() + seconds
    has_summary = True
    try:
        for request in _requests(trace, manifest.bucket, traffic, ends_at):
            if as_json:
                console.event(_event(request))
            else:
                console.out.print(_row(request))
    except ClientError:
        has_summary = traffic.total.requests > 0
        raise
    finally:
        traffic.unreadable += trace.oversized
        if has_summary and as_json:
            console.document(document(traffic))
        elif has_summary:
            print_summary(traffic)
            if traffic.unreadable:
                console.note(
                    f"WARNING: {traffic.unreadable:,} lines of the trace cannot be read and are "
                    "not counted."
                )


def _requests(
    trace: Trace, bucket: str, traffic: TrafficSum, ends_at: float | None
) -> Iterator[BucketRequest]:
    """Yield the requests to the bucket, after they were counted."""
    is_started = False
    for line in trace.lines():
        if not is_started:
            is_started = True
            console.note(f"Requests to the bucket {bucket}. Ctrl-C ends this.")
        if ends_at is not None and time.monotonic() >= ends_at:
            return
        if not line:
            continue
        try:
            request = traced_request(line, bucket)
        except ValueError:
            traffic.unreadable += 1
            continue
        if request is not None:
            traffic.add(request)
            yield request


def _row(request: BucketRequest) -> str:
    is_upload = request.method in _UPLOADS
    taken = request.received_bytes if is_upload else request.sent_bytes
    clock = request.time.partition("T")[2][:8]
    return (
        f"{clock}  {request.client[:200]:<{_CLIENT_WIDTH}}  {request.method[:20]:<{_METHOD_WIDTH}}"
        f"  {request.status}  {size(taken):>8}  {request.key[:_LONGEST_KEY] or '(bucket)'}"
    )


def _event(request: BucketRequest) -> dict[str, Any]:
    return {
        "time": request.time,
        "client": request.client,
        "method": request.method,
        "key": request.key,
        "status": request.status,
        "sentBytes": request.sent_bytes,
        "receivedBytes": request.received_bytes,
    }
