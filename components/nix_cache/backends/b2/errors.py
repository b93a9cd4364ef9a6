"""What Backblaze's SDK reports, in words for those who run a cache."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from b2sdk.v3 import exception as sdk

from nix_cache.backends.b2.login import B2AccountError, Login

_TRANSIENT = (
    sdk.B2ConnectionError,
    sdk.B2RequestTimeout,
    sdk.ConnectionReset,
    sdk.MaxRetriesExceeded,
    sdk.ServiceError,
    sdk.TooManyRequests,
    sdk.UnknownHost,
)
"""What may pass. The SDK has tried several times before it reports one."""

_CAUSE = re.compile(r"\[Errno -?\d+\] ([\w ]+)")
"""The system's own words within those of the libraries between."""

NOT_EMPTY = "cannot_delete_non_empty_bucket"
"""The code for a bucket that has any version of any object."""

_CODES = {
    "too_many_buckets": "the account has as many buckets as Backblaze allows: remove an unused "
    "one, or request more from Backblaze",
    NOT_EMPTY: "the bucket has objects, so it is not deleted: set nix-cache:protect to false, run "
    "`pulumi up`, then the same command again; or empty it yourself",
}


def restricted(login: Login) -> B2AccountError:
    """Return the error for a key that is not for the whole account."""
    return B2AccountError(
        f"the key {login.key_id!r} is restricted to a bucket or to names that start alike: set "
        "b2:applicationKeyId and b2:applicationKey to a key for all buckets"
    )


@contextmanager
def explained(login: Login, *, authorizing: bool = False) -> Iterator[None]:
    """Turn every error of the SDK into one sentence.

    Args:
        login: whose requests these are.
        authorizing: whether the key itself is what is tried.

    Raises:
        B2AccountError: with the reason and the fix.
    """
    try:
        yield
    except sdk.RestrictedBucket:
        raise restricted(login) from None
    except sdk.B2Error as error:
        raise B2AccountError(_sentence(error, login, authorizing=authorizing)) from None


def _sentence(error: Exception, login: Login, *, authorizing: bool) -> str:
    if isinstance(error, _TRANSIENT):
        return (
            f"Backblaze at {login.realm} does not answer ({_reason(error)}); see that it can be "
            "reached, then run the same command again"
        )
    if isinstance(error, sdk.EmailNotVerified | sdk.NoPaymentHistory):
        return (
            f"Backblaze refuses ({error}): it allows public buckets only in accounts with a "
            "verified address and a payment; see to that in its console, or set public to false"
        )
    if isinstance(error, sdk.CapExceeded):
        return f"{error} Raise the account's cap at 'Caps & Alerts' in Backblaze's console"
    if isinstance(error, sdk.ClockSkew):
        return f"the clock of this machine is wrong ({error}): set it, then run the command again"
    if isinstance(error, sdk.Unauthorized):
        settings = "b2:applicationKeyId and b2:applicationKey"
        if authorizing:
            return (
                f"Backblaze refuses the key {login.key_id!r}: correct {settings} (or "
                "B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY)"
            )
        return (
            f"Backblaze refuses what the key {login.key_id!r} asks for ({error}): set {settings} "
            "to a key that may administer the account"
        )
    if isinstance(error, sdk.BucketIdNotFound | sdk.NonExistentBucket):
        return "the bucket is gone: run `pulumi up --refresh`, which creates it again"
    if isinstance(error, sdk.BadRequest) and error.code in _CODES:
        return _CODES[error.code]
    return f"Backblaze answers: {error}"


def _reason(error: Exception) -> str:
    cause = _CAUSE.search(str(error))
    return cause[1] if cause else str(error).rsplit(": ", 1)[-1].strip("\"')(> ")
