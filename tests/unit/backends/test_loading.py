"""The parts of backends that their specs name without importing them."""

import importlib
import subprocess
import sys

import pytest

from nix_cache.backends.loading import BackendFolder
from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.resource_types import ResourceTypes
from nix_cache.config.setting import BackendSettings
from nix_cache.policy.model import Rule


@pytest.mark.parametrize("name", BACKENDS)
def test_every_part_that_a_spec_names_is_there(name: str) -> None:
    """And is what the spec says it is."""
    spec = BACKENDS[name]

    assert issubclass(spec.settings(), BackendSettings)
    assert isinstance(spec.resource_types(), ResourceTypes)
    assert all(isinstance(rule, Rule) for rule in spec.policy_rules())
    for part in (spec.verification, spec.drift):
        assert part is None or part() is not None
    assert spec.complete({}, {}).settings is not None
    for module, function in (("storage", "provision"), ("reservation", "question")):
        loaded = importlib.import_module(f"nix_cache.backends.{name}.{module}")
        assert callable(getattr(loaded, function))


def test_a_spec_loads_no_module_of_its_backend() -> None:
    """A cache on one backend has not the packages of the others."""
    script = (
        "import sys; from nix_cache.backends.registry import BACKENDS; "
        "specs = [BACKENDS[name] for name in BACKENDS]; "
        "own = tuple(f'nix_cache.backends.{spec.name}.' for spec in specs); "
        "print([m for m in sys.modules if m.startswith(own) and not m.endswith('.spec')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_a_function_gets_its_arguments_and_a_missing_one_is_an_error() -> None:
    """When it is called, and not before."""
    here = BackendFolder("nix_cache.iam")

    assert here.function("values", "is_true")("true") is True
    missing = here.value("values", "no_such_value")
    with pytest.raises(AttributeError, match="no_such_value"):
        missing()
