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

    Attributes:
        version: of this structure.
        backend: the storage service, such as ``minio``.
        bucket: the bucket's name.
        endpoint: the storage's URL, without the bucket.
        region: the storage's region.
        public: whether anybody may read.
        store_dir: the store whose paths the cache has.
        priority: clients ask caches of a smaller number first.
        want_mass_query: whether clients may ask for many paths at once.
        read_url: the substituter.
        push_urls: by writer, where ``nix copy --to`` goes.
        profiles: by writer and reader, the credentials profile that their URLs name.
        public_keys: the trusted keys, as they stand in ``trusted-public-keys``.
        key_names: by writer, the name of the key that they sign with now.
        readers: who has a credential for reading alone.
        expire_after_days: days after which entries go; 0 means that they stay.
        landing_page: whether the bucket has a page for people, ``index.html``.
        descriptor: whether the bucket carries this description.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    version: Literal[1]
    backend: str
    bucket: str
    endpoint: str
    region: str
    public: bool
    store_dir: str
    priority: int
    want_mass_query: bool
    read_url: str
    push_urls: dict[str, str]
    profiles: dict[str, str]
    public_keys: tuple[str, ...]
    key_names: dict[str, str]
    readers: tuple[str, ...]
    expire_after_days: int
    landing_page: bool
    descriptor: bool
