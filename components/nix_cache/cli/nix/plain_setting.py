"""The value of one plain setting, read from all configuration that Nix reads."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.machine.places import system_place, user_place
from nix_cache.cli.nix import conf_file
from nix_cache.cli.nix.conf_includes import NixConfReader, PlacedLine


@dataclass(frozen=True)
class PlainSetting:
    """A setting's value and where it is from.

    Attributes:
        value: the text after the equals sign; empty if there is none.
        where: the file and line, or the variable.
    """

    value: str
    where: str


def plain_setting(name: str, environment: Mapping[str, str] = os.environ) -> PlainSetting | None:
    """Return the value of a setting that is not a list; None if no configuration has it.

    Nix reads the machine's file first, then the user's, of which the first in the order counts
    most, and NIX_CONFIG last. Of several lines the last one counts.
    """
    found = None
    for placed in _lines(environment):
        if placed.line.name == name:
            found = PlainSetting(" ".join(placed.line.value), placed.where)
    return found


def _lines(environment: Mapping[str, str]) -> Iterator[PlacedLine]:
    reader = NixConfReader()
    for path in _files(environment):
        yield from reader.file(path)
    text = environment.get("NIX_CONFIG", "").encode(errors="surrogateescape")
    for line in conf_file.parse(text):
        yield PlacedLine("NIX_CONFIG", line)


def _files(environment: Mapping[str, str]) -> list[Path]:
    """Return the files in the order in which Nix reads them."""
    own = user_place(environment).nix_conf
    if named := environment.get("NIX_USER_CONF_FILES"):
        users = [Path(name) for name in named.split(":") if name]
    else:
        folders = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        users = [own, *(Path(folder) / "nix" / "nix.conf" for folder in folders if folder)]
    return [system_place(environment).nix_conf, *reversed(users)]
