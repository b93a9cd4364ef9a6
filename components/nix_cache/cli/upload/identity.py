"""With which credential a push goes, for Nix and for this client's own requests alike."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import user_place
from nix_cache.cli.s3.aws_session import bounded_session
from nix_cache.cli.upload.writer import Writer
from nix_cache.redaction import keep_secret

CREDENTIAL_VARIABLES = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_DEFAULT_PROFILE",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)
"""Since 2.33, Nix takes these before the profile that a URL names."""


@dataclass(frozen=True)
class Identity:
    """A credential.

    Attributes:
        origin: where it comes from, in words.
        environment: of a Nix that shall use it.
        push_url: of that Nix, likewise.
        credentials: of this client's own requests.
    """

    origin: str
    environment: Mapping[str, str] = field(repr=False)
    push_url: str
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
            "push from the workflow that the stack's output `githubActions` tells of",
        )
    if found is None:
        raise ClientError(
            f"there is no credential of {writer.name}: no profile {writer.profile} with a key pair "
            f"in {file}, and none in the environment",
            f"run `nix-cache use {writer.record.source_with_secrets} --as {writer.name}` with the "
            "stack's secrets",
        )
    if has_profile:
        return Identity(
            f"the profile {writer.profile} in {file}",
            without_credentials(os.environ) | {"AWS_SHARED_CREDENTIALS_FILE": file},
            writer.push_url,
            found,
        )
    why = f"there is no profile {writer.profile} in {file}" if writer.profile else "it has no other"
    return Identity(
        f"the environment, for {why}",
        dict(os.environ),
        without_profile(writer.push_url),
        found,
    )


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with which Nix takes the profile that a URL names."""
    return {name: text for name, text in environment.items() if name not in CREDENTIAL_VARIABLES}


def without_profile(url: str) -> str:
    """A URL with which Nix looks for a credential in the environment alone."""
    base, _, query = url.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "profile"]
    return f"{base}?{urlencode(kept, quote_via=quote, safe='')}"
