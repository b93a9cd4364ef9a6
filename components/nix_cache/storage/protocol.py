"""What a cache needs of a storage service, in the words of a cache. One module per backend.

A backend is imported only when it is chosen: its provider package may not be installed, and each
one that is imported costs every preview a second.
"""

import importlib
from collections.abc import Sequence
from typing import Protocol, TypedDict

import pulumi

from nix_cache.access import Privilege
from nix_cache.lifecycle import ExpiryRule
from nix_cache.settings import CacheSettings


class Credential(TypedDict):
    """An S3 key pair, under the names of the AWS tools."""

    accessKeyId: pulumi.Output[str]
    secretAccessKey: pulumi.Output[str]


class Storage(Protocol):
    """A bucket that exists once the object does, and what can be added to it."""

    endpoint: str
    region: str
    read_url: str
    """Where a machine that uses the cache reads it."""

    def push_url(self, writer: str) -> str:
        """Where one writer's ``nix copy --to`` goes."""
        ...

    def profile(self, user: str) -> str:
        """The credentials profile under which a client keeps a writer's or a reader's key pair."""
        ...

    def allow_anonymous_read(self) -> None:
        """Let anybody read objects by name, and do nothing else."""
        ...

    def add_user(self, user: str, privilege: Privilege) -> Credential:
        """Make a writer or a reader and give back their credential, the secret half as a secret."""
        ...

    def expire(self, rules: Sequence[ExpiryRule]) -> None:
        """Let objects go by age."""
        ...

    def put_text(self, key: str, text: pulumi.Input[str], content_type: str) -> None:
        """Keep one small object in the bucket."""
        ...


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
        backend = importlib.import_module(f"nix_cache.storage.{settings.backend}")
    except ModuleNotFoundError as missing:
        raise pulumi.RunError(
            f"the backend {settings.backend} needs the package {missing.name}, which is not "
            f"installed; install it with: pip install 'nix-cache[{settings.backend}]'"
        ) from None
    storage: Storage = backend.open_storage(settings, name, parent)
    return storage
