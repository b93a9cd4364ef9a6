"""Numbers of bytes, as people read them. Pure."""


def size(count: int) -> str:
    """Return a number of bytes for people, in powers of 1,000."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
