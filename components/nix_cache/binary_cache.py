"""The component: a whole cache from its arguments. Composition only."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi

from nix_cache import landing_page, nix_conf, signing
from nix_cache.description import DESCRIPTION_VERSION, DESCRIPTOR_KEY, Description
from nix_cache.lifecycle import INFO_KEY, LANDING_PAGE_KEY, expiry_rules
from nix_cache.problems import SettingsError
from nix_cache.sdk_messages import withhold_secrets
from nix_cache.settings import CacheSettings, WriterSettings, check
from nix_cache.signing_key import SigningKey
from nix_cache.storage.protocol import Storage, open_storage

# The component analyzer reads these classes at run time and knows neither unions nor deferred
# annotations, so this module must not import annotations from __future__.


class WriterArgs(TypedDict):
    """Somebody who pushes."""

    name: str
    """Their name: 3 to 32 lower-case letters, digits and inner hyphens."""
    generation: NotRequired[int]
    """The generation of their signing key. Raise it to rotate the key. Default: 1."""
    trusted_generations: NotRequired[list[int]]
    """Earlier generations whose signatures stay trusted. Default: all."""
    signing_key: NotRequired[pulumi.Input[str]]
    """An existing secret key for the current generation, ``NAME:BASE64``; it keeps its name."""


class MinioArgs(TypedDict):
    """Where a MinIO server is. Its administrator comes through the MinIO provider."""

    endpoint: str
    """The URL under which clients reach it, such as ``https://minio.example.org:9000``."""
    region: NotRequired[str]
    """The server's region. Default: ``us-east-1``."""
    user_prefix: NotRequired[str]
    """Put before every user's name, as users belong to the whole server. Default: nothing for the
    bucket ``nix-cache``, else the bucket's name and a hyphen."""


class BinaryCacheArgs(TypedDict):
    """A binary cache."""

    domain: str
    """A name that is yours; keys are called ``<domain>-<writer>-<generation>``."""
    backend: NotRequired[str]
    """The storage service: ``minio``, which is the default."""
    bucket: NotRequired[str]
    """The bucket's name. Default: ``nix-cache``."""
    public: NotRequired[bool]
    """Whether anybody may read objects by name. Nobody may list them. Default: false."""
    writers: NotRequired[list[WriterArgs]]
    """Who pushes. Default: ``nixbuilder``."""
    readers: NotRequired[list[str]]
    """Who reads a private cache. Default: ``nixreader`` if the cache is private, else nobody."""
    retired_public_keys: NotRequired[list[str]]
    """Public keys of former writers that stay trusted, ``NAME:BASE64``."""
    priority: NotRequired[int]
    """Clients ask caches of a smaller number first; cache.nixos.org has 40. Default: 40."""
    want_mass_query: NotRequired[bool]
    """Whether clients may ask for many paths at once. Default: true."""
    store_dir: NotRequired[str]
    """The store of the machines that use the cache. Default: ``/nix/store``."""
    expire_after_days: NotRequired[int]
    """Days after which entries go; NARs go 30 days later. Default: 0, nothing expires."""
    landing_page: NotRequired[bool]
    """Whether the bucket has a page for people, ``index.html``. Default: what public is."""
    descriptor: NotRequired[bool]
    """Whether the bucket has a description for clients, ``nix-cache.json``. Default: what public
    is."""
    protect: NotRequired[bool]
    """Whether the bucket and the keys refuse to be deleted. Default: true."""
    adopt: NotRequired[bool]
    """Whether what exists under the cache's names is taken over. Default: false, it is refused."""
    minio: NotRequired[MinioArgs]
    """Settings of the backend ``minio``."""


class BinaryCache(pulumi.ComponentResource):
    """A complete Nix binary cache: bucket, access, lifecycle, signing keys, client settings."""

    read_url: pulumi.Output[str]
    """The substituter's URL."""
    push_urls: pulumi.Output[dict[str, str]]
    """By writer, the URL for ``nix copy --to``."""
    public_keys: pulumi.Output[list[str]]
    """All trusted public keys, those in use first."""
    signing_keys: pulumi.Output[dict[str, str]]
    """By writer, the current secret key as text. Secret."""
    credentials: pulumi.Output[dict[str, dict[str, str]]]
    """By writer and reader, ``accessKeyId`` and ``secretAccessKey``. Secret."""
    nix_conf: pulumi.Output[str]
    """What to add to nix.conf, and, as comments, what a writer adds."""
    nixos_module: pulumi.Output[str]
    """The same as a NixOS module."""
    flake_config: pulumi.Output[str]
    """The same as ``nixConfig`` of a flake."""
    cache: pulumi.Output[dict[str, Any]]
    """All of it but the secrets, for programs. ``version`` tells the structure."""

    def __init__(
        self, name: str, args: BinaryCacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Make a cache.

        Args:
            name: the component's name; the names of its resources start with it.
            args: what the cache is like.
            opts: as for any component. An explicit MinIO provider goes into ``providers``.

        Raises:
            pulumi.RunError: arguments are wrong; it names all of them, and nothing was registered.
        """
        try:
            settings = check(args, snake_case=True)
        except SettingsError as mistakes:
            raise pulumi.RunError(f"{name}: {mistakes}") from None
        super().__init__("nix-cache:index:BinaryCache", name, {}, opts)
        withhold_secrets()

        storage = open_storage(settings, name, self)
        if settings.public:
            storage.allow_anonymous_read()
        if rules := expiry_rules(settings.expire_after_days):
            storage.expire(rules)
        info = nix_conf.nix_cache_info(
            settings.store_dir, settings.want_mass_query, settings.priority
        )
        storage.put_text(INFO_KEY, info, nix_conf.NIX_CACHE_INFO_TYPE)
        credentials = {
            user: storage.add_user(user, privilege)
            for user, privilege in settings.privileges.items()
        }
        keys = {writer.name: self._keys_of(name, settings, writer) for writer in settings.writers}

        self.read_url = pulumi.Output.from_input(storage.read_url)
        self.push_urls = pulumi.Output.from_input({w: storage.push_url(w) for w in keys})
        self.public_keys = pulumi.Output.all(
            *(key.public_key for generations in keys.values() for key in generations)
        ).apply(lambda live: [*live, *settings.retired_public_keys])
        self.signing_keys = _secret({w: current.secret_key for w, (current, *_) in keys.items()})
        self.credentials = _secret(credentials)
        first_key, *_ = keys[settings.writers[0].name]
        self.nix_conf = pulumi.Output.all(self.public_keys, first_key.public_key).apply(
            lambda known: nix_conf.nix_conf(storage.read_url, known[0], signing.name_of(known[1]))
        )
        self.nixos_module = self.public_keys.apply(
            lambda known: nix_conf.nixos_module(storage.read_url, known)
        )
        self.flake_config = self.public_keys.apply(
            lambda known: nix_conf.flake_config(storage.read_url, known)
        )
        current_keys = pulumi.Output.all(**{w: key.public_key for w, (key, *_) in keys.items()})
        description = pulumi.Output.all(self.public_keys, current_keys).apply(
            lambda known: _description(settings, storage, *known)
        )
        self.cache = description.apply(lambda known: known.model_dump(mode="json", by_alias=True))
        if settings.has_landing_page:
            page = description.apply(lambda known: landing_page.render(settings.domain, known))
            storage.put_text(LANDING_PAGE_KEY, page, landing_page.CONTENT_TYPE)
        if settings.has_descriptor:
            descriptor = self.cache.apply(nix_conf.descriptor)
            storage.put_text(DESCRIPTOR_KEY, descriptor, nix_conf.DESCRIPTOR_TYPE)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _keys_of(
        self, name: str, settings: CacheSettings, writer: WriterSettings
    ) -> list[SigningKey]:
        """The keys of all generations kept, the current one first."""

        def key(generation: int, brought_in: pulumi.Input[str] | None = None) -> SigningKey:
            return SigningKey(
                f"{name}-{writer.name}-key-{generation}",
                settings.key_name(writer, generation),
                brought_in=brought_in,
                opts=pulumi.ResourceOptions(parent=self, protect=settings.protect or None),
            )

        current, *earlier = writer.kept_generations
        earlier_keys = [key(generation) for generation in earlier]
        return [key(current, _new_among(earlier_keys, writer)), *earlier_keys]


_OUTPUTS = tuple(BinaryCache.__annotations__)


def _description(
    settings: CacheSettings,
    storage: Storage,
    public_keys: Sequence[str],
    current_keys: Mapping[str, str],
) -> Description:
    """The cache as its clients see it, once the keys are known."""
    return Description(
        version=DESCRIPTION_VERSION,
        backend=settings.backend,
        bucket=settings.bucket,
        endpoint=storage.endpoint,
        region=storage.region,
        public=settings.public,
        store_dir=settings.store_dir,
        priority=settings.priority,
        want_mass_query=settings.want_mass_query,
        read_url=storage.read_url,
        push_urls={writer: storage.push_url(writer) for writer in current_keys},
        profiles={user: storage.profile(user) for user in settings.privileges},
        public_keys=tuple(public_keys),
        key_names={writer: signing.name_of(key) for writer, key in current_keys.items()},
        readers=settings.reader_names,
        expire_after_days=settings.expire_after_days,
        landing_page=settings.has_landing_page,
        descriptor=settings.has_descriptor,
    )


def _secret(value: Mapping[str, Any]) -> pulumi.Output[Any]:
    return pulumi.Output.secret(pulumi.Output.from_input(value))


def _new_among(earlier: Sequence[SigningKey], writer: WriterSettings) -> pulumi.Input[str] | None:
    """The key that a writer brings in, once it is known that no earlier generation has its name.

    Resolving it raises ``pulumi.RunError`` if one has: clients know a key by its name, and a key
    that stayed in the settings while the generation was raised would go on being used.
    """
    brought_in: pulumi.Input[str] | None = writer.signing_key
    if brought_in is None or not earlier:
        return brought_in

    def checked(known: Sequence[str]) -> str:
        secret_key, *public_keys = known
        name = signing.name_of(secret_key)
        if name in map(signing.name_of, public_keys):
            raise pulumi.RunError(
                f"the signing key of the writer {writer.name!r}, {name!r}, is that of an earlier "
                "generation already: take signingKey out to have a new key made, or bring one in "
                "under a name of its own. Nothing was changed."
            )
        return secret_key

    return pulumi.Output.all(brought_in, *(key.public_key for key in earlier)).apply(checked)
