"""The figures of a cache, and its traffic, in the text format of Prometheus. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from nix_cache.cli.stats.collection import Collectable
from nix_cache.cli.stats.figures import Figures
from nix_cache.cli.stats.prices import MonthlyCost
from nix_cache.cli.stats.traffic import TrafficSum

_Samples = Iterable[tuple[Mapping[str, str], float]]
_Metric = tuple[str, str, _Samples]


def text(
    figures: Figures, cost: MonthlyCost | None, tried: Collectable | None, cache: str, now: float
) -> str:
    """Return the figures, one gauge for each.

    Args:
        figures: of the cache.
        cost: of its storage; None if it is not known.
        tried: what a collection would delete; None if that was not asked for.
        cache: the name of its bucket, which every sample carries.
        now: seconds since 1970.
    """
    return "".join(_lines(figures, cost, tried, cache, now))


def traffic_text(traffic: TrafficSum, cache: str, since: float, until: float, now: float) -> str:
    """Return the requests of a time, one gauge for each figure. No address is in it.

    Args:
        traffic: the requests.
        cache: the name of the bucket, which every sample carries.
        since: the begin of the time, in seconds since 1970.
        until: its end, likewise.
        now: likewise.
    """
    total = traffic.total
    clients = [
        ({"client": name}, one)
        for name, one in sorted(traffic.by_client.items())
        if not one.is_anonymous
    ]
    clients.append(({"client": ""}, traffic.anonymous))
    metrics: tuple[_Metric, ...] = (
        (
            "traffic_requests",
            "Requests by user or role; empty for anonymous ones.",
            [(labels, one.requests) for labels, one in clients],
        ),
        (
            "traffic_sent_bytes",
            "Bytes of the answers to these requests.",
            [(labels, one.sent_bytes) for labels, one in clients],
        ),
        (
            "traffic_narinfos",
            "Requests for narinfos, by whether there was one.",
            [
                ({"result": "found"}, total.found_narinfos),
                ({"result": "absent"}, total.absent_narinfos),
            ],
        ),
        ("traffic_nar_downloads", "Answers with a NAR.", [({}, total.nar_downloads)]),
        ("traffic_nar_bytes", "Bytes of these answers.", [({}, total.nar_bytes)]),
        (
            "traffic_errors",
            "Requests that failed, by HTTP status.",
            [({"status": str(status)}, count) for status, count in sorted(traffic.errors.items())],
        ),
        (
            "traffic_unreadable_lines",
            "Lines of the logs that cannot be read.",
            [({}, traffic.unreadable)],
        ),
        ("traffic_since_timestamp_seconds", "When the time of the requests begins.", [({}, since)]),
        ("traffic_until_timestamp_seconds", "When it ends.", [({}, until)]),
        ("traffic_timestamp_seconds", "When the logs were read.", [({}, now)]),
    )
    return "".join(_rendered(metrics, cache))


def _lines(
    figures: Figures, cost: MonthlyCost | None, tried: Collectable | None, cache: str, now: float
) -> Iterator[str]:
    keys = sorted(figures.by_key.items())
    ratio = figures.compression_ratio
    costs = [] if cost is None else [({"currency": cost.currency}, cost.amount)]
    metrics: tuple[_Metric, ...] = (
        ("paths", "Store paths in the cache.", [({}, figures.total.paths)]),
        (
            "objects",
            "Objects in the bucket, by kind.",
            [({"kind": kind}, count) for kind, count in sorted(figures.objects.items())],
        ),
        (
            "object_bytes",
            "Bytes that objects take in the bucket, by kind.",
            [({"kind": kind}, count) for kind, count in sorted(figures.object_bytes.items())],
        ),
        (
            "nar_uncompressed_bytes",
            "Bytes of all NARs before compression.",
            [({}, figures.total.nar_bytes)],
        ),
        (
            "compression_ratio",
            "Bytes of NARs before compression, divided by those that they take.",
            [] if ratio is None else [({}, ratio)],
        ),
        (
            "signed_paths",
            "Store paths by the name of a key that signed them; empty for unsigned ones.",
            [({"key": name}, amount.paths) for name, amount in keys],
        ),
        (
            "signed_bytes",
            "Bytes of the NARs of these paths, as stored.",
            [({"key": name}, amount.stored_bytes) for name, amount in keys],
        ),
        ("orphan_nars", "NARs that no narinfo names.", [({}, figures.orphans)]),
        ("orphan_nar_bytes", "Bytes that these NARs take.", [({}, figures.orphan_bytes)]),
        ("missing_nars", "Store paths whose NAR is missing.", [({}, figures.missing_nars)]),
        (
            "unreadable_narinfos",
            "Narinfos that cannot be read.",
            [({}, len(figures.unreadable))],
        ),
        *_collectable(tried),
        ("monthly_cost", "Estimated cost of the storage for a month.", costs),
        ("stats_timestamp_seconds", "When the bucket was read.", [({}, now)]),
    )
    yield from _rendered(metrics, cache)


def _rendered(metrics: Iterable[_Metric], cache: str) -> Iterator[str]:
    for name, meaning, samples in metrics:
        rows = list(samples)
        if rows:
            yield f"# HELP nix_cache_{name} {meaning}\n# TYPE nix_cache_{name} gauge\n"
        for labels, value in rows:
            shown = ",".join(
                f'{label}="{_escaped(value)}"'
                for label, value in {"cache": cache, **labels}.items()
            )
            yield f"nix_cache_{name}{{{shown}}} {value!r}\n"


def _collectable(tried: Collectable | None) -> Iterator[_Metric]:
    """Yield what a collection would delete, by when and by the kind of object."""
    if tried is None:
        return
    freed = (("now", tried.now), ("later", tried.later))
    counts = [
        ({"when": when, "kind": kind}, count)
        for when, one in freed
        for kind, count in (("narinfo", one.narinfos), ("nar", one.nars), ("other", one.others))
    ]
    sizes = [({"when": when}, one.size_bytes) for when, one in freed]
    yield "collectable_objects", "Objects that a collection would delete.", counts
    yield "collectable_bytes", "Bytes that these objects take.", sizes
    blocked: _Samples = [({}, float(tried.is_blocked))]
    yield "collection_blocked", "Whether an unreadable narinfo blocks collections.", blocked


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
