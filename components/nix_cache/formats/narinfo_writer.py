"""Narinfos as text, signed: what a writer puts beside a NAR. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nix_cache.formats.narinfo import Narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.signing import SecretKey
from nix_cache.iam.lifecycle import NAR_PREFIX

CONTENT_TYPE = "text/x-nix-narinfo"
NAR_CONTENT_TYPE = "application/x-nix-nar"


@dataclass(frozen=True)
class NarFile:
    """A compressed NAR.

    Attributes:
        file_hash: the SHA-256 of the file.
        file_size: its size in bytes.
        compression: as narinfos name it.
        suffix: of its key.
    """

    file_hash: NixHash
    file_size: int
    compression: str = "zstd"
    suffix: str = "zst"

    @property
    def key(self) -> str:
        """The object in the bucket, as Nix names it."""
        digest = self.file_hash.nix32.partition(":")[2]
        return f"{NAR_PREFIX}{digest}.nar.{self.suffix}"


def signed_narinfo(info: PathInfo, file: NarFile, key: SecretKey) -> bytes:
    """Return the narinfo of a store path, with its signatures and one by a key.

    Args:
        info: what the store holds of the path.
        file: its NAR in the bucket.
        key: what to sign with. A signature of this key that is there already is replaced.

    Raises:
        NarinfoError: Nix would not read it.
    """
    others = [one for one in info.signatures if one.partition(":")[0] != key.name]
    unsigned = Narinfo.parse(_text(info, file, []))
    return _text(info, file, [*others, key.sign(unsigned.fingerprint.encode())])


def _text(info: PathInfo, file: NarFile, signatures: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in _lines(info, file, signatures)).encode()


def _lines(info: PathInfo, file: NarFile, signatures: Iterable[str]) -> Iterator[str]:
    references = " ".join(_base_name(path) for path in info.references)
    yield f"StorePath: {info.path}"
    yield f"URL: {file.key}"
    yield f"Compression: {file.compression}"
    yield f"FileHash: {file.file_hash.nix32}"
    yield f"FileSize: {file.file_size}"
    yield f"NarHash: {info.nar_hash.nix32}"
    yield f"NarSize: {info.nar_size}"
    yield f"References: {references}"
    if info.deriver:
        yield f"Deriver: {_base_name(info.deriver)}"
    yield from (f"Sig: {signature}" for signature in signatures)
    if info.ca:
        yield f"CA: {info.ca}"


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
