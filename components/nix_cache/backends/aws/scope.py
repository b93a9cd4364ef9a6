"""What every resource of a cache on AWS has in common: names, tags, region, options."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from nix_cache.arguments import CacheSettings
from nix_cache.backends.aws.settings import AwsSettings

CDN_REGION = "us-east-1"
"""Where CloudFront looks for certificates and reports its metrics."""


@dataclass(frozen=True)
class Scope:
    """One cache on AWS.

    Attributes:
        name: what the names of all resources start with.
        cache: the cache, checked.
        aws: its settings for this backend.
        parent: the component that owns the resources.
        reservations: what has to be granted before any of them is made.
    """

    name: str
    cache: CacheSettings
    aws: AwsSettings
    parent: pulumi.ComponentResource
    reservations: pulumi.Input[Sequence[pulumi.Resource]]

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.cache.bucket

    @property
    def region(self) -> str:
        """Where the bucket is."""
        return self.aws.region

    @property
    def tags(self) -> dict[str, pulumi.Input[str]] | None:
        """For all that can carry them."""
        return self.aws.tags or None

    def identity(self, user: str) -> str:
        """Return a user's name in IAM, where names belong to the whole account."""
        return f"{self.bucket}-{user}"

    def options(
        self,
        *after: pulumi.Resource,
        protect: bool = False,
        deleted_with: pulumi.Resource | None = None,
    ) -> pulumi.ResourceOptions:
        """Return the options of a resource that waits for others and for the reservations.

        Args:
            after: the others.
            protect: whether the engine refuses to delete it.
            deleted_with: what it goes with: while that is to be deleted, it is left alone.
        """
        options = pulumi.ResourceOptions(
            parent=self.parent,
            protect=protect or None,
            deleted_with=deleted_with,
            depends_on=self.reservations,
        )
        if not after:
            return options
        return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=list(after)))
