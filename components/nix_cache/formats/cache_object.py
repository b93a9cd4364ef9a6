"""A small object of a cache's bucket, as a writer puts it. Pure."""

from dataclasses import dataclass

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class CacheObject:
    """An object.

    Attributes:
        key: in the bucket.
        content: its bytes.
        content_type: as Nix sets it.
    """

    key: str
    content: bytes
    content_type: str
