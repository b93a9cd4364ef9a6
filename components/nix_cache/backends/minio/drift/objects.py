"""What became of the objects with a cache's metadata. Pure."""

from collections.abc import Iterator

from nix_cache.backends.drift import Finding
from nix_cache.backends.minio.drift.declared import DeclaredBucket, DeclaredObject
from nix_cache.backends.minio.drift.seen import SeenBucket, SeenObject
from nix_cache.formats.cache_info import INFO_KEY, differences


def object_findings(made: DeclaredBucket, there: SeenBucket) -> Iterator[Finding]:
    """Yield what was deleted or has other content."""
    for meant in made.objects:
        found = there.objects.get(meant.key)
        if found is None:
            yield Finding(
                f"{meant.key} was deleted from the bucket {made.name}", "there", "not there"
            )
        elif found.text != meant.text:
            yield _other_text(meant, found)
        elif found.content_type != meant.content_type:
            yield Finding(
                f"{meant.key} has another type", meant.content_type, found.content_type or "none"
            )


def _other_text(meant: DeclaredObject, found: SeenObject) -> Finding:
    changed = differences(meant.text, found.text) if meant.key == INFO_KEY else []
    if changed:
        return Finding(
            f"{meant.key} {', and '.join(_line_change(*change) for change in changed)}",
            "; ".join(f"{name}: {was}" for name, was, _ in changed if was is not None) or "-",
            "; ".join(f"{name}: {now}" for name, _, now in changed if now is not None) or "-",
        )
    return Finding(
        f"{meant.key} has other content",
        _first_line(meant, found.text),
        _first_line(found, meant.text),
    )


def _line_change(name: str, before: str | None, after: str | None) -> str:
    if after is None:
        return f"no longer says {name}: {before}"
    if before is None:
        return f"says {name}{f': {after}' if after else ''}, which the stack does not"
    return f"says {name}: {after} instead of {before}"


def _first_line(one: DeclaredObject | SeenObject, other: str) -> str:
    """Return the first line of a text that differs in another, cut to what fits a line."""
    theirs = dict(enumerate(other.splitlines()))
    lines = (line for at, line in enumerate(one.text.splitlines()) if theirs.get(at) != line)
    return next(lines, "").strip()[:100] or f"{len(one.text)} characters"
