"""The structured output ``cache``: all that a client has to know of a cache, and no secret. Pure.

The component writes it, the object ``nix-cache.json`` carries it, and the client reads it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

DESCRIPTION_VERSION: Literal[1] = 1
"""Of the structure. Raised when a client has to read it differently; new fields alone are no
reason."""

DESCRIPTOR_KEY = "nix-cache.json"
"""The object in the bucket that carries the description."""


class Description(BaseModel):
    """A cache, as its clients see it.

    Fields that are not known are left alone: a newer component may tell more.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    version: Literal[1]
    """Of this structure."""
    backend: str
    """The storage service, such as ``minio``."""
    bucket: str
    """The bucket's name."""
    endpoint: str
    """The storage's URL, without the bucket."""
    region: str
    """The storage's region."""
    public: bool
    """Whether anybody may read."""
    store_dir: str
    """The store whose paths the cache has."""
    priority: int
    """Clients ask caches of a smaller number first."""
    want_mass_query: bool
    """Whether clients may ask for many paths at once."""
    read_url: str
    """The substituter."""
    push_urls: dict[str, str]
    """By writer, where ``nix copy --to`` goes."""
    profiles: dict[str, str]
    """By writer and reader, the credentials profile that their URLs name."""
    public_keys: tuple[str, ...]
    """The trusted keys, as they stand in ``trusted-public-keys``."""
    key_names: dict[str, str]
    """By writer, the name of the key that they sign with now."""
    readers: tuple[str, ...]
    """Who has a credential for reading alone."""
    expire_after_days: int
    """Days after which entries go; 0 means that they stay."""
    landing_page: bool
    """Whether the bucket has a page for people, ``index.html``."""
    descriptor: bool
    """Whether the bucket carries this description."""
