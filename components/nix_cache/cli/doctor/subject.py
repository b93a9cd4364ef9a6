"""The cache that is checked, and the users as which requests can be sent."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.client import S3Client, bucket_url
from nix_cache.cli.s3.credentials import Credential, Identity
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import Manifest

WORKERS = 8
"""Requests at a time. A server on a slow line is asked for many small objects."""


@dataclass
class Subject:
    """A cache and those who may ask it.

    Attributes:
        manifest: the cache.
        credentials: by writer and reader, those that were found.
        users: whose rights are looked at.
        owner: a credential that may list the bucket and read its settings.
        record: what this machine knows of the cache; None if it does not use it.
        is_agreed: whether requests to the cache's storage may be signed with this machine's
            profiles.
        environment: the process's.
        lacking: by writer and reader, why a credential that is there cannot be had.
        progress: called now and then with what is being done.
    """

    manifest: Manifest
    credentials: Mapping[str, Credential | Identity] = field(default_factory=dict, repr=False)
    users: tuple[str, ...] = ()
    owner: Credential | Identity | None = field(default=None, repr=False)
    record: Record | None = None
    is_agreed: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    lacking: Mapping[str, ClientError] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda _: None

    @cached_property
    def http(self) -> Transport:
        """The connections of this run."""
        return Transport(jobs=WORKERS)

    @property
    def reads_here(self) -> bool:
        """Whether the Nix of this machine reads the cache, as far as that is known."""
        return self.record is None or not self.record.push_only

    @property
    def bucket_url(self) -> str:
        """The bucket on the storage."""
        return bucket_url(self.manifest)

    @property
    def anonymous(self) -> S3Client:
        """The bucket, for those without a credential."""
        return S3Client.of(self.manifest, None, self.http)

    def as_user(self, user: str) -> S3Client:
        """Return the bucket, for one whose credential is there."""
        return S3Client.of(self.manifest, self.credentials[user], self.http)

    @property
    def as_owner(self) -> S3Client | None:
        """The bucket, for its owner, if their credential is there."""
        if self.owner is None:
            return None
        return S3Client.of(self.manifest, self.owner, self.http)

    @cached_property
    def reading(self) -> S3Client | None:
        """The cache as a reading machine comes in.

        None if it is private, and no accepted credential is known.
        """
        if self.manifest.public:
            return S3Client(self.http, self.manifest.read_url, self.manifest.region)
        known = [*self.manifest.readers, *self.manifest.push_urls]
        clients = [self.as_user(user) for user in known if user in self.credentials]
        return next((client for client in clients if _accepts(client)), self.as_owner)


def _accepts(client: S3Client) -> bool:
    """Return whether a credential is known. An outage is reported by other checks."""
    try:
        return not client.request("GET", INFO_KEY).is_stranger
    except NoAnswerError:
        return True
