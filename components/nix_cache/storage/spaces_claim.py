"""A claim on a bucket's name in a DigitalOcean account, and on the way in which it is shared.

Spaces says yes to a bucket that the account has already, and the provider then deletes it on
destroy. And it takes either a policy for a bucket or keys limited to it, never both, which without
this would come to light halfway. A claim finds both out in the preview. It asks the account each
time, so an outage or a wrong credential is one clear error before anything else happens.
"""

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

_STATE = ("bucket", "region", "public", "owner", "adopt", "problem")
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

_TWO_STEPS = (
    "a cache goes from private to public, or back, in two steps, which 'DigitalOcean Spaces' in "
    "the README tells"
)


class _ClaimProvider(ResourceProvider):
    """Makes nothing. The check asks the account; what it finds goes to the program as an input."""

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config
        self._owners: dict[tuple[str, str], str] = {}

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        held = all(_olds.get(key) == news[key] for key in _IDENTITY)
        return CheckResult({**news, "problem": self._problem(news, held=held)}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['region']},{props['bucket']}", _granted(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        replaces = [key for key in _IDENTITY if _olds[key] != _news[key]]
        changed = _olds["public"] != _news["public"]
        return DiffResult(changes=bool(replaces or changed or _news["problem"]), replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_granted(_news))

    def _problem(self, props: dict[str, Any], *, held: bool) -> str:
        """Why the bucket cannot be had as it is wanted, or nothing."""
        explicit = {key: props[key] for key in _PROVIDER_OUTPUTS if key in props}
        if any(isinstance(value, Unknown) for value in explicit.values()):
            return ""  # a preview before the account is known; `up` asks again
        place = (props["region"], props["bucket"])
        owner = self._owners.setdefault(place, props["owner"])
        if owner != props["owner"]:
            both = " and ".join(repr(cache) for cache in sorted((owner, props["owner"])))
            return (
                f"the bucket {props['bucket']!r} is claimed by two caches, {both}: choose another "
                "bucket for one of them"
            )
        try:
            connection = connection_from(explicit.get if explicit else self._setting)
            return _conflict(connection, props, held=held)
        except SpacesAccountError as problem:
            return str(problem)

    def _setting(self, key: str) -> Any:
        return self._config.get(f"digitalocean:{key}")


def _conflict(connection: Connection, props: dict[str, Any], *, held: bool) -> str:
    """What in the account is in the way."""
    # A program that only declares claims needs no client, so who asks imports it.
    from nix_cache.storage.spaces_account import SpacesAccount

    account = SpacesAccount(connection)
    region, bucket = str(props["region"]), str(props["bucket"])
    there = account.has_bucket(region, bucket)
    limited = account.limited_keys(bucket)
    if there and not (held or props["adopt"]):
        return (
            f"the bucket {bucket!r} exists already in the region {region} of the account: choose "
            "another bucket, or take it over as 'Adoption' in the README tells"
        )
    if props["public"] and limited:
        keys = ", ".join(limited)
        return (
            f"the bucket {bucket!r} cannot be public while keys are limited to it ({keys}): remove "
            f"them first. Spaces takes no policy beside them; {_TWO_STEPS}"
        )
    if not props["public"] and there and account.has_policy(region, bucket):
        return (
            f"no key can be limited to the bucket {bucket!r} while it has a policy: remove that "
            f"first. {_TWO_STEPS[0].upper()}{_TWO_STEPS[1:]}"
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
        owner: the name of the cache that wants it. One process serves all caches of a program.
        adopt: whether a bucket that is there may be taken over.
        provider: the explicit provider whose account is meant; by default the one that the stack's
            configuration and the environment describe.
        opts: as for any resource.
    """

    problem: pulumi.Output[str]
    """Why the bucket cannot be had, or nothing."""

    def __init__(
        self,
        resource_name: str,
        bucket: str,
        region: str,
        *,
        public: bool,
        owner: str,
        adopt: bool = False,
        provider: pulumi.ProviderResource | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "bucket": bucket,
            "region": region,
            "public": public,
            "owner": owner,
            "adopt": adopt,
            "problem": None,
        }
        if provider is not None:
            for setting, attribute in _PROVIDER_OUTPUTS.items():
                props[setting] = pulumi.Output.secret(pulumi.get(provider, attribute))
        super().__init__(_ClaimProvider(), resource_name, props, opts)

    def granted(self) -> "pulumi.Output[list[SpaceClaim]]":
        """The claim, for ``depends_on``. Resolving it raises ``pulumi.RunError`` if it is not."""

        def checked(problem: str) -> list[SpaceClaim]:
            if problem:
                raise pulumi.RunError(f"{problem}\nNothing was changed.")
            return [self]

        return self.problem.apply(checked)
