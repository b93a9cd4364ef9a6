"""What a reservation asks a DigitalOcean account: whether a bucket can be used as it is wanted.

Spaces accepts a bucket that the account has already, and the provider then deletes it on destroy.
And it takes either a policy for a bucket or keys limited to it, never both, which without this
would come to light halfway.

A cache that goes from private to public, or back, replaces its reservation. The old one is deleted
first, and with it all keys and the policy, whose inputs come from it: else the engine would delete
those that are no longer wanted last, and Spaces would refuse the others meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import Config, DiffResult
from pulumi.output import Unknown

from nix_cache import docs
from nix_cache.backends.spaces.connection import (
    SpacesAccountError,
    SpacesConnection,
    connection_from,
)

_IDENTITY = ("bucket", "region")
PROVIDER_OUTPUTS = {
    "token": "token",
    "spacesAccessId": "spaces_access_id",
    "spacesSecretKey": "spaces_secret_key",
    "apiEndpoint": "api_endpoint",
    "spacesEndpoint": "spaces_endpoint",
}
"""For each of the provider's settings, what an explicit provider calls it."""


def question(config: Config) -> "BucketQuestion":
    """Make the question for one stack's configuration."""
    return BucketQuestion(config)


class BucketQuestion:
    """Asks for one bucket, which is to have a policy or else limited keys."""

    kept = (*_IDENTITY, "public", "keys")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._held: dict[tuple[Any, ...], Mapping[str, Any]] = {}

    def problem(self, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Explain why the bucket cannot be had as it is wanted; empty if it can."""
        # What is to be replaced is checked twice, the second time as if it were new.
        place = _place(wanted)
        if held and _place(held) == place:
            self._held[place] = held
        explicit = {key: wanted[key] for key in PROVIDER_OUTPUTS if key in wanted}
        if any(isinstance(value, Unknown) for value in explicit.values()):
            return ""  # a preview before the account is known; `up` asks again
        try:
            connection = connection_from(explicit.get if explicit else self._setting)
            return _conflict(connection, self._held.get(place, {}), wanted)
        except SpacesAccountError as problem:
            return str(problem)

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        """Replace with the bucket, and with the way in which it is shared."""
        changed = {key for key in (*self.kept, "adopt") if kept.get(key) != wanted.get(key)}
        return DiffResult(
            changes=bool(changed),
            replaces=sorted(changed & {*_IDENTITY, "public"}),
            delete_before_replace="public" in changed,
        )

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        """Spell the bucket as the provider does."""
        return f"{wanted['region']},{wanted['bucket']}"

    def _setting(self, key: str) -> Any:
        return self._config.get(f"digitalocean:{key}")


def _place(props: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(props[key] for key in _IDENTITY)


def _conflict(
    connection: SpacesConnection, held: Mapping[str, Any], props: Mapping[str, Any]
) -> str:
    """Return what in the account is in the way, and not the cache's own."""
    # A program only declares names, and needs no client.
    from nix_cache.backends.spaces.account import SpacesAccount

    account = SpacesAccount(connection)
    region, bucket = str(props["region"]), str(props["bucket"])
    there = account.has_bucket(region, bucket)
    foreign = sorted(set(account.limited_keys(bucket)) - set(held.get("keys", [])))
    if there and not (held or props["adopt"]):
        return (
            f"the bucket {bucket!r} exists already in the region {region} of the account: choose "
            f"another bucket, or adopt this one: see {docs.page('operations/adoption')}"
        )
    if props["public"] and foreign:
        return (
            f"the bucket {bucket!r} cannot be public while keys are limited to it "
            f"({', '.join(foreign)}), as Spaces takes no policy beside them: remove those keys, or "
            "keep the cache private"
        )
    own_policy = bool(held.get("public"))
    if there and not (props["public"] or own_policy) and account.has_policy(region, bucket):
        return (
            f"no key can be limited to the bucket {bucket!r} while it has a policy: remove the "
            "policy, or make the cache public"
        )
    return ""
