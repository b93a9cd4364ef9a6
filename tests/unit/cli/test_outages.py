"""What `use` sets for the time in which a cache does not answer, and what doctor says of it."""

from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli.caches import record
from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.outage_cost import if_dead, if_slow
from nix_cache.cli.machine.places import system_place
from tests.unit.cli.client_caches import outputs
from tests.unit.cli.test_use import home, use
from tests.unit.cli.test_use_files import tree

__all__ = ["home"]

OPTIONS = ("--connect-timeout", "5", "--fallback")


def settings() -> str:
    return system_place().conf("demo").read_text()


def test_nothing_is_set_unless_it_is_asked_for() -> None:
    """These settings hold for all caches of the machine."""
    assert use(reported=outputs()) == 0

    assert "connect-timeout" not in settings()
    assert "fallback" not in settings()


def test_both_are_set_kept_changed_and_left_to_nix_again() -> None:
    assert use(*OPTIONS, reported=outputs()) == 0
    assert settings().endswith("connect-timeout = 5\nfallback = true\n")
    assert use(reported=outputs()) == 0
    assert settings().endswith("connect-timeout = 5\nfallback = true\n")
    assert use("--connect-timeout", "7", "--no-fallback", reported=outputs()) == 0
    assert settings().endswith("connect-timeout = 7\n")
    assert record.find("demo").connect_timeout_seconds == 7
    assert use("--connect-timeout", "0", reported=outputs()) == 0
    assert "connect-timeout" not in settings()


def test_removal_restores_every_byte(tmp_path: Path) -> None:
    conf = tmp_path / "etc" / "nix.conf"
    conf.parent.mkdir()
    conf.write_bytes(b"connect-timeout = 60\nfallback = false")
    before = tree(tmp_path / "etc")
    assert use(*OPTIONS, reported=outputs()) == 0
    assert tree(tmp_path / "etc") != before
    assert use("demo", "--remove") == 0

    assert tree(tmp_path / "etc") == before


@pytest.mark.parametrize("text", ["-1", "301", "soon"])
def test_a_timeout_that_curl_does_not_take_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert use("--connect-timeout", text, reported=outputs()) == 2
    assert "--connect-timeout" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "level", "words"),
    [
        (
            {},
            Level.WARNING,
            "waits up to 79 s and a build fails (connect-timeout 15, download-attempts 5, "
            "fallback false)",
        ),
        ({"fallback": True}, Level.WARNING, "waits up to 79 s and goes on without it"),
        ({"connect-timeout": 5, "fallback": True}, Level.OK, "waits up to 29 s and goes on"),
        ({"connect-timeout": 5}, Level.WARNING, "waits up to 29 s and a build fails"),
        ({"connect-timeout": 1, "download-attempts": 2}, Level.WARNING, "waits up to 2 s"),
        ({"connect-timeout": 0, "download-attempts": 1}, Level.WARNING, "waits up to 300 s"),
        ({"connect-timeout": "?", "download-attempts": 0}, Level.WARNING, "waits up to 15 s"),
    ],
)
def test_the_cost_of_a_dead_cache_follows_from_nixs_settings(
    config: dict[str, Any], level: Level, words: str
) -> None:
    """`tests/e2e` compares with the real one."""
    finding = if_dead(config)

    assert finding.level is level
    assert words in finding.what
    assert (level is Level.OK) or "--connect-timeout 5 --fallback" in finding.fix


def test_the_cost_of_a_slow_cache_follows_from_its_answers() -> None:
    assert if_slow(0.02).what == "the narinfos of 1,000 paths take Nix about 0.8 s"
    assert if_slow(0.02).level is Level.OK
    assert if_slow(2.0).level is Level.WARNING
