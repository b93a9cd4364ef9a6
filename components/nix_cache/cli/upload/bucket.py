"""The bucket as a writer sees it: which narinfos are there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as StorageError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import TooLargeError, body_limit
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.storage_answers import MalformedAnswerError
from nix_cache.cli.s3.transport import OversizedError
from nix_cache.cli.upload.held import Held, judge
from nix_cache.cli.upload.identity import Identity
from nix_cache.cli.upload.refusals import (
    BusyError,
    UnansweredError,
    Who,
    explain,
    innermost,
    is_busy,
)
from nix_cache.description import Description
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.narinfo import narinfo_key

_ABSENT = {"NoSuchKey", "AccessDenied", "404", "403"}
"""Who may not list is told that a missing object is forbidden."""


class Bucket:
    """A cache's bucket.

    Args:
        description: the cache.
        identity: whose requests these are.
        who: the same, for messages.
        jobs: how many requests there are at a time.
    """

    def __init__(self, description: Description, identity: Identity, who: Who, jobs: int) -> None:
        self._description = description
        self._who = who
        self._jobs = jobs
        self._s3: Any = identity.session.create_client(
            "s3",
            endpoint_url=description.endpoint,
            region_name=description.region,
            config=Config(
                # The session's transport tries again by itself.
                retries={"mode": "standard", "total_max_attempts": 1},
                signature_version="s3v4",
                s3={"addressing_style": "path"},
            ),
        )

    def require_access(self) -> None:
        """Make sure that the writer may read what is always there.

        Raises:
            ClientError: the storage refused, and this says why.
            BusyError: it did not answer, or not now.
        """
        with self._explained():
            try:
                self._get(INFO_KEY)
            except (EncodingError, TooLargeError) as mistake:
                raise ClientError(
                    f"{INFO_KEY} at {self._description.endpoint} {mistake}",
                    "see what answers there: it is not the cache's storage",
                ) from None

    def held(
        self, paths: Sequence[str], progress: Callable[[int], None] = lambda _: None
    ) -> dict[str, Held]:
        """Those of some paths that the cache has.

        Args:
            paths: store paths.
            progress: is told how many were asked for so far.

        Raises:
            ClientError: the storage refused.
            BusyError: it did not answer, or not now.
        """
        found: dict[str, Held] = {}
        asked = in_parallel(self._held, paths, self._jobs)
        for count, (path, held) in enumerate(asked, start=1):
            if held:
                found[path] = held
            progress(count)
        return found

    def _held(self, path: str) -> Held | None:
        with self._explained():
            try:
                content = self._get(narinfo_key(path))
            except StorageError as refusal:
                if refusal.response["Error"].get("Code") in _ABSENT:
                    return None
                raise
            except (EncodingError, TooLargeError) as mistake:
                return Held(path, None, f"its narinfo {mistake}")
        return judge(path, content, self._description.public_keys)

    def _get(self, key: str) -> bytes:
        """An object's content.

        Raises:
            TooLargeError: it is larger than such an object may be.
            EncodingError: its Content-Encoding cannot be undone.
        """
        most_bytes = body_limit(key).most_bytes
        try:
            answer = self._s3.get_object(Bucket=self._description.bucket, Key=key)
        except OversizedError:
            raise TooLargeError(most_bytes) from None
        return decoded(answer["Body"].read(), answer.get("ContentEncoding"), most_bytes)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        endpoint = self._description.endpoint
        try:
            yield
        except StorageError as refusal:
            code = str(refusal.response["Error"].get("Code", ""))
            status = str(refusal.response["ResponseMetadata"].get("HTTPStatusCode", ""))
            if is_busy(status, code):
                raise BusyError(
                    f"the storage at {endpoint} is busy ({status} {code})", "try again later"
                ) from None
            raise explain(status, code, self._who) or ClientError(
                f"the storage at {endpoint} answers {status} {code}",
                f"look with `nix-cache doctor {self._who.cache}`",
            ) from None
        except MalformedAnswerError as failure:
            raise ClientError(
                f"{endpoint} is not the storage of the cache: {failure}",
                f"look with `nix-cache doctor {self._who.cache}`",
            ) from None
        except BotoCoreError as failure:
            kind = UnansweredError if getattr(failure, "given_up", False) else BusyError
            raise kind(
                f"the storage at {endpoint} does not answer: {innermost(failure)}",
                "see that it runs and can be reached from here, then try again",
            ) from None
