"""An application key of Backblaze B2 as a resource: the credential of one user of a cache."""

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource

from nix_cache.dynamic.b2_provider import AccountProvider
from nix_cache.dynamic.difference import difference
from nix_cache.iam.access import Privilege

CAPABILITIES = {
    Privilege.WRITE: ("readFiles", "writeFiles"),
    Privilege.READ: ("readFiles",),
    Privilege.JANITOR: (
        *("listBuckets", "readBuckets"),
        *("listFiles", "readFiles", "writeFiles", "deleteFiles"),
    ),
}
"""What Nix needs of the S3 service: GetObject and HeadObject; PutObject, and multipart uploads with
their abort. The janitor also lists, deletes versions, and sees by ``readBuckets`` that the bucket
keeps them. A key cannot be limited to some names: it has one prefix at most."""

_FIXED = ("key_name", "bucket_id", "capabilities")
"""A key cannot be changed, only replaced."""


class B2KeyProvider(AccountProvider):
    """Makes a key, which cannot be changed."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the key. Its secret half is never shown again."""
        fixed = {name: props[name] for name in _FIXED}
        made = self.account().make_key(props["key_name"], props["bucket_id"], props["capabilities"])
        return CreateResult(made.key_id, {**fixed, "secret_access_key": made.key})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read the key's rights."""
        actual = self.account().key(id_)
        if actual is None:
            return ReadResult("", {})
        seen = {
            "key_name": actual.key_name,
            "bucket_id": ",".join(actual.bucket_ids or []),
            "capabilities": sorted(actual.capabilities),
        }
        return ReadResult(id_, {**props, **seen})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a key on any change."""
        return difference(_olds, _news, replaced_by=_FIXED)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the key."""
        self.account().delete_key(_id)


class B2Key(Resource, module="nix-cache", name="B2Key"):
    """A key for one bucket. Its id is the public half; B2 returns the secret half only once.

    Args:
        resource_name: the resource's name in the stack.
        key_name: its name. It is the only key of the bucket with that name.
        bucket_id: the bucket.
        privilege: what it is for.
        opts: as for any resource.
    """

    secret_access_key: pulumi.Output[str]
    """The key itself. A secret."""

    def __init__(
        self,
        resource_name: str,
        key_name: pulumi.Input[str],
        bucket_id: pulumi.Input[str],
        privilege: Privilege,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["secret_access_key"])
        props = {
            "key_name": key_name,
            "bucket_id": bucket_id,
            "capabilities": sorted(CAPABILITIES[privilege]),
            "secret_access_key": None,
        }
        super().__init__(
            B2KeyProvider(), resource_name, props, pulumi.ResourceOptions.merge(opts, secret)
        )
