"""What a cache holds of a closure, whether readers will take it, and what repairs it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from nix_cache.formats.narinfo import COMPRESSIONS, Narinfo, NarinfoError, narinfo_key, verify
from nix_cache.formats.narinfo_trust import Distrust, distrust, signers
from nix_cache.formats.narinfo_writer import missing_signatures, stored_nar
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.signing import SecretKey, name_of

_CURED_BY_SIGNING = frozenset(
    {
        None,
        Distrust.UNSIGNED,
        Distrust.UNKNOWN_KEY,
        Distrust.BAD_SIGNATURE,
        Distrust.MALFORMED_SIGNATURE,
    }
)


@dataclass(frozen=True)
class Held:
    """A path that a cache has.

    Attributes:
        path: the store path.
        stored_bytes: the size of its NAR as it is stored, if stated.
        fault: why readers refuse it; None if they take it.
        url: where its narinfo says that the NAR is; None if it cannot be read.
        is_signable: whether it lacks a signature by a current key, and states what the local store
            has, so that it can be signed.
        is_signed: whether this push signed what was there.
    """

    path: str
    stored_bytes: int | None
    fault: str | None
    url: str | None = None
    is_signable: bool = False
    is_signed: bool = False

    @property
    def key(self) -> str:
        """The object that describes it."""
        return narinfo_key(self.path)


def judge(
    path: str,
    content: bytes,
    public_keys: Sequence[str],
    info: PathInfo | None = None,
    current: frozenset[str] = frozenset(),
    key: SecretKey | None = None,
) -> Held:
    """Return whether readers take a path.

    Args:
        path: the store path.
        content: its narinfo in the cache.
        public_keys: those that readers trust.
        info: what the local store holds of it, to find out whether it can be signed.
        current: the names of the keys with which writers sign now.
        key: the one of them that is here; None if nothing is signed here, and only signatures that
            the path has elsewhere are added.
    """
    if info is not None and key is not None and (nar := stored_nar(content, info, key)) is not None:
        return Held(path, nar.file_size, None, nar.url)
    try:
        narinfo = Narinfo.parse(content)
    except NarinfoError as mistake:
        return Held(path, None, f"its narinfo cannot be read: {mistake}")
    if narinfo.store_path != path:
        return Held(path, narinfo.file_size, f"its narinfo is that of {narinfo.store_path}")
    reason = distrust(narinfo, public_keys)
    unusable = _unusable(narinfo)
    is_signable = (
        info is not None
        and unusable is None
        and reason in _CURED_BY_SIGNING
        and narinfo.content_address is None
        and states_same(narinfo, info)
        and (
            bool(missing_signatures(narinfo, info.signatures, public_keys))
            if key is None
            else not (reason is None and _is_signed_by(narinfo, public_keys, current))
        )
    )
    fault = _words(reason, narinfo) if reason else unusable
    return Held(path, narinfo.file_size, fault, narinfo.url, is_signable)


def states_same(narinfo: Narinfo, info: PathInfo) -> bool:
    """Return whether a narinfo states what the local store holds of the path."""
    return (
        narinfo.store_path == info.path
        and (narinfo.nar_hash, narinfo.nar_size) == (info.nar_hash, info.nar_size)
        and {f"{narinfo.store_dir}/{name}" for name in narinfo.references} == set(info.references)
    )


def _is_signed_by(narinfo: Narinfo, public_keys: Sequence[str], current: frozenset[str]) -> bool:
    """Return whether one of the current keys signed a narinfo that readers trust."""
    names = {name_of(key) for key in public_keys} & {name_of(one) for one in narinfo.signatures}
    if names <= current:  # one of these is valid, or the narinfo would not be trusted
        return True
    return bool(verify(narinfo, [key for key in public_keys if name_of(key) in current]))


def _words(reason: Distrust, narinfo: Narinfo) -> str:
    if reason is Distrust.UNKNOWN_KEY:
        return f"it is signed by {signers(narinfo)} alone, which the cache does not name"
    if reason is Distrust.BAD_SIGNATURE:
        return f"its signature by {signers(narinfo)} does not hold"
    return str(reason.value)


def _unusable(narinfo: Narinfo) -> str | None:
    if narinfo.compression not in COMPRESSIONS:
        return f"its compression {narinfo.compression} is unknown to Nix"
    if narinfo.nar_hash.algorithm != "sha256":
        return f"its NarHash {narinfo.nar_hash.nix32} is not a SHA-256"
    return None
