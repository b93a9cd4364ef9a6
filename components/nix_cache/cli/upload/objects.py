"""Puts objects into a cache's bucket: small ones, and files in one piece or in parts."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.client import S3Client, SmallPut
from nix_cache.cli.s3.errors import AnsweredError, StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.multipart import MultipartUpload, part_size
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.upload.packing import Packed

_PARTS_AT_A_TIME = 8
_ABSENT = frozenset({403, 404})
_ABORT_SECONDS = 0.5
"""For all uploads together: an interrupted command ends within a second."""

_Result = TypeVar("_Result")
_Tag = TypeVar("_Tag")


class Objects:
    """The objects that a writer puts.

    Args:
        client: of the bucket.
        who: the writer, for messages.
        part_bytes: files that are larger are put in parts of this size; None for what suits each.
        report: called with a text before something is tried again.
    """

    def __init__(
        self,
        client: S3Client,
        who: Requester,
        part_bytes: int | None,
        report: Callable[[str], None],
    ) -> None:
        self._client = client
        self._who = who
        self._part_bytes = part_bytes
        self._report = report
        self._lock = threading.Lock()
        self._begun: set[MultipartUpload] = set()

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Put a small object.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        self._tried(lambda: self._client.put(key, content, content_type))

    def try_puts(
        self, puts: Iterator[SmallPut[_Tag] | None], jobs: int, waker: Waker
    ) -> Iterator[tuple[SmallPut[_Tag], bool] | None]:
        """Put small objects in this thread, as ``S3Client.try_puts`` does."""
        return self._client.try_puts(puts, jobs, waker)

    @staticmethod
    def small_put(key: str, content: bytes, content_type: str, tag: _Tag) -> SmallPut[_Tag]:
        """Return the first request by which ``put`` puts a small object.

        Args:
            key: of the object.
            content: what is to be in it.
            content_type: of the object.
            tag: of the request.
        """
        return SmallPut(tag, key, content, {"Content-Type": content_type})

    def has(self, key: str) -> bool:
        """Return whether an object is there; what the writer may not read is not.

        Raises:
            ClientError: the storage did not answer, or refused for another reason.
        """

        def asked() -> bool:
            try:
                return self._client.head(key) is not None
            except AnsweredError as refusal:
                if refusal.status in _ABSENT:
                    return False
                raise

        return self._tried(asked)

    def put_file(
        self, key: str, packed: Packed, content_type: str, sent: Callable[[int], None]
    ) -> None:
        """Put a file, in parts if it is large. An upload that fails is aborted.

        Args:
            key: of the object.
            packed: the file.
            content_type: of the object.
            sent: called with the number of bytes that were sent, or have to be sent again.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        total = packed.file.file_size
        size = part_size(total, self._part_bytes)
        if total <= size:
            digest = packed.file.file_hash.digest.hex()
            whole = FilePart(packed.descriptor, 0, total, digest, sent)
            self._tried(lambda: self._client.put(key, whole, content_type))
            return
        parts = [
            FilePart(packed.descriptor, start, min(size, total - start), sent=sent)
            for start in range(0, total, size)
        ]
        upload = self._tried(lambda: MultipartUpload(self._client, key, content_type))
        with self._lock:
            self._begun.add(upload)
        try:
            numbers = range(1, len(parts) + 1)

            def send(number: int) -> str:
                return self._tried(lambda: upload.put(number, parts[number - 1]))

            etags = dict(in_parallel(send, numbers, _PARTS_AT_A_TIME))
            self._tried(lambda: upload.complete([etags[number] for number in numbers], total))
        except Exception:
            self._abort(upload)
            raise
        with self._lock:
            self._begun.discard(upload)

    def abort(self) -> None:
        """Abort all uploads in parts that are under way, as far as there is time."""
        with self._lock:
            begun = list(self._begun)
        threads = [
            threading.Thread(target=self._abort, args=(upload,), daemon=True) for upload in begun
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_ABORT_SECONDS / len(threads))

    def _abort(self, upload: MultipartUpload) -> None:
        """Abort an upload. If that fails, the lifecycle of the bucket does it later."""
        with contextlib.suppress(Exception):
            upload.abort()
        with self._lock:
            self._begun.discard(upload)

    def _tried(self, work: Callable[[], _Result]) -> _Result:
        return retry(lambda: self._explained(work), self._report)

    def _explained(self, work: Callable[[], _Result]) -> _Result:
        try:
            return work()
        except StorageError as failure:
            raise explain(failure, self._who) from None
