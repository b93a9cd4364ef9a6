"""Which paths a key signed: for a removal after a key leaked. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from nix_cache.cli.errors import UsageError
from nix_cache.cli.inventory.contents import Stored
from nix_cache.cli.machine.times import past_time
from nix_cache.formats import signing
from nix_cache.formats.content_address import ContentAddressError
from nix_cache.formats.narinfo import Narinfo, verify
from nix_cache.formats.signing import KeyFormatError


@dataclass(frozen=True)
class SignedBy:
    """The paths that a key signed.

    Attributes:
        name: of the key.
        public_key: the key, with which signatures are verified; None if only its name is known.
        trusted: the keys that readers trust, without this one.
        is_trusted: whether readers still trust this one.
        since: only paths that were written at this time or later; None for all.
    """

    name: str
    public_key: str | None
    trusted: tuple[str, ...]
    is_trusted: bool
    since: datetime | None

    @classmethod
    def of(cls, key: str, since: str | None, public_keys: Iterable[str]) -> Self:
        """Read the options of the command line.

        Args:
            key: a public key, or a name.
            since: a time in ISO 8601, in UTC if it names no zone; None for all.
            public_keys: those that readers trust.

        Raises:
            UsageError: the key or the time has an invalid format.
        """
        known = tuple(public_keys)
        if ":" not in key:
            if not key.strip():
                raise UsageError("--signed-by is empty", "give a public key, or the name of one")
            others = tuple(one for one in known if signing.name_of(one) != key)
            return cls(key, None, others, len(others) < len(known), _time(since))
        try:
            name = signing.parse_public_key(key)
        except KeyFormatError as reason:
            raise UsageError(
                f"--signed-by is not a public key: {reason}",
                "give NAME:BASE64 as nix.conf has it in trusted-public-keys, or the name alone",
            ) from None
        material = signing.public_material(key)
        others = tuple(one for one in known if signing.public_material(one) != material)
        return cls(name, key, others, len(others) < len(known), _time(since))

    def selects(self, stored: Stored, narinfo: Narinfo) -> bool:
        """Return whether the key signed a path that is recent enough.

        Args:
            stored: the object of the narinfo. One without a usable date counts as recent.
            narinfo: what it states.
        """
        if self.since is not None and stored.written is not None and stored.written < self.since:
            return False
        if self.public_key is None:
            return self.name in {one.partition(":")[0] for one in narinfo.signatures}
        # Signatures are made under any name: the material decides.
        material = self.public_key.partition(":")[2]
        names = {one.partition(":")[0] for one in narinfo.signatures}
        return any(_is_verified(narinfo, f"{name}:{material}") for name in names)

    def vouched(self, narinfo: Narinfo) -> bool:
        """Return whether a path is trusted without this key: signed by another one, or proven."""
        try:
            return bool(verify(narinfo, self.trusted)) or narinfo.is_content_addressed
        except ContentAddressError:
            return False


def _is_verified(narinfo: Narinfo, public_key: str) -> bool:
    try:
        return bool(verify(narinfo, (public_key,)))
    except KeyFormatError:  # the name in the signature is none that a key can have
        return False


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    return past_time("--since", text, "give the last time when the key was secret")
