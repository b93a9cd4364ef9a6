"""A bucket whose objects have a date, and what readers would find missing in it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.retention.team import StorePath
from nix_cache.iam.lifecycle import OWN_KEYS, ExpiryRule
from nix_cache.iam.lifetimes import FOREVER

NARINFO_BYTES = 700
"""About what a narinfo has with two signatures."""


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object.

    Attributes:
        size: in bytes.
        day: on which it was written last.
    """

    size: int
    day: int


class ExpiryByKey:
    """Lifecycle rules, asked by key. Each key is compared with the rules once.

    Args:
        rules: of the bucket.
    """

    def __init__(self, rules: Sequence[ExpiryRule]) -> None:
        self._rules = rules
        self._known: dict[str, float] = {}

    def days(self, key: str) -> float:
        """Return after how many days an object expires; infinity if no rule matches its key."""
        if key not in self._known:
            matching = (rule.days for rule in self._rules if key.startswith(rule.prefix))
            self._known[key] = min(matching, default=FOREVER)
        return self._known[key]


class SimulatedBucket:
    """The objects of a cache.

    What is incomplete is counted at each change, so that ten years take seconds.
    """

    def __init__(self) -> None:
        self.metadata = dict.fromkeys(OWN_KEYS, 0)
        self.narinfos: dict[str, tuple[StorePath, WrittenObject]] = {}
        self.nars: dict[str, WrittenObject] = {}
        self.stored_bytes = 0
        self.uploaded_bytes = 0
        self.dangling: set[str] = set()
        """The hashes of paths with a narinfo that refers to a path without one."""
        self.without_nar: set[str] = set()
        """The hashes of paths with a narinfo whose NAR is missing."""
        self._absent: dict[str, int] = {}
        self._dependents: dict[str, set[str]] = defaultdict(set)

    def put_nar(self, path: StorePath, day: int) -> None:
        """Write a path's NAR."""
        self._forget_size(self.nars.get(path.nar_key))
        self.nars[path.nar_key] = WrittenObject(path.nar_bytes, day)
        self.stored_bytes += path.nar_bytes
        self.uploaded_bytes += path.nar_bytes
        self.without_nar.discard(path.hash)

    def put_narinfo(self, path: StorePath, day: int) -> None:
        """Write a path's narinfo."""
        if path.hash in self.narinfos:
            self.delete_narinfo(path.hash)
        self.narinfos[path.hash] = (path, WrittenObject(NARINFO_BYTES, day))
        self.stored_bytes += NARINFO_BYTES
        self.uploaded_bytes += NARINFO_BYTES
        self._absent[path.hash] = sum(name not in self.narinfos for name in path.references)
        if self._absent[path.hash]:
            self.dangling.add(path.hash)
        if path.nar_key not in self.nars:
            self.without_nar.add(path.hash)
        for name in path.references:
            self._dependents[name].add(path.hash)
        for dependent in self._dependents[path.hash]:
            self._absent[dependent] -= 1
            if not self._absent[dependent]:
                self.dangling.discard(dependent)

    def delete_narinfo(self, name: str) -> None:
        """Delete the narinfo of a path, named by its hash."""
        path, written = self.narinfos.pop(name)
        self._forget_size(written)
        self.dangling.discard(name)
        self.without_nar.discard(name)
        for other in path.references:
            self._dependents[other].discard(name)
        for dependent in self._dependents[name]:
            self._absent[dependent] += 1
            self.dangling.add(dependent)

    def delete_nar(self, key: str) -> None:
        """Delete a NAR."""
        self._forget_size(self.nars.pop(key))
        name = key.removeprefix("nar/").partition(".")[0]
        if name in self.narinfos:
            self.without_nar.add(name)

    def expire(self, expiry: ExpiryByKey, today: int) -> None:
        """Delete what lifecycle rules match, as S3 does: at the first midnight after their days."""
        for key, day in [*self.metadata.items()]:
            if today - day > expiry.days(key):
                del self.metadata[key]
        for path, written in [*self.narinfos.values()]:
            if today - written.day > expiry.days(path.narinfo_key):
                self.delete_narinfo(path.hash)
        for key, written in [*self.nars.items()]:
            if today - written.day > expiry.days(key):
                self.delete_nar(key)

    def has_all(self, paths: Iterable[StorePath]) -> bool:
        """Return whether all of some paths can be fetched."""
        return all(path.hash in self.narinfos and path.nar_key in self.nars for path in paths)

    def _forget_size(self, written: WrittenObject | None) -> None:
        if written is not None:
            self.stored_bytes -= written.size
