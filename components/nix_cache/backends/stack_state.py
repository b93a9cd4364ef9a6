"""An exported state: which of its resources belong to a cache, and what manages them. Pure."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CACHE_TYPE = "nix-cache:index:BinaryCache"
_PROVIDER = "pulumi:providers:"
_DEFAULT_NAME = re.compile(r"default(_.*)?")
"""How the engine names the providers that no program made."""

_SECRET = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")
"""How the engine marks a secret in an exported state: a key and its value."""

Resource = Mapping[str, Any]
"""A resource as an exported state has it."""


@dataclass(frozen=True)
class Cache:
    """A cache in a state.

    Attributes:
        urn: the component's URN.
        resources: everything below the component.
    """

    urn: str
    resources: Sequence[Resource]

    @property
    def name(self) -> str:
        """The component's name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def urns(self) -> frozenset[str]:
        """The URNs of what a provider manages."""
        return frozenset(one["urn"] for one in self.resources if one.get("custom"))

    @property
    def all_urns(self) -> frozenset[str]:
        """The URNs of everything below the component."""
        return frozenset(one["urn"] for one in self.resources)


@dataclass(frozen=True)
class StateProvider:
    """A provider in a state.

    Attributes:
        is_explicit: whether the program made it; else the configuration describes it.
        settings: its settings, in clear if they were exported so.
        name: its name in the program; empty if the state has none.
        urn: its URN; empty if the state has none.
    """

    is_explicit: bool
    settings: Mapping[str, Any]
    name: str = ""
    urn: str = ""


def living(resources: Iterable[Resource]) -> list[Resource]:
    """Return the resources without the old halves of replacements that were interrupted."""
    return [resource for resource in resources if not resource.get("delete")]


def caches(resources: Iterable[Resource]) -> list[Cache]:
    """Return the caches in a state.

    Args:
        resources: all of the state.
    """
    by_urn = {resource["urn"]: resource for resource in living(resources)}

    def cache_of(resource: Resource) -> str:
        parent = by_urn.get(resource.get("parent") or "")
        if parent is None:
            return ""
        return str(parent["urn"]) if parent["type"] == CACHE_TYPE else cache_of(parent)

    found: dict[str, list[Resource]] = {
        urn: [] for urn, resource in by_urn.items() if resource["type"] == CACHE_TYPE
    }
    for resource in by_urn.values():
        if urn := cache_of(resource):
            found[urn].append(resource)
    return [Cache(urn, parts) for urn, parts in found.items()]


def provider_of(cache: Cache, package: str, resources: Iterable[Resource]) -> StateProvider:
    """Return the provider of a cache's resources of a package.

    What the user placed below the cache can have another provider, so the bucket that the component
    itself makes counts first, and then what bears a name as the component gives it.

    Args:
        cache: the cache.
        package: the provider's package, such as ``minio``.
        resources: all of the state, secrets in clear.
    """

    def rank(one: Resource) -> tuple[bool, bool, bool]:
        name = one["urn"].rpartition("::")[2]
        is_child = one.get("parent") == cache.urn
        return name != f"{cache.name}-bucket", not is_child, not name.startswith(f"{cache.name}-")

    of_package = (one for one in cache.resources if one["type"].startswith(f"{package}:"))
    best = min(of_package, key=rank, default={})
    urn = str(best.get("provider") or "").rpartition("::")[0]
    inputs = next((one.get("inputs") or {} for one in resources if one["urn"] == urn), {})
    name = urn.rpartition("::")[2]
    return StateProvider(
        is_explicit=bool(urn) and not _DEFAULT_NAME.fullmatch(name),
        settings=in_clear(inputs),
        name=name,
        urn=urn,
    )


def others_than(caches_: Iterable[Cache], resources: Iterable[Resource]) -> bool:
    """Return whether a state has resources of a provider that are not part of some caches."""
    known = frozenset[str]().union(*(cache.urns for cache in caches_))
    return any(
        one["urn"] not in known and not one["type"].startswith(_PROVIDER)
        for one in living(resources)
        if one.get("custom")
    )


def dependents(urns: Collection[str], resources: Iterable[Resource]) -> list[Resource]:
    """Return the resources that depend on some others, however far.

    Args:
        urns: of the others, which are not among the result.
        resources: all of the state.
    """
    found: list[Resource] = []
    dropped = set(urns)
    for one in resources:  # each comes after all that it depends on
        if one["urn"] not in dropped and not dropped.isdisjoint(_needed(one)):
            dropped.add(one["urn"])
            found.append(one)
    return found


def _needed(resource: Resource) -> Iterator[str]:
    """Yield the URNs that a resource cannot be in a state without."""
    yield from resource.get("dependencies") or ()
    for urns in (resource.get("propertyDependencies") or {}).values():
        yield from urns or ()
    yield resource.get("parent") or ""
    yield resource.get("deletedWith") or ""
    yield str(resource.get("provider") or "").rpartition("::")[0]


def in_clear(value: Any) -> Any:
    """Return a value of an exported state without the marks around its secrets.

    A secret that was exported encrypted is None.
    """
    mark, is_secret = _SECRET
    if isinstance(value, Mapping):
        if value.get(mark) == is_secret:
            return json.loads(value.get("plaintext", "null"))
        return {key: in_clear(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_clear(item) for item in value]
    return value
