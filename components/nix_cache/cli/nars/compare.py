"""Compares a stored NAR with its narinfo as it comes in: it is never held as a whole."""

import hashlib
from dataclasses import dataclass

from nix_cache.cli.nars.decompression import NotDecompressedError, decompressed
from nix_cache.formats.content_address import Method
from nix_cache.formats.nar import BLOCK_BYTES, Listener, Nar, NarError, Readable, read_nar
from nix_cache.formats.narinfo import Narinfo
from nix_cache.formats.nix_hash import NixHash

_SLACK_BYTES = 1 << 20
"""What a stored NAR may have beyond twice its content: more is not read."""


@dataclass(frozen=True)
class Compared:
    """What a NAR turned out to be.

    Attributes:
        refusal: why Nix refuses it; None if Nix takes it.
        file_differences: what else of the narinfo is not so, although Nix does not mind.
    """

    refusal: str | None
    file_differences: tuple[str, ...] = ()


def compare(
    stored: Readable,
    narinfo: Narinfo,
    memory_bytes: int,
    listener: Listener | None = None,
    *,
    reads_all: bool = False,
) -> Compared:
    """Read a NAR as Nix does, and compare it with its narinfo.

    Nix reads to the end of the NAR, whatever follows, and compares its hash and length, and the
    content address if there is one. The size and hash of the file are compared besides.

    Args:
        stored: the file as it is stored.
        narinfo: what is said of it.
        memory_bytes: the most that the decompressor may need.
        listener: is given all bytes of the NAR, piece by piece.
        reads_all: whether the file is read to its end even if nothing is stated of it.

    Raises:
        UnknownCompressionError: Nix cannot decompress it.
        NotDecompressedError: it cannot be decompressed here, within the limits.
    """
    file = _Counted(stored, 2 * narinfo.nar_size + _SLACK_BYTES)
    digest, content = hashlib.sha256(), _ContentDigest(narinfo)
    try:
        nar = read_nar(
            decompressed(file, narinfo.compression, memory_bytes),
            narinfo.nar_size,
            [digest.update, *content.nar_listeners, *([listener] if listener else ())],
            content.file_listeners,
        )
    except NarError as reason:
        return Compared(f"it is not a NAR in {narinfo.compression} as stated: {reason}")
    if nar.size_bytes != narinfo.nar_size:
        return Compared(f"it has {nar.size_bytes} bytes, NarSize is {narinfo.nar_size}")
    found = NixHash("sha256", digest.digest())
    if found != narinfo.nar_hash:
        return Compared(f"it has the hash {found.nix32}, NarHash is {narinfo.nar_hash.nix32}")
    if difference := content.difference(nar):
        return Compared(difference)
    if not reads_all and narinfo.file_size is None and narinfo.file_hash is None:
        return Compared(None)
    return Compared(None, tuple(_file_differences(file, narinfo)))


def _file_differences(file: "_Counted", narinfo: Narinfo) -> list[str]:
    try:
        while file.read(BLOCK_BYTES):
            pass
    except NotDecompressedError:
        return ["the file is far larger than NarSize"]
    differences = []
    if narinfo.file_size not in {None, file.size}:
        differences.append(f"the file has {file.size} bytes, FileSize is {narinfo.file_size}")
    if narinfo.file_hash is not None:
        found = file.hash_as(narinfo.file_hash.algorithm)
        if found is not None and found != narinfo.file_hash:
            differences.append(f"the file has the hash {found.nix32}, not FileHash")
    return differences


class _Counted:
    """A file that is measured and hashed while it is read."""

    def __init__(self, stored: Readable, largest: int) -> None:
        self._stored = stored
        self._largest = largest
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        chunk = self._stored.read(BLOCK_BYTES if size < 0 else size)
        self.size += len(chunk)
        if self.size > self._largest:
            raise NotDecompressedError(f"more than {self._largest} bytes are stored")
        self._hash.update(chunk)
        return chunk

    def hash_as(self, algorithm: str) -> NixHash | None:
        """Return the hash of what was read; None unless it is a SHA-256 that is asked for."""
        return NixHash("sha256", self._hash.digest()) if algorithm == "sha256" else None


class _ContentDigest:
    """The hash that a content address is about: of the NAR, or of the one file in it.

    As in Nix, the path's own hash counts as zeros wherever it is in the content.
    """

    def __init__(self, narinfo: Narinfo) -> None:
        self._address = narinfo.content_address
        self._own_hash = narinfo.base_name[:32].encode()
        self._rest = b""
        algorithm = self._address.hash.algorithm if self._address else "sha256"
        self._digest = hashlib.new(algorithm)
        is_of_nar = self._address is not None and self._address.method is Method.NAR
        self.nar_listeners = [self._update] if is_of_nar else []
        self.file_listeners = [self._update] if self._address and not is_of_nar else []

    def difference(self, nar: Nar) -> str | None:
        """How the content differs from the content address; None if it does not."""
        if self._address is None:
            return None
        if self.file_listeners and not nar.is_regular_file:
            return f"it is not a regular file, as the content address {self._address} demands"
        self._digest.update(self._rest)
        found = NixHash(self._address.hash.algorithm, self._digest.digest())
        if found == self._address.hash:
            return None
        return f"its content has the hash {found.nix32}, CA is {self._address}"

    def _update(self, piece: bytes) -> None:
        content = (self._rest + piece).replace(self._own_hash, bytes(len(self._own_hash)))
        kept = len(self._own_hash) - 1  # the beginning of another one may be among these
        self._digest.update(content[:-kept])
        self._rest = content[-kept:]
