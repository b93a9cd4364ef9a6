"""Narinfos as text, signed: what a writer puts beside a NAR. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nix_cache.formats.narinfo import Narinfo, NarinfoError, verify
from nix_cache.formats.narinfo_trust import malformed_signatures
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.signing import SecretKey, name_of
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


def signed_again(content: bytes, key: SecretKey, public_keys: Sequence[str]) -> bytes:
    """Return a narinfo with a valid signature by a key. All of its other lines stay.

    Signatures at which readers stop are left out: those by a trusted key with the wrong length.

    Args:
        content: the narinfo, as it is stored.
        key: what to sign with. A signature of this key that is not valid is replaced.
        public_keys: those that readers trust.

    Raises:
        NarinfoError: Nix does not read the narinfo, or would not read it as it was.
    """
    before = Narinfo.parse(content)
    left_out = set(malformed_signatures(before, public_keys))
    has_ours = bool(verify(before, [key.public_text]))
    if not has_ours:
        left_out |= {one for one in before.signatures if name_of(one) == key.name}
    if has_ours and not left_out:
        return content
    lines = [f"Sig: {one}".encode() for one in left_out]
    kept = [line for line in content.splitlines(keepends=True) if line.rstrip() not in lines]
    added = () if has_ours else (key.sign(before.fingerprint.encode()),)
    text = b"".join([*kept, *(f"Sig: {one}\n".encode() for one in added)])
    signatures = (*(one for one in before.signatures if one not in left_out), *added)
    if Narinfo.parse(text) != replace(before, signatures=signatures):
        raise NarinfoError("its lines cannot be separated")
    return text


def merged_signatures(
    there: bytes, narinfo: Narinfo, public_keys: Sequence[str]
) -> tuple[str, ...]:
    """Return the signatures of a stored narinfo that another one of the same path can have, too.

    Args:
        there: the narinfo that is stored.
        narinfo: the one that is to replace it.
        public_keys: those that readers trust.

    Returns:
        none if the stored one cannot be read, or states other contents.
    """
    try:
        stored = Narinfo.parse(there)
    except NarinfoError:
        return ()
    if stored.fingerprint != narinfo.fingerprint:
        return ()
    left_out = malformed_signatures(stored, public_keys)
    return tuple(one for one in stored.signatures if one not in left_out)


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
