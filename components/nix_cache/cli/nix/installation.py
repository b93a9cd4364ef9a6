"""Which installation of Nix this machine has, and where its settings last."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.located import reading
from nix_cache.cli.machine.places import Place
from nix_cache.cli.nix import conf_file

ROOT = Path("/")
STORE = Path("/nix/store")
CUSTOM_CONF = "nix.custom.conf"
"""Where settings of users last beside a nix.conf that an installer replaces."""

_MOST_BYTES = 1_000_000
"""Of a file that is looked at for a mark."""


class Kind(StrEnum):
    """An installation, by its name."""

    NIX_DARWIN = "nix-darwin"
    NIXOS = "NixOS"
    HOME_MANAGER = "home-manager"
    SYSTEM_MANAGER = "system-manager"
    DETERMINATE = "Determinate Nix"
    LIX = "Lix"
    NIX = "Nix"


@dataclass(frozen=True)
class Marks:
    """How an installation is recognised. One mark is enough.

    Attributes:
        kind: the installation.
        paths: files that only it has, below the root folder.
        contents: files below the root folder, and what stands in them.
        header: what stands in the comments of the nix.conf that it makes.
        version: what ``nix --version`` prints.
        source: where the marks are from.
    """

    kind: Kind
    source: str
    paths: tuple[str, ...] = ()
    contents: tuple[tuple[str, str], ...] = ()
    header: str | None = None
    version: str | None = None


MARKS = (
    Marks(
        Kind.NIX_DARWIN,
        "modules/nix and modules/system of nix-darwin",
        paths=(
            "run/current-system/darwin-version",
            "run/current-system/darwin-version.json",
            "run/current-system/sw/bin/darwin-rebuild",
            "nix/var/nix/profiles/system/darwin-version",
        ),
        header=r"nix-darwin configuration",
    ),
    Marks(
        Kind.NIXOS,
        "nixos/modules/config/nix.nix and nixos/modules/system of nixpkgs",
        paths=("etc/NIXOS", "run/current-system/nixos-version"),
        header=r"NixOS configuration",
    ),
    Marks(Kind.HOME_MANAGER, "modules/misc/nix.nix of home-manager", header=r"Home Manager config"),
    Marks(
        Kind.SYSTEM_MANAGER,
        "numtide/system-manager, which links files of /etc",
        paths=("etc/.system-manager-static",),
    ),
    Marks(
        Kind.DETERMINATE,
        "Determinate's installer: its daemon, receipt and nix.conf",
        paths=(
            "usr/local/bin/determinate-nixd",
            "nix/var/determinate",
            "etc/determinate",
            "Library/LaunchDaemons/systems.determinate.nix-daemon.plist",
        ),
        contents=(("nix/receipt.json", r'"determinate_nix"\s*:\s*true'),),
        header=r"DETERMINATE NIX CONFIG|DeterminateSystems/determinate",
        version=r"nix \(Determinate Nix",
    ),
    Marks(
        Kind.LIX,
        "Lix's installer and its program",
        contents=(("nix/receipt.json", r"lix-installer|lix\.systems"),),
        header=r"lix-installer|lix\.systems",
        version=r"nix \(Lix",
    ),
)
"""The first that fits counts: a system that makes nix.conf comes before its Nix."""


@dataclass(frozen=True)
class Generator:
    """What makes a nix.conf, so that a change of it would be lost.

    Attributes:
        kind: the installation.
        attribute: the option that holds settings of Nix, in its language.
        adds: whether the option's lists are merged by the module system. Else only settings that
            start with ``extra-`` add to what is there.
        switch: the command that puts a changed configuration into effect.
        remark: what the configuration needs besides; may be empty.
        source: where the option is from.
    """

    kind: Kind
    attribute: str
    switch: str
    source: str
    adds: bool = False
    remark: str = ""


NIXOS = Generator(
    Kind.NIXOS,
    "nix.settings",
    "sudo nixos-rebuild switch",
    "nixos/modules/config/nix.nix, which writes settings with extra- last",
)
NIX_DARWIN = Generator(
    Kind.NIX_DARWIN,
    "nix.settings",
    "sudo darwin-rebuild switch",
    "modules/nix/default.nix, which sorts the settings: extra-substituters before substituters",
    adds=True,
)
HOME_MANAGER = Generator(
    Kind.HOME_MANAGER,
    "nix.settings",
    "home-manager switch",
    "modules/misc/nix.nix",
    remark="home-manager needs `nix.package` for that, for example `nix.package = pkgs.nix;`.",
)
DETERMINATE = Generator(
    Kind.DETERMINATE,
    "determinateNix.customSettings",
    "sudo darwin-rebuild switch",
    "Determinate's module for nix-darwin, which makes nix.custom.conf",
)
SYSTEM_MANAGER = Generator(
    Kind.SYSTEM_MANAGER, "nix.settings", "sudo system-manager switch", "numtide/system-manager"
)
GENERATORS = {one.kind: one for one in (NIXOS, NIX_DARWIN, SYSTEM_MANAGER)}
"""Of the machine's nix.conf."""


def recognise(place: Place, root: Path = ROOT, *, version: str = "") -> Kind:
    """Return which installation of Nix this machine has.

    What a nix.conf states of its maker counts most, then the machine's files, then the program.

    Args:
        place: whose nix.conf is looked at.
        root: the folder below which the machine's files are looked for.
        version: what ``nix --version`` printed, if it was asked.
    """
    comments = [
        line for line in _start(place.nix_conf).split(b"\n") if line.lstrip().startswith(b"#")
    ]
    header = b"\n".join(comments).decode(errors="replace")
    fits: tuple[Callable[[Marks], bool], ...] = (
        lambda marks: bool(marks.header and re.search(marks.header, header)),
        lambda marks: _has_files(marks, root),
        lambda marks: bool(marks.version and re.match(marks.version, version)),
    )
    for fit in fits:
        for marks in MARKS:
            if fit(marks):
                return marks.kind
    return Kind.NIX


def settings_file(place: Place, root: Path = ROOT) -> Path:
    """Return the file into which settings of a place go so that they last.

    Beside a nix.conf that an installer replaces that is ``nix.custom.conf``, even if it does not
    exist yet.
    """
    custom = place.nix_conf.with_name(CUSTOM_CONF)
    if not place.system:
        return place.nix_conf
    if includes_custom_conf(place.nix_conf) or (
        place.nix_conf == root / "etc" / "nix" / "nix.conf"
        and recognise(place, root) is Kind.DETERMINATE
    ):
        return custom
    return place.nix_conf


def settings_files(place: Place) -> tuple[Path, ...]:
    """Return the files of a place that may include settings of caches, also from earlier runs."""
    if place.system:
        return (place.nix_conf, place.nix_conf.with_name(CUSTOM_CONF))
    return (place.nix_conf,)


def includes_custom_conf(nix_conf: Path) -> bool:
    """Return whether a nix.conf includes ``nix.custom.conf`` beside it, by any spelling."""
    wanted = os.path.normpath(nix_conf.with_name(CUSTOM_CONF).absolute())
    return any(
        os.path.normpath(nix_conf.parent.absolute() / line.value[0]) == wanted
        for line in conf_file.parse(_start(nix_conf))
        if line.name == "include"
    )


def generator(place: Place, store: Path, *, chosen: bool, root: Path = ROOT) -> Generator | None:
    """Return what makes the place's settings, so that a change would be lost; None if nothing does.

    Args:
        place: whose nix.conf.
        store: the Nix store, where generated files are.
        chosen: whether the user named the place. On NixOS no user's file is written by default.
        root: the folder below which the machine's files are looked for.
    """
    stores = (store, STORE, root / STORE.relative_to("/"))
    found = recognise(place, root)
    if _is_in(place.nix_conf, stores):
        if not place.system:
            return HOME_MANAGER
        is_macos = (root / "Library" / "LaunchDaemons").is_dir()  # only nix-darwin links it there
        return GENERATORS.get(found, NIX_DARWIN if is_macos else NIXOS)
    if found is Kind.NIXOS:
        return NIXOS if place.system or not chosen else None
    if place.system and _is_in(settings_file(place, root), stores):
        return DETERMINATE
    return None


def _is_in(path: Path, stores: Sequence[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(store) for store in stores)


def _has_files(marks: Marks, root: Path) -> bool:
    return any((root / path).exists() for path in marks.paths) or any(
        re.search(pattern, _start(root / path).decode(errors="replace"))
        for path, pattern in marks.contents
    )


def _start(path: Path) -> bytes:
    """Return the first bytes of a file; nothing where there is none to read."""
    try:
        with reading(path) as file:
            return file.read(_MOST_BYTES)
    except (OSError, ClientError):
        return b""
