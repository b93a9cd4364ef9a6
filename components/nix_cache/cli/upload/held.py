"""What a cache holds of a closure, and whether readers will take it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from nix_cache.formats.narinfo import COMPRESSIONS, Narinfo, NarinfoError, narinfo_key
from nix_cache.formats.narinfo_trust import Distrust, distrust, signers


@dataclass(frozen=True)
class Held:
    """A path that a cache has.

    Attributes:
        path: the store path.
        stored_bytes: the size of its NAR as it is stored, if stated.
        fault: why readers refuse it; None if they take it.
    """

    path: str
    stored_bytes: int | None
    fault: str | None

    @property
    def key(self) -> str:
        """The object that has to go before the path can be pushed again."""
        return narinfo_key(self.path)


def judge(path: str, content: bytes, public_keys: Sequence[str]) -> Held:
    """Return whether readers take a path.

    Args:
        path: the store path.
        content: its narinfo in the cache.
        public_keys: those that readers trust.
    """
    try:
        narinfo = Narinfo.parse(content)
    except NarinfoError as mistake:
        return Held(path, None, f"its narinfo cannot be read: {mistake}")
    return Held(path, narinfo.file_size, _fault(path, narinfo, public_keys))


def _fault(path: str, narinfo: Narinfo, public_keys: Sequence[str]) -> str | None:
    if narinfo.store_path != path:
        return f"its narinfo is that of {narinfo.store_path}"
    reason = distrust(narinfo, public_keys)
    if reason is Distrust.UNKNOWN_KEY:
        return f"it is signed by {signers(narinfo)} alone, which the cache does not name"
    if reason is Distrust.BAD_SIGNATURE:
        return f"its signature by {signers(narinfo)} does not hold"
    if reason:
        return str(reason.value)
    if narinfo.compression not in COMPRESSIONS:
        return f"its compression {narinfo.compression} is unknown to Nix"
    if narinfo.nar_hash.algorithm != "sha256":
        return f"its NarHash {narinfo.nar_hash.nix32} is not a SHA-256"
    return None
