"""Looks for drift: asks the service itself where its backend can, else the engine. Writes nothing.

Both are needed: a provider's refresh fails over some of what is gone, does not see what the
provider does not read, and may drop from the state what does not answer.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nix_cache.backends.drift import Deployed, Finding, Service
from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spec import BackendSpec
from nix_cache.backends.stack_state import Cache, caches, others_than
from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack import outside, refreshed
from nix_cache.cli.stack.engine import PulumiStack


@dataclass(frozen=True)
class OnService:
    """A cache whose service was asked.

    Attributes:
        cache: the cache.
        service: its service.
        findings: what is different there.
    """

    cache: Cache
    service: Service
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        findings: every difference.
        asked: the caches whose service was asked.
        refreshed: by name, the backend's title of each cache that only a refresh was asked about;
            by URN where several have the name.
        chosen: the caches that were checked.
        found: all caches of the stack.
        state: the stack's.
        deleted: the URNs of what a refresh would drop, because it was deleted outside.
    """

    findings: Sequence[Finding]
    asked: Sequence[OnService] = ()
    refreshed: Mapping[str, str] = field(default_factory=dict)
    chosen: Sequence[Cache] = ()
    found: Sequence[Cache] = ()
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)
    deleted: frozenset[str] = frozenset()


def check(stack: PulumiStack, name: str | None = None) -> Checked:
    """Find what was changed outside, in the caches of a stack.

    Args:
        stack: the stack; its state is only read.
        name: the name of one cache in the program; every cache if None.

    Raises:
        ClientError: the stack does not exist or has no such cache, or the engine fails.
        ServiceError: a service is down, busy, or refuses the administrator.
    """
    state = stack.state()
    found = caches(state.get("resources") or [])
    chosen = [cache.urn for cache in choose(found, name, stack.name)]
    if any(_asked_backend(cache) for cache in found if cache.urn in chosen):
        state = stack.state(secrets=True)  # only a service's administrator needs secrets
        found = caches(state.get("resources") or [])
    of_stack = [cache for cache in found if cache.urn in chosen]
    services = list(_services(of_stack, state, stack))
    asked = [OnService(one.cache, one.service, one.service.findings()) for one in services]
    rest = [cache for cache in of_stack if not _asked_backend(cache)]
    steps = _refresh_steps(rest, state.get("resources") or [], stack)
    findings = [
        *unfinished([one.cache for one in asked], state),
        *unfinished(rest, state, is_asked=False),
        *(finding for one in asked for finding in one.findings),
        *refreshed.findings(steps),
    ]
    labels = labelled(found)
    titles = {labels[cache.urn]: _title(cache) for cache in rest}
    deleted = refreshed.deleted(steps)
    return Checked(findings, asked, titles, of_stack, found, state, deleted)


def choose(found: Sequence[Cache], name: str | None, stack: str) -> Sequence[Cache]:
    """Return the caches that the user means.

    Args:
        found: all caches of the stack.
        name: the name or the URN of one of them; None for all.
        stack: the stack's name.

    Raises:
        ClientError: there is none, or the name is that of several.
    """
    if not found:
        raise ClientError(
            f"the stack {stack} has no nix-cache component",
            "name a stack that has one: --stack NAME; or run `pulumi up` first",
        )
    if name is None:
        return found
    named = [cache for cache in found if name in (cache.name, cache.urn)]
    if not named:
        raise ClientError(
            f"the stack {stack} has no cache {name!r}",
            f"name one of: --cache {', '.join(sorted(cache.name for cache in found))}",
        )
    if len(named) > 1:
        raise ClientError(
            f"the stack {stack} has {len(named)} caches named {name!r}",
            f"name one by its URN: {cache_options(cache.urn for cache in named)}",
        )
    return named


def cache_options(labels: Iterable[str]) -> str:
    """Return the options that mean one of some caches each, quoted for a shell."""
    return " or ".join(f"--cache {shlex.quote(label)}" for label in sorted(labels))


def labelled(found: Iterable[Cache]) -> dict[str, str]:
    """Return the shortest name of each cache that is no other's, by its URN."""
    found = list(found)
    names = [cache.name for cache in found]
    return {cache.urn: cache.name if names.count(cache.name) == 1 else cache.urn for cache in found}


def services_of(stack: PulumiStack) -> Iterator[Service]:
    """Yield the services of a stack's caches that can be asked. Nothing is asked yet.

    Raises:
        ClientError: the stack does not exist, or the engine fails.
        ServiceError: the configuration does not name an administrator.
    """
    state = stack.state(secrets=True)
    for one in _services(caches(state.get("resources") or []), state, stack):
        yield one.service


def _services(
    found: Iterable[Cache], state: Mapping[str, Any], stack: PulumiStack
) -> Iterator[OnService]:
    asked = [(cache, spec) for cache in found if (spec := _asked_backend(cache))]
    configuration = stack.configuration() if asked else {}
    for cache, spec in asked:
        resources = state.get("resources") or []
        deployed = Deployed(cache, resources, configuration, stack.folder)
        yield OnService(cache, _reached(spec, deployed))


def _asked_backend(cache: Cache) -> BackendSpec | None:
    """Return the backend of a cache if its service itself can be asked for drift."""
    for spec in BACKENDS.values():
        if spec.drift is not None and spec.drift().concerns(cache.resources):
            return spec
    return None


def _reached(spec: BackendSpec, deployed: Deployed) -> Service:
    assert spec.drift is not None  # for the type checker
    try:
        return spec.drift().reach(deployed)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("nix_cache"):
            raise
        raise ClientError(
            f"the package {missing.name}, by which {spec.title} is asked, is not installed",
            f"install it: pip install 'nix-cache[{spec.name}]'",
        ) from None


def _title(cache: Cache) -> str:
    """Return the title of a cache's backend, by its reservation of names or its provider."""
    reserved = {str((one.get("inputs") or {}).get("backend")) for one in cache.resources}
    types = [one["type"] for one in cache.resources]
    for spec in BACKENDS.values():
        package = f"{spec.provider.package}:"
        if spec.name in reserved or any(kind.startswith(package) for kind in types):
            return spec.title
    return "its service"


def _refresh_steps(
    found: Sequence[Cache], resources: Sequence[Mapping[str, Any]], stack: PulumiStack
) -> list[Mapping[str, Any]]:
    if not found:
        return []
    urns = frozenset[str]().union(*(cache.urns for cache in found))
    targets = sorted(urns) if others_than(found, resources) else []
    return [step for step in stack.refresh_steps(targets) if step["urn"] in urns]


def unfinished(
    found: Sequence[Cache], state: Mapping[str, Any], *, is_asked: bool = True
) -> Iterator[Finding]:
    """Yield the operations on some caches that an interrupted run left pending.

    Args:
        found: the caches.
        state: the stack's.
        is_asked: whether their service itself is asked, and so knows what was created.
    """
    for operation in outside.pending(found, state).own:
        is_unknown = not is_asked and operation["type"] == "creating"
        resource = operation["resource"]
        name, kind = resource["urn"].rpartition("::")[2], resource["type"].rpartition(":")[2]
        yield Finding(
            f"an interrupted run did not finish {operation['type']} {name} ({kind})",
            "finished",
            "unknown",
            "refuses to start: run `pulumi refresh` first, which asks about it"
            if is_unknown
            else "checks its outcome, and finishes it",
        )
