"""One path of a cache: whether Nix takes its narinfo and its NAR."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from nix_cache.cli.doctor.faults import Fault
from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import NARINFO_BYTES, TooLargeError
from nix_cache.cli.nars import decompression
from nix_cache.cli.nars.reader import (
    REDIRECTED,
    SUCCESS_STATUSES,
    NarReader,
    NarStatusError,
    is_redirect,
)
from nix_cache.cli.s3 import content_encoding
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nar_url import ElsewhereError, InvalidUrlError, NarUrl
from nix_cache.formats.narinfo import COMPRESSIONS, Narinfo, NarinfoError
from nix_cache.formats.narinfo_trust import Distrust, distrust, signers

MISSING_STATUSES = frozenset({401, 403, 404, 407, 410})
"""What Nix takes for an object that is not there."""

_DISTRUST = {
    Distrust.UNSIGNED: Fault.UNSIGNED,
    Distrust.UNKNOWN_KEY: Fault.UNKNOWN_KEY,
    Distrust.BAD_SIGNATURE: Fault.BAD_SIGNATURE,
    Distrust.MALFORMED_SIGNATURE: Fault.MALFORMED_SIGNATURE,
    Distrust.FALSE_ADDRESS: Fault.FALSE_ADDRESS,
    Distrust.UNUSABLE_ADDRESS: Fault.UNUSABLE_ADDRESS,
}


class Looked(Enum):
    """How much of a NAR was compared with its narinfo."""

    NOTHING = "nothing"
    SIZE = "its size as it is stored"
    CONTENT = "its content"


@dataclass
class Examined:
    """What was found about one path.

    Attributes:
        store_hash: its hash.
        narinfo: what the cache says of it; None if that is missing or unreadable.
        faults: what is wrong, each with details.
        looked: what was compared of its NAR.
    """

    store_hash: str
    narinfo: Narinfo | None = None
    faults: list[tuple[Fault, str]] = field(default_factory=list)
    looked: Looked = Looked.NOTHING

    @property
    def is_absent(self) -> bool:
        """Whether the cache does not have it."""
        return any(fault is Fault.ABSENT for fault, _ in self.faults)


class PathCheck:
    """Checks paths of one cache; several threads may do so at once.

    Args:
        manifest: the cache.
        client: the way in of a reading machine.
        deep: whether NARs are read. One whose size differs from what is stated is read in any case.
    """

    def __init__(self, manifest: Manifest, client: S3Client, *, deep: bool) -> None:
        self._manifest = manifest
        self._client = client
        self._deep = deep
        self._nars = NarReader(client)

    def examined(self, store_hash: str) -> Examined:
        """Look at one path."""
        examined = Examined(store_hash)
        try:
            examined.faults += self._faults(examined)
        except NoAnswerError as failure:
            examined.faults.append((Fault.NO_ANSWER, f"{store_hash}: {failure}"))
        except ClientError as refused:
            examined.faults.append((Fault.NOT_READ, f"{store_hash}: {refused.problem}"))
        return examined

    def _faults(self, examined: Examined) -> Iterator[tuple[Fault, str]]:
        store_hash = examined.store_hash
        answer = self._client.request("GET", f"{store_hash}.narinfo")
        if answer.status in MISSING_STATUSES:
            yield Fault.ABSENT, store_hash
            return
        if is_redirect(answer.status, answer.headers):
            yield Fault.NOT_READ, f"{store_hash}: {REDIRECTED}"
            return
        if answer.status not in SUCCESS_STATUSES:
            yield Fault.UNREADABLE, f"{store_hash}: answered {answer}"
            return
        try:
            narinfo = Narinfo.parse(_body(answer))
        except (NarinfoError, decompression.UnknownCompressionError) as mistake:
            yield Fault.UNREADABLE, f"{store_hash}: {mistake}"
            return
        except content_encoding.EncodingError as mistake:
            yield Fault.UNREADABLE, f"{store_hash}: it {mistake}"
            return
        except TooLargeError as mistake:
            yield Fault.NOT_READ, f"{store_hash}: it {mistake}"
            return
        examined.narinfo = narinfo
        if (narinfo.base_name[:32], narinfo.store_dir) != (store_hash, self._manifest.store_dir):
            yield Fault.MISPLACED, f"{store_hash}: {narinfo.store_path}"
            return
        if reason := distrust(narinfo, self._manifest.public_keys):
            details = [narinfo.store_path, *filter(None, [signers(narinfo)])]
            yield _DISTRUST[reason], ": ".join(details)
            return  # Nix does not download the NAR either
        for fault, detail in self._nar_faults(examined, narinfo):
            yield fault, f"{narinfo.store_path}: {detail}"

    def _nar_faults(self, examined: Examined, narinfo: Narinfo) -> Iterator[tuple[Fault, str]]:
        if narinfo.compression not in COMPRESSIONS:
            yield Fault.COMPRESSION, narinfo.compression
            return
        if narinfo.nar_hash.algorithm != "sha256":
            yield Fault.NAR_HASH, narinfo.nar_hash.nix32
            return
        try:
            key = NarUrl.parse(narinfo.url).resolved(self._client.url)
        except InvalidUrlError as reason:
            yield Fault.NAR_ABSENT, f"its URL {narinfo.url} {reason}"
            return
        except ElsewhereError as reason:
            yield Fault.NAR_NOT_CHECKED, f"its URL {narinfo.url} {reason}"
            return
        if not self._deep:
            answer = self._client.request("HEAD", key)
            if answer.status in MISSING_STATUSES:
                yield Fault.NAR_ABSENT, f"{narinfo.url} is answered {answer.status}"
                return
            if answer.status not in SUCCESS_STATUSES:
                yield Fault.NAR_NOT_CHECKED, f"HEAD of {narinfo.url} is answered {answer.status}"
                return
            size = _length(answer)
            if None in (size, narinfo.file_size):
                yield Fault.NAR_SIZE_UNKNOWN, narinfo.url
                return
            if size == narinfo.file_size:
                examined.looked = Looked.SIZE
                return
        yield from self._content_faults(examined, narinfo, key)

    def _content_faults(
        self, examined: Examined, narinfo: Narinfo, key: str
    ) -> Iterator[tuple[Fault, str]]:
        try:
            compared = self._nars.compared(narinfo, key)
        except NarStatusError as answer:
            fault = Fault.NAR_ABSENT if answer.status in MISSING_STATUSES else Fault.NO_ANSWER
            yield fault, f"{narinfo.url} is answered {answer.status}"
        except decompression.UnknownCompressionError as reason:
            yield Fault.NAR_CONTENT, str(reason)
        except decompression.NotDecompressedError as reason:
            yield Fault.NAR_NOT_CHECKED, str(reason)
        else:
            examined.looked = Looked.CONTENT
            if compared.refusal:
                yield Fault.NAR_CONTENT, compared.refusal
            elif compared.file_differences:
                yield Fault.FILE_DIFFERS, "; ".join(compared.file_differences)


def _body(answer: Answer) -> bytes:
    """Return what came, without its Content-Encoding."""
    if answer.headers.get("Content-Length", "") not in {"", str(len(answer.body))}:
        raise content_encoding.EncodingError("is shorter than its Content-Length")
    encoding = answer.headers.get("Content-Encoding")
    decompression.undone_by_curl(encoding)
    return content_encoding.decoded(answer.body, encoding, NARINFO_BYTES)


def _length(answer: Answer) -> int | None:
    """Return the size of an object as it is stored, if the answer states it."""
    text = answer.headers.get("Content-Length", "")
    if answer.headers.get("Content-Encoding"):
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None
