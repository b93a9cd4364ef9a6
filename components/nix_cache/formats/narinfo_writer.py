"""Narinfos as text, signed: what a writer puts beside a NAR. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nix_cache.formats.content_address import (
    ContentAddress,
    ContentAddressError,
    is_address_of,
)
from nix_cache.formats.narinfo import Narinfo, NarinfoError, fingerprint, verified, verify
from nix_cache.formats.narinfo_trust import malformed_signatures
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.signing import SecretKey, name_of
from nix_cache.iam.lifecycle import NAR_PREFIX

CONTENT_TYPE = "text/x-nix-narinfo"
NAR_CONTENT_TYPE = "application/x-nix-nar"

_NAR = re.compile(
    rb"StorePath: ([^\n]+)\n"
    rb"URL: (nar/([01][0-9a-df-np-sv-z]{51})\.nar\.zst)\n"
    rb"Compression: zstd\n"
    rb"FileHash: sha256:\3\n"
    rb"FileSize: ([1-9][0-9]{0,17})\n"
)
"""The first lines of what ``signed_narinfo`` makes."""

_SIGNATURE = re.compile(rb"^Sig: ([!-9;-~]+:[A-Za-z0-9+/]{86}==)$", re.MULTILINE)


@dataclass(frozen=True)
class NarFile:
    """A compressed NAR.

    Attributes:
        file_hash: the SHA-256 of the file.
        file_size: its size in bytes.
        compression: as narinfos name it.
        suffix: of its key; empty for none.
    """

    file_hash: NixHash
    file_size: int
    compression: str = "zstd"
    suffix: str = "zst"

    @property
    def key(self) -> str:
        """The object in the bucket, as Nix names it."""
        digest = self.file_hash.nix32.partition(":")[2]
        return f"{NAR_PREFIX}{digest}.nar" + (f".{self.suffix}" if self.suffix else "")


def signed_narinfo(info: PathInfo, file: NarFile, key: SecretKey | None) -> bytes:
    """Return the narinfo of a store path, with its signatures and one by a key.

    Args:
        info: what the store holds of the path.
        file: its NAR in the bucket.
        key: what to sign with; None to add no signature. A signature of this key that is there
            already is replaced.

    Raises:
        NarinfoError: Nix would not read it.
    """
    Narinfo.parse(_text(info, file, []))
    return _text(info, file, _signatures(info, key))


@dataclass(frozen=True)
class StoredNar:
    """A NAR, as a narinfo describes it.

    Attributes:
        url: where it is.
        file_size: its size in bytes.
    """

    url: str
    file_size: int


def stored_nar(content: bytes, info: PathInfo, key: SecretKey) -> StoredNar | None:
    """Return the NAR of a narinfo that is what ``signed_narinfo`` makes of a store path.

    That is so for most paths that are pushed again, and takes a third of the time of reading a
    narinfo and checking its signature. A content-addressed path may have any signatures, because
    readers do not check them.

    Args:
        content: the narinfo, as it is stored.
        info: what the store holds of the path.
        key: what it is to be signed with.

    Returns:
        its NAR; None if the narinfo is not the same in every byte, or if readers refuse the path.
    """
    found = _NAR.match(content)
    if found is None or found[1] != info.path.encode():
        return None
    rest = content[found.end() :]
    if info.ca is None:
        signatures = _signatures(info, key)
    elif follows_from_address(info):
        signatures = [one.decode() for one in _SIGNATURE.findall(rest)]  # readers check none
    else:
        return None
    if rest != "".join([f"{line}\n" for line in _lines_of_path(info, signatures)]).encode():
        return None
    return StoredNar(found[2].decode(), int(found[4]))


def follows_from_address(info: PathInfo) -> bool:
    """Return whether a store path follows from its content address."""
    try:
        address = ContentAddress.parse(info.ca or "")
        return is_address_of(address, info.path, info.references)
    except ContentAddressError:
        return False


def _signatures(info: PathInfo, key: SecretKey | None) -> list[str]:
    if key is None:
        return list(info.signatures)
    others = [one for one in info.signatures if one.partition(":")[0] != key.name]
    text = fingerprint(info.path, info.nar_hash, info.nar_size, info.references)
    return [*others, key.sign(text.encode())]


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
    added = () if has_ours else (key.sign(before.fingerprint.encode()),)
    return _with_signatures(content, before, left_out, added)


def with_signatures(content: bytes, signatures: Sequence[str], public_keys: Sequence[str]) -> bytes:
    """Return a narinfo with those of some signatures that it lacks. All of its other lines stay.

    Args:
        content: the narinfo, as it is stored.
        signatures: of the same contents, from elsewhere. Of these, valid ones by a trusted key are
            added.
        public_keys: those that readers trust.

    Raises:
        NarinfoError: Nix does not read the narinfo, or would not read it as it was.
    """
    before = Narinfo.parse(content)
    added = missing_signatures(before, signatures, public_keys)
    if not added:
        return content
    return _with_signatures(content, before, set(malformed_signatures(before, public_keys)), added)


def missing_signatures(
    narinfo: Narinfo, signatures: Sequence[str], public_keys: Sequence[str]
) -> tuple[str, ...]:
    """Return those of some signatures that a narinfo lacks and that make readers trust it.

    Args:
        narinfo: what is signed.
        signatures: from elsewhere.
        public_keys: those that readers trust.
    """
    trusted = set(map(name_of, public_keys))
    others = [one for one in signatures if name_of(one) in trusted]
    lacking = [one for one in others if one not in narinfo.signatures]
    return tuple(one for one in lacking if verified(narinfo.fingerprint, [one], public_keys))


def _with_signatures(
    content: bytes, before: Narinfo, left_out: set[str], added: Sequence[str]
) -> bytes:
    lines = [f"Sig: {one}".encode() for one in left_out]
    kept = [line for line in content.splitlines(keepends=True) if line.rstrip() not in lines]
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
    lines = (
        f"StorePath: {info.path}",
        f"URL: {file.key}",
        f"Compression: {file.compression}",
        f"FileHash: {file.file_hash.nix32}",
        f"FileSize: {file.file_size}",
        *_lines_of_path(info, signatures),
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _lines_of_path(info: PathInfo, signatures: Iterable[str]) -> list[str]:
    """Return the lines that do not depend on how the NAR is stored; the last ones."""
    references = " ".join(map(_base_name, info.references))
    return [
        f"NarHash: {info.nar_hash.nix32}",
        f"NarSize: {info.nar_size}",
        f"References: {references}",
        *([f"Deriver: {_base_name(info.deriver)}"] if info.deriver else ()),
        *(f"Sig: {signature}" for signature in signatures),
        *([f"CA: {info.ca}"] if info.ca else ()),
    ]


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
