"""Whether readers trust a narinfo, and if not, why. Pure."""

from collections.abc import Sequence
from enum import Enum

from nix_cache.formats import signing
from nix_cache.formats.content_address import ContentAddressError
from nix_cache.formats.narinfo import SIGNATURE_BYTES, Narinfo, verify
from nix_cache.formats.nix_hash import decode_base64


class Distrust(Enum):
    """Why Nix does not trust a narinfo."""

    UNSIGNED = "it is not signed"
    UNKNOWN_KEY = "no signature is by a trusted key"
    BAD_SIGNATURE = "no signature by a trusted key is valid"
    MALFORMED_SIGNATURE = "a signature by a trusted key has the wrong length"
    """Nix then stops, even if another signature is valid."""
    FALSE_ADDRESS = "its path does not follow from its content address"
    """Nix then refuses the path, even if a signature is valid."""
    UNUSABLE_ADDRESS = "no store path follows from its content address and references"
    """Nix then stops, even if a signature is valid."""


def distrust(narinfo: Narinfo, public_keys: Sequence[str]) -> Distrust | None:
    """Why Nix does not trust a narinfo; None if it does.

    Trusted is what follows from its content address. What has no content address needs a valid
    signature by a trusted key.

    Args:
        narinfo: what a cache says of a path.
        public_keys: the trusted keys, ``NAME:BASE64``.

    Raises:
        KeyFormatError: a public key is malformed.
    """
    try:
        if narinfo.is_content_addressed:
            return None
    except ContentAddressError:
        return Distrust.UNUSABLE_ADDRESS
    if narinfo.content_address is not None:
        return Distrust.FALSE_ADDRESS
    if not narinfo.signatures:
        return Distrust.UNSIGNED
    trusted = {signing.name_of(key.strip()) for key in public_keys}
    ours = [one for one in narinfo.signatures if signing.name_of(one) in trusted]
    if not ours:
        return Distrust.UNKNOWN_KEY
    if malformed_signatures(narinfo, public_keys):
        return Distrust.MALFORMED_SIGNATURE
    return None if verify(narinfo, public_keys) else Distrust.BAD_SIGNATURE


def malformed_signatures(narinfo: Narinfo, public_keys: Sequence[str]) -> tuple[str, ...]:
    """Return the signatures at which Nix stops: by the name of a trusted key, of a wrong length."""
    trusted = {signing.name_of(key.strip()) for key in public_keys}
    return tuple(
        one
        for one in narinfo.signatures
        if signing.name_of(one) in trusted
        and len(decode_base64(one.partition(":")[2])) != SIGNATURE_BYTES
    )


def signers(narinfo: Narinfo) -> str:
    """Return the names of the keys that signed a narinfo, for messages."""
    return ", ".join(sorted({signing.name_of(signature) for signature in narinfo.signatures}))
