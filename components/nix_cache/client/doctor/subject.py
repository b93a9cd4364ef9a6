"""The cache that is looked at, and everybody as whom it can be asked."""

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import urllib3
from botocore.configloader import raw_config_parse
from botocore.exceptions import BotoCoreError

from nix_cache.client.doctor.door import Door, NoAnswerError, connections
from nix_cache.client.places import system_place, user_place
from nix_cache.client.record import Record
from nix_cache.client.source import Credential
from nix_cache.description import Description
from nix_cache.lifecycle import INFO_KEY


@dataclass
class Subject:
    """A cache and those who may ask it.

    Attributes:
        description: the cache.
        credentials: by writer and reader, those that were found.
        users: whose rights are looked at.
        owner: a credential that may list the bucket and read its settings.
        record: what this machine knows of the cache; None if it does not use it.
        environment: the process's.
        progress: told now and then what is being done.
    """

    description: Description
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    users: tuple[str, ...] = ()
    owner: Credential | None = field(default=None, repr=False)
    record: Record | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    progress: Callable[[str], None] = lambda _: None

    @cached_property
    def http(self) -> urllib3.PoolManager:
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


def profile_credential(
    profile: str, environment: Mapping[str, str] = os.environ
) -> Credential | None:
    """A key pair from the credentials files of this machine: the user's first, then root's."""
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    places = [user_place(environment).credentials, system_place(environment).credentials]
    for path in [*([named] if named else []), *map(str, places)]:
        with contextlib.suppress(OSError):
            if found := profile_in(path, profile):
                return found
    return None


def profile_in(file: str, profile: str) -> Credential | None:
    """A key pair from one credentials file; None if it is not there, or not whole.

    Raises:
        PermissionError: the file may not be read.
    """
    if Path(file).exists() and not os.access(file, os.R_OK):
        raise PermissionError(file)
    try:
        found = raw_config_parse(file).get(profile, {})
    except BotoCoreError:
        return None
    key, secret = found.get("aws_access_key_id"), found.get("aws_secret_access_key")
    return Credential(access_key_id=key, secret_access_key=secret) if key and secret else None
