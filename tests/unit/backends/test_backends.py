"""The registry of backends, and the table that compares them."""

import pytest

from nix_cache.backends.registry import BACKENDS
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from tests.engine.backend_cases import OPENERS
from tests.samples import SAMPLES

TESTED_ELSEWHERE = {"aws"}
"""Backends whose engine tests need a build of their own (marker `aws`)."""


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_is_described_under_its_own_name(name: str) -> None:
    """The folder, the spec and the setting are called alike."""
    backend = BACKENDS[name]

    assert backend.name == name
    assert backend.settings().__module__ == f"nix_cache.backends.{name}.settings"


def test_an_unknown_backend_is_refused_with_the_names_of_all() -> None:
    """The names come from the registry."""
    with pytest.raises(SettingsError) as refusal:
        check({"domain": "cache.example.org", "backend": "floppy"})

    [problem] = refusal.value.problems
    assert problem.fix == f"set it to one of {', '.join(BACKENDS)}"


def test_every_backend_takes_part_in_the_tests_of_all_backends() -> None:
    """A new backend needs an entry in both tables."""
    assert list(SAMPLES) == list(BACKENDS)
    assert set(OPENERS) | TESTED_ELSEWHERE == set(BACKENDS)
