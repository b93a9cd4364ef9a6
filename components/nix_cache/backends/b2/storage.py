"""The Backblaze B2 backend, on dynamic resources over Backblaze's own SDK."""

import pulumi

from nix_cache.arguments import CacheSettings
from nix_cache.backends.b2.settings import B2Settings
from nix_cache.backends.claimants import bucket_contested
from nix_cache.backends.granted import granted
from nix_cache.backends.provisioning import (
    Credential,
    Provisioned,
    Request,
    TextObject,
    locate,
)
from nix_cache.dynamic.b2_bucket import B2Bucket
from nix_cache.dynamic.b2_key import B2Key
from nix_cache.dynamic.b2_text_object import B2TextObject
from nix_cache.dynamic.name_reservation import NameReservation, aliases_of_claim
from nix_cache.iam.access import Privilege

_JANITOR = "JANITOR"
"""The janitor in names of keys, where B2 allows no underscore. No user has capitals in its name."""


class B2Storage:
    """A bucket of a Backblaze account, with a key for each writer and reader."""

    def __init__(
        self,
        settings: CacheSettings,
        b2_settings: B2Settings,
        name: str,
        parent: pulumi.ComponentResource,
    ) -> None:
        self._name = name
        self._parent = parent
        self._bucket_name = settings.bucket
        former = f"{name}-claim-bucket-{settings.bucket}"
        self._reservation = NameReservation(
            f"{name}-names",
            settings,
            {"bucket": settings.bucket, "region": b2_settings.region},
            opts=pulumi.ResourceOptions(
                parent=parent, aliases=aliases_of_claim(former, "B2BucketClaim")
            ),
        )
        self._granted = granted(
            settings, [self._reservation], [bucket_contested(settings.bucket, "b2", name)]
        )
        self.bucket = B2Bucket(
            f"{name}-bucket",
            settings.bucket,
            public=settings.public,
            mark=self._reservation.id,
            adopt=settings.adopt,
            force_destroy=not settings.protect,
            opts=self._options(protect=settings.protect),
        )

    def profile(self, user: str) -> str:
        """Return the bucket's name and the user's: no two buckets of B2 have one name."""
        return f"{self._bucket_name}-{user}"

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a key for this bucket alone. The mark keeps it apart from keys made elsewhere."""
        holder = _JANITOR if privilege is Privilege.JANITOR else user
        key = B2Key(
            f"{self._name}-{user}",
            self._reservation.id.apply(lambda mark: f"{holder}-{mark}"),
            self.bucket.id,
            privilege,
            opts=self._options(),
        )
        return Credential(
            accessKeyId=key.id,
            secretAccessKey=pulumi.Output.secret(key.secret_access_key),
        )

    def put(self, own: TextObject) -> None:
        """Keep one small object in the bucket."""
        B2TextObject(
            f"{self._name}-{own.key}",
            self.bucket.id,
            own.key,
            own.text,
            own.content_type,
            opts=self._options(),
        )

    def _options(self, *, protect: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self._parent, protect=protect or None, depends_on=self._granted
        )


def provision(request: Request) -> Provisioned:
    """Make a cache's storage on Backblaze B2.

    Its lifecycle is a part of the bucket, for hidden versions and unfinished uploads; the check
    refuses expiry, as B2 has room for too few rules.
    """
    cache, account = request.cache, request.cache.own(B2Settings)
    storage = B2Storage(cache, account, request.name, request.parent)
    location = locate(
        cache,
        endpoint=account.endpoint or f"https://s3.{account.region}.backblazeb2.com",
        region=account.region,
        profile=storage.profile,
    )
    for own in request.texts(location):
        storage.put(own)
    return Provisioned(
        bucket_name=storage.bucket.id.apply(lambda _id: cache.bucket),
        location=location,
        credentials={
            user: storage.add_user(cache.identity(user), privilege)
            for user, privilege in cache.privileges.items()
        },
    )
