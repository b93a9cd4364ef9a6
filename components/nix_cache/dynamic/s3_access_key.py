"""A key pair of a user of an S3 service as a resource: the credential of a writer or a reader."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from nix_cache.dynamic.difference import difference
from nix_cache.dynamic.s3_provider import ServiceProvider


class S3AccessKeyProvider(ServiceProvider):
    """Makes a key pair, which cannot be changed."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the key pair, and remove all others. Its secret half is never shown again.

        A request whose response was lost left a key pair whose secret is unknown.
        """
        made = self.users(props).create_key(props["user_name"])
        self._remove_others(props, made.access_key_id)
        outs = {**props, "secret_access_key": made.secret_access_key, "other_keys": []}
        return CreateResult(made.access_key_id, outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """See whether the key pair is there, and which the user has besides."""
        found = self.users(props).key_ids(props["user_name"])
        if id_ not in found:
            return ReadResult("", {})
        return ReadResult(id_, {**props, "other_keys": sorted({*found} - {id_})})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a key pair with its user. One that the user made besides is a change."""
        return difference(
            _olds,
            {**_news, "other_keys": []},
            replaced_by=["user_name"],
            updated_by=["service", "other_keys"],
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Delete the other key pairs, and keep where the service is now."""
        self._remove_others(_news, _id)
        kept = {"secret_access_key": _olds["secret_access_key"], "other_keys": []}
        return UpdateResult({**_news, **kept})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the key pair."""
        self.users(_props).delete_key(_props["user_name"], _id)

    def _remove_others(self, props: Mapping[str, Any], key_id: str) -> None:
        users, name = self.users(props), props["user_name"]
        for other in users.key_ids(name):
            if other != key_id:
                users.delete_key(name, other)


class S3AccessKey(Resource, module="nix-cache", name="S3AccessKey"):
    """The only key pair of a user. Its id is the public half.

    Args:
        resource_name: the resource's name in the stack.
        user_name: the user.
        service: where the service is.
        opts: as for any resource.
    """

    secret_access_key: pulumi.Output[str]
    """The secret half. A secret."""

    def __init__(
        self,
        resource_name: str,
        user_name: pulumi.Input[str],
        *,
        service: pulumi.Input[Mapping[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["secret_access_key"])
        props = {"user_name": user_name, "service": service, "secret_access_key": None}
        super().__init__(
            S3AccessKeyProvider(), resource_name, props, pulumi.ResourceOptions.merge(opts, secret)
        )
