"""The AWS backend, on the pulumi-aws package: the parts put together."""

from collections.abc import Sequence

import pulumi

from nix_cache import nix_conf
from nix_cache.arguments import CacheSettings, WriterSettings
from nix_cache.backends.aws.settings import AwsSettings
from nix_cache.iam.access import Privilege, anonymous_read_policy, cloudfront_read_policy
from nix_cache.iam.lifecycle import ExpiryRule
from nix_cache.storage import aws_bucket, aws_identities
from nix_cache.storage.aws_delivery import ERROR_KEY, ERROR_TEXT, deliver
from nix_cache.storage.aws_preflight import reservations
from nix_cache.storage.aws_scope import Scope
from nix_cache.storage.aws_watching import watch
from nix_cache.storage.protocol import Credential, KeylessWriter


class AwsStorage:
    """A bucket on S3, with IAM users and roles of its own."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._keyless = {writer.name for writer in scope.cache.writers if writer.is_keyless}
        self._github: pulumi.Input[str] | None = None
        self._url = scope.aws.endpoint or ""
        self.region = scope.region
        self.endpoint = self._url or f"https://s3.{scope.region}.amazonaws.com"
        self._bucket = aws_bucket.make_bucket(scope)
        self.read_url = self._open()

    def profile(self, user: str) -> str:
        """The user's name in the account, so that no two caches in it share a profile."""
        return self._scope.identity(user)

    def push_url(self, writer: str) -> str:
        """Where one writer's ``nix copy --to`` goes. A workflow's credential has no profile."""
        profile = "" if writer in self._keyless else self.profile(writer)
        return nix_conf.s3_push_url(self._scope.bucket, self._url, self.region, profile)

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make an IAM user."""
        return aws_identities.add_user(self._scope, user, privilege)

    def add_keyless_writer(
        self, writer: WriterSettings, signing_key: pulumi.Input[str]
    ) -> KeylessWriter:
        """Make a role. All roles trust the one provider for GitHub that an account can have."""
        if self._github is None:
            self._github = aws_identities.github_provider_arn(self._scope)
        return aws_identities.add_keyless_writer(self._scope, self._github, writer, signing_key)

    def set_lifecycle(self, rules: Sequence[ExpiryRule]) -> None:
        """Set the lifecycle."""
        aws_bucket.set_lifecycle(self._scope, self._bucket, rules)

    def put_text(self, key: str, text: pulumi.Input[str], content_type: str) -> None:
        """Keep one small object in the bucket."""
        aws_bucket.put_text(self._scope, self._bucket, key, text, content_type)

    def _open(self) -> pulumi.Input[str]:
        """Let those in who may read, watch over it if asked, and tell where they read."""
        scope, cdn, watched = self._scope, self._scope.aws.cloudfront, self._scope.aws.monitoring
        distribution = None
        read_url: pulumi.Input[str]
        if cdn is not None:
            delivery = deliver(scope, cdn, self._bucket)
            distribution, read_url = delivery.distribution, delivery.read_url
            reading = distribution.arn.apply(lambda arn: cloudfront_read_policy(scope.bucket, arn))
            aws_bucket.set_access(scope, self._bucket, reading, open_to_all=False)
            self.put_text(ERROR_KEY, ERROR_TEXT, "text/plain")
        elif scope.cache.public:
            anybody = anonymous_read_policy(scope.bucket)
            aws_bucket.set_access(scope, self._bucket, anybody, open_to_all=True)
            read_url = self._public_url()
        else:
            aws_bucket.set_access(scope, self._bucket, None, open_to_all=False)
            reader = scope.cache.reader_names[0]
            read_url = nix_conf.s3_read_url(
                scope.bucket, self._url, self.region, self.profile(reader)
            )
        if watched is not None:
            watch(scope, watched, self._bucket, distribution)
        return read_url

    def _public_url(self) -> str:
        bucket = self._scope.bucket
        if self._url:
            return nix_conf.https_url(self._url, bucket)
        return f"https://{bucket}.s3.{self.region}.amazonaws.com"


def open_storage(
    settings: CacheSettings, name: str, parent: pulumi.ComponentResource
) -> AwsStorage:
    """Make the bucket."""
    aws_settings = settings.own(AwsSettings)
    granted = reservations(settings, aws_settings, name, parent)
    return AwsStorage(Scope(name, settings, aws_settings, parent, granted))
