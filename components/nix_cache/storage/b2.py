"""The Backblaze B2 backend, on dynamic resources over Backblaze's own SDK."""

from collections.abc import Sequence

import pulumi

from nix_cache import nix_conf
from nix_cache.arguments import CacheSettings
from nix_cache.backends.b2.settings import B2Settings
from nix_cache.dynamic.b2_bucket import B2Bucket
from nix_cache.dynamic.b2_key import B2Key
from nix_cache.dynamic.b2_text_object import B2TextObject
from nix_cache.dynamic.name_reservation import NameReservation, aliases_of_claim
from nix_cache.iam.access import Privilege
from nix_cache.iam.lifecycle import ExpiryRule
from nix_cache.storage.claimants import bucket_contested
from nix_cache.storage.granted import granted
from nix_cache.storage.protocol import Credential, OnlyStoredCredentials


class B2Storage(OnlyStoredCredentials):
    """A bucket of a Backblaze account, with a key for each writer and reader."""

    def __init__(
        self,
        settings: CacheSettings,
        b2_settings: B2Settings,
        name: str,
        parent: pulumi.ComponentResource,
    ) -> None:
        self.region = b2_settings.region
        self.endpoint = b2_settings.endpoint or f"https://s3.{self.region}.backblazeb2.com"
        self._name = name
        self._parent = parent
        self._bucket_name = settings.bucket
        former = f"{name}-claim-bucket-{settings.bucket}"
        self._reservation = NameReservation(
            f"{name}-names",
            "b2",
            {"bucket": settings.bucket, "region": self.region},
            adopt=settings.adopt,
            opts=pulumi.ResourceOptions(
                parent=parent, aliases=aliases_of_claim(former, "B2BucketClaim")
            ),
        )
        self._granted = granted(
            [self._reservation], [bucket_contested(settings.bucket, "b2", name)]
        )
        self._bucket = B2Bucket(
            f"{name}-bucket",
            settings.bucket,
            public=settings.public,
            mark=self._reservation.id,
            adopt=settings.adopt,
            force_destroy=not settings.protect,
            opts=self._options(protect=settings.protect),
        )
        if settings.public:
            self.read_url = nix_conf.https_url(self.endpoint, settings.bucket)
        else:
            self.read_url = nix_conf.s3_read_url(
                settings.bucket, self.endpoint, self.region, self.profile(settings.reader_names[0])
            )

    def profile(self, user: str) -> str:
        """The bucket's name and the user's: no two buckets of B2 have one name."""
        return f"{self._bucket_name}-{user}"

    def push_url(self, writer: str) -> str:
        """Where one writer's ``nix copy --to`` goes."""
        return nix_conf.s3_push_url(
            self._bucket_name, self.endpoint, self.region, self.profile(writer)
        )

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a key for this bucket alone. The mark keeps it apart from keys made elsewhere."""
        key = B2Key(
            f"{self._name}-{user}",
            self._reservation.id.apply(lambda mark: f"{user}-{mark}"),
            self._bucket.id,
            privilege,
            opts=self._options(),
        )
        return Credential(
            accessKeyId=key.id,
            secretAccessKey=pulumi.Output.secret(key.secret_access_key),
        )

    def set_lifecycle(self, rules: Sequence[ExpiryRule]) -> None:
        """Nothing to do: the bucket's own rule is for what was hidden or never finished.

        Raises:
            ValueError: there are rules, which the check refuses: B2 has room for too few.
        """
        if rules:
            raise ValueError(f"{len(rules)} rules were let through for B2, which has room for 100")

    def put_text(self, key: str, text: pulumi.Input[str], content_type: str) -> None:
        """Keep one small object in the bucket."""
        B2TextObject(
            f"{self._name}-{key}",
            self._bucket.id,
            key,
            text,
            content_type,
            opts=self._options(),
        )

    def _options(self, *, protect: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self._parent, protect=protect or None, depends_on=self._granted
        )


def open_storage(settings: CacheSettings, name: str, parent: pulumi.ComponentResource) -> B2Storage:
    """Make the bucket."""
    return B2Storage(settings, settings.own(B2Settings), name, parent)
