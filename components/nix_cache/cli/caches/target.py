"""Which cache a command is about: one in use here, or one that a source describes.

Requests are signed only for a place that the user agreed to: that of a cache in use here, that of a
stack of the user's own, or one for which the command line names the credentials profile.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from nix_cache.cli.caches import manifest_rules, source
from nix_cache.cli.caches.record import Record, find, known_records
from nix_cache.cli.caches.source import Origin, Source
from nix_cache.cli.commands import StackPlace
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.formats.manifest import Manifest


@dataclass(frozen=True)
class Target:
    """A cache.

    Attributes:
        source: its manifest, and where that is from.
        record: the cache in use here with the same bucket, endpoint and region; None if there is
            none.
        url: the URL that was given; None if the source is something else.
        stack: the cache's stack; None if it is not known.
    """

    source: Source
    record: Record | None
    url: str | None = None
    stack: StackPlace | None = None

    @property
    def manifest(self) -> Manifest:
        """The cache itself."""
        return self.source.manifest

    @property
    def is_agreed(self) -> bool:
        """Whether the user agreed to this place, by using the cache or by owning its stack."""
        return self.record is not None or self.source.origin is Origin.STACK

    def profile(self, user: str, *, named: bool) -> str | None:
        """Return this machine's profile that may sign requests of a writer or reader.

        Args:
            user: the writer or reader.
            named: whether the command line names the user.

        Returns:
            its name; None if nothing may be signed. A profile named like the user is the user's
            choice where the command line names it.
        """
        if self.source.origin is Origin.STACK:
            found = self.manifest.profiles.get(user, user)
        elif self.record is not None:
            found = self.record.manifest.profiles.get(user, "")
        else:
            found = user if named else ""
        is_usable = found and found.lower() not in manifest_rules.RESERVED_PROFILES
        return found if is_usable else None

    def require_place_for_owner(self) -> None:
        """Refuse to sign as the bucket's owner for a place that only a URL's document names.

        Raises:
            UsageError: the URL is not that of the bucket, and the cache is not in use here.
        """
        bucket_url = manifest_rules.bucket_url(self.manifest)
        if self.url is None or self.record is not None or self.url.rstrip("/") == bucket_url:
            return
        raise UsageError(
            f"--owner signs requests, and the bucket {bucket_url} is named only by the document "
            f"at {self.url}",
            "name the cache in use here, its stack, a file with its outputs, or the bucket's URL",
        )


def find_target(name: str | None, project: Path | None, *, secrets: bool = False) -> Target:
    """Find what was named: a cache in use here, or a source.

    Args:
        name: of the cache, or a source; None for the one cache in use.
        project: the folder of the stack's program; the current one if None.
        secrets: whether a stack is asked for its secrets too.

    Raises:
        UsageError: there is none, or there are several to choose from.
        ClientError: it cannot be read.
    """
    known = known_records([user_place(), system_place()])
    if name is None or (name in known and not Path(name).is_file()):
        record = find(name)
        place = _stack_of(record)
        return Target(Source(record.manifest, origin=Origin.RECORD), record, stack=place)
    try:
        loaded = source.load(name, secrets=secrets, project=project)
    except ClientError as failure:
        if not source.is_stack(name):
            raise
        others = f"; caches in use here: {', '.join(known)}" if known else ""
        raise type(failure)(
            f"no cache {name} is in use on this machine, and {failure.problem}{others}", failure.fix
        ) from None
    same = (
        one for one in known.values() if manifest_rules.same_place(one.manifest, loaded.manifest)
    )
    used = next(same, None)
    if loaded.origin is not Origin.URL:
        place = StackPlace(name, project) if loaded.origin is Origin.STACK else None
        return Target(loaded, used, stack=place)
    if used is not None:
        merged = manifest_rules.with_users_of(loaded.manifest, used.manifest)
        loaded = replace(loaded, manifest=merged)
    return Target(loaded, used, url=name)


def _stack_of(record: Record) -> StackPlace | None:
    """Return the stack that a cache in use here was taken from; its program's folder is unknown."""
    given = record.source
    is_path = given is None or given == "-" or given.startswith((".", "/")) or "." in given
    return None if given is None or is_path or not source.is_stack(given) else StackPlace(given)
