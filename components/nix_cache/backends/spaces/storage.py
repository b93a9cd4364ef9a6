"""The DigitalOcean Spaces backend, on the pulumi-digitalocean package.

Spaces has no policies for users, so rights are coarser than elsewhere. In a private cache every
key is limited to the bucket, and a writer's can do anything in it. In a public one, anyone reads
by a bucket policy; Spaces takes no limited key beside one, so a writer's opens the whole account.
"""

import hashlib
import json
from collections.abc import Sequence

import pulumi
import pulumi_digitalocean as digitalocean

from nix_cache.arguments import CacheSettings
from nix_cache.backends.claimants import bucket_contested
from nix_cache.backends.granted import granted
from nix_cache.backends.provisioning import (
    AddressingStyle,
    Credential,
    Provisioned,
    Request,
    TextObject,
    locate,
)
from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spaces.reservation import PROVIDER_OUTPUTS
from nix_cache.backends.spaces.settings import SpacesCdnSettings, SpacesSettings
from nix_cache.dynamic.name_reservation import NameReservation, aliases_of_claim
from nix_cache.iam.access import Privilege, anonymous_read_policy
from nix_cache.iam.lifecycle import ExpiryRule, expiry_rules

_UNFINISHED_UPLOAD_DAYS = BACKENDS["spaces"].unfinished_upload_days
"""After this an upload is taken for given up. Spaces itself keeps its parts for 90 days."""

_PERMISSIONS = {
    Privilege.WRITE: "readwrite",
    Privilege.READ: "read",
    Privilege.JANITOR: "readwrite",
}


class SpacesStorage:
    """A bucket on DigitalOcean Spaces, with a key for each writer and reader."""

    def __init__(
        self,
        settings: CacheSettings,
        spaces_settings: SpacesSettings,
        name: str,
        parent: pulumi.ComponentResource,
    ) -> None:
        self.region = spaces_settings.region
        self._name = name
        self._parent = parent
        self._bucket_name = settings.bucket
        self._is_public = settings.public
        self._reservation = self._reserved(settings)
        self._granted = granted(
            settings,
            [self._reservation],
            [bucket_contested(settings.bucket, f"spaces {self.region}", name)],
        )
        self.bucket = digitalocean.SpacesBucket(
            f"{name}-bucket",
            name=settings.bucket,
            region=self.region,
            acl="private",
            force_destroy=not settings.protect,
            lifecycle_rules=_lifecycle_rules(expiry_rules(settings.expire_after_days)),
            opts=pulumi.ResourceOptions.merge(
                self._options(protect=settings.protect),
                # The provider takes another name for a new one of the same bucket.
                pulumi.ResourceOptions(replace_on_changes=["name"]),
            ),
        )
        if settings.public:
            self._allow_anonymous_read()

    def profile(self, user: str) -> str:
        """Return the key's name in the account, so that no two caches in it share a profile."""
        return f"{self._bucket_name}-{user}"

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a key, as narrow as Spaces has it, and say how wide that is."""
        key = digitalocean.SpacesKey(
            f"{self._name}-{user}",
            name=self.profile(user),
            grants=[self._grant(privilege)],
            opts=self._within_the_bucket(replace_on_changes=["grants"]),
        )
        whose = "the janitor" if privilege is Privilege.JANITOR else f"the writer {user!r}"
        if self._is_public:
            pulumi.log.warn(
                f"the key of {whose} opens all Spaces of the account: DigitalOcean has "
                "no narrower one for a public bucket. Keep the cache in a separate account "
                "or team, or make it private",
                key,
            )
        elif privilege is not Privilege.READ:
            pulumi.log.info(
                f"the key of {whose} can do anything in the bucket "
                f"{self._bucket_name!r}: DigitalOcean has no narrower one that writes",
                key,
            )
        return Credential(
            accessKeyId=key.access_key, secretAccessKey=pulumi.Output.secret(key.secret_key)
        )

    def put(self, own: TextObject) -> None:
        """Keep one small object in the bucket.

        Its checksum is declared, as by it alone the provider sees a replacement.
        """
        digitalocean.SpacesBucketObject(
            f"{self._name}-{own.key}",
            bucket=self.bucket.name,
            region=self.region,
            key=own.key,
            content=own.text,
            content_type=own.content_type,
            etag=pulumi.Output.from_input(own.text).apply(_md5),
            opts=self._options(),
        )

    def _allow_anonymous_read(self) -> None:
        """Set the bucket policy. The canned ACL allows anonymous listing, but no reads."""
        digitalocean.SpacesBucketPolicy(
            f"{self._name}-anonymous-read",
            bucket=self._reserved_bucket,
            region=self.region,
            policy=json.dumps(anonymous_read_policy(self._bucket_name)),
            opts=self._within_the_bucket(),
        )

    def through_cdn(self, settings: SpacesCdnSettings) -> pulumi.Output[str]:
        """Put the CDN before the bucket and return its URL."""
        cdn = digitalocean.Cdn(
            f"{self._name}-cdn",
            origin=self.bucket.bucket_domain_name,
            ttl=settings.ttl_seconds,
            custom_domain=settings.domain_name,
            certificate_name=settings.certificate_name,
            opts=self._options(),
        )
        if settings.domain_name is not None:
            return pulumi.Output.concat("https://", settings.domain_name)
        return pulumi.Output.concat("https://", cdn.endpoint)

    def _grant(self, privilege: Privilege) -> digitalocean.SpacesKeyGrantArgs:
        """Return a key's grants. They depend on the reservation, as no key may change them."""
        if self._is_public:
            everything = self._reserved_bucket.apply(lambda _: "")
            return digitalocean.SpacesKeyGrantArgs(bucket=everything, permission="fullaccess")
        return digitalocean.SpacesKeyGrantArgs(
            bucket=self._reserved_bucket, permission=_PERMISSIONS[privilege]
        )

    def _reserved(self, settings: CacheSettings) -> NameReservation:
        wanted: dict[str, pulumi.Input[object]] = {
            "bucket": settings.bucket,
            "region": self.region,
            "public": settings.public,
            "keys": sorted(self.profile(settings.identity(user)) for user in settings.privileges),
        }
        provider = self._parent.get_provider("digitalocean:index/spacesBucket:SpacesBucket")
        if provider is not None:
            for setting, attribute in PROVIDER_OUTPUTS.items():
                wanted[setting] = pulumi.Output.secret(pulumi.get(provider, attribute))
        former = aliases_of_claim(f"{self._name}-claim", "SpaceClaim")
        return NameReservation(
            f"{self._name}-names",
            settings,
            wanted,
            opts=pulumi.ResourceOptions(parent=self._parent, aliases=former),
        )

    @property
    def _reserved_bucket(self) -> pulumi.Output[str]:
        """The bucket's name. What takes it from here goes before the reservation is replaced."""
        bucket: pulumi.Output[str] = pulumi.get(self._reservation, "bucket")
        return bucket

    def _options(self, *, protect: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self._parent, protect=protect or None, depends_on=self._granted
        )

    def _within_the_bucket(
        self, replace_on_changes: list[str] | None = None
    ) -> pulumi.ResourceOptions:
        """For what knows the bucket by its reservation, and yet has to wait until it is there."""
        return pulumi.ResourceOptions.merge(
            self._options(),
            pulumi.ResourceOptions(depends_on=[self.bucket], replace_on_changes=replace_on_changes),
        )


def provision(request: Request) -> Provisioned:
    """Make a cache's storage on DigitalOcean Spaces."""
    cache, space = request.cache, request.cache.own(SpacesSettings)
    storage = SpacesStorage(cache, space, request.name, request.parent)
    own_endpoint = f"https://{space.region}.digitaloceanspaces.com"
    location = locate(
        cache,
        endpoint=space.endpoint or own_endpoint,
        region=space.region,
        profile=storage.profile,
        addressing_style=AddressingStyle.PATH if space.endpoint else AddressingStyle.VIRTUAL,
        read_url=storage.through_cdn(space.cdn) if space.cdn else None,
    )
    for own in request.texts(location):
        storage.put(own)
    return Provisioned(
        bucket_name=storage.bucket.name,
        location=location,
        credentials={
            user: storage.add_user(cache.identity(user), privilege)
            for user, privilege in cache.privileges.items()
        },
    )


def _lifecycle_rules(
    rules: Sequence[ExpiryRule],
) -> list[digitalocean.SpacesBucketLifecycleRuleArgs]:
    """Return the rules for expiry and unfinished uploads, in the order that Spaces returns.

    It sorts them by id, and the provider takes another order for a difference.
    """
    unfinished = digitalocean.SpacesBucketLifecycleRuleArgs(
        id="abort-unfinished-uploads",
        enabled=True,
        abort_incomplete_multipart_upload_days=_UNFINISHED_UPLOAD_DAYS,
    )
    expiry = [
        digitalocean.SpacesBucketLifecycleRuleArgs(
            id=rule.id,
            enabled=True,
            prefix=rule.prefix,
            expiration=digitalocean.SpacesBucketLifecycleRuleExpirationArgs(days=rule.days),
        )
        for rule in sorted(rules, key=lambda rule: rule.id)
    ]
    return [unfinished, *expiry]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
