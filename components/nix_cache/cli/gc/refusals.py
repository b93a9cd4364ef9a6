"""What it means when the storage refuses the bucket's owner, or does not answer. Pure."""

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as StorageError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.storage_answers import MalformedAnswerError
from nix_cache.cli.upload.refusals import innermost, is_busy
from nix_cache.description import Description

_AGAIN = "run it again when it answers: what is left is whole"


def status_of(refusal: StorageError) -> str:
    """Return the HTTP status of a refusal; empty if there is none."""
    return str(refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))


def explain(failure: Exception, what: str, profile: str, description: Description) -> ClientError:
    """The reason of a failure, and what to do.

    Args:
        failure: of a request.
        what: the request was to do, as in `list`.
        profile: whose request it was.
        description: the cache.
    """
    endpoint, bucket = description.endpoint, description.bucket
    malformed = isinstance(failure, MalformedAnswerError)
    if malformed or not isinstance(failure, StorageError | BotoCoreError):
        return ClientError(
            f"the storage at {endpoint} gives a malformed answer, asked to {what}; nothing more "
            "was removed",
            "check the endpoint: what answers there does not speak S3",
        )
    if not isinstance(failure, StorageError):
        reason = innermost(failure)
        return ClientError(f"the storage at {endpoint} does not answer: {reason}", _AGAIN)
    code = str(failure.response["Error"].get("Code", ""))
    status = status_of(failure)
    if is_busy(status, code):
        return ClientError(f"the storage at {endpoint} is busy ({status} {code})", _AGAIN)
    match code, status:
        case "InvalidAccessKeyId", _:
            return ClientError(
                f"the storage at {endpoint} does not know the key of the profile {profile}",
                "name a profile of the bucket's owner",
            )
        case "SignatureDoesNotMatch", _:
            return ClientError(
                f"the secret of the profile {profile} is not the right one for {endpoint}",
                "correct it in the credentials file",
            )
        case "RequestTimeTooSkewed", _:
            return ClientError(
                "the clock of this machine differs from the storage's by more than 15 minutes",
                "set it right, for example with `timedatectl set-ntp true`",
            )
        case "NoSuchBucket", _:
            return ClientError(
                f"the storage at {endpoint} has no bucket {bucket}",
                "run `pulumi up --refresh` on the stack, or name the right cache",
            )
        case _, "401" | "403":
            return ClientError(
                f"the profile {profile} may not {what} in the bucket {bucket} ({code})",
                "name a profile of the bucket's owner",
            )
    return ClientError(
        f"the storage at {endpoint} answers {status} {code}, asked to {what}",
        "look with `nix-cache doctor`",
    )
