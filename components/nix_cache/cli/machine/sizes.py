"""Numbers of bytes and of things, as people read them. Pure."""


def size(count: int) -> str:
    """Return a number of bytes for people, in powers of 1,000."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


_RATE_AFTER_SECONDS = 1.0


def took(seconds: float, done_bytes: int) -> str:
    """Return how long something took, and its rate unless it was over at once."""
    if seconds < _RATE_AFTER_SECONDS:
        return f"{seconds:.1f} s"
    return f"{seconds:.1f} s, {done_bytes / seconds / 10**6:.1f} MB/s"


def counted(number: int, thing: str) -> str:
    """Return a number of things: `1 path`, `1,200 paths`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
