"""What the stack gives out for clients, read by the real Nix."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.e2e.cache import Cache
from tests.e2e.nix import Nix


@pytest.fixture(params=["cache", "private_cache"])
def any_cache(request: pytest.FixtureRequest) -> Cache:
    """Provide a public cache, and a private one, whose URL has parameters."""
    found: Cache = request.getfixturevalue(request.param)
    return found


def meaning(url: str) -> tuple[str, dict[str, list[str]]]:
    """Return a store's URL without what Nix changes in it: order and quoting of its parameters."""
    place, _, parameters = url.partition("?")
    return place, parse_qs(parameters, strict_parsing=bool(parameters))


def test_nix_conf_adds_the_cache_and_its_keys(any_cache: Cache, nix: Nix) -> None:
    """Both settings come to what was there before, and nothing else changes."""
    before = nix.settings()

    nix.configure(any_cache.outputs["nixConf"])

    reported = nix.run("config", "show", "--json")
    assert "warning" not in reported.err
    after = nix.settings()
    added = {name: value for name, value in after.items() if value != before[name]}
    assert set(added) == {"substituters", "trusted-public-keys"}
    assert [meaning(url) for url in added["substituters"]] == [meaning(any_cache.read_url)]
    keys = any_cache.outputs["publicKeys"]
    assert added["trusted-public-keys"] == [*before["trusted-public-keys"], *keys]


def test_the_writers_part_of_nix_conf_is_valid(any_cache: Cache, nix: Nix) -> None:
    """The lines that are comments are what a writer may adopt as they are."""
    text = any_cache.outputs["nixConf"]
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    nix.configure(*lines)

    assert "warning" not in nix.run("config", "show", "--json").err
    name = any_cache.outputs["publicKeys"][0].partition(":")[0]
    assert nix.settings()["secret-key-files"] == [f"/home/YOU/.config/nix/{name}.sec"]


@pytest.mark.parametrize(
    ("output", "attributes"),
    [("nixosModule", ("nix", "settings")), ("flakeConfig", ("nixConfig",))],
)
def test_the_texts_for_nixos_and_flakes_say_the_same(
    any_cache: Cache, nix: Nix, output: str, attributes: tuple[str, ...]
) -> None:
    """Each is Nix by itself, and its settings are those of nix.conf."""
    file = nix.folder / "text.nix"
    file.write_text(any_cache.outputs[output])

    nix.get("--parse", str(file), program="nix-instantiate")
    reported = nix.get("--eval", "--strict", "--json", str(file), program="nix-instantiate")

    expected: dict[str, Any] = {
        "extra-substituters": [any_cache.read_url],
        "extra-trusted-public-keys": any_cache.outputs["publicKeys"],
    }
    for attribute in reversed(attributes):
        expected = {attribute: expected}
    assert json.loads(reported) == expected
