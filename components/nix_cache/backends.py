"""What each storage service can do for a cache, and what it cannot. Data that the check goes by.

Figures: AWS and MinIO document 1,000 lifecycle rules, Backblaze 100; DigitalOcean documents none.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """One storage service.

    Attributes:
        title: its name for people.
        has_narrow_writers: whether a writer's credential can be kept from deleting, listing and
            replacing ``nix-cache-info``.
        has_readers_in_public: whether a cache that anybody reads can have readers besides.
        lifecycle_rules: how many rules a bucket can have; None where nobody says.
        unfinished_upload_days: after how many days what was never finished goes.
        cdn: the delivery network that the stack can put before the bucket; empty if there is none.
        has_keyless_writers: whether workflows can push without a stored credential.
    """

    title: str
    has_narrow_writers: bool
    has_readers_in_public: bool
    lifecycle_rules: int | None
    unfinished_upload_days: int
    cdn: str
    has_keyless_writers: bool


BACKENDS = {
    "minio": Backend("MinIO", True, True, 1000, 1, "", False),
    "aws": Backend("AWS S3", True, True, 1000, 7, "CloudFront", True),
    "spaces": Backend("DigitalOcean Spaces", False, False, None, 7, "Spaces CDN", False),
    "b2": Backend("Backblaze B2", False, True, 100, 7, "", False),
}
"""By the name that ``backend`` has in the settings. Each has an object of settings of its own."""

EXPIRY_RULES = 281
"""How many rules an expiry takes that meets no object of the cache's own."""


def comparison() -> Iterator[tuple[str, ...]]:
    """The rows of a table: what is asked, then each backend's answer."""
    backends = BACKENDS.values()

    def row(asked: str, answers: Iterator[str]) -> tuple[str, ...]:
        return (asked, *answers)

    yield row("", (backend.title for backend in backends))
    yield row("`backend`", (f"`{name}`" for name in BACKENDS))
    yield row("public: anybody reads by name, nobody lists", ("yes" for _ in backends))
    yield row("private: a credential per reader", ("yes" for _ in backends))
    yield row("readers besides the public", (_said(b.has_readers_in_public) for b in backends))
    yield row("a credential per writer", ("yes" for _ in backends))
    yield row(
        "… that cannot delete or touch `nix-cache-info`",
        (_said(b.has_narrow_writers) for b in backends),
    )
    yield row(
        "expiry that spares the cache's own objects",
        (_said(b.lifecycle_rules is None or b.lifecycle_rules >= EXPIRY_RULES) for b in backends),
    )
    yield row("unfinished uploads go after", (_days(b.unfinished_upload_days) for b in backends))
    yield row("delivery network", (b.cdn or "no" for b in backends))
    yield row("CI without a stored key", (_said(b.has_keyless_writers) for b in backends))


def _said(can: bool) -> str:
    return "yes" if can else "no"


def _days(days: int) -> str:
    return "a day" if days == 1 else f"{days} days"
