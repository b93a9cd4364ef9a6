"""Uploads in parts: what begins, sends, completes and aborts one. Parts are equal but the last."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError, MalformedAnswerError

SMALLEST_PART_BYTES = 5 << 20
"""Of all parts but the last. S3's own limit, 5 MiB; the largest among the services here."""

LARGEST_PART_BYTES = 5 << 30
"""Of a part, and of an object that is put in one piece."""

MOST_PARTS = 10_000

PART_BYTES = 16 << 20
"""Of parts whose size is not chosen."""

_MEBIBYTE = 1 << 20
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_NO_UPLOAD = "NoSuchUpload"


def part_size(total_bytes: int, chosen_bytes: int | None) -> int:
    """Return the size of the parts of an upload, in bytes.

    Args:
        total_bytes: the size of the object.
        chosen_bytes: the size that the user or the cache chose, which is never exceeded: larger
            parts may not pass a proxy. None for what suits the object.

    Raises:
        ClientError: the object does not fit into as many parts as there may be.
    """
    needed = -(-total_bytes // MOST_PARTS)
    needed_mebibytes = -(-needed // _MEBIBYTE)
    if needed > LARGEST_PART_BYTES:
        raise ClientError(
            f"the compressed NAR has {total_bytes:,} bytes, and S3 stores at most "
            f"{MOST_PARTS * LARGEST_PART_BYTES:,}",
            "split the store path",
        )
    if chosen_bytes is None:
        return max(PART_BYTES, needed_mebibytes * _MEBIBYTE)
    if needed > chosen_bytes:
        raise ClientError(
            f"the compressed NAR has {total_bytes:,} bytes, more than {MOST_PARTS:,} parts of "
            f"{chosen_bytes:,} bytes",
            f"push with --part-size {needed_mebibytes}, or set partSizeMib of the stack to that",
        )
    return chosen_bytes


class MultipartUpload:
    """One upload in parts.

    Args:
        client: of the bucket.
        key: of the object.
        content_type: likewise.
    """

    def __init__(self, client: S3Client, key: str, content_type: str) -> None:
        self._client = client
        self.key = key
        headers = {"Content-Type": content_type}
        answer = client.succeeded("POST", key, "uploads", headers)
        found = _UPLOAD_ID.search(answer.body)
        if found is None:
            raise MalformedAnswerError("no id of an upload")
        self._query = f"uploadId={quote(found[1].decode(), safe='')}"

    def put(self, number: int, part: FilePart) -> str:
        """Send a part, and return its ETag.

        Args:
            number: of the part, from 1.
            part: its content.
        """
        answer = self._client.succeeded(
            "PUT", self.key, f"partNumber={number}&{self._query}", body=part
        )
        etag = answer.headers.get("ETag", "")
        if not etag:
            raise MalformedAnswerError("no ETag of a part")
        return etag

    def complete(self, etags: Sequence[str], total_bytes: int) -> None:
        """Make the object of its parts.

        Args:
            etags: of all parts, in their order.
            total_bytes: the size of the object.
        """
        from xml.sax.saxutils import escape  # small files do without it

        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, start=1)
        )
        body = (
            '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{parts}</CompleteMultipartUpload>"
        ).encode()
        headers = {"Content-Type": "application/xml"}
        try:
            self._client.succeeded("POST", self.key, self._query, headers, body)
        except AnsweredError as refusal:
            # The first try may have succeeded, and its answer was lost.
            if refusal.code != _NO_UPLOAD or not self._is_there(total_bytes):
                raise

    def abort(self) -> None:
        """Drop the parts. An upload that is completed or gone is left as it is."""
        try:
            self._client.succeeded("DELETE", self.key, self._query)
        except AnsweredError as refusal:
            if refusal.code != _NO_UPLOAD and refusal.status != 404:
                raise

    def _is_there(self, total_bytes: int) -> bool:
        answer = self._client.head(self.key)
        return answer is not None and answer.headers.get("Content-Length") == str(total_bytes)
