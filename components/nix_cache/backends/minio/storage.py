"""The MinIO backend, on the pulumi-minio package."""

import json
import os
from collections.abc import Iterator, Sequence

import pulumi
import pulumi_minio as minio
from pulumi.output import Unknown

from nix_cache.arguments import CacheSettings
from nix_cache.backends.claimants import contested
from nix_cache.backends.granted import granted
from nix_cache.backends.minio.connection import CONFIG_KEYS, NameKind, spelled
from nix_cache.backends.minio.settings import MinioSettings
from nix_cache.backends.provisioning import (
    Credential,
    Provisioned,
    Request,
    TextObject,
    locate,
)
from nix_cache.dynamic.name_reservation import NameReservation, aliases_of_claim
from nix_cache.iam.access import (
    Privilege,
    anonymous_read_policy,
    policy_for,
    without_administration,
)
from nix_cache.iam.lifecycle import ExpiryRule, expiry_rules

_RECIPE_BUCKET = "nix-cache"
"""The bucket whose users bear the plain names of the well-known recipe."""

_APART = {
    NameKind.BUCKET: "choose another bucket for one of them",
    NameKind.USER: "choose another name for the writer or reader of one of them, or set another "
    "minio.userPrefix",
}
"""What to do if two caches of a program want the name."""


class MinioStorage:
    """A bucket on a MinIO server, with its own users."""

    def __init__(
        self,
        settings: CacheSettings,
        user_prefix: str,
        name: str,
        parent: pulumi.ComponentResource,
    ) -> None:
        self._name = name
        self._parent = parent
        self._bucket_name = settings.bucket
        self._user_prefix = user_prefix
        self._policies: dict[Privilege, minio.IamPolicy] = {}
        self._bucket_settings: list[pulumi.Resource] = []
        self._granted = granted(
            settings, [self._reservation(settings)], [self._contested(settings)]
        )
        self.bucket = minio.S3Bucket(
            f"{name}-bucket",
            bucket=settings.bucket,
            acl="private",
            force_destroy=not settings.protect,
            opts=self._options(protect=settings.protect),
        )
        if settings.public:
            self._allow_anonymous_read()

    def profile(self, user: str) -> str:
        """Return the user's name on the server, so that no two caches on it share a profile."""
        return self._user_prefix + user

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a user of the server, whose secret the provider draws, and attach the policy."""
        user_name = self.profile(user)
        iam_user = minio.IamUser(f"{self._name}-{user}", name=user_name, opts=self._options())
        minio.IamUserPolicyAttachment(
            f"{self._name}-{user}-{privilege}",
            user_name=iam_user.name,
            policy_name=self._policy(privilege).name,
            opts=pulumi.ResourceOptions(parent=self._parent),
        )
        return Credential(
            accessKeyId=iam_user.name, secretAccessKey=pulumi.Output.secret(iam_user.secret)
        )

    def set_lifecycle(self, rules: Sequence[ExpiryRule]) -> None:
        """Set the lifecycle. MinIO itself drops unfinished uploads after a day."""
        if not rules:
            return
        lifecycle = minio.IlmPolicy(
            f"{self._name}-expiry",
            bucket=self.bucket.bucket,
            rules=[
                minio.IlmPolicyRuleArgs(id=rule.id, filter=rule.prefix, expiration=f"{rule.days}d")
                for rule in rules
            ],
            opts=self._after_other_bucket_settings(),
        )
        self._bucket_settings.append(lifecycle)

    def put(self, own: TextObject) -> None:
        """Keep one small object in the bucket."""
        minio.S3Object(
            f"{self._name}-{own.key}",
            bucket_name=self.bucket.bucket,
            object_name=own.key,
            content=own.text,
            content_type=own.content_type,
            opts=self._options(),
        )

    def _allow_anonymous_read(self) -> None:
        """Set the bucket policy. The canned ACL would also allow anonymous listing."""
        policy = minio.S3BucketPolicy(
            f"{self._name}-anonymous-read",
            bucket=self.bucket.bucket,
            policy=json.dumps(anonymous_read_policy(self._bucket_name)),
            opts=self._after_other_bucket_settings(),
        )
        self._bucket_settings.append(policy)

    def _policy(self, privilege: Privilege) -> minio.IamPolicy:
        if privilege not in self._policies:
            self._policies[privilege] = minio.IamPolicy(
                f"{self._name}-{privilege}-policy",
                name=self._policy_name(privilege),
                policy=json.dumps(without_administration(policy_for(privilege, self._bucket_name))),
                opts=self._options(),
            )
        return self._policies[privilege]

    def _policy_name(self, privilege: Privilege) -> str:
        return f"{self._bucket_name}-{privilege}"

    def _names(self, settings: CacheSettings) -> Iterator[tuple[NameKind, str]]:
        """Everything that will bear a name on the server."""
        yield NameKind.BUCKET, settings.bucket
        for privilege in sorted(set(settings.privileges.values())):
            yield NameKind.POLICY, self._policy_name(privilege)
        for user in settings.privileges:
            yield NameKind.USER, self.profile(settings.identity(user))

    def _reservation(self, settings: CacheSettings) -> NameReservation:
        wanted: dict[str, pulumi.Input[object]] = {
            "names": sorted(spelled(kind, name) for kind, name in self._names(settings))
        }
        if (provider := self._provider) is not None:
            for field, (setting, _) in CONFIG_KEYS.items():
                wanted[setting] = pulumi.Output.secret(pulumi.get(provider, f"minio_{field}"))
        former = f"{self._name}-claim-bucket-{settings.bucket}"
        return NameReservation(
            f"{self._name}-names",
            settings,
            wanted,
            opts=pulumi.ResourceOptions(
                parent=self._parent, aliases=aliases_of_claim(former, "NameClaim")
            ),
        )

    def _contested(self, settings: CacheSettings) -> pulumi.Output[str]:
        """Why other caches of the program on the same server stand in the way, or nothing.

        The names of policies follow from the bucket's.
        """

        def on_server(server: object) -> str:
            if isinstance(server, Unknown):
                return ""  # a preview before the server exists; `up` asks again
            problems = [
                contested(f"the {kind} {name!r}", (server, kind, name), self._name, _APART[kind])
                for kind, name in self._names(settings)
                if kind in _APART
            ]
            return "\n".join(filter(None, problems))

        return _server_of(self._provider).apply(on_server, run_with_unknowns=True)

    @property
    def _provider(self) -> pulumi.ProviderResource | None:
        """The explicit provider, if there is one."""
        return self._parent.get_provider("minio:index/s3Bucket:S3Bucket")

    def _after_other_bucket_settings(self) -> pulumi.ResourceOptions:
        """One after the other: of two settings written at once, MinIO may lose one and say 200."""
        before = pulumi.ResourceOptions(depends_on=list(self._bucket_settings))
        return pulumi.ResourceOptions.merge(self._options(), before)

    def _options(self, *, protect: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self._parent, protect=protect or None, depends_on=self._granted
        )


def provision(request: Request) -> Provisioned:
    """Make a cache's storage on a MinIO server."""
    cache, server = request.cache, request.cache.own(MinioSettings)
    prefix = _user_prefix(cache.bucket, server)
    storage = MinioStorage(cache, prefix, request.name, request.parent)
    storage.set_lifecycle(expiry_rules(cache.expire_after_days))
    location = locate(
        cache, endpoint=server.endpoint, region=server.region, profile=storage.profile
    )
    for own in request.texts(location):
        storage.put(own)
    return Provisioned(
        bucket_name=storage.bucket.bucket,
        location=location,
        credentials={
            user: storage.add_user(cache.identity(user), privilege)
            for user, privilege in cache.privileges.items()
        },
    )


def _user_prefix(bucket: str, settings: MinioSettings) -> str:
    """Users belong to the whole server, so those of further caches on it need a prefix."""
    if settings.user_prefix is not None:
        return settings.user_prefix
    return "" if bucket == _RECIPE_BUCKET else f"{bucket}-"


def _server_of(provider: pulumi.ProviderResource | None) -> pulumi.Output[str]:
    """Return the host and port of the server in use, which may not be known yet."""
    if provider is not None:
        server: pulumi.Output[str] = pulumi.get(provider, "minio_server")
        return server
    setting, variable = CONFIG_KEYS["server"]
    configured = pulumi.Config("minio").get(setting)
    return pulumi.Output.from_input(configured or os.environ.get(variable, ""))
