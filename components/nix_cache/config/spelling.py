"""How users write the names of settings: as Python programs do, or as all others do. Pure.

Messages of this package name settings in camelCase, wherever they arise. What reports a message
spells it as the user does; ``CacheSettings.spelling`` has how that is.
"""

import functools
import re
from enum import StrEnum

from nix_cache.backends.registry import BACKENDS


class Spelling(StrEnum):
    """How the names of settings are written."""

    CAMEL_CASE = "camelCase"
    """In YAML, Go, TypeScript and so on, and in the configuration of a stack."""
    SNAKE_CASE = "snake_case"
    """In arguments of Python programs."""

    def spell(self, text: str) -> str:
        """Spell the settings that a message of this package names in camelCase.

        Other words stay: a message can have names of a provider in it.
        """
        if self is Spelling.CAMEL_CASE or not text:
            return text  # without the list of all settings, which takes time to load
        return _names(tuple(BACKENDS)).sub(lambda name: snake_case(name[0]), text)

    def spell_key(self, key: str) -> str:
        """Spell a setting's place, given in camelCase: ``writers[0].githubBranch``."""
        return key if self is Spelling.CAMEL_CASE else snake_case(key)


_CAPITAL_WITHIN = re.compile(r"(?<=[a-z0-9])[A-Z]")


def snake_case(name: str) -> str:
    """Spell a setting as Python programs do. Digits begin no word: ``b2`` stays ``b2``."""
    return _CAPITAL_WITHIN.sub(lambda capital: f"_{capital[0].lower()}", name)


@functools.cache
def _names(_backends: tuple[str, ...]) -> re.Pattern[str]:
    """Return the settings whose spellings differ; one of a provider has a colon before it."""
    from nix_cache.config.catalogue import all_settings  # it lists what this is imported by

    names = {setting.name for group in all_settings() for setting in group.settings}
    capital = sorted(name for name in names if snake_case(name) != name)
    return re.compile(rf"(?<![\w:])(?:{'|'.join(capital)})\b(?!:)")
