"""What the pack can see of the place that the engine was started in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.policy import surroundings
from tools.bootstrap import ROOT

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Provide a project's folder in which the shell is, and nothing seen before."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop")
    monkeypatch.setenv("PWD", str(tmp_path))
    for name in (PASSPHRASE, f"{PASSPHRASE}_FILE"):
        monkeypatch.delenv(name, raising=False)
    for seen in (surroundings.stack_file, surroundings.environment):
        seen.cache_clear()
    yield tmp_path
    for seen in (surroundings.stack_file, surroundings.environment):
        seen.cache_clear()


def test_a_stack_file_is_found_where_the_shell_is(project: Path) -> None:
    """If the project there is the one that is meant."""
    (project / "Pulumi.prod.yaml").write_text("encryptionsalt: v1:abc")

    assert surroundings.stack_file("shop", "prod", ROOT) == {"encryptionsalt": "v1:abc"}
    assert surroundings.stack_file("shop", "staging", ROOT) is None
    assert surroundings.stack_file("another", "prod", ROOT) is None


def test_a_stack_file_is_found_in_the_given_folder() -> None:
    """As in this repository."""
    assert surroundings.stack_file("nix-cache", "dev", ROOT) is not None


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_stack_file_that_cannot_be_read_is_none(project: Path, text: str) -> None:
    """The engine itself says what is wrong with it."""
    (project / "Pulumi.prod.yaml").write_text(text)

    assert surroundings.stack_file("shop", "prod", ROOT) is None


@pytest.mark.parametrize(("text", "seen"), [("", ""), (" \n", ""), ("s3cr3t\n", None)])
def test_an_empty_file_is_an_empty_passphrase(
    project: Path, monkeypatch: pytest.MonkeyPatch, text: str, seen: str | None
) -> None:
    """One that has a passphrase stays unread by all other users."""
    (project / "passphrase").write_text(text)
    monkeypatch.setenv(f"{PASSPHRASE}_FILE", str(project / "passphrase"))

    assert surroundings.environment().get(PASSPHRASE) == seen


def test_a_passphrase_in_the_environment_wins_over_a_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the engine. A file that is missing is its matter, too."""
    monkeypatch.setenv(f"{PASSPHRASE}_FILE", str(project / "missing"))
    assert PASSPHRASE not in surroundings.environment()

    surroundings.environment.cache_clear()
    (project / "missing").write_text("")
    monkeypatch.setenv(PASSPHRASE, "s3cr3t")
    assert surroundings.environment()[PASSPHRASE] == "s3cr3t"
