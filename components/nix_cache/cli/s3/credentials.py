"""Credentials: key pairs of a stack, and what the AWS tools find on this machine.

``find`` is the one answer to where a credential is. It looks where botocore looks: in the files
that ``AWS_CONFIG_FILE`` and ``AWS_SHARED_CREDENTIALS_FILE`` name or ``~/.aws`` holds, for key
pairs, session tokens, roles, SSO and ``credential_process``; in the environment; and at the
services of containers and instances.
"""

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nix_cache.cli.errors import UsageError
from nix_cache.cli.machine.places import expanded, user_place
from nix_cache.cli.s3.credential_values import require_sendable
from nix_cache.cli.s3.errors import CredentialError, NoCredentialError
from nix_cache.cli.s3.plain_profile import plain_pair
from nix_cache.cli.s3.signature import KeyPair
from nix_cache.redaction import keep_secret

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.session import Session

LOGINS = frozenset(
    {
        "credential_process",
        "credential_source",
        "login_session",
        "role_arn",
        "source_profile",
        "sso_account_id",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    }
)
"""Settings of a profile that stand for a credential, beside a key pair."""

_PAIR = ("aws_access_key_id", "aws_secret_access_key")
_SOURCES = {
    "env": "the environment",
    "assume-role-with-web-identity": "the web identity in the environment",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}
"""By botocore's name for the way in which a credential was found without a profile."""

_MOST_NAMED = 8


class Credential(BaseModel):
    """An S3 key pair. The secret is empty where the stack does not know it (an adopted user)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def model_post_init(self, _context: Any) -> None:
        """Keep the secret out of everything that is printed."""
        keep_secret(self.secret_access_key)


@dataclass(frozen=True)
class AwsFiles:
    """The files in which the AWS tools look for profiles.

    Attributes:
        config: the configuration file.
        credentials: the credentials file.
    """

    config: Path
    credentials: Path

    def __str__(self) -> str:
        return f"{self.credentials} or {self.config}"


@dataclass(frozen=True)
class Identity:
    """A credential that was found on this machine.

    Attributes:
        origin: where it is from, in words.
        credentials: what requests are signed with. They renew themselves where their source can.
    """

    origin: str
    credentials: "Credentials | KeyPair" = field(repr=False)

    @property
    def access_key_id(self) -> str:
        """The part that is not secret, as it is now."""
        if isinstance(self.credentials, KeyPair):
            return self.credentials.access_key
        return str(self.credentials.get_frozen_credentials().access_key)


def aws_files(
    environment: Mapping[str, str] = os.environ, also: Path | None = None
) -> tuple[AwsFiles, ...]:
    """Return where profiles are looked for: as the environment says, then in the user's home.

    Args:
        environment: the process's.
        also: a further credentials file, into which ``nix-cache use`` wrote.
    """
    home = user_place({**environment, "AWS_SHARED_CREDENTIALS_FILE": ""}).credentials
    config = environment.get("AWS_CONFIG_FILE")
    own = AwsFiles(home.with_name("config"), home)
    named = AwsFiles(
        expanded(config) if config else own.config, user_place(environment).credentials
    )
    further = [AwsFiles(named.config, also)] if also else []
    return tuple(dict.fromkeys([named, own, *further]))


def find(profile: str, also: Path | None = None) -> Identity | None:
    """Find a credential: that of a profile, or where there is no such profile, the environment's.

    Args:
        profile: its name; empty for what the AWS tools use where no profile is named.
        also: a further credentials file to look in.

    Returns:
        the credential, which was there a moment ago; None if there is none.

    Raises:
        NoCredentialError: there is one that cannot be had, such as an SSO session that has ended.
    """
    return profile_identity(profile, also) or _environment_identity(profile)


def profile_identity(profile: str, also: Path | None = None) -> Identity | None:
    """Find the credential of a profile; None if no file has one of that name.

    Raises:
        NoCredentialError: there is one that cannot be had.
    """
    places = aws_files(also=also)
    if profile and (
        found := plain_pair(profile, ((each.config, each.credentials) for each in places))
    ):
        pair, holder = found
        keep_secret(pair.secret_key, pair.token)
        origin = f"the profile {profile} in {holder}"
        try:
            require_sendable(pair)
        except CredentialError as failure:
            raise _none_from(origin, failure) from None
        return Identity(origin, pair)
    for files in places:
        session = _session(files)
        settings = _profiles(session, files).get(profile, {})
        if profile and (LOGINS.union(_PAIR) & settings.keys()):
            session.set_config_variable("profile", profile)
            file = _holder(profile, files, LOGINS & settings.keys() or set(_PAIR))
            return _identity(session, f"the profile {profile} in {file}", profile)
    return None


def owner_identity(profile: str) -> Identity:
    """Return the credential of the bucket's owner.

    Raises:
        UsageError: there is none.
        NoCredentialError: it cannot be had.
    """
    found = find(profile)
    if found is not None:
        return found
    files = aws_files()
    known = sorted({name for each in files for name in _profiles(_session(each), each)})
    raise UsageError(
        f"there is no profile {profile} with a credential in {files[0]}, and none in the "
        "environment",
        f"name one of these: {_listed(known)}" if known else f"add it to {files[0].credentials}",
    )


def profile_in(file: str, profile: str) -> Credential | None:
    """Return a key pair from one credentials file; None if it is not there, or not whole.

    Raises:
        PermissionError: the file may not be read.
    """
    # These take a while, and not every command reads such a file.
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import BotoCoreError

    if not Path(file).is_file():
        return None
    if not os.access(file, os.R_OK):
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


def login_of(profile: str, files: AwsFiles) -> tuple[str, Path] | None:
    """Return a setting by which a profile logs in without a key pair, and its file.

    Raises:
        NoCredentialError: a file cannot be read.
    """
    names = LOGINS & _profiles(_session(files), files).get(profile, {}).keys()
    return (min(names), _holder(profile, files, names)) if names else None


def _environment_identity(profile: str) -> Identity | None:
    """Find what the AWS tools use where no profile is named.

    For a named profile that is missing, the profile ``default`` does not stand in.
    """
    files = aws_files()[0]
    chosen = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    nowhere = AwsFiles(Path(os.devnull), Path(os.devnull))
    session = _session(nowhere if profile and not chosen else files)
    if chosen and chosen not in _profiles(session, files):
        raise NoCredentialError(
            f"AWS_PROFILE names the profile {chosen}, which is not in {files}",
            "correct or unset AWS_PROFILE",
        )
    found = _identity(session, "the environment", chosen or "")
    if found is None:
        return None
    method = getattr(found.credentials, "method", "")
    source = _SOURCES.get(str(method), f"the profile {chosen or 'default'}")
    why = f"there is no profile {profile} in {files.credentials}" if profile else "it has no other"
    return Identity(f"{source}, for {why}", found.credentials)


def _identity(session: "Session", origin: str, profile: str) -> Identity | None:
    """Return what a session finds, once it could be had."""
    from nix_cache.cli.s3.aws_session import explained, found_credentials, frozen

    try:
        try:
            credentials = found_credentials(session)
        except Exception as failure:
            raise explained(failure, profile) from None
        if credentials is None:
            return None
        parts = frozen(credentials, profile)
    except CredentialError as failure:
        raise _none_from(origin, failure) from None
    keep_secret(parts.secret_key, parts.token)
    return Identity(origin, credentials)


def _none_from(origin: str, failure: CredentialError) -> NoCredentialError:
    return NoCredentialError(f"{origin} gives no credential: {failure}", failure.fix)


def _session(files: AwsFiles) -> "Session":
    from nix_cache.cli.s3.aws_session import bounded_session

    session = bounded_session()
    session.set_config_variable("config_file", str(files.config))
    session.set_config_variable("credentials_file", str(files.credentials))
    return session


def _profiles(session: "Session", files: AwsFiles) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings of all profiles of both files, by name.

    Raises:
        NoCredentialError: a file cannot be read.
    """
    from nix_cache.cli.s3.aws_session import explained

    for file in (files.config, files.credentials):
        if file.exists() and not os.access(file, os.R_OK):
            raise NoCredentialError(f"{file} cannot be read by this user", "check its permissions")
        if file.is_fifo():  # its writer would be waited for, each time that it is read
            raise NoCredentialError(f"{file} is a pipe", "name a regular file")
    try:
        profiles: Mapping[str, Mapping[str, Any]] = session.full_config.get("profiles", {})
    except Exception as failure:
        reason = explained(failure, "")
        raise NoCredentialError(str(reason), reason.fix) from None
    return profiles


def _holder(profile: str, files: AwsFiles, names: Set[str]) -> Path:
    """Return the file in which a profile has one of some settings."""
    from botocore.configloader import raw_config_parse

    if files.credentials.exists():
        settings = raw_config_parse(str(files.credentials)).get(profile, {})
        if names & settings.keys():
            return files.credentials
    return files.config


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = len(shown) - _MOST_NAMED
    return ", ".join([*shown[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
