"""A bucket of an S3 service as a resource, with its policy, lifecycle and versioning."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from nix_cache.dynamic.difference import difference
from nix_cache.dynamic.s3_provider import ServiceProvider

if TYPE_CHECKING:
    from nix_cache.backends.s3.bucket_settings import S3BucketSettings

_SETTINGS = ("policy", "lifecycle_rules", "versioning")
_UPDATED_BY = ("service", "create", *_SETTINGS, "force_destroy")


class S3BucketProvider(ServiceProvider):
    """Makes a bucket, or uses an existing one, and keeps its settings."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the bucket. The reservation asked before whether it may be there already."""
        from nix_cache.backends.s3.bucket_settings import set_bucket

        bucket = self.bucket(props)
        is_new = props["create"] and bucket.create()
        try:
            set_bucket(bucket, _wanted(props))
        except Exception:
            if is_new:  # a cache that could not be set up is not left half-made
                bucket.delete()
            raise
        return CreateResult(props["bucket"], dict(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read the bucket's settings, as far as the stack sets them."""
        from nix_cache.backends.s3.bucket_settings import (
            as_text,
            same_policy,
            same_rules,
            settings_of,
        )

        bucket = self.bucket(props)
        if not bucket.exists:
            return ReadResult("", {})
        actual, wanted = settings_of(bucket), _wanted(props)
        seen = dict(props)
        if wanted.policy is not None and not same_policy(wanted.policy, actual.policy or ""):
            seen["policy"] = actual.policy or ""
        if wanted.lifecycle is not None and not same_rules(
            wanted.lifecycle, actual.lifecycle or []
        ):
            seen["lifecycle_rules"] = as_text(actual.lifecycle or [])
        if wanted.versioning is not None:
            seen["versioning"] = bool(actual.versioning)
        return ReadResult(id_, seen)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a bucket with its name."""
        return difference(_olds, _news, replaced_by=["bucket"], updated_by=_UPDATED_BY)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Set the bucket's settings, and remove what the stack set and no longer does."""
        from nix_cache.backends.s3.bucket_settings import S3BucketSettings, set_bucket

        wanted, former = _wanted(_news), _cleared(_olds)
        settings = S3BucketSettings(
            policy=former.policy if wanted.policy is None else wanted.policy,
            lifecycle=former.lifecycle if wanted.lifecycle is None else wanted.lifecycle,
            versioning=wanted.versioning,
        )
        set_bucket(self.bucket(_news), settings)
        return UpdateResult(dict(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete a bucket that the stack made, with its objects if that is asked for.

        A bucket that the stack did not make stays with its objects, without what the stack set.
        """
        from nix_cache.backends.s3.bucket_settings import set_bucket

        bucket = self.bucket(_props)
        if not _props["create"]:
            if bucket.exists:
                set_bucket(bucket, _cleared(_props))
            return
        if _props["force_destroy"]:
            bucket.empty()
        bucket.delete()


def _wanted(props: Mapping[str, Any]) -> "S3BucketSettings":
    from nix_cache.backends.s3.bucket_settings import S3BucketSettings

    rules = props.get("lifecycle_rules")  # an input that is None is not sent
    return S3BucketSettings(
        props.get("policy"), None if rules is None else json.loads(rules), props.get("versioning")
    )


def _cleared(props: Mapping[str, Any]) -> "S3BucketSettings":
    """Return the settings without a policy and without rules. Versions are kept as they are."""
    from nix_cache.backends.s3.bucket_settings import S3BucketSettings

    wanted = _wanted(props)
    return S3BucketSettings(
        policy="" if wanted.policy else None,
        lifecycle=[] if wanted.lifecycle else None,
        versioning=None,
    )


class S3Bucket(Resource, module="nix-cache", name="S3Bucket"):
    """A bucket. Its id is its name.

    Args:
        resource_name: the resource's name in the stack.
        bucket: its name.
        service: where the service is.
        create: whether the stack makes the bucket, and deletes it on destroy.
        policy: the bucket policy as JSON; empty for none, None if the stack does not set it.
        lifecycle_rules: the lifecycle rules as JSON; None if the stack does not set them.
        versioning: whether the bucket keeps versions; None if the stack does not set it.
        force_destroy: whether it is deleted with all that is in it.
        opts: as for any resource.
    """

    def __init__(
        self,
        resource_name: str,
        bucket: str,
        *,
        service: pulumi.Input[Mapping[str, str]],
        create: bool,
        policy: str | None,
        lifecycle_rules: str | None,
        versioning: bool | None,
        force_destroy: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "bucket": bucket,
            "service": service,
            "create": create,
            "policy": policy,
            "lifecycle_rules": lifecycle_rules,
            "versioning": versioning,
            "force_destroy": force_destroy,
        }
        super().__init__(S3BucketProvider(), resource_name, props, opts)
