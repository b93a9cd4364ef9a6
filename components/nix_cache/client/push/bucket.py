"""The bucket as a writer sees it: which narinfos are there."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as StorageError

from nix_cache.client.errors import ClientError
from nix_cache.client.push.held import Held, judge
from nix_cache.client.push.identity import Identity
from nix_cache.client.push.refusals import BusyError, Who, explain, innermost, is_busy
from nix_cache.description import Description
from nix_cache.lifecycle import INFO_KEY
from nix_cache.narinfo import narinfo_key

_CONNECT_SECONDS = 10
_READ_SECONDS = 20
_TRIES = 2
"""Of one request. Whoever has more patience tries all of them again."""

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
            verify=os.environ.get("NIX_SSL_CERT_FILE") or os.environ.get("SSL_CERT_FILE") or None,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
                max_pool_connections=jobs,
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
            self._get(INFO_KEY)

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
        workers = ThreadPoolExecutor(self._jobs)
        try:
            asked = [workers.submit(self._held, path) for path in paths]
            for count, answered in enumerate(as_completed(asked), start=1):
                if held := answered.result():
                    found[held.path] = held
                progress(count)
        finally:
            workers.shutdown(cancel_futures=True)
        return found

    def _held(self, path: str) -> Held | None:
        with self._explained():
            try:
                content = self._get(narinfo_key(path))
            except StorageError as refusal:
                if refusal.response["Error"].get("Code") in _ABSENT:
                    return None
                raise
        return judge(path, content, self._description.public_keys)

    def _get(self, key: str) -> bytes:
        answer = self._s3.get_object(Bucket=self._description.bucket, Key=key)
        content: bytes = answer["Body"].read()
        return content

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
        except BotoCoreError as failure:
            raise BusyError(
                f"the storage at {endpoint} does not answer: {innermost(failure)}",
                "see that it runs and can be reached from here, then try again",
            ) from None
