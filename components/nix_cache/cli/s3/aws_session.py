"""How botocore gets credentials, within the client's limits, and why it gets none.

botocore knows profiles, the environment, roles, SSO and web identities. What it asks a service
for, such as a token, goes through the client's transport. Requests to the storage do not: see
``client``.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.credentials import Credentials, ProcessProvider, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.exceptions import ClientError as ServiceError
from botocore.session import Session

from nix_cache.cli.limits import OBJECT
from nix_cache.cli.s3.credential_values import require_sendable
from nix_cache.cli.s3.errors import CredentialError, IssuerError, Meaning, meaning
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import RedirectedError, Reply
from nix_cache.cli.s3.transport import Transport
from nix_cache.redaction import redacted

PROCESS_SECONDS = 60.0
"""How long a ``credential_process`` may take, as in the AWS SDK for Go."""

_PROCESS = "custom-process"
_VARIABLES = "env"
_REGION = "us-east-1"
"""Where STS is asked if the user chose no region."""

_LONGEST_REASON = 300
_AGAIN = "then run the command again"
_REACH = f"see that it can be reached from here, {_AGAIN}"
_ISSUED_IN_VAIN = {
    "AssumeRole": "allow this machine's credential to assume the role, in the role's trust policy "
    "and in the user's own policy",
    "AssumeRoleWithWebIdentity": "allow this identity in the role's trust policy, or get a new "
    "token",
    "GetRoleCredentials": "check sso_account_id and sso_role_name, and that the role is assigned "
    "to you",
}
"""By the operation that was refused, what to do."""


class _UnansweredError(HTTPClientError):
    """A service did not answer."""

    fmt = "{error}"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(error=f"{urlsplit(url).netloc} {reason}")


def bounded_session(transport: Transport | None = None) -> Session:
    """Return a session whose clients send their requests by a transport.

    Args:
        transport: the run's; a separate one if None.
    """
    chosen = transport or Transport()

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        body = request.body
        content = body if isinstance(body, bytes | None) else _content(body)
        headers = {name: _text(value) for name, value in request.headers.items()}
        try:
            reply = chosen.exchange(request.method, request.url, headers, content, OBJECT)
            reply.require_no_redirect()
        except NoAnswerError as failure:
            raise _UnansweredError(request.url, f"does not answer: {failure}") from None
        except RedirectedError:
            target = redacted(str(reply.redirect))
            raise _UnansweredError(request.url, f"redirects to {target}") from None
        return AWSResponse(request.url, reply.status, cast("Any", reply.headers), _Body(reply))

    session = Session()
    # botocore takes a handler's first answer in place of its response; its types do not say so.
    session.register("before-send", cast("Any", send))
    return session


def frozen(credentials: Credentials, profile: str = "") -> ReadOnlyCredentials:
    """Return the parts of a credential as they are now, all from one renewal.

    Args:
        credentials: they may be renewed.
        profile: where they are from, for the fix.

    Raises:
        IssuerError: the service that issues the credential refused.
        CredentialError: the credential cannot be had for another reason, or cannot be sent.
    """
    try:
        found = credentials.get_frozen_credentials()
    except Exception as failure:
        raise explained(failure, profile) from None
    require_sendable(found, is_variable=credentials.method == _VARIABLES)
    return found


def explained(failure: Exception, profile: str) -> CredentialError:
    """Return why botocore gives no credential, and the fix.

    Args:
        failure: what it raised. Over an answer that is not the service's, that is anything.
        profile: the profile's name; empty if it is not known.
    """
    option = f" --profile {profile}" if profile else ""
    match failure:
        case CredentialError():
            return failure
        case ServiceError():
            return _refused(failure, option)
        case _UnansweredError():
            return CredentialError(_said(failure), _REACH)
        case exceptions.SSOError() | exceptions.TokenRetrievalError():
            what = "the SSO session is missing or has ended"
            return CredentialError(what, f"run `aws sso login{option}`, {_AGAIN}")
        case exceptions.LoginError():
            what = "the session of `aws login` is missing or has ended"
            return CredentialError(what, f"run `aws login{option}`, {_AGAIN}")
        case exceptions.CredentialRetrievalError():
            return _not_retrieved(failure)
        case exceptions.PartialCredentialsError():
            return CredentialError(
                f"{failure.kwargs['cred_var']} is missing", "set both halves of the key pair"
            )
        case exceptions.ConfigParseError() | exceptions.ConfigNotFound():
            return CredentialError(f"{failure.kwargs['path']} has an invalid format", "correct it")
        case exceptions.RefreshWithMFAUnsupportedError():
            what = "the session of the role has ended, and a new one needs an MFA code"
            return CredentialError(what, "run the command again in a terminal")
        case EOFError():
            what = "the role needs an MFA code, and there is no terminal to ask for it"
            return CredentialError(what, "run the command in a terminal")
        case json.JSONDecodeError():
            what = "its credential_process prints something that is not JSON"
            return CredentialError(what, f"run that command by hand, correct it, {_AGAIN}")
        case OSError():
            what = f"{failure.filename or 'a file'} cannot be read: {failure.strerror}"
            return CredentialError(what, "name a file that this user can read")
        case RuntimeError() if "expired" in str(failure):
            what = "it has expired, and its source has no newer one"
            return CredentialError(what, f"log in again, {_AGAIN}")
        case BotoCoreError():
            return CredentialError(_said(failure), f"correct the profile, {_AGAIN}")
    what = f"the service that issues it gives a malformed answer ({_said(failure)})"
    return CredentialError(what, _REACH)


def _refused(refusal: ServiceError, option: str) -> IssuerError:
    status = int(refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(refusal.response["Error"].get("Code", ""))
    operation = refusal.operation_name
    found = meaning(status, code)
    if found is Meaning.BUSY:
        fix = "try again later"
    elif found is Meaning.EXPIRED:
        fix = f"log in again, or get a new session token, {_AGAIN}"
    elif operation == "GetRoleCredentials" and status == 401:
        fix = f"run `aws sso login{option}`, {_AGAIN}"
    else:
        fix = _ISSUED_IN_VAIN.get(operation, f"correct the profile, {_AGAIN}")
    return IssuerError(status, code, operation, fix)


def _not_retrieved(failure: exceptions.CredentialRetrievalError) -> CredentialError:
    given: dict[str, Any] = dict(failure.kwargs)
    source, reason = given["provider"], " ".join(str(given["error_msg"]).split())
    reason = redacted(reason)[:_LONGEST_REASON]
    if source == _PROCESS:
        what = f"its credential_process failed: {reason or 'it did not say why'}"
        return CredentialError(what, f"run that command by hand, correct it, {_AGAIN}")
    return CredentialError(f"{source} failed: {reason}", _REACH)


def _said(failure: Exception) -> str:
    return redacted(" ".join(str(failure).split()))[:_LONGEST_REASON] or type(failure).__name__


def found_credentials(session: Session) -> Credentials | None:
    """Find credentials as botocore does, in some region, and end a process that hangs.

    Raises:
        EOFError: an MFA code is needed, and there is no terminal. botocore would read it from
            standard input, where paths come from.
    """
    if session.get_config_variable("region") is None:
        session.set_config_variable("region", _REGION)
    name = session.get_config_variable("profile") or "default"
    if _needs_code(session, name) and not _has_terminal():
        raise EOFError
    own = ProcessProvider(name, lambda: session.full_config, cast("Any", _process))
    providers = session.get_component("credential_provider").providers
    providers[:] = [own if provider.METHOD == _PROCESS else provider for provider in providers]
    return session.get_credentials()


def _needs_code(session: Session, profile: str) -> bool:
    """Return whether a role of a profile, or of one that it is based on, needs an MFA code."""
    profiles = session.full_config.get("profiles", {})
    seen: set[str] = set()
    while profile in profiles and profile not in seen:
        if {"role_arn", "mfa_serial"} <= profiles[profile].keys():
            return True
        seen.add(profile)
        profile = profiles[profile].get("source_profile", "")
    return False


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


class _Process(subprocess.Popen[bytes]):
    """A ``credential_process``."""

    def communicate(
        self,
        input: Any = None,  # noqa: A002
        timeout: float | None = None,
    ) -> tuple[bytes, bytes]:
        try:
            return super().communicate(input, PROCESS_SECONDS if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            raise exceptions.CredentialRetrievalError(
                provider=_PROCESS, error_msg=f"it did not end within {PROCESS_SECONDS:.0f} s"
            ) from None


def _process(command: list[str], **settings: Any) -> _Process:
    """Start a ``credential_process``, which must not read what is piped into this command."""
    try:
        return _Process(command, stdin=None if _has_terminal() else subprocess.DEVNULL, **settings)
    except (OSError, IndexError, ValueError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it names no program"
        raise exceptions.CredentialRetrievalError(
            provider=_PROCESS, error_msg=f"{command[0] if command else ''}: {reason}"
        ) from None


def _content(body: Any) -> bytes:
    content: bytes | str = body.read() if hasattr(body, "read") else body
    return content.encode() if isinstance(content, str) else bytes(content)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Body(io.BytesIO):
    """A body that was read already, as botocore expects it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body)

    def stream(self) -> Iterator[bytes]:
        yield self.read()
