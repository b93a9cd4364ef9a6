"""The bucket as a writer sees it: which narinfos are there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import TooLargeError, body_limit
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import AnsweredError, StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.transport import OversizedError, Transport
from nix_cache.cli.upload.held import Held, judge
from nix_cache.cli.upload.identity import Identity
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.narinfo import narinfo_key

_ABSENT = {"NoSuchKey", "AccessDenied", "404", "403"}
"""Those who may not list are answered that a missing object is forbidden."""


class Bucket:
    """A cache's bucket.

    Args:
        manifest: the cache.
        identity: whose requests these are.
        who: the same, for messages.
        jobs: how many requests there are at a time.
    """

    def __init__(self, manifest: Manifest, identity: Identity, who: Requester, jobs: int) -> None:
        self._manifest = manifest
        self._who = who
        self._jobs = jobs
        transport = Transport(jobs=jobs)
        self._client = S3Client.of(manifest, identity.credentials, transport)

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
                    f"{INFO_KEY} at {self._manifest.endpoint} {mistake}",
                    "see what answers there: it is not the cache's storage",
                ) from None

    def held(
        self, paths: Sequence[str], progress: Callable[[int], None] = lambda _: None
    ) -> dict[str, Held]:
        """Those of some paths that the cache has.

        Args:
            paths: store paths.
            progress: called with the number of paths that were asked for so far.

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
            except AnsweredError as refusal:
                if refusal.code in _ABSENT:
                    return None
                raise
            except (EncodingError, TooLargeError) as mistake:
                return Held(path, None, f"its narinfo {mistake}")
        return judge(path, content, self._manifest.public_keys)

    def _get(self, key: str) -> bytes:
        """An object's content.

        Raises:
            TooLargeError: it is larger than such an object may be.
            EncodingError: its Content-Encoding cannot be undone.
        """
        most_bytes = body_limit(key).most_bytes
        try:
            answer = self._client.get(key)
        except OversizedError:
            raise TooLargeError(most_bytes) from None
        return decoded(answer.body, answer.headers.get("Content-Encoding"), most_bytes)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except StorageError as failure:
            raise explain(failure, self._who) from None
