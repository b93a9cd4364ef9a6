"""What a cache asks of a backend, in one call: a whole request in, and what was made out.

The modules of a backend are imported when it is chosen: its provider's package may not be
installed, and each one that is imported costs every preview up to a second.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

import pulumi

from nix_cache.arguments import CacheSettings
from nix_cache.backends.registry import BACKENDS
from nix_cache.config.setting import normal_endpoint
from nix_cache.extras import is_brought_by
from nix_cache.formats.manifest import AccessLogs
from nix_cache.render import nix_conf
from nix_cache.writer_arguments import WriterSettings


class Credential(TypedDict):
    """An S3 key pair, under the names of the AWS tools."""

    accessKeyId: pulumi.Output[str]
    secretAccessKey: pulumi.Output[str]


class AddressingStyle(StrEnum):
    """Where a URL of an object has the bucket's name."""

    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, kw_only=True)
class TextObject:
    """A small object of the cache's own.

    Attributes:
        key: its key in the bucket.
        text: its content.
        content_type: its media type.
    """

    key: str
    text: pulumi.Input[str]
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the clients of a cache find it.

    Attributes:
        endpoint: the storage's URL, without the bucket. Like the URLs it may not be known yet.
        region: the storage's region.
        addressing_style: where URLs of objects at the endpoint have the bucket's name.
        read_url: the substituter's URL.
        push_urls: by writer, the URL for ``nix copy --to``.
        profiles: by writer and reader with a stored credential, and the janitor, the profile.
        access_logs: where the storage puts logs of the requests; None if it keeps none.
    """

    endpoint: pulumi.Output[str]
    region: str
    addressing_style: AddressingStyle
    read_url: pulumi.Output[str]
    push_urls: Mapping[str, pulumi.Output[str]]
    profiles: Mapping[str, str]
    access_logs: AccessLogs | None = None


def locate(
    cache: CacheSettings,
    *,
    endpoint: pulumi.Input[str],
    region: str,
    profile: Callable[[str], str],
    addressing_style: AddressingStyle = AddressingStyle.PATH,
    is_default_endpoint: bool = False,
    read_url: pulumi.Output[str] | None = None,
    access_logs: AccessLogs | None = None,
) -> Location:
    """Make the location of a cache from what its backend knows.

    Args:
        cache: the cache.
        endpoint: the storage's URL, without the bucket. If it is a secret, all URLs with it are.
        region: the storage's region.
        profile: gives the credentials profile of an identity, as ``CacheSettings.identity`` has it.
        addressing_style: where URLs of objects at the endpoint have the bucket's name.
        is_default_endpoint: whether Nix finds the endpoint by the region alone.
        read_url: the substituter's URL if it is that of a CDN.
        access_logs: where the storage puts logs of the requests; None if it keeps none.
    """
    # An Output is checked by the reservation, so it can be anything here.
    output = pulumi.Output.from_input(endpoint).apply(lambda known: normal_endpoint(str(known)))

    def own_read_url(known: str) -> str:
        if cache.public:
            return _bucket_url(known, cache.bucket, addressing_style)
        reader = profile(cache.reader_names[0])
        return nix_conf.s3_read_url(
            cache.bucket, "" if is_default_endpoint else known, region, reader
        )

    def push_url(writer: WriterSettings) -> pulumi.Output[str]:
        # A workflow's credential is in its environment, under no profile.
        user = "" if writer.is_oidc else profile(writer.name)
        return output.apply(
            lambda known: nix_conf.s3_push_url(
                cache.bucket, "" if is_default_endpoint else known, region, user
            )
        )

    return Location(
        endpoint=output,
        region=region,
        addressing_style=addressing_style,
        read_url=output.apply(own_read_url) if read_url is None else read_url,
        push_urls={writer.name: push_url(writer) for writer in cache.writers},
        profiles={user: profile(cache.identity(user)) for user in cache.privileges},
        access_logs=access_logs,
    )


def _bucket_url(endpoint: str, bucket: str, style: AddressingStyle) -> str:
    if style is AddressingStyle.PATH:
        return f"{endpoint}/{bucket}"
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{bucket}.{host}"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A whole cache to be made on a backend.

    Attributes:
        name: what the names of all resources start with.
        cache: the cache, checked.
        parent: the component that owns the resources.
        signing_keys: by writer, the current secret key.
        texts: gives the cache's own objects, once it is known where the cache is.
    """

    name: str
    cache: CacheSettings
    parent: pulumi.ComponentResource
    signing_keys: Mapping[str, pulumi.Input[str]]
    texts: Callable[[Location], Sequence[TextObject]]


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """A cache's storage, as it was made.

    Attributes:
        bucket_name: the bucket's name, known once there is the bucket.
        location: where clients find the cache.
        credentials: by writer and reader with a stored credential, and the janitor, the
            credential; its secret half is a secret.
    """

    bucket_name: pulumi.Output[str]
    location: Location
    credentials: Mapping[str, Credential]


@dataclass(frozen=True, kw_only=True)
class OidcWriter:
    """A writer without a stored credential.

    Attributes:
        role_arn: the role that the writer's workflows assume.
        fetch_signing_key: the shell command that prints the writer's signing key to its workflows;
            empty where the key is kept nowhere for them.
    """

    role_arn: pulumi.Output[str]
    fetch_signing_key: str


@dataclass(frozen=True, kw_only=True)
class ProvisionedWithOidc(Provisioned):
    """The storage of a backend that accepts GitHub's OIDC tokens.

    Attributes:
        oidc_writers: by writer without a stored credential, how its workflows push.
    """

    oidc_writers: Mapping[str, OidcWriter]


def provision(request: Request) -> Provisioned:
    """Make a cache's storage on the backend that its settings name.

    Raises:
        pulumi.RunError: a package that the backend's extra brings is not installed.
    """
    backend = request.cache.backend
    package = BACKENDS[backend].package
    # Resources of our own import it where no error of theirs would name the fix.
    if importlib.util.find_spec(package) is None:
        raise _not_installed(backend, package)
    try:
        return BACKENDS[backend].provision(request)
    except ModuleNotFoundError as missing:
        if not is_brought_by(backend, missing.name or ""):
            raise  # a mistake in the code, or an installation that is broken in another way
        raise _not_installed(backend, str(missing.name)) from None


def _not_installed(backend: str, package: str) -> pulumi.RunError:
    return pulumi.RunError(
        f"The backend {backend} needs the package {package}, which is not installed. Install it: "
        f"pip install 'nix-cache[{backend}]', or in a clone: make install BACKEND={backend}"
    )
