"""A complete Nix binary cache on your own storage, as a Pulumi component."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nix_cache.argument_types import (
        AwsArgs,
        AwsMonitoringArgs,
        AwsNarStorageClass,
        AwsSigningKeyStore,
        B2Args,
        Backend,
        BinaryCacheArgs,
        CloudFrontArgs,
        CloudFrontPriceClass,
        MinioArgs,
        S3AccessKeyArgs,
        S3AddressingStyle,
        S3Args,
        SpacesArgs,
        SpacesCdnArgs,
        SpacesCdnTtlSeconds,
        SpacesRegion,
        WriterArgs,
    )
    from nix_cache.binary_cache import BinaryCache

__all__ = [
    "AwsArgs",
    "AwsMonitoringArgs",
    "AwsNarStorageClass",
    "AwsSigningKeyStore",
    "B2Args",
    "Backend",
    "BinaryCache",
    "BinaryCacheArgs",
    "CloudFrontArgs",
    "CloudFrontPriceClass",
    "MinioArgs",
    "S3AccessKeyArgs",
    "S3AddressingStyle",
    "S3Args",
    "SpacesArgs",
    "SpacesCdnArgs",
    "SpacesCdnTtlSeconds",
    "SpacesRegion",
    "WriterArgs",
]


def __getattr__(name: str) -> Any:
    """Load the component when it is asked for: the client uses this package without Pulumi."""
    if name in __all__:
        try:
            from nix_cache import argument_types, binary_cache
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(
                f"nix_cache.{name} needs the package {missing.name}, which is not installed; "
                "install it with the extra of your backend: pip install 'nix-cache[minio]'",
                name=missing.name,
            ) from None
        return getattr(binary_cache if name == "BinaryCache" else argument_types, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
