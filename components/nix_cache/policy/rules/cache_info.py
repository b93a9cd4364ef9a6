"""Rules on nix-cache-info: it is valid, and each cache has exactly one."""

from collections.abc import Iterator

from nix_cache.formats.cache_info import INFO_KEY, problems
from nix_cache.policy.model import Context, Resource, Rule, RuleScope
from nix_cache.policy.storage_types import (
    CACHE,
    is_bucket,
    is_in,
    logging_into,
    object_of,
    text_of,
)


def _is_valid(resource: Resource, _context: Context) -> Iterator[str]:
    if not _is_info(resource):
        return
    text = text_of(resource)
    if text is None:
        yield "has its content in a file, where it cannot be judged"
        return
    yield from problems(text)


def _is_one(bucket: Resource, context: Context) -> Iterator[str]:
    if not is_bucket(bucket):
        return
    infos = [
        resource.name
        for resource in context.resources
        if _is_info(resource) and is_in(resource, _bucket_place(resource), bucket)
    ]
    if len(infos) > 1:
        yield f"has {INFO_KEY} {len(infos)} times: {', '.join(sorted(infos))}"
    elif (
        not infos and _is_part_of_cache(bucket, context) and not any(logging_into(bucket, context))
    ):
        yield f"has no {INFO_KEY}"


def _is_info(resource: Resource) -> bool:
    places = object_of(resource)
    return places is not None and bool(resource.read(places[1]) == INFO_KEY)


def _bucket_place(resource: Resource) -> str:
    places = object_of(resource)
    return places[0] if places else ""


def _is_part_of_cache(resource: Resource, context: Context) -> bool:
    parents = {one.urn: one for one in context.resources}
    parent = parents.get(resource.parent)
    return parent is not None and (parent.type == CACHE or _is_part_of_cache(parent, context))


VALID_CACHE_INFO = Rule(
    id="valid-cache-info",
    holds=f"{INFO_KEY} is valid.",
    why="Nix takes the store from it, and refuses the cache or ignores what it cannot read",
    fix="write StoreDir: /nix/store, WantMassQuery: 1 and Priority: 40, a line for each",
    check=_is_valid,
)

ONE_CACHE_INFO = Rule(
    id="one-cache-info",
    holds=f"The bucket of a cache has exactly one {INFO_KEY}.",
    why="without one Nix does not take the bucket for a cache; two overwrite each other",
    fix=f"declare one object {INFO_KEY} for the bucket",
    check=_is_one,
    scope=RuleScope.STACK,
)
