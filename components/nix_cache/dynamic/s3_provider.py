"""What the dynamic resources of an S3 service have in common: by which key pair it is reached.

Providers are kept in the state by name, so each is a class of an importable module, and boto3,
which takes half a second to import, is imported only for calls to the service.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import ConfigureRequest, ResourceProvider

from nix_cache.backends.s3.login import S3Login, login_from

if TYPE_CHECKING:
    from nix_cache.backends.s3.bucket import ServiceBucket
    from nix_cache.backends.s3.users import Users


class ServiceProvider(ResourceProvider):
    """Reaches the service with the key pair of the stack's configuration, or the environment."""

    def configure(self, req: ConfigureRequest) -> None:
        """Remember the configuration; it goes into no resource."""
        self._config = req.config

    def login(self) -> S3Login:
        """Return the administrator's key pair.

        Raises:
            S3ServiceError: it is not set anywhere.
        """
        return login_from(self._config.get)

    def bucket(self, props: Mapping[str, Any]) -> "ServiceBucket":
        """Return the bucket that a resource's inputs name.

        Raises:
            S3ServiceError: the key pair is not set anywhere.
        """
        from nix_cache.backends.s3.bucket import ServiceBucket
        from nix_cache.backends.s3.connection import service_of

        return ServiceBucket(service_of(props), self.login(), str(props["bucket"]))

    def users(self, props: Mapping[str, Any]) -> "Users":
        """Return the users of the service that a resource's inputs describe.

        Raises:
            S3ServiceError: the key pair is not set anywhere.
        """
        from nix_cache.backends.s3.connection import service_of
        from nix_cache.backends.s3.users import Users

        return Users(service_of(props), self.login())
