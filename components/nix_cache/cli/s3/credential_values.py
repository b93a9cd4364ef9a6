"""Which values of a credential can be sent to a storage."""

import re

from nix_cache.cli.s3.errors import CredentialError
from nix_cache.cli.s3.signature import Secret

_SENT = re.compile(r"[!-~]*")
"""The access key id and the session token are sent in headers."""


def require_sendable(secret: Secret, *, is_variable: bool = False) -> None:
    """Refuse a credential that no request can be signed with. No text has any of its values.

    The secret is not sent, so it may have blanks and letters of any language, as in MinIO.

    Args:
        secret: the credential.
        is_variable: whether it is from environment variables, and not from a profile.

    Raises:
        CredentialError: a value has a line break, or another character that cannot be sent.
    """
    if not _SENT.fullmatch(secret.access_key or ""):
        name, mistake = "aws_access_key_id", "a blank, a line break or a character outside ASCII"
    elif not (secret.secret_key or "").isprintable():
        name, mistake = "aws_secret_access_key", "a line break or another control character"
    elif not _SENT.fullmatch(secret.token or ""):
        name, mistake = "aws_session_token", "a blank, a line break or a character outside ASCII"
    else:
        return
    shown = name.upper() if is_variable else name
    raise CredentialError(
        f"{shown} has {mistake}", f"copy {shown} again, as one line and nothing else"
    )
