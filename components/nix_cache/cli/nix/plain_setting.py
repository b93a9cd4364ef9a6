"""The value of one plain setting, read from all configuration that Nix reads."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from nix_cache.cli.nix.conf_sources import all_settings


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

    Of several lines the last one counts.
    """
    found = None
    for placed in all_settings(environment).lines:
        if placed.line.name == name:
            found = PlainSetting(" ".join(placed.line.value), placed.where)
    return found
