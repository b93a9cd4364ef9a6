"""Key pairs, and those in the credentials files of this machine."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nix_cache.cli.errors import UsageError
from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.redaction import keep_secret


class Credential(BaseModel):
    """An S3 key pair. The secret is empty where the stack does not know it (an adopted user)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def model_post_init(self, _context: Any) -> None:
        """Keep the secret out of everything that is printed."""
        keep_secret(self.secret_access_key)


def profile_credential(
    profile: str, environment: Mapping[str, str] = os.environ
) -> Credential | None:
    """Return a key pair from this machine's credentials files: the user's, then root's."""
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    places = [user_place(environment).credentials, system_place(environment).credentials]
    for path in [*([named] if named else []), *map(str, places)]:
        with contextlib.suppress(OSError):
            if found := profile_in(path, profile):
                return found
    return None


def owner_credential(profile: str) -> Credential:
    """Return the key pair of a profile on this machine.

    Raises:
        UsageError: there is none.
    """
    pair = profile_credential(profile)
    if pair is None:
        raise UsageError(
            f"there is no profile {profile} with a key pair in the credentials file",
            "add it to ~/.aws/credentials, or name another",
        )
    return pair


def profile_in(file: str, profile: str) -> Credential | None:
    """Return a key pair from one credentials file; None if it is not there, or not whole.

    Raises:
        PermissionError: the file may not be read.
    """
    # These take a while, and not every command reads such a file.
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import BotoCoreError

    if Path(file).exists() and not os.access(file, os.R_OK):
        raise PermissionError(file)
    try:
        found = raw_config_parse(file).get(profile, {})
    except BotoCoreError:
        return None
    match found:
        case {"aws_access_key_id": str(key), "aws_secret_access_key": str(secret)} if (
            key and secret
        ):
            return Credential(access_key_id=key, secret_access_key=secret)
    return None
