"""Which paths of a cache are copied, by their narinfos. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nix_cache.formats.content_address import ContentAddress
from nix_cache.formats.narinfo import COMPRESSIONS, Narinfo, NarinfoError
from nix_cache.formats.narinfo_trust import Distrust, distrust, malformed_signatures, signers
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo

_LONGEST_URL = 2000


@dataclass(frozen=True)
class MirrorTerms:
    """What is trusted.

    Attributes:
        store_dir: the store of both caches.
        origin_keys: the public keys of the cache that is copied.
        target_keys: those of the cache that gets the paths.
        signs: whether the writer's key signs what one of these keys signed.
    """

    store_dir: str
    origin_keys: tuple[str, ...]
    target_keys: tuple[str, ...]
    signs: bool


@dataclass(frozen=True, slots=True)
class OriginNar:
    """A NAR, as a narinfo describes it.

    Attributes:
        url: where it is, as stated.
        compression: its name.
        file_hash: of the file, if stated.
        file_size: of the file, if stated.
    """

    url: str
    compression: str
    file_hash: NixHash | None
    file_size: int | None


@dataclass(frozen=True, slots=True)
class CopyablePath:
    """A path that can be copied.

    Attributes:
        info: its contents, with full paths.
        nar: its NAR.
    """

    info: PathInfo
    nar: OriginNar

    @property
    def narinfo(self) -> Narinfo:
        """The narinfo, without signatures: what its NAR is compared with."""
        info = self.info
        return Narinfo(
            store_path=info.path,
            url=self.nar.url,
            compression=self.nar.compression,
            file_hash=self.nar.file_hash,
            file_size=self.nar.file_size,
            nar_hash=info.nar_hash,
            nar_size=info.nar_size,
            references=tuple(path.rpartition("/")[2] for path in info.references),
            deriver=None,
            signatures=(),
            content_address=ContentAddress.parse(info.ca) if info.ca else None,
        )


@dataclass(frozen=True)
class Refused:
    """A narinfo that is not copied.

    Attributes:
        name: the store path, or the key of the narinfo if it cannot be read.
        reason: why, a clause.
        signers: the names of the keys by which it is signed, if a signature of the target's writer
            would be enough for readers; empty else.
    """

    name: str
    reason: str
    signers: str = ""


def examined(store_hash: str, content: bytes, terms: MirrorTerms) -> CopyablePath | Refused:
    """Return whether a path is copied, by its narinfo.

    Args:
        store_hash: of the store path that was asked for.
        content: the narinfo.
        terms: what is trusted.
    """
    key = f"{store_hash}.narinfo"
    try:
        narinfo = Narinfo.parse(content)
    except NarinfoError as mistake:
        return Refused(key, f"its narinfo cannot be read: {mistake}")
    if narinfo.base_name[:32] != store_hash:
        return Refused(key, f"its narinfo is that of {narinfo.store_path}")
    path = narinfo.store_path
    if narinfo.store_dir != terms.store_dir:
        return Refused(path, f"it is not in {terms.store_dir}, the store of the target")
    if problem := _unusable(narinfo):
        return Refused(path, problem)
    found = _found(narinfo, terms)
    if _distrust(narinfo, terms.target_keys, found) is None:
        return found
    # By itself: keys of two caches may have one name, of which Nix takes the first.
    reason = _distrust(narinfo, terms.origin_keys, found)
    if reason is not None:
        return Refused(path, _words(reason, narinfo))
    if terms.signs:
        return found
    names = signers(narinfo)
    return Refused(path, f"it is signed by {names} alone, which the target does not trust", names)


def _found(narinfo: Narinfo, terms: MirrorTerms) -> CopyablePath:
    left_out = malformed_signatures(narinfo, terms.target_keys)
    info = PathInfo(
        path=narinfo.store_path,
        nar_hash=narinfo.nar_hash,
        nar_size=narinfo.nar_size,
        references=tuple(sorted({f"{narinfo.store_dir}/{name}" for name in narinfo.references})),
        deriver=f"{narinfo.store_dir}/{narinfo.deriver}" if narinfo.deriver else None,
        signatures=tuple(one for one in narinfo.signatures if one not in left_out),
        ca=str(narinfo.content_address) if narinfo.content_address else None,
        ultimate=False,
        registration_time=None,
    )
    nar = OriginNar(narinfo.url, narinfo.compression, narinfo.file_hash, narinfo.file_size)
    return CopyablePath(info, nar)


def _distrust(narinfo: Narinfo, public_keys: Sequence[str], found: CopyablePath) -> Distrust | None:
    """Why readers would not trust the path, with the signatures that are copied."""
    return distrust(replace(narinfo, signatures=found.info.signatures), public_keys)


def _words(reason: Distrust, narinfo: Narinfo) -> str:
    names = signers(narinfo)
    if reason is Distrust.UNKNOWN_KEY:
        return f"it is signed by {names} alone, whose public key was not given"
    if reason is Distrust.BAD_SIGNATURE:
        return f"its signature by {names} is invalid"
    return str(reason.value)


def _unusable(narinfo: Narinfo) -> str | None:
    if narinfo.compression not in COMPRESSIONS:
        return f"its compression {narinfo.compression} is unknown to Nix"
    if narinfo.nar_hash.algorithm != "sha256":
        return f"its NarHash {narinfo.nar_hash.nix32} is not a SHA-256"
    if len(narinfo.url) > _LONGEST_URL:
        return f"the URL of its NAR has {len(narinfo.url):,} characters"
    return None
