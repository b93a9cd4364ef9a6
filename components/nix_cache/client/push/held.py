"""What a cache holds of a closure, and whether readers will take it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from nix_cache import signing
from nix_cache.narinfo import Narinfo, NarinfoError, narinfo_key, verify


@dataclass(frozen=True)
class Held:
    """A path that a cache has.

    Attributes:
        path: the store path.
        stored_bytes: the size of its NAR as it is stored, if told.
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
    """Whether readers take a path.

    Args:
        path: the store path.
        content: its narinfo in the cache.
        public_keys: those that readers trust.
    """
    try:
        narinfo = Narinfo.parse(content.decode())
    except (NarinfoError, UnicodeDecodeError) as mistake:
        return Held(path, None, f"its narinfo cannot be read: {mistake}")
    return Held(path, narinfo.file_size, _fault(path, narinfo, public_keys))


def _fault(path: str, narinfo: Narinfo, public_keys: Sequence[str]) -> str | None:
    if narinfo.store_path != path:
        return f"its narinfo is that of {narinfo.store_path}"
    if narinfo.is_content_addressed or verify(narinfo, public_keys):
        return None
    signers = sorted({signing.name_of(signature) for signature in narinfo.signatures})
    if not signers:
        return "it is not signed"
    if set(signers) & {signing.name_of(key) for key in public_keys}:
        return f"its signature by {', '.join(signers)} does not hold"
    return f"it is signed by {', '.join(signers)} alone, which the cache does not name"
