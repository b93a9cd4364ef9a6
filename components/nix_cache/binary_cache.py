"""The component: a whole cache from its arguments. Composition only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pydantic.alias_generators import to_camel

from nix_cache.argument_types import BinaryCacheArgs
from nix_cache.arguments import CacheSettings
from nix_cache.backends.provisioning import (
    Location,
    Provisioned,
    ProvisionedWithOidc,
    Request,
    TextObject,
    provision,
)
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.spelling import Spelling
from nix_cache.dynamic.signing_key import SigningKey
from nix_cache.formats import cache_info, signing
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import MANIFEST_KEY, MANIFEST_VERSION, Manifest
from nix_cache.iam.lifecycle import LANDING_PAGE_KEY
from nix_cache.render import github_actions, nix_conf
from nix_cache.resource_traces import untraced
from nix_cache.sdk_messages import withhold_secrets
from nix_cache.writer_arguments import WriterSettings


class BinaryCache(pulumi.ComponentResource):
    """A complete Nix binary cache: bucket, access, lifecycle, signing keys, client settings."""

    bucket_name: pulumi.Output[str]
    """The bucket's name, known once there is the bucket."""
    read_url: pulumi.Output[str]
    """The substituter's URL."""
    push_urls: pulumi.Output[dict[str, str]]
    """By writer, the URL for ``nix copy --to``."""
    public_keys: pulumi.Output[list[str]]
    """All trusted public keys, those in use first."""
    signing_keys: pulumi.Output[dict[str, str]]
    """By writer, the current secret key as text. Secret."""
    credentials: pulumi.Output[dict[str, dict[str, str]]]
    """By writer and reader, and for ``janitor`` if there is one, ``accessKeyId`` and
    ``secretAccessKey``. Secret."""
    nix_conf: pulumi.Output[str]
    """What to add to nix.conf, and, as comments, what a writer adds."""
    nixos_module: pulumi.Output[str]
    """The same as a NixOS module."""
    flake_config: pulumi.Output[str]
    """The same as ``nixConfig`` of a flake."""
    github_actions: pulumi.Output[dict[str, str]]
    """By OIDC writer, the steps of a workflow that pushes."""
    manifest: pulumi.Output[dict[str, Any]]
    """The manifest, for programs: all of it but the secrets. ``version`` is of its structure."""
    cache: pulumi.Output[dict[str, Any]]
    """Deprecated: use ``manifest``, which is the same."""

    def __init__(
        self,
        name: str,
        args: BinaryCacheArgs | CacheSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make a cache.

        Args:
            name: the component's name; the names of its resources start with it.
            args: what the cache is like; or the same, checked already.
            opts: as for any component. An explicit provider goes into ``providers``.

        Raises:
            pulumi.RunError: arguments are wrong; it names all of them, and nothing was registered.
        """
        try:
            settings = _checked(args)
        except SettingsError as mistakes:
            raise pulumi.RunError(f"{name}: {mistakes}") from None
        super().__init__("nix-cache:index:BinaryCache", name, {}, opts)
        withhold_secrets()
        for warning in settings.deprecations:
            pulumi.log.warn(warning, self)
        try:
            with untraced():
                self._declare(name, settings)
        except pulumi.RunError as refusal:
            raise pulumi.RunError(settings.spelling.spell(str(refusal))) from None
        self.register_outputs({to_camel(name): getattr(self, name) for name in OUTPUTS})

    @property
    def resources(self) -> Mapping[str, pulumi.Resource]:
        """The child resources, by their names without that of the cache: ``bucket``, for one.

        For Python programs that add replication, logging, or a statement of a policy. Resources
        that share a name, such as the bucket and the user of a writer called ``bucket``, have
        their class in it too: ``bucket:S3Bucket``.
        """
        prefix = f"{self.pulumi_resource_name}-"
        children = [
            (child.pulumi_resource_name.removeprefix(prefix), type(child).__name__, child)
            for child in self._childResources
        ]
        uses = Counter(name for name, _, _ in children)
        named = {
            name if uses[name] == 1 else f"{name}:{kind}": child for name, kind, child in children
        }
        return dict(sorted(named.items(), key=lambda item: item[0]))

    def _declare(self, name: str, settings: CacheSettings) -> None:
        """Declare the resources, and set the outputs."""
        keys = {writer.name: self._keys_of(name, settings, writer) for writer in settings.writers}
        current = {writer: generations[0] for writer, generations in keys.items()}
        self.public_keys = pulumi.Output.all(
            *(key.public_key for generations in keys.values() for key in generations)
        ).apply(lambda live: [*live, *settings.retired_public_keys])
        current_keys = pulumi.Output.all(**{w: key.public_key for w, key in current.items()})

        def manifest_of(location: Location) -> pulumi.Output[Manifest]:
            known = pulumi.Output.all(
                endpoint=location.endpoint,
                read_url=location.read_url,
                push_urls=dict(location.push_urls),
                public_keys=self.public_keys,
                current_keys=current_keys,
            )
            return known.apply(lambda values: _manifest(settings, location, values))

        storage = provision(
            Request(
                name=name,
                cache=settings,
                parent=self,
                signing_keys={writer: key.secret_key for writer, key in current.items()},
                texts=lambda location: _own_objects(settings, manifest_of(location)),
            )
        )
        location = storage.location
        self.bucket_name = storage.bucket_name
        self.read_url = location.read_url
        self.push_urls = pulumi.Output.all(**location.push_urls)
        self.signing_keys = _secret({w: key.secret_key for w, key in current.items()})
        self.credentials = _secret(storage.credentials)
        first_key = current[settings.writers[0].name]
        self.nix_conf = pulumi.Output.all(
            self.read_url, self.public_keys, first_key.public_key
        ).apply(lambda known: nix_conf.nix_conf(known[0], known[1], signing.name_of(known[2])))
        clients = pulumi.Output.all(self.read_url, self.public_keys)
        self.nixos_module = clients.apply(lambda known: nix_conf.nixos_module(*known))
        self.flake_config = clients.apply(lambda known: nix_conf.flake_config(*known))
        self.github_actions = _workflow_steps(storage, manifest_of(location))
        self.manifest = manifest_of(location).apply(
            lambda known: known.model_dump(mode="json", by_alias=True)
        )
        self.cache = self.manifest

    def _keys_of(
        self, name: str, settings: CacheSettings, writer: WriterSettings
    ) -> list[SigningKey]:
        """Return the keys of all generations kept, the current one first."""

        def key(generation: int, brought_in: pulumi.Input[str] | None = None) -> SigningKey:
            return SigningKey(
                f"{name}-{writer.name}-key-{generation}",
                settings.key_name(writer, generation),
                brought_in=brought_in,
                opts=pulumi.ResourceOptions(parent=self, protect=settings.protect or None),
            )

        current, *earlier = writer.kept_generations
        earlier_keys = [key(generation) for generation in earlier]
        return [key(current, _new_among(earlier_keys, writer, settings.spelling)), *earlier_keys]


def _checked(args: BinaryCacheArgs | CacheSettings) -> CacheSettings:
    return args if isinstance(args, CacheSettings) else check(args, spelling=Spelling.SNAKE_CASE)


OUTPUTS = tuple(BinaryCache.__annotations__)
"""The names of the outputs, also those under former names."""

FORMER_OUTPUTS = {"cache": "manifest"}
"""By the former name of an output, its present one."""


def _own_objects(settings: CacheSettings, manifest: pulumi.Output[Manifest]) -> list[TextObject]:
    """Return the cache's own objects: what it is, for Nix, for people and for our client."""
    info = cache_info.nix_cache_info(
        settings.store_dir, settings.want_mass_query, settings.priority
    )
    objects = [TextObject(key=INFO_KEY, text=info, content_type=cache_info.CONTENT_TYPE)]
    published = manifest.apply(lambda known: known.for_readers())
    if settings.has_landing_page:
        from nix_cache.render import landing_page  # a cache without one does without its templates

        page = published.apply(lambda known: landing_page.render(settings.domain, known))
        objects.append(
            TextObject(key=LANDING_PAGE_KEY, text=page, content_type=landing_page.CONTENT_TYPE)
        )
    if settings.has_manifest:
        text = published.apply(nix_conf.manifest_text)
        objects.append(TextObject(key=MANIFEST_KEY, text=text, content_type=nix_conf.MANIFEST_TYPE))
    return objects


def _manifest(settings: CacheSettings, location: Location, known: Mapping[str, Any]) -> Manifest:
    """Return the cache as its clients see it, once the URLs and the keys are known."""
    return Manifest(
        version=MANIFEST_VERSION,
        backend=settings.backend,
        bucket=settings.bucket,
        endpoint=known["endpoint"],
        region=location.region,
        public=settings.public,
        store_dir=settings.store_dir,
        priority=settings.priority,
        want_mass_query=settings.want_mass_query,
        read_url=known["read_url"],
        push_urls=known["push_urls"],
        profiles=dict(location.profiles),
        public_keys=tuple(known["public_keys"]),
        key_names={writer: signing.name_of(key) for writer, key in known["current_keys"].items()},
        readers=settings.reader_names,
        upstreams=dict(settings.upstream_caches),
        part_size_mib=settings.part_size_mib,
        expire_after_days=settings.expire_after_days,
        landing_page=settings.has_landing_page,
        access_logs=location.access_logs,
        is_published=settings.has_manifest,
    )


def _workflow_steps(
    storage: Provisioned, manifest: pulumi.Output[Manifest]
) -> pulumi.Output[dict[str, str]]:
    """By writer without a stored credential, what its workflows do."""
    writers = storage.oidc_writers if isinstance(storage, ProvisionedWithOidc) else {}
    if not writers:
        return pulumi.Output.from_input({})  # known, and no secret, whatever the manifest is
    role_arns = pulumi.Output.all(**{name: made.role_arn for name, made in writers.items()})
    return pulumi.Output.all(role_arns, manifest).apply(
        lambda known: {
            name: github_actions.steps(
                role_arn=known[0][name],
                writer=name,
                manifest=known[1],
                fetch_key=made.fetch_signing_key,
            )
            for name, made in writers.items()
        }
    )


def _secret(value: Mapping[str, Any]) -> pulumi.Output[Any]:
    return pulumi.Output.secret(pulumi.Output.from_input(value))


def _new_among(
    earlier: Sequence[SigningKey], writer: WriterSettings, spelling: Spelling
) -> pulumi.Input[str] | None:
    """Return a writer's imported key, once no earlier generation is known to have its name.

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
            message = (
                f"The signing key of the writer {writer.name!r}, {name!r}, is that of an earlier "
                "generation already. Remove signingKey to have a new key made, or import one "
                "under another name. Nothing was changed."
            )
            raise pulumi.RunError(spelling.spell(message))
        return secret_key

    return pulumi.Output.all(brought_in, *(key.public_key for key in earlier)).apply(checked)
