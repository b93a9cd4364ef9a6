"""A complete Nix binary cache on storage of your own, as a Pulumi component."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nix_cache.binary_cache import BinaryCache, BinaryCacheArgs, MinioArgs, WriterArgs

__all__ = ["BinaryCache", "BinaryCacheArgs", "MinioArgs", "WriterArgs"]


def __getattr__(name: str) -> Any:
    """Load the component when it is asked for: the client uses this package without Pulumi."""
    if name in __all__:
        from nix_cache import binary_cache

        return getattr(binary_cache, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
