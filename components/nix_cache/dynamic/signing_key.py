"""A signing key as a resource: made once, kept in the state as a secret.

It has no server behind it. The state is where the key lives, so nothing but a new name replaces it:
neither a refresh, nor a new version of this file.
"""

from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from nix_cache.formats import signing


class SigningKeyProvider(ResourceProvider):
    """Keeps a key in the state, and nowhere else."""

    serialize_as_secret_always = False  # it is a path of code, which the state need not encrypt

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse an imported key that has an invalid format."""
        brought_in = news.get("brought_in")
        if brought_in is None or isinstance(brought_in, Unknown):
            return CheckResult(news, [])
        try:
            signing.parse_secret_key(brought_in)
        except signing.KeyFormatError as mistake:
            reason = f"the imported signing key {news['key_name']!r} is not a Nix key: {mistake}"
            return CheckResult(news, [CheckFailure("brought_in", reason)])
        return CheckResult(news, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make a key, or keep the imported one."""
        brought_in = props.get("brought_in")
        key = (
            signing.parse_secret_key(brought_in)
            if brought_in
            else signing.generate(props["key_name"])
        )
        return CreateResult(key.name, _outputs(props["key_name"], key))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a key when its name changes, or when another key is imported."""
        replaces = [] if _olds["key_name"] == _news["key_name"] else ["key_name"]
        if _is_another_key(_olds, _news.get("brought_in")):
            replaces.append("brought_in")
        return DiffResult(changes=bool(replaces), replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Keep the key as it is."""
        return UpdateResult(dict(_olds))


def _is_another_key(kept: dict[str, Any], brought_in: str | None) -> bool:
    """Return whether a key was brought in that is not the one kept.

    Raises:
        ValueError: it bears the same name. Clients know a key by its name, so two keys of one name
            would make them refuse half of the cache.
    """
    if brought_in is None or isinstance(brought_in, Unknown):
        return False
    new = signing.parse_secret_key(brought_in)
    if new.secret_text == kept["secret_key"]:
        return False
    if new.name == signing.name_of(kept["secret_key"]):
        raise ValueError(
            f"another key is already in use under the name {new.name!r}: give the new one its "
            "own name, or remove it from the writer's settings to keep the one in use"
        )
    return True


def _outputs(key_name: str, key: signing.SecretKey) -> dict[str, Any]:
    return {"key_name": key_name, "public_key": key.public_text, "secret_key": key.secret_text}


class SigningKey(Resource, module="nix-cache", name="SigningKey"):
    """One generation of a writer's key.

    Args:
        resource_name: the resource's name in the stack.
        key_name: the name that a key made here gets; a new name makes a new key.
        brought_in: an existing secret key to keep instead of making one. It keeps its own name.
        opts: as for any resource.
    """

    public_key: pulumi.Output[str]
    """The public half, as it goes into ``trusted-public-keys``."""
    secret_key: pulumi.Output[str]
    """The whole key. A secret."""

    def __init__(
        self,
        resource_name: str,
        key_name: str,
        brought_in: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["secret_key"])
        props: dict[str, Any] = {
            "key_name": key_name,
            "public_key": None,
            "secret_key": None,
        }
        if brought_in is not None:
            props["brought_in"] = pulumi.Output.secret(brought_in)
        super().__init__(
            SigningKeyProvider(), resource_name, props, pulumi.ResourceOptions.merge(opts, secret)
        )
