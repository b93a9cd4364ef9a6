"""The cache that is looked at, and everybody as whom it can be asked."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nix_cache.cli.caches.record import Record
from nix_cache.cli.doctor.door import Door, NoAnswerError, connections
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.transport import Transport
from nix_cache.description import Description
from nix_cache.formats.cache_info import INFO_KEY


@dataclass
class Subject:
    """A cache and those who may ask it.

    Attributes:
        description: the cache.
        credentials: by writer and reader, those that were found.
        users: whose rights are looked at.
        owner: a credential that may list the bucket and read its settings.
        record: what this machine knows of the cache; None if it does not use it.
        is_agreed: whether requests to the cache's storage may be signed with this machine's
            profiles.
        environment: the process's.
        progress: told now and then what is being done.
    """

    description: Description
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    users: tuple[str, ...] = ()
    owner: Credential | None = field(default=None, repr=False)
    record: Record | None = None
    is_agreed: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    progress: Callable[[str], None] = lambda _: None

    @cached_property
    def http(self) -> Transport:
        """The connections of this run."""
        return connections()

    @property
    def bucket_url(self) -> str:
        """The bucket on the storage."""
        return f"{self.description.endpoint.rstrip('/')}/{self.description.bucket}"

    @property
    def anybody(self) -> Door:
        """The bucket, for those without a credential."""
        return Door(self.http, self.bucket_url, self.description.region)

    def as_user(self, user: str) -> Door:
        """The bucket, for one whose credential is there."""
        return Door(self.http, self.bucket_url, self.description.region, self.credentials[user])

    @property
    def as_owner(self) -> Door | None:
        """The bucket, for its owner, if their credential is there."""
        if self.owner is None:
            return None
        return Door(self.http, self.bucket_url, self.description.region, self.owner)

    @cached_property
    def reading(self) -> Door | None:
        """The cache as a reading machine comes in.

        None if it is private, and nobody is known whose credential it accepts.
        """
        if self.description.public:
            return Door(self.http, self.description.read_url, self.description.region)
        known = [*self.description.readers, *self.description.push_urls]
        doors = [self.as_user(user) for user in known if user in self.credentials]
        return next((door for door in doors if _accepts(door)), self.as_owner)


def _accepts(door: Door) -> bool:
    """Whether a credential is known. Where nothing answers, that is for others to tell."""
    try:
        return not door.request("GET", INFO_KEY).is_stranger
    except NoAnswerError:
        return True
