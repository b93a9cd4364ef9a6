"""A check of the rights to a bucket of an S3 service as a resource: it makes nothing.

It probes when it is created, and when what decides on rights was changed. A bucket that is open to
anonymous clients fails the deployment; what else is wider than declared is an output.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from nix_cache.dynamic.difference import difference
from nix_cache.dynamic.s3_provider import ServiceProvider

_KEPT = ("bucket", "service", "public", "policies", "key_ids")
"""The inputs that outputs keep. The key pairs of users are not among them."""


class S3RightsCheckProvider(ServiceProvider):
    """Probes what anonymous clients, writers and readers can do."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Probe the rights."""
        return CreateResult(f"{props['bucket']}-rights", self._checked(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Probe again when the bucket, the policies or the key pairs are others."""
        return difference(_olds, _news, replaced_by=(), updated_by=_KEPT)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Probe the rights."""
        return UpdateResult(self._checked(_news))

    def _checked(self, props: Mapping[str, Any]) -> dict[str, Any]:
        from nix_cache.backends.s3 import rights

        bucket = self.bucket(props)
        found = rights.probe_bucket(
            bucket,
            self.login(),
            rights.users_of(props["users"]),
            is_public=bool(props["public"]),
        )
        rights.require_safe(bucket.service, bucket.name, found)
        return {
            **{name: props[name] for name in _KEPT},
            "wider": rights.wider(found),
            "undecided": rights.undecided(found),
            "left": rights.left_behind(found),
        }


class S3RightsCheck(Resource, module="nix-cache", name="S3RightsCheck"):
    """A check of who can do what to a bucket.

    Args:
        resource_name: the resource's name in the stack.
        bucket: the bucket's name.
        service: where the service is.
        public: whether anonymous clients are to read objects.
        policies: the documents that decide on rights; a change of one is a reason to probe again.
        key_ids: the access key ids of the users, for the same reason.
        users: by user, ``role`` (the name of a ``CallerRole``), ``own`` (its name on the service),
            ``access_key_id`` and ``secret_access_key``. A secret.
        opts: as for any resource.
    """

    wider: pulumi.Output[Sequence[str]]
    """What writers and readers can do although no cache needs it, each as a sentence."""
    undecided: pulumi.Output[Sequence[str]]
    """What could not be checked, each with the reason."""
    left: pulumi.Output[Sequence[str]]
    """What the probes could not remove."""

    def __init__(
        self,
        resource_name: str,
        bucket: pulumi.Input[str],
        *,
        service: pulumi.Input[Mapping[str, str]],
        public: bool,
        policies: Sequence[str],
        key_ids: pulumi.Input[Sequence[str]],
        users: pulumi.Input[Mapping[str, Mapping[str, str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "bucket": bucket,
            "service": service,
            "public": public,
            "policies": policies,
            "key_ids": key_ids,
            "users": users,
            **dict.fromkeys(("wider", "undecided", "left")),
        }
        super().__init__(S3RightsCheckProvider(), resource_name, props, opts)
