"""The arguments of a cache, each described once: meaning, type, default, what is allowed.

``make schema`` writes everything else that lists them: the Python types (``argument_types.py``),
the schema for other languages, the settings of ``Pulumi.yaml`` and the reference. A backend's own
settings are in ``backends/<name>/settings.py``. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, PrivateAttr

from nix_cache.backends.registry import BACKENDS
from nix_cache.config.setting import (
    NAME_RULE,
    BackendSettings,
    Choices,
    LikePublic,
    Name,
    PublicKey,
    SettingsModel,
    absent_if_empty,
    setting,
)
from nix_cache.config.spelling import Spelling
from nix_cache.formats import signing
from nix_cache.formats.manifest import LARGEST_PART_MIB, SMALLEST_PART_MIB
from nix_cache.formats.nixos_cache import DEFAULT_STORE_DIR, NIXOS_CACHE
from nix_cache.iam.access import JANITOR, JANITOR_IDENTITY, Privilege
from nix_cache.writer_arguments import WriterSettings

_Own = TypeVar("_Own", bound=BackendSettings)

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_BUCKET = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")
"""What S3 refuses as a bucket's name, because it looks like an address."""

_TAKING_DOTS = " and ".join(spec.title for spec in BACKENDS.values() if not spec.no_dots)
"""The backends on which the name of a bucket may have dots."""


def _bucket_name(name: str) -> str:
    if not (3 <= len(name) <= 63 and _BUCKET.fullmatch(name)) or _IPV4.fullmatch(name):
        raise ValueError("has an invalid format")
    return name


def _not_empty(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise ValueError("is empty")
    return items


def _writer(raw: object) -> object:
    return {"name": raw} if isinstance(raw, str) else raw


def _known_backend(name: str) -> str:
    if name not in BACKENDS:
        raise ValueError("is not a known backend")
    return name


def _part_size(mebibytes: int) -> int:
    if 0 < mebibytes < SMALLEST_PART_MIB:
        raise ValueError(f"is below {SMALLEST_PART_MIB}, the smallest part of an upload")
    return mebibytes


def _upstream_url(url: str) -> str:
    if not _UPSTREAM.fullmatch(url):
        raise ValueError("is not an http:// or https:// URL without a query or a final slash")
    return url


_UPSTREAM = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
UpstreamUrl = Annotated[str, AfterValidator(_upstream_url)]
"""The URL of an upstream cache, as ``substituters`` names it."""


class CacheSettings(SettingsModel):
    """A whole cache. Only ``check`` makes one; nothing doubts its values again."""

    domain: str = setting(
        "The first part of the names of all keys: ``<domain>-<writer>-<generation>``.",
        must_be="a name that you own, such as ``cache.example.org``",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$",
    )
    backend: Annotated[str, Choices(BACKENDS), AfterValidator(_known_backend)] = setting(
        "The storage service.", default="minio"
    )
    bucket: Annotated[str, AfterValidator(_bucket_name)] = setting(
        "The bucket's name. Policies and users are named after it.",
        must_be="3 to 63 lower-case letters, digits and inner hyphens; on "
        f"{_TAKING_DOTS} also single dots between letters and digits",
        default="nix-cache",
    )
    public: bool = setting(
        "Whether anonymous clients can read objects by name. Listing stays denied.",
        default=False,
    )
    writers: Annotated[
        tuple[Annotated[WriterSettings, BeforeValidator(_writer)], ...],
        AfterValidator(_not_empty),
    ] = setting(
        "The writers. Each has its own credential and its own signing key.",
        must_be="a list of objects with ``name`` and, where wanted, ``generation``, "
        "``trustedGenerations`` or ``signingKey``; in YAML also of names",
        default=(WriterSettings(name="nixbuilder"),),
        default_text="one writer, ``nixbuilder``",
    )
    readers: tuple[Name, ...] = setting(
        "The readers of a private cache, each with its own credential.",
        must_be=f"a list of names of {NAME_RULE}",
        default=(),
        default_text="one reader, ``nixreader``, if the cache is private",
    )
    janitor: bool = setting(
        "Whether the cache has a janitor: a credential that lists and deletes its contents, for "
        "``nix-cache gc``. Its name is ``janitor`` in outputs, and ``gc_janitor`` on the storage.",
        default=False,
    )
    retired_public_keys: tuple[PublicKey, ...] = setting(
        "Public keys of former writers that stay trusted.",
        must_be="a list of public keys, ``NAME:BASE64``",
        default=(),
    )
    upstreams: Annotated[
        dict[UpstreamUrl, tuple[PublicKey, ...]] | None, BeforeValidator(absent_if_empty)
    ] = setting(
        "Upstream caches that the machines use too, each with its public keys. ``nix-cache push`` "
        "leaves paths to them that they signed. ``{}`` means that everything is pushed.",
        must_be="an object of lists of public keys, by the URL of the cache",
        default=None,
        default_text="cache.nixos.org with its key; none if ``storeDir`` is not ``/nix/store``",
    )
    priority: int = setting(
        "Clients ask caches with a smaller number first; cache.nixos.org has 40.",
        must_be="a whole number from 0 to 1000",
        default=40,
        ge=0,
        le=1000,
    )
    part_size_mib: Annotated[int, AfterValidator(_part_size)] = setting(
        "Writers upload larger files in parts of this size, in MiB. Set it if a proxy in front of "
        "the storage limits the size of requests. 0 lets the client choose: 16 MiB, or more for a "
        "file above 156 GiB.",
        must_be=f"a whole number from {SMALLEST_PART_MIB} to {LARGEST_PART_MIB}, or 0",
        default=0,
        ge=0,
        le=LARGEST_PART_MIB,
    )
    want_mass_query: bool = setting("Whether clients may ask for many paths at once.", default=True)
    store_dir: str = setting(
        "The store directory of the machines that use the cache.",
        must_be="an absolute path, such as ``/nix/store``",
        default="/nix/store",
        pattern=r"^(/[A-Za-z0-9+_-][A-Za-z0-9+._-]*)+$",
    )
    expire_after_days: int = setting(
        "Days after which the storage expires narinfos; NARs expire 30 days later. "
        "0 keeps everything.",
        must_be="a whole number of days up to 3650, or 0 to keep everything",
        default=0,
        ge=0,
        le=3650,
    )
    landing_page: LikePublic = setting(
        "Whether the bucket has a page for people, ``index.html``.",
        default=None,
        default_text="the value of ``public``",
    )
    manifest: LikePublic = setting(
        "Whether the bucket has the manifest, ``nix-cache.json``, which ``nix-cache use URL`` "
        "reads.",
        default=None,
        default_text="the value of ``public``",
        renamed_from="descriptor",
    )
    protect: bool = setting(
        "Whether Pulumi refuses to delete the bucket and the signing keys.", default=True
    )
    adopt: bool = setting(
        "Whether the cache adopts a bucket, users and policies that exist under its names. "
        "Otherwise existing ones are an error.",
        default=False,
    )

    _own: BackendSettings | None = PrivateAttr(None)
    _spelling: Spelling = PrivateAttr(Spelling.CAMEL_CASE)
    _deprecations: tuple[str, ...] = PrivateAttr(())

    def with_own(self, own: BackendSettings | None) -> "CacheSettings":
        """Return the same cache with the settings of its backend."""
        copy = self.model_copy()
        copy._own = own
        return copy

    def spelled(self, spelling: Spelling) -> "CacheSettings":
        """Return the same cache with another spelling of settings in messages."""
        copy = self.model_copy()
        copy._spelling = spelling
        return copy

    @property
    def spelling(self) -> Spelling:
        """How the user spells settings. Every message on the cache does the same."""
        return self._spelling

    def with_deprecations(self, warnings: Iterable[str]) -> "CacheSettings":
        """Return the same cache with warnings for those who wrote its settings."""
        copy = self.model_copy()
        copy._deprecations = tuple(warnings)
        return copy

    @property
    def deprecations(self) -> tuple[str, ...]:
        """What to change in the settings before a later version, as warnings."""
        return self._deprecations

    def own(self, model: type[_Own]) -> _Own:
        """Return the settings of the cache's backend.

        Raises:
            TypeError: they are those of another backend.
        """
        if not isinstance(self._own, model):
            raise TypeError(f"the settings of {self.backend} are not {model.__name__}")
        return self._own

    @property
    def backend_settings(self) -> BackendSettings | None:
        """The settings of the cache's backend, whichever that is."""
        return self._own

    @property
    def upstream_caches(self) -> Mapping[str, tuple[str, ...]]:
        """The upstream caches, by URL with their public keys."""
        if self.upstreams is not None:
            return self.upstreams
        return NIXOS_CACHE if self.store_dir == DEFAULT_STORE_DIR else {}

    @property
    def reader_names(self) -> tuple[str, ...]:
        """The readers. A private cache has at least one: ``nixreader`` if none is named."""
        return self.readers or (() if self.public else ("nixreader",))

    @property
    def has_landing_page(self) -> bool:
        """Whether the bucket has a page for people."""
        return self.public if self.landing_page is None else self.landing_page

    @property
    def has_manifest(self) -> bool:
        """Whether the bucket has the manifest, for clients."""
        return self.public if self.manifest is None else self.manifest

    @property
    def privileges(self) -> dict[str, Privilege]:
        """By writer and reader with a stored credential, and the janitor, what it allows."""
        janitor = {JANITOR: Privilege.JANITOR} if self.janitor else {}
        return {
            **dict.fromkeys((w.name for w in self.writers if not w.is_oidc), Privilege.WRITE),
            **dict.fromkeys(self.reader_names, Privilege.READ),
            **janitor,
        }

    def identity(self, user: str) -> str:
        """Return a writer, a reader or the janitor as in the names of resources and users."""
        is_janitor = self.privileges.get(user) is Privilege.JANITOR
        return JANITOR_IDENTITY if is_janitor else user

    def key_name(self, writer: WriterSettings, generation: int) -> str:
        """Return the name of the key that one of the writers has in one generation."""
        return signing.key_name(self.domain, writer.name, generation)
