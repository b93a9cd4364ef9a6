"""The manifest: all that a client has to know of a cache, and no secret. Pure.

It is the output ``manifest``: the component writes it and the client reads it. The object
``nix-cache.json`` and the landing page carry the part for readers, ``Manifest.for_readers``: what
is published names no credential.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nix_cache.iam.access import JANITOR

MANIFEST_VERSION: Literal[1] = 1
"""Of the structure. Raised when a client has to read it differently; new fields alone are no
reason."""

MANIFEST_KEY = "nix-cache.json"
"""The object in the bucket with the readers' part of the manifest."""

SMALLEST_PART_MIB = 5
LARGEST_PART_MIB = 5120
"""Of an upload in parts, on S3."""


class AccessLogs(BaseModel):
    """Where the storage puts the access logs of a cache's bucket."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    bucket: str
    """The bucket that takes the logs, in the region of the cache's bucket."""
    prefix: str
    """What the keys of the logs begin with, before the time of their delivery."""


class Manifest(BaseModel):
    """A cache, as its clients see it.

    Unknown fields are kept: a newer component may write more.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
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
    """Whether anonymous requests may read."""
    store_dir: str
    """The store whose paths the cache has."""
    priority: int
    """Clients ask caches of a smaller number first."""
    want_mass_query: bool
    """Whether clients may ask for many paths at once."""
    read_url: str
    """The substituter."""
    push_urls: dict[str, str] = {}
    """By writer, where ``nix copy --to`` goes. Empty in what is published."""
    profiles: dict[str, str] = {}
    """By writer and reader, the credentials profile that their URLs name; by ``janitor``, that of
    the janitor, if there is one. Empty in what is published."""
    public_keys: tuple[str, ...]
    """The trusted keys, as they stand in ``trusted-public-keys``."""
    key_names: dict[str, str] = {}
    """By writer, the name of the key that they sign with now. Empty in what is published."""
    readers: tuple[str, ...] = ()
    """Who has a credential for reading alone. Empty in what is published."""
    upstreams: dict[str, tuple[str, ...]] = {}
    """By the URL of each upstream cache, its public keys. Paths that it signed are not pushed."""
    part_size_mib: int = 0
    """Writers upload larger files in parts of so many MiB; 0 lets the client choose."""
    expire_after_days: int
    """Days after which entries go; 0 means that they stay."""
    landing_page: bool
    """Whether the bucket has a page for people, ``index.html``."""
    access_logs: AccessLogs | None = None
    """Where the storage puts the logs of the bucket's requests: the ``bucket``, and the ``prefix``
    of their keys, before the time of delivery. Null without logs, and in what is published."""
    is_published: bool = Field(alias="descriptor")
    """Whether the bucket has the readers' part of this manifest, as ``nix-cache.json``."""

    def for_readers(self) -> "Manifest":
        """Return the part that is published: without writers, and without names of credentials.

        On MinIO a credential's name is its access key id, and some servers accept writes from
        anyone who knows it. The fields stay, empty, because version 1 has them.
        """
        return self.model_copy(update={**_WITHOUT_CREDENTIALS, "access_logs": None})

    @property
    def users(self) -> tuple[str, ...]:
        """The writers, the readers and the janitor, each once. None in what is published."""
        named = [*self.push_urls, *self.readers, *([self.janitor] if self.janitor else [])]
        return tuple(dict.fromkeys(named))

    @property
    def janitor(self) -> str | None:
        """The janitor's name; None if the cache has no janitor, or this is what is published."""
        is_user = JANITOR in self.push_urls or JANITOR in self.readers
        return JANITOR if JANITOR in self.profiles and not is_user else None

    @property
    def fields_with_credentials(self) -> tuple[str, ...]:
        """The fields that name credentials and are not empty, as they are spelled in JSON."""
        return tuple(to_camel(name) for name in _WITHOUT_CREDENTIALS if getattr(self, name))


_WITHOUT_CREDENTIALS: Mapping[str, Mapping[str, str] | tuple[str, ...]] = {
    "push_urls": {},
    "profiles": {},
    "key_names": {},
    "readers": (),
}
"""The fields that name writers, readers or their credentials, each with its empty value."""
