"""The backend on a service with an S3 API, on dynamic resources over boto3."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from nix_cache import docs
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
from nix_cache.backends.s3.settings import S3Settings
from nix_cache.config.setting import normal_endpoint
from nix_cache.dynamic.name_reservation import NameReservation
from nix_cache.dynamic.s3_access_key import S3AccessKey
from nix_cache.dynamic.s3_bucket import S3Bucket
from nix_cache.dynamic.s3_rights_check import S3RightsCheck
from nix_cache.dynamic.s3_text_object import S3TextObject
from nix_cache.dynamic.s3_user import S3User
from nix_cache.iam.access import (
    Privilege,
    anonymous_read_policy,
    policy_for,
    without_actions,
)
from nix_cache.iam.lifecycle import expiry_rules

_UNKNOWN_TO_SERVICES = frozenset({"s3:ListMultipartUploadParts"})
"""Actions that some services refuse in a policy, SeaweedFS among them, and that no push needs."""

_WIDER = docs.page("backends/s3", "rights-that-are-wider")

_ROLES = {
    Privilege.WRITE: "WRITER",
    Privilege.READ: "READER",
    Privilege.JANITOR: "JANITOR",
}
"""By privilege, the name of the role that is probed."""


class S3Storage:
    """A bucket of a service, with its writers and readers."""

    def __init__(
        self,
        settings: CacheSettings,
        own: S3Settings,
        name: str,
        parent: pulumi.ComponentResource,
    ) -> None:
        self._name = name
        self._parent = parent
        self._own = own
        self._is_public = settings.public
        self._policies: list[str] = []
        self._texts: list[pulumi.Resource] = []
        self._bucket_name = settings.bucket
        self._service = _service(own)
        bucket = bucket_settings(settings, own)
        reservation = NameReservation(
            f"{name}-names",
            settings,
            {
                "bucket": settings.bucket,
                "users": [self.profile(settings.identity(user)) for user in settings.privileges]
                if own.iam_endpoint
                else [],
                "service": self._service,
                "endpoint": self._service["endpoint"],
                "create": own.create_bucket,
                "parts": sorted(part for part, value in bucket.items() if value),
                "replaces": sorted(part for part, value in bucket.items() if value is not None),
            },
            opts=pulumi.ResourceOptions(parent=parent),
        )
        contested = bucket_contested(settings.bucket, "s3", name)
        self._granted = granted(settings, [reservation], [contested])
        self.bucket = S3Bucket(
            f"{name}-bucket",
            settings.bucket,
            service=self._service,
            create=own.create_bucket,
            policy=bucket["policy"],
            lifecycle_rules=bucket["lifecycle"],
            versioning=bucket["versioning"],
            force_destroy=not settings.protect,
            opts=self._options(protect=settings.protect),
        )
        self._policies.append(bucket["policy"] or "")

    def profile(self, user: str) -> str:
        """Return the bucket's name and the user's, also the name of the user on the service."""
        return f"{self._bucket_name}-{user}"

    def key_pair(self, user: str) -> Credential:
        """Return the key pair that the settings have for a writer, a reader or the janitor."""
        [pair] = [pair for pair in self._own.access_keys if pair.user == user]
        return Credential(
            accessKeyId=pulumi.Output.from_input(pair.access_key_id),
            secretAccessKey=pulumi.Output.secret(pair.secret_access_key),
        )

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a user with a key pair."""
        document = policy_for(
            privilege, self._bucket_name, versioned=self._own.versioning is not None
        )
        policy = json.dumps(without_actions(document, _UNKNOWN_TO_SERVICES))
        self._policies.append(policy)
        made = S3User(
            f"{self._name}-{user}",
            self.profile(user),
            policy,
            service=self._service,
            opts=self._after_bucket(),
        )
        key = S3AccessKey(
            f"{self._name}-{user}-access-key",
            made.id,
            service=self._service,
            opts=self._options(),
        )
        return Credential(
            accessKeyId=key.id, secretAccessKey=pulumi.Output.secret(key.secret_access_key)
        )

    def put(self, own: TextObject) -> None:
        """Keep one small object in the bucket."""
        made = S3TextObject(
            f"{self._name}-{own.key}",
            self.bucket.id,
            own.key,
            own.text,
            own.content_type,
            service=self._service,
            opts=self._options(),
        )
        self._texts.append(made)

    def check_rights(self, cache: CacheSettings, credentials: Mapping[str, Credential]) -> None:
        """Probe who can do what, once the rest is there; wider rights are warnings."""
        users: dict[str, Any] = {
            user: {
                "role": _ROLES[cache.privileges[user]],
                "own": self.profile(cache.identity(user)),
                "access_key_id": pair["accessKeyId"],
                "secret_access_key": pair["secretAccessKey"],
            }
            for user, pair in credentials.items()
        }
        after = pulumi.ResourceOptions(depends_on=self._texts)
        check = S3RightsCheck(
            f"{self._name}-rights",
            self.bucket.id,
            service=self._service,
            public=self._is_public,
            policies=self._policies,
            key_ids=pulumi.Output.all(*(pair["accessKeyId"] for pair in credentials.values())),
            users=pulumi.Output.secret(pulumi.Output.from_input(users)),
            opts=pulumi.ResourceOptions.merge(self._options(), after),
        )
        results = pulumi.Output.all(check.wider, check.undecided, check.left)
        results.apply(lambda known: self._report(*known))

    def _report(
        self,
        wider: Sequence[str] | None,
        undecided: Sequence[str] | None,
        left: Sequence[str] | None,
    ) -> None:
        for one in wider or ():
            pulumi.log.warn(f"Wider than declared: {one}. See {_WIDER}.", self._parent)
        for one in undecided or ():
            pulumi.log.info(f"Not checked: {one}. See {_WIDER}.", self._parent)
        for one in left or ():
            pulumi.log.warn(f"A probe left {one}. Delete it.", self._parent)

    def _after_bucket(self) -> pulumi.ResourceOptions:
        """A service that cannot have the bucket gets no users either."""
        after = pulumi.ResourceOptions(depends_on=[self.bucket])
        return pulumi.ResourceOptions.merge(self._options(), after)

    def _options(self, *, protect: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self._parent, protect=protect or None, depends_on=self._granted
        )


def _service(own: S3Settings) -> pulumi.Output[dict[str, Any]]:
    """Return the input that describes the service, in which URLs may not be known yet."""

    def url(value: pulumi.Input[str]) -> pulumi.Output[str]:
        output: pulumi.Output[str] = pulumi.Output.from_input(value)
        return output.apply(lambda known: normal_endpoint(str(known)))

    # As one Output: where a URL is secret, all of it is.
    return pulumi.Output.all(
        endpoint=url(own.endpoint),
        region=own.region,
        addressing_style=own.addressing_style,
        iam_endpoint=url(own.iam_endpoint) if own.iam_endpoint else "",
    )


def bucket_settings(cache: CacheSettings, own: S3Settings) -> Mapping[str, Any]:
    """Return the policy, the lifecycle and the versioning of a cache's bucket. Pure.

    None stands for what the stack does not set: how a ``publicUrl`` reads the bucket is not known
    here. A private cache has an empty policy, so a policy that opens its bucket is drift.
    """
    policy: str | None = ""
    if cache.public:
        is_open = own.public_url is None
        policy = json.dumps(anonymous_read_policy(cache.bucket)) if is_open else None
    return {
        "policy": policy,
        "lifecycle": json.dumps(_lifecycle(cache, own)) if own.lifecycle else None,
        "versioning": own.versioning,
    }


def _lifecycle(cache: CacheSettings, own: S3Settings) -> list[dict[str, Any]]:
    """Return the lifecycle rules in the words of S3's API."""

    def rule(name: str, prefix: str, effect: dict[str, Any]) -> dict[str, Any]:
        return {"ID": name, "Filter": {"Prefix": prefix}, "Status": "Enabled", **effect}

    days = BACKENDS["s3"].unfinished_upload_days
    rules = [
        rule(
            "abort-unfinished-uploads",
            "",
            {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}},
        )
    ]
    if own.versioning is not None:  # also where versions are no longer kept: earlier ones stay
        effect = {"NoncurrentVersionExpiration": {"NoncurrentDays": own.noncurrent_days}}
        rules.append(rule("remove-old-versions", "", effect))
    rules += [
        rule(one.id, one.prefix, {"Expiration": {"Days": one.days}})
        for one in expiry_rules(cache.expire_after_days)
    ]
    return rules


def provision(request: Request) -> Provisioned:
    """Make a cache's storage on a service with an S3 API."""
    cache, own = request.cache, request.cache.own(S3Settings)
    storage = S3Storage(cache, own, request.name, request.parent)
    public_url = None
    if own.public_url is not None:
        public_url = pulumi.Output.from_input(own.public_url)
    location = locate(
        cache,
        endpoint=own.endpoint,
        region=own.region,
        profile=storage.profile,
        addressing_style=AddressingStyle(own.addressing_style),
        read_url=public_url,
    )
    for text in request.texts(location):
        storage.put(text)
    credentials = {
        user: storage.add_user(cache.identity(user), privilege)
        if own.iam_endpoint
        else storage.key_pair(user)
        for user, privilege in cache.privileges.items()
    }
    storage.check_rights(cache, credentials)
    return Provisioned(bucket_name=storage.bucket.id, location=location, credentials=credentials)
