"""A claim on a bucket's name in a DigitalOcean account, and on the way in which it is shared.

Spaces says yes to a bucket that the account has already, and the provider then deletes it on
destroy. And it takes either a policy for a bucket or keys limited to it, never both, which without
this would come to light halfway. A claim finds both out in the preview. It asks the account each
time, so an outage or a wrong credential is one clear error before anything else happens.

A cache that goes from private to public, or back, replaces its claim. The old one is deleted first,
and with it all keys and the policy, whose inputs come from it: else the engine would delete those
that are no longer wanted last, and Spaces would refuse the others meanwhile.
"""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from nix_cache.storage.spaces_connection import (
    Connection,
    SpacesAccountError,
    connection_from,
)

_STATE = ("bucket", "region", "public", "keys", "adopt", "problem")
"""What is kept. The account's credentials are not."""

_IDENTITY = ("bucket", "region")
_PROVIDER_OUTPUTS = {
    "token": "token",
    "spacesAccessId": "spaces_access_id",
    "spacesSecretKey": "spaces_secret_key",
    "apiEndpoint": "api_endpoint",
    "spacesEndpoint": "spaces_endpoint",
}
"""For each of the provider's settings, what an explicit provider calls it."""


class _ClaimProvider(ResourceProvider):
    """Makes nothing. The check asks the account; what it finds goes to the program as an input."""

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config
        self._held: dict[tuple[Any, ...], dict[str, Any]] = {}

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        # What is to be replaced is checked twice, the second time as if it were new.
        place = _place(news)
        if _olds and _place(_olds) == place:
            self._held[place] = _olds
        return CheckResult({**news, "problem": self._problem(self._held.get(place, {}), news)}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['region']},{props['bucket']}", _granted(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = {key for key in _STATE if _olds.get(key) != _news.get(key)}
        return DiffResult(
            changes=bool(changed),
            replaces=sorted(changed & {*_IDENTITY, "public"}),
            delete_before_replace="public" in changed,
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_granted(_news))

    def _problem(self, held: dict[str, Any], props: dict[str, Any]) -> str:
        """Why the bucket cannot be had as it is wanted, or nothing. ``held`` is it as it is."""
        explicit = {key: props[key] for key in _PROVIDER_OUTPUTS if key in props}
        if any(isinstance(value, Unknown) for value in explicit.values()):
            return ""  # a preview before the account is known; `up` asks again
        try:
            connection = connection_from(explicit.get if explicit else self._setting)
            return _conflict(connection, held, props)
        except SpacesAccountError as problem:
            return str(problem)

    def _setting(self, key: str) -> Any:
        return self._config.get(f"digitalocean:{key}")


def _place(props: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(props[key] for key in _IDENTITY)


def _conflict(connection: Connection, held: dict[str, Any], props: dict[str, Any]) -> str:
    """What in the account is in the way, and not the cache's own."""
    # A program that only declares claims needs no client, so who asks imports it.
    from nix_cache.storage.spaces_account import SpacesAccount

    account = SpacesAccount(connection)
    region, bucket = str(props["region"]), str(props["bucket"])
    there = account.has_bucket(region, bucket)
    foreign = sorted(set(account.limited_keys(bucket)) - set(held.get("keys", [])))
    if there and not (held or props["adopt"]):
        return (
            f"the bucket {bucket!r} exists already in the region {region} of the account: choose "
            "another bucket, or take it over as 'Adoption' in the README tells"
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


def _granted(props: dict[str, Any]) -> dict[str, Any]:
    if props["problem"]:
        raise ValueError(props["problem"])
    return {key: props[key] for key in _STATE}


class SpaceClaim(Resource, module="nix-cache", name="SpaceClaim"):
    """The right to a bucket in an account.

    Args:
        resource_name: the resource's name in the stack.
        bucket: its name.
        region: where it is to be.
        public: whether it is to have a policy by which anybody reads, or else limited keys.
        keys: the names of the cache's keys, which are not in its own way.
        adopt: whether a bucket that is there may be taken over.
        provider: the explicit provider whose account is meant; by default the one that the stack's
            configuration and the environment describe.
        opts: as for any resource.
    """

    bucket: pulumi.Output[str]
    """The bucket's name. What takes it from here is deleted before the claim is replaced."""
    problem: pulumi.Output[str]
    """Why the bucket cannot be had, or nothing."""

    def __init__(
        self,
        resource_name: str,
        bucket: str,
        region: str,
        *,
        public: bool,
        keys: Sequence[str],
        adopt: bool = False,
        provider: pulumi.ProviderResource | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "bucket": bucket,
            "region": region,
            "public": public,
            "keys": sorted(keys),
            "adopt": adopt,
            "problem": None,
        }
        if provider is not None:
            for setting, attribute in _PROVIDER_OUTPUTS.items():
                props[setting] = pulumi.Output.secret(pulumi.get(provider, attribute))
        super().__init__(_ClaimProvider(), resource_name, props, opts)
