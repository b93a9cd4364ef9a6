"""All settings of Nix on this machine, in the order in which Nix reads them.

The order is that of Nix 2.34: the machine's nix.conf, the users' files from the last to the first,
then ``NIX_CONFIG``. Users' files are those of ``NIX_USER_CONF_FILES``, or else those of the
configuration folders: the user's own, then ``XDG_CONFIG_DIRS``. What is read later counts.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.machine.places import system_place, user_conf_files
from nix_cache.cli.nix import versions
from nix_cache.cli.nix.conf_includes import ConfMistake, NixConfReader, PlacedLine
from nix_cache.cli.nix.conf_lists import key_mistakes

VARIABLE = "NIX_CONFIG"

_FIRST_INCLUDES, _NO_MORE_INCLUDES = (2, 16, 0), (2, 20, 0)
"""Nix 2.16 to 2.19 read an include before the lines of the file that has it."""


@dataclass(frozen=True)
class Settings:
    """What Nix reads.

    Attributes:
        lines: the settings, in their order.
        mistakes: the lines over which Nix fails.
    """

    lines: tuple[PlacedLine, ...]
    mistakes: tuple[ConfMistake, ...]


def reads_includes_first(printed: str) -> bool:
    """Return whether a Nix takes what a file includes before the file's other lines.

    Args:
        printed: what ``nix --version`` prints.
    """
    nix = versions.installed(printed)
    version = nix.of_nix if nix is not None else None
    return version is not None and _FIRST_INCLUDES <= version < _NO_MORE_INCLUDES


def all_settings(
    environment: Mapping[str, str] = os.environ, *, includes_first: bool = False
) -> Settings:
    """Read what Nix reads when this user runs it.

    Args:
        environment: that of Nix.
        includes_first: what ``reads_includes_first`` returned.
    """
    reader = NixConfReader(includes_first=includes_first)
    lines = [*_files(conf_files(environment), reader)]
    text = environment.get(VARIABLE, "").encode(errors="surrogateescape")
    lines += reader.text(text, VARIABLE)
    return Settings(tuple(lines), (*reader.mistakes, *key_mistakes(lines)))


def file_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the files alone, without the variable, which lasts no longer than a shell."""
    return all_settings({**environment, VARIABLE: ""})


def machine_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the machine's nix.conf alone, whose settings count for the daemon and all users."""
    reader = NixConfReader()
    lines = [*reader.file(system_place(environment).nix_conf)]
    return Settings(tuple(lines), (*reader.mistakes, *key_mistakes(lines)))


def conf_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the files that Nix reads, in its order. Not all of them exist."""
    return [system_place(environment).nix_conf, *reversed(user_conf_files(environment))]


def _files(paths: list[Path], reader: NixConfReader) -> Iterator[PlacedLine]:
    for path in paths:
        yield from reader.file(path)
