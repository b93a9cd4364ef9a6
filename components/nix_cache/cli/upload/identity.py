"""With which credential a push goes."""

import os
from dataclasses import dataclass, field

from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import user_place
from nix_cache.cli.s3.aws_session import bounded_session
from nix_cache.cli.upload.writer import Writer
from nix_cache.redaction import keep_secret


@dataclass(frozen=True)
class Identity:
    """A credential.

    Attributes:
        origin: where it comes from, in words.
        credentials: what requests are signed with.
    """

    origin: str
    credentials: Credentials = field(repr=False)


def identify(writer: Writer) -> Identity:
    """Find a writer's credential: their profile, or where that is missing, the environment's.

    Raises:
        ClientError: there is neither.
    """
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(user_place().credentials)
    session = bounded_session()
    session.set_config_variable("credentials_file", file)
    try:
        has_profile = writer.profile in session.available_profiles
        if has_profile:
            session.set_config_variable("profile", writer.profile)
        found = session.get_credentials()
        if found is not None and not isinstance(found, RefreshableCredentials):
            keep_secret(found.secret_key, found.token)
    except BotoCoreError as mistake:
        raise ClientError(f"the credentials cannot be read: {mistake}", f"mend {file}") from None
    if found is None and not writer.profile:
        raise ClientError(
            f"{writer.name} has no stored credential, and there is none in the environment",
            "push from the workflow that the stack's output `githubActions` is for",
        )
    if found is None:
        raise ClientError(
            f"there is no credential of {writer.name}: no profile {writer.profile} with a key pair "
            f"in {file}, and none in the environment",
            f"run `nix-cache use {writer.record.source_with_secrets} --as {writer.name}` with the "
            "stack's secrets",
        )
    if has_profile:
        return Identity(f"the profile {writer.profile} in {file}", found)
    why = f"there is no profile {writer.profile} in {file}" if writer.profile else "it has no other"
    return Identity(f"the environment, for {why}", found)
