"""Settings with which builds go on while a cache does not answer. Pure.

They are only written on request, because they hold for all caches of the machine. They are in the
file of the cache, so they go with it.
"""

from dataclasses import dataclass

from nix_cache.cli.caches.record import Record

USUAL_TIMEOUT_SECONDS = 5
"""What messages and documents recommend."""


@dataclass(frozen=True)
class OutageWish:
    """What was asked for.

    Attributes:
        connect_timeout_seconds: for Nix's ``connect-timeout``; 0 to leave that to Nix, None to
            leave it as it was.
        fallback: whether Nix builds what a cache fails to deliver; None to leave it as it was.
    """

    connect_timeout_seconds: int | None = None
    fallback: bool | None = None

    def after(self, previous: Record | None) -> tuple[int, bool]:
        """Return the timeout, 0 for none, and the fallback that hold from now on."""
        timeout = self.connect_timeout_seconds
        if timeout is None:
            timeout = previous.connect_timeout_seconds if previous else 0
        fallback = self.fallback
        if fallback is None:
            fallback = previous.fallback if previous else False
        return timeout, fallback


def outage_lines(record: Record) -> str:
    """Return the lines of nix.conf for a cache in use; none if nothing was asked for."""
    lines = []
    if record.connect_timeout_seconds:
        lines.append(f"connect-timeout = {record.connect_timeout_seconds}\n")
    if record.fallback:
        lines.append("fallback = true\n")
    return "".join(lines)


def generated_remark(wish: OutageWish, attribute: str) -> list[str]:
    """Return how to set the same where nix.conf is generated; nothing if it was not asked for.

    Args:
        wish: what was asked for.
        attribute: that of the generator with settings of Nix, such as ``nix.settings``.
    """
    lines = []
    if wish.connect_timeout_seconds:
        lines.append(f"`{attribute}.connect-timeout = {wish.connect_timeout_seconds};`")
    if wish.fallback:
        lines.append(f"`{attribute}.fallback = true;`")
    return [f"Add to it: {' and '.join(lines)}"] if lines else []


NO_WISH = OutageWish()
