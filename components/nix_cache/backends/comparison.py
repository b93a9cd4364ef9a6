"""The table that compares the backends, for the documentation."""

from collections.abc import Iterator

from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spec import BackendSpec
from nix_cache.iam.lifecycle import expiry_rules

EXPIRY_RULES = len(expiry_rules(1))
"""How many rules it takes to expire objects by age without matching the cache's own objects."""


def comparison() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table: what is compared, then each backend's answer."""
    backends = BACKENDS.values()

    def row(asked: str, answers: Iterator[str]) -> tuple[str, ...]:
        return (asked, *answers)

    yield row("", (backend.title for backend in backends))
    yield row("`backend`", (f"`{name}`" for name in BACKENDS))
    yield row("public cache: anonymous reads, no listing", ("yes" for _ in backends))
    yield row("private cache: one credential per reader", ("yes" for _ in backends))
    yield row(
        "credentials for readers of a public cache",
        (_said(b.has_readers_in_public) for b in backends),
    )
    yield row("one credential per writer", ("yes" for _ in backends))
    yield row(
        "writers cannot delete objects or change `nix-cache-info`",
        (_with_rights(b, limited=not b.writers_also) for b in backends),
    )
    yield row(
        "the janitor cannot upload store paths, nor change or delete `nix-cache-info`",
        (_with_rights(b, limited=b.limits_janitor) for b in backends),
    )
    yield row(
        "expiry by age, without the cache's metadata",
        (_said(b.lifecycle_rules is None or b.lifecycle_rules >= EXPIRY_RULES) for b in backends),
    )
    yield row(
        "unfinished uploads are deleted after", (_days(b.unfinished_upload_days) for b in backends)
    )
    yield row("CDN", (b.cdn or "no" for b in backends))
    yield row("CI without stored credentials", (_said(b.has_oidc_writers) for b in backends))


def _with_rights(backend: BackendSpec, *, limited: bool) -> str:
    if limited and backend.rights_need:
        return f"with {backend.rights_need}"
    return _said(limited)


def _said(can: bool) -> str:
    return "yes" if can else "no"


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
