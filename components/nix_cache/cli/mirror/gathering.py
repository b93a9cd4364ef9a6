"""What a cache that is copied has: its narinfos, followed through their references."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.mirror.origin import OriginCache, UnreadableObjectError
from nix_cache.cli.mirror.verdict import CopyablePath, MirrorTerms, Refused, examined
from nix_cache.formats.path_info import PathInfo


@dataclass
class Gathered:
    """What was found.

    Attributes:
        found: by store path, those that can be copied.
        refused: by the hash of the path, those that cannot.
        missing: the hashes of those of which the cache has no narinfo.
        names: by hash, the full path as others refer to it.
    """

    found: dict[str, CopyablePath] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def absent(self) -> list[str]:
        """The full paths that others refer to, and of which the cache has no narinfo."""
        return sorted(self.names[name] for name in self.missing if name in self.names)

    @property
    def unsigned(self) -> list[Refused]:
        """Those that lack nothing but a signature that readers of the target trust."""
        return [one for one in self.refused.values() if one.signers]

    def left_out(self) -> dict[str, str]:
        """Return why paths cannot be copied: by store path, or by key if that is not known."""
        found = {
            self.names.get(store_hash, one.name): one.reason
            for store_hash, one in self.refused.items()
        }
        for path in self.names.values():
            name = path.rpartition("/")[2][:32]
            if path not in self.found and name not in self.missing and name not in self.refused:
                found[path] = "the cache has another path with its hash"
        return found


def gather(
    origin: OriginCache,
    hashes: Iterable[str],
    terms: MirrorTerms,
    jobs: int,
    progress: Callable[[str], None],
) -> Gathered:
    """Read the narinfos of some paths, and of all that they refer to.

    Args:
        origin: the cache.
        hashes: of the paths.
        terms: what is trusted.
        jobs: how many narinfos are read at a time.
        progress: called with what is being done.

    Raises:
        ClientError: the cache refused or did not answer.
    """

    def read(store_hash: str) -> CopyablePath | Refused | None:
        try:
            content = origin.read(f"{store_hash}.narinfo")
        except UnreadableObjectError as mistake:
            return Refused(f"{store_hash}.narinfo", f"its narinfo {mistake}")
        return None if content is None else examined(store_hash, content, terms)

    gathered = Gathered()
    waiting = list(dict.fromkeys(hashes))
    asked = set(waiting)
    count = 0
    while waiting:
        batch, waiting = waiting, []
        for store_hash, result in in_parallel(read, batch, jobs):
            count += 1
            progress(f"read {count:,} of {len(asked):,} narinfos of {origin.name}")
            match result:
                case None:
                    gathered.missing.add(store_hash)
                case Refused():
                    gathered.refused[store_hash] = result
                case CopyablePath(info=info):
                    gathered.found[info.path] = result
                    for path in info.references:
                        name = path.rpartition("/")[2][:32]
                        gathered.names.setdefault(name, path)
                        if name not in asked:
                            asked.add(name)
                            waiting.append(name)
    return gathered


def in_order(found: Mapping[str, CopyablePath], left_out: dict[str, str]) -> list[PathInfo]:
    """Return paths, each after its references. Those in a circle are left out.

    Args:
        found: by store path, what the cache has.
        left_out: by store path, why it is left out; gets those in a circle, and their dependents.
    """
    needs = {
        path: [one for one in each.info.references if one in found and one != path]
        for path, each in found.items()
    }
    dependents: dict[str, list[str]] = {}
    for path, others in needs.items():
        for other in others:
            dependents.setdefault(other, []).append(path)
    open_needs = {path: len(others) for path, others in needs.items()}
    ready = sorted((path for path, count in open_needs.items() if not count), reverse=True)
    ordered: list[PathInfo] = []
    while ready:
        path = ready.pop()
        ordered.append(found[path].info)
        for other in dependents.get(path, ()):
            open_needs[other] -= 1
            if not open_needs[other]:
                ready.append(other)
    if len(ordered) < len(found):
        done = {info.path for info in ordered}
        for path in found.keys() - done:
            left_out[path] = "it refers to itself through other paths, or to one that does"
    return ordered
