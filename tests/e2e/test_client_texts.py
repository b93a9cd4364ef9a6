"""What the stack gives out for clients, read by the real Nix."""

import json
from urllib.parse import parse_qs

import pytest

from tests.e2e.cache import Cache
from tests.e2e.nix import Nix


@pytest.fixture(params=["cache", "private_cache"])
def any_cache(request: pytest.FixtureRequest) -> Cache:
    """A public cache, and a private one, whose URL has parameters."""
    found: Cache = request.getfixturevalue(request.param)
    return found


def meaning(url: str) -> tuple[str, dict[str, list[str]]]:
    """A store's URL without what Nix changes in it: order and quoting of its parameters."""
    place, _, parameters = url.partition("?")
    return place, parse_qs(parameters, strict_parsing=bool(parameters))


def test_nix_conf_adds_the_cache_and_its_keys(any_cache: Cache, nix: Nix) -> None:
    """Both settings come to what was there before, and nothing else changes."""
    before = nix.settings()

    nix.configure(any_cache.outputs["nixConf"])

    told = nix.run("config", "show", "--json")
    assert "warning" not in told.err
    after = nix.settings()
    added = {name: value for name, value in after.items() if value != before[name]}
    assert set(added) == {"substituters", "trusted-public-keys"}
    assert [meaning(url) for url in added["substituters"]] == [meaning(any_cache.read_url)]
    keys = any_cache.outputs["publicKeys"]
    assert added["trusted-public-keys"] == [*before["trusted-public-keys"], *keys]


def test_the_writers_part_of_nix_conf_is_valid(any_cache: Cache, nix: Nix) -> None:
    """The lines that are comments are what a writer may take over as they are."""
    text = any_cache.outputs["nixConf"]
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    nix.configure(*lines)

    assert "warning" not in nix.run("config", "show", "--json").err
    name = any_cache.outputs["publicKeys"][0].partition(":")[0]
    assert nix.settings()["secret-key-files"] == [f"/home/YOU/.config/nix/{name}.sec"]


def test_the_nixos_module_says_the_same(any_cache: Cache, nix: Nix) -> None:
    """It is Nix, and its settings are those of nix.conf."""
    module = nix.folder / "module.nix"
    module.write_text(any_cache.outputs["nixosModule"])

    nix.get("--parse", str(module), program="nix-instantiate")
    value = json.loads(
        nix.get("--eval", "--strict", "--json", str(module), program="nix-instantiate")
    )

    assert value == {
        "nix": {
            "settings": {
                "extra-substituters": [any_cache.read_url],
                "extra-trusted-public-keys": any_cache.outputs["publicKeys"],
            }
        }
    }


def test_the_flake_snippet_says_the_same(any_cache: Cache, nix: Nix) -> None:
    """It is Nix, and its settings are those of nix.conf."""
    snippet = nix.folder / "snippet.nix"
    snippet.write_text(any_cache.outputs["flakeConfig"])

    nix.get("--parse", str(snippet), program="nix-instantiate")
    value = json.loads(
        nix.get("--eval", "--strict", "--json", str(snippet), program="nix-instantiate")
    )

    assert value == {
        "nixConfig": {
            "extra-substituters": [any_cache.read_url],
            "extra-trusted-public-keys": any_cache.outputs["publicKeys"],
        }
    }


def test_a_flake_with_the_snippet_sets_the_cache_for_who_accepts_it(
    any_cache: Cache, nix: Nix
) -> None:
    """Added to a flake, it counts with `--accept-flake-config`, and is named without."""
    flake = nix.home / "flake" / "flake.nix"
    flake.parent.mkdir()
    settings = any_cache.outputs["flakeConfig"].rstrip().removesuffix("}")
    flake.write_text(f"{settings}  outputs = _: {{ answer = 42; }};\n}}\n")
    question = ("eval", f"path:{flake.parent}#answer")

    ignored = nix.run(*question)
    accepted = nix.run(*question, "--accept-flake-config")

    for setting in ("extra-substituters", "extra-trusted-public-keys"):
        assert f"ignoring untrusted flake configuration setting '{setting}'" in ignored.err
    assert accepted.out.strip() == "42"
    assert "warning" not in accepted.err, accepted.err
