"""Which Nix is installed: Nix, Determinate Nix or Lix, in what version. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

Version = tuple[int, int, int]

_NUMBER = r"([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?"
_PRINTED = re.compile(
    rf"nix(?:-env)? \((?:(?P<nix>Nix)|(?P<lix>Lix)[^)]*|Determinate Nix (?P<own>[0-9.]{{1,30}}))\) "
    rf"{_NUMBER}"
)


class Flavour(StrEnum):
    """A Nix with its own versions."""

    NIX = "Nix"
    DETERMINATE = "Determinate Nix"
    LIX = "Lix"


@dataclass(frozen=True)
class InstalledNix:
    """The Nix of a machine.

    Attributes:
        flavour: whose Nix it is.
        version: of Lix its own; of Nix and Determinate Nix that of Nix, which decides its faults.
        name: what it is called, such as ``Determinate Nix 3.15.2 (Nix 2.33.1)``.
    """

    flavour: Flavour
    version: Version
    name: str

    @property
    def of_nix(self) -> Version | None:
        """The version of Nix that it is; None of Lix, whose numbers mean something else."""
        return None if self.flavour is Flavour.LIX else self.version


def installed(printed: str) -> InstalledNix | None:
    """Return what ``nix --version`` printed; None if that is unknown."""
    found = _PRINTED.match(printed)
    if found is None:
        return None
    major, minor, patch = found.groups()[-3:]
    version = (int(major), int(minor), int(patch or 0))
    if found["lix"]:
        return InstalledNix(Flavour.LIX, version, f"Lix {spelled(version)}")
    if found["own"]:
        name = f"Determinate Nix {found['own']} (Nix {spelled(version)})"
        return InstalledNix(Flavour.DETERMINATE, version, name)
    return InstalledNix(Flavour.NIX, version, f"Nix {spelled(version)}")


def spelled(version: Version) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))
