"""Times that users write on the command line."""

from datetime import UTC, datetime

from nix_cache.cli.errors import UsageError


def past_time(option: str, text: str, fix: str) -> datetime:
    """Read a time that is not in the future. One without a zone is in UTC.

    Args:
        option: the name of the option.
        text: its value.
        fix: what to do about a time in the future.

    Raises:
        UsageError: it is not a time, or has not come yet.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC, its year may be 0 or 10000
        raise UsageError(
            f"{option} {text!r} is not a time", "give one such as 2026-11-27T08:00Z"
        ) from None
    if time > datetime.now(UTC):
        raise UsageError(f"{option} {text!r} has not come yet", fix)
    return time
