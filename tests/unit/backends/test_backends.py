"""The registry of backends, and the table that compares them."""

from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from nix_cache.backends import provisioning
from nix_cache.backends.registry import BACKENDS
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.extras import is_brought_by
from tests.engine.backend_cases import OPENERS
from tests.samples import SAMPLES

TESTED_ELSEWHERE = {"aws"}
"""Backends whose engine tests need their own build (marker `aws`)."""


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


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backends_extra_brings_its_package_and_those_of_the_component(name: str) -> None:
    """And no module that is missing for another reason."""
    shared = {"boto3"}  # the SDK of AWS, for questions to several services
    others = {one.package for one in BACKENDS.values()} - {BACKENDS[name].package} - shared

    assert is_brought_by(name, f"{BACKENDS[name].package}.something")
    assert is_brought_by(name, "jinja2")
    assert not any(is_brought_by(name, other) for other in others)
    assert not is_brought_by(name, "nix_cache.backends.nothing")
    assert not is_brought_by(name, "")


def test_only_a_package_of_the_extra_is_explained_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another module is missing by a mistake, whose traceback shows where."""

    def provision(missing: str, package: str = "b2sdk") -> None:
        def fail(_request: object) -> None:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

        backend = SimpleNamespace(provision=fail, package=package)
        monkeypatch.setattr(provisioning, "BACKENDS", {"b2": backend})
        request: Any = SimpleNamespace(cache=SimpleNamespace(backend="b2"))
        provisioning.provision(request)

    with pytest.raises(pulumi.RunError, match=r"Install it: pip install 'nix-cache\[b2\]'"):
        provision("b2sdk")
    with pytest.raises(ModuleNotFoundError, match=r"nix_cache\.typo"):
        provision("nix_cache.typo")
    # Resources that import the package later are not even declared.
    with pytest.raises(pulumi.RunError, match=r"package gone_sdk.* make install BACKEND=b2"):
        provision("nix_cache.typo", package="gone_sdk")
