"""What became of the objects by which a cache tells what it is. Pure."""

from collections.abc import Iterator

from nix_cache.cli.stack.declared import Bucket, TextObject
from nix_cache.cli.stack.finding import Finding
from nix_cache.cli.stack.seen import SeenBucket, SeenObject
from nix_cache.iam.lifecycle import INFO_KEY


def object_findings(made: Bucket, there: SeenBucket) -> Iterator[Finding]:
    """What was deleted, or says something else."""
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


def _other_text(meant: TextObject, found: SeenObject) -> Finding:
    if meant.key == INFO_KEY:
        before, after = _fields(meant.text), _fields(found.text)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if changed:
            told = ", and ".join(_said(name, before.get(name), after.get(name)) for name in changed)
            return Finding(
                f"{meant.key} {told}",
                "; ".join(f"{name}: {before[name]}" for name in changed if name in before) or "-",
                "; ".join(f"{name}: {after[name]}" for name in changed if name in after) or "-",
            )
    return Finding(
        f"{meant.key} has other content",
        _first_line(meant, found.text),
        _first_line(found, meant.text),
    )


def _fields(text: str) -> dict[str, str]:
    """What nix-cache-info says; a line that says nothing to Nix counts as its own name."""
    parts = (line.partition(":") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def _said(name: str, before: str | None, after: str | None) -> str:
    if after is None:
        return f"no longer says {name}: {before}"
    if before is None:
        return f"says {name}{f': {after}' if after else ''}, which the stack does not"
    return f"says {name}: {after} instead of {before}"


def _first_line(one: TextObject | SeenObject, other: str) -> str:
    """The first line of a text that another text has not at this place, cut to what fits a line."""
    theirs = dict(enumerate(other.splitlines()))
    lines = (line for at, line in enumerate(one.text.splitlines()) if theirs.get(at) != line)
    return next(lines, "").strip()[:100] or f"{len(one.text)} characters"
