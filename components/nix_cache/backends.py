"""What each storage service can do for a cache, and what it cannot. Data that the check goes by.

Figures: AWS and MinIO document 1,000 lifecycle rules, Backblaze 100; DigitalOcean documents none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """What nobody who uses a cache needs, and some services cannot keep from them."""

    LIST = "list"
    REPLACE = "put what Nix does not write, nix-cache-info too"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One storage service.

    Attributes:
        title: its name for people.
        writers_also: what a writer's credential cannot be kept from.
        readers_also: what a reader's credential cannot be kept from.
        has_readers_in_public: whether a cache that anybody reads can have readers besides.
        lifecycle_rules: how many rules a bucket can have; None where nobody says.
        unfinished_upload_days: after how many days what was never finished goes.
        cdn: the delivery network that the stack can put before the bucket; empty if there is none.
        has_keyless_writers: whether workflows can push without a stored credential.
    """

    title: str
    writers_also: frozenset[Right] = frozenset()
    readers_also: frozenset[Right] = frozenset()
    has_readers_in_public: bool = True
    lifecycle_rules: int | None
    unfinished_upload_days: int
    cdn: str = ""
    has_keyless_writers: bool = False


BACKENDS = {
    "minio": Backend(title="MinIO", lifecycle_rules=1000, unfinished_upload_days=1),
    "aws": Backend(
        title="AWS S3",
        lifecycle_rules=1000,
        unfinished_upload_days=7,
        cdn="CloudFront",
        has_keyless_writers=True,
    ),
    "spaces": Backend(
        title="DigitalOcean Spaces",
        writers_also=frozenset(Right),
        readers_also=frozenset({Right.LIST}),
        has_readers_in_public=False,
        lifecycle_rules=None,
        unfinished_upload_days=7,
        cdn="Spaces CDN",
    ),
    "b2": Backend(
        title="Backblaze B2",
        # Deleting hides: what was hidden is kept for some days.
        writers_also=frozenset({Right.REPLACE, Right.DELETE}),
        lifecycle_rules=100,
        unfinished_upload_days=7,
    ),
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
        (_said(not b.writers_also) for b in backends),
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
