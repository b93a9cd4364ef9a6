"""What a cache needs of a storage service, in the words of a cache. One module per backend.

A backend is imported only when it is chosen: its provider package may not be installed, and each
one that is imported costs every preview a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol, TypedDict

import pulumi

from nix_cache.arguments import CacheSettings, WriterSettings
from nix_cache.backends.registry import BACKENDS
from nix_cache.iam.access import Privilege
from nix_cache.iam.lifecycle import ExpiryRule


class Credential(TypedDict):
    """An S3 key pair, under the names of the AWS tools."""

    accessKeyId: pulumi.Output[str]
    secretAccessKey: pulumi.Output[str]


@dataclass(frozen=True)
class KeylessWriter:
    """A writer without a stored credential.

    Attributes:
        role_arn: the role that their workflows assume.
        fetch_signing_key: the shell command that prints their signing key to their workflows;
            empty where the key is kept nowhere for them.
    """

    role_arn: pulumi.Output[str]
    fetch_signing_key: str


class Storage(Protocol):
    """A bucket that exists once the object does, read by whom the settings name.

    In a public cache that is anybody, object by object, and nobody lists.
    """

    @property
    def endpoint(self) -> str:
        """The storage's URL, without the bucket."""
        ...

    @property
    def region(self) -> str:
        """The storage's region."""
        ...

    @property
    def read_url(self) -> pulumi.Input[str]:
        """Where a machine that uses the cache reads it."""
        ...

    def push_url(self, writer: str) -> str:
        """Where one writer's ``nix copy --to`` goes."""
        ...

    def profile(self, user: str) -> str:
        """The credentials profile under which a client keeps a writer's or a reader's key pair."""
        ...

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a writer or a reader and give back their credential, the secret half as a secret."""
        ...

    def add_keyless_writer(
        self, writer: WriterSettings, signing_key: pulumi.Input[str]
    ) -> KeylessWriter:
        """Let one repository's workflows push, without a stored credential."""
        ...

    def set_lifecycle(self, rules: Sequence[ExpiryRule]) -> None:
        """Let objects go by age, if there are rules, and what was never finished anyway."""
        ...

    def put_text(self, key: str, text: pulumi.Input[str], content_type: str) -> None:
        """Keep one small object in the bucket."""
        ...


class OnlyStoredCredentials:
    """For services that trust no identity but their own: the check refuses keyless writers."""

    def add_keyless_writer(
        self, writer: WriterSettings, signing_key: pulumi.Input[str]
    ) -> NoReturn:
        """Never called."""
        raise NotImplementedError(f"{writer.name} cannot push without a credential")


def open_storage(settings: CacheSettings, name: str, parent: pulumi.ComponentResource) -> Storage:
    """Make the bucket on the chosen backend.

    Args:
        settings: the cache, checked.
        name: what the names of all resources start with.
        parent: the component that owns them.

    Raises:
        pulumi.RunError: the backend's provider package is not installed.
    """
    try:
        return BACKENDS[settings.backend].open_storage(settings, name, parent)
    except ModuleNotFoundError as missing:
        raise pulumi.RunError(
            f"the backend {settings.backend} needs the package {missing.name}, which is not "
            f"installed; install it with: pip install 'nix-cache[{settings.backend}]'"
        ) from None
