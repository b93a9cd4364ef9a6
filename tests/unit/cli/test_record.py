"""What a machine knows of the caches that it uses."""

from pathlib import Path

import pytest

from nix_cache.cli.caches import record
from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine.places import system_place, user_place
from tests.unit.cli.client_caches import manifest


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Provide a user's and a machine's configuration."""
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home"), "NIX_CONF_DIR": str(tmp_path / "etc")}


def kept(name: str, writer: str | None = None) -> Record:
    """Return a record."""
    return Record(name=name, manifest=manifest(bucket=name), writer=writer)


def test_a_record_comes_back_as_it_was_saved(environment: dict[str, str]) -> None:
    """All of it; the file is readable by all and has no name in it."""
    place = system_place(environment)
    saved = Record(
        name="demo",
        manifest=manifest(),
        writer="w",
        reader="r",
        signing_key_file=Path("/k.sec"),
        source="dev",
    )

    record.save(place, saved)

    assert record.load(place, "demo") == saved
    assert place.record("demo").stat().st_mode & 0o777 == 0o644
    assert record.load(place, "other") is None


def test_the_users_record_comes_before_the_machines(environment: dict[str, str]) -> None:
    """As their nix.conf does."""
    record.save(system_place(environment), kept("demo", "machine"))
    record.save(user_place(environment), kept("demo", "user"))

    assert record.find("demo", environment).writer == "user"
    assert record.find(None, environment).writer == "user"


def test_one_of_several_has_to_be_named(environment: dict[str, str]) -> None:
    """The error lists them and the option."""
    record.save(system_place(environment), kept("one"))
    record.save(user_place(environment), kept("two"))

    assert record.find("one", environment).name == "one"
    with pytest.raises(UsageError, match="on this machine: one, two; name one with --cache"):
        record.find(None, environment)


@pytest.mark.parametrize(("name", "what"), [(None, "no cache is"), ("x", "no cache x is")])
def test_none_is_reported(environment: dict[str, str], name: str | None, what: str) -> None:
    """With the command that makes one."""
    with pytest.raises(UsageError, match=f"{what} in use on this machine; run `nix-cache use "):
        record.find(name, environment)


def test_a_wrong_name_is_reported_with_the_right_ones(environment: dict[str, str]) -> None:
    record.save(system_place(environment), kept("one"))

    with pytest.raises(
        UsageError, match=r"no cache on is in use.*; name one of these: one; or run"
    ):
        record.find("on", environment)


@pytest.mark.parametrize("content", ["", "[]", "{}", "1", "\xff"])
def test_a_broken_record_is_reported(environment: dict[str, str], content: str) -> None:
    """It names the file."""
    place = system_place(environment)
    place.folder.mkdir(parents=True)
    place.record("demo").write_text(content, encoding="latin-1")

    with pytest.raises(ClientError, match=r"demo\.json is no record of a cache"):
        record.load(place, "demo")
