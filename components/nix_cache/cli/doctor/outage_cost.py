"""What a dead or slow cache costs each build, by Nix's settings and by measured answers."""

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.cli.caches.same_cache import same_cache
from nix_cache.cli.doctor.finding import Finding, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.nix import effective
from nix_cache.rights.trials import random_hash

PATHS = 1000
"""Of which Nix asks for the narinfo. A NixOS system has a few thousand."""

_BACKOFF_SECONDS = 0.25
"""Nix's first wait between two tries. It doubles each time, and up to half is added at random."""

_CURL_SECONDS = 300
"""What curl waits for a connection if connect-timeout is 0."""

_LONG_SECONDS = 30
_SLOW_SECONDS = 60
_MEASUREMENTS = 5
_DEFAULTS = {"connect-timeout": 15, "download-attempts": 5, "http-connections": 25}


def waits(subject: Subject) -> Iterator[Finding]:
    """Yield what a build waits for if the cache does not answer, and while it does."""
    config = effective.shown(subject.environment).settings
    if config is None:
        yield not_checked(
            "what a dead cache costs a build", "there is no Nix on PATH that can show its settings"
        )
        return
    url = subject.manifest.read_url
    is_used = any(same_cache(url, other) for other in config.get("substituters", ()))
    if subject.record is None and not is_used:
        return
    yield if_dead(config)


def narinfo_seconds(subject: Subject) -> Iterator[Finding]:
    """Yield how long Nix waits for the narinfos of many paths, by measured answers."""
    if subject.reading is None:
        return
    client = subject.reading
    times = []
    for _ in range(_MEASUREMENTS):
        started = time.monotonic()
        client.request("GET", f"{random_hash()}.narinfo")
        times.append(time.monotonic() - started)
    yield if_slow(statistics.median(times))


def if_dead(config: Mapping[str, Any]) -> Finding:
    """Return what each Nix command costs while a cache drops packets.

    Args:
        config: Nix's effective settings, by name.
    """
    timeout = _number(config, "connect-timeout") or _CURL_SECONDS
    attempts = max(1, _number(config, "download-attempts"))
    seconds = attempts * timeout + _BACKOFF_SECONDS * (2 ** min(attempts - 1, 20) - 1)
    goes_on = config.get("fallback") is True
    end = "goes on without it" if goes_on else "a build fails"
    what = (
        f"if the cache does not answer, a Nix command waits up to {seconds:.0f} s and {end} "
        f"(connect-timeout {timeout}, download-attempts {attempts}, "
        f"fallback {'true' if goes_on else 'false'})"
    )
    if goes_on and seconds <= _LONG_SECONDS:
        return ok(what)
    return warning(
        what,
        "an outage of the cache stops work on this machine",
        "run `nix-cache use SOURCE --connect-timeout 5 --fallback` with the cache's source",
    )


def if_slow(seconds: float, connections: int = _DEFAULTS["http-connections"]) -> Finding:
    """Return what many narinfos cost.

    Args:
        seconds: the usual time for one narinfo.
        connections: how many Nix asks for at a time.
    """
    together = seconds * PATHS / connections
    what = f"the narinfos of {PATHS:,} paths take Nix about {together:.1f} s"
    if together <= _SLOW_SECONDS:
        return ok(what)
    return warning(
        what,
        "each build and update that needs them waits so long",
        "put the cache or a CDN nearer to its machines, or raise http-connections in nix.conf",
    )


def _number(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and value >= 0 else _DEFAULTS[name]
