"""The settings and arguments that the README shows, checked as the program checks them."""

from typing import Any

import yaml

from nix_cache.config.check import check
from nix_cache.config.spelling import Spelling
from tests.engine.readme import blocks

LEAST: dict[str, Any] = {
    "domain": "cache.example.org",
    "minio": {"endpoint": "https://minio.example.org"},
}


def test_the_rotation_steps_are_settings_that_are_accepted() -> None:
    """Each block of YAML, checked as the program checks it."""
    found = [yaml.safe_load(block) for block in blocks("yaml")]

    assert len(found) == 2
    for settings in found:
        raw = {key.removeprefix("nix-cache:"): value for key, value in settings.items()}
        assert check({**LEAST, **raw}).writers[0].generation == 2


def test_the_component_example_is_accepted() -> None:
    """Its arguments, taken out of the program in the README."""
    [program] = blocks("python")
    arguments = program[program.index("{") : program.rindex("}") + 1]

    assert check(eval(arguments), spelling=Spelling.SNAKE_CASE).writers[0].name == "ci-runner"
