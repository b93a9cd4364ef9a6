"""The clock of this machine and that of a server, compared. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from nix_cache.cli.errors import ClientError

MOST_SKEW = timedelta(minutes=15)
"""From here on, S3 refuses signed requests (RequestTimeTooSkewed)."""

NOTABLE_SKEW = timedelta(minutes=1)

_FIRST_YEAR, _LAST_YEAR = 2006, 2999
"""S3 exists since 2006. An earlier date stands for a lost one, as 1970 does."""


@dataclass(frozen=True)
class Clocks:
    """Two clocks at the same moment.

    Attributes:
        here: the time of this machine.
        there: the time of the server.
    """

    here: datetime
    there: datetime

    @property
    def skew(self) -> timedelta:
        """How far the server's clock is ahead; negative if it is behind."""
        return self.there - self.here

    @property
    def differ_too_much(self) -> bool:
        """Whether the server refuses signed requests, and ages of objects mean nothing."""
        return abs(self.skew) >= MOST_SKEW

    def __str__(self) -> str:
        return (
            f"the server's clock is at {self.there:%Y-%m-%d %H:%M:%S} UTC, and this machine's at "
            f"{self.here:%Y-%m-%d %H:%M:%S} UTC"
        )


def require_same_time(clocks: Clocks | None, otherwise: str) -> None:
    """Make sure that ages of objects can be compared with times of this machine.

    Args:
        clocks: the storage's clock and this machine's; None if its answers have no usable date.
        otherwise: what follows if they cannot, a clause.

    Raises:
        ClientError: the clocks differ too much, or the storage states no time.
    """
    if clocks is None:
        raise ClientError(
            "the storage's answers have no usable date, so its clock cannot be compared with this "
            f"machine's: {otherwise}",
            "check the storage, and proxies in front of it",
        )
    if clocks.differ_too_much:
        raise ClientError(
            f"{clocks}: {otherwise}",
            "set both clocks by NTP, for example with `timedatectl set-ntp true`",
        )


def earlier(now: datetime, clocks: Clocks | None) -> datetime:
    """Return the time by the slower clock, so that nothing counts as older than it is."""
    return now if clocks is None else now + min(timedelta(), clocks.skew)


def usable(time: datetime | None) -> datetime | None:
    """Return a time in UTC; None for one that no storage can mean, such as 1970 or 9999."""
    if time is None:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        return None
    return time.astimezone(UTC)


def http_date(text: str | None) -> datetime | None:
    """Read a date in HTTP's form, as in the headers Date and Last-Modified.

    Returns:
        the time in UTC; None if there is none, or none that can be meant.
    """
    try:
        return usable(parsedate_to_datetime(text or ""))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def iso_date(text: str | None) -> datetime | None:
    """Read a date in ISO 8601's form, as in a listing.

    Returns:
        the time in UTC; None if there is none, or none that can be meant.
    """
    try:
        return usable(datetime.fromisoformat((text or "").strip()))
    except (ValueError, OverflowError):
        return None
