"""nix.conf with all that it includes: read to its end, whatever includes what."""

import os
from pathlib import Path

import pytest

from nix_cache.cli import app
from nix_cache.cli.doctor import machine as doctor
from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import Place, system_place
from nix_cache.cli.nix import obstacles
from nix_cache.cli.nix.conf_includes import (
    DEEPEST_INCLUDE,
    MOST_BYTES,
    MOST_INCLUDES,
    MOST_MISTAKES,
    NixConfReader,
    mistakes_in,
)
from tests.unit.cli import client_caches

SELF_INCLUDE = b"include nix.conf\ninclude nix.conf\n"
"""The public case: every line doubles the work of a reader that only limits the depth."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Provide a machine with its own, empty configuration folder and no Nix."""
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("NIX_CONFIG", "NIX_USER_CONF_FILES", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return system_place()


def settings_in(path: Path) -> list[tuple[str, str]]:
    """Where each setting was found, relative to the folder of nix.conf, and its name."""
    placed = NixConfReader().file(path)
    return [(one.where.removeprefix(f"{path.parent}/"), one.line.name) for one in placed]


def test_a_file_that_includes_itself_is_read_once(place: Place) -> None:
    """And each line that does so is reported by file and number."""
    place.nix_conf.write_bytes(SELF_INCLUDE + b"a = b\n")

    assert settings_in(place.nix_conf) == [("nix.conf:3", "a")]
    assert [(one.where, one.endless) for one in mistakes_in(place.nix_conf)] == [
        (f"{place.nix_conf}:1", True),
        (f"{place.nix_conf}:2", True),
    ]


@pytest.mark.parametrize("how", ["./nix.conf", "../{folder}/nix.conf", "{path}", "link.conf"])
def test_a_loop_is_found_under_every_name_of_a_file(place: Place, how: str) -> None:
    """Also over other files and symbolic links."""
    path = place.nix_conf
    (path.parent / "link.conf").symlink_to("nix.conf")
    (path.parent / "other.conf").write_text(
        f"include {how.format(folder=path.parent.name, path=path)}\n"
    )
    path.write_text("!include other.conf\n")

    [mistake] = mistakes_in(path)
    assert mistake.where == f"{path.parent}/other.conf:1"
    assert "is being read already" in mistake.problem


def test_a_file_that_is_included_twice_is_read_twice(place: Place) -> None:
    """That is no loop, and Nix does so too."""
    (place.nix_conf.parent / "other.conf").write_text("a = b\n")
    place.nix_conf.write_text("include other.conf\nc = d\n!include other.conf\n")

    assert settings_in(place.nix_conf) == [
        ("other.conf:1", "a"),
        ("nix.conf:2", "c"),
        ("other.conf:1", "a"),
    ]
    assert mistakes_in(place.nix_conf) == []


def test_a_chain_of_files_that_doubles_at_each_step_ends(place: Place) -> None:
    """Twenty small files stand for a million reads."""
    for step in range(20):
        next_file = f"include {step + 1}.conf\n"
        (place.nix_conf.parent / f"{step}.conf").write_text(next_file * 2)
    place.nix_conf.write_text("include 0.conf\n")

    reader = NixConfReader()
    assert sum(1 for _ in reader.file(place.nix_conf)) <= MOST_INCLUDES
    assert 0 < len(reader.mistakes) <= MOST_MISTAKES


def test_a_chain_that_is_too_long_is_reported(place: Place) -> None:
    """The one that real files have is read."""
    for step in range(DEEPEST_INCLUDE + 5):
        (place.nix_conf.parent / f"{step}.conf").write_text(f"a = b\ninclude {step + 1}.conf\n")
    place.nix_conf.write_text("include 0.conf\n")

    assert len(settings_in(place.nix_conf)) == DEEPEST_INCLUDE
    assert "beyond the limit" in mistakes_in(place.nix_conf)[0].problem


def test_a_huge_file_is_refused_without_reading_it(place: Place) -> None:
    """A hole of 100 MB, which takes no room on the disk."""
    with place.nix_conf.open("wb") as file:
        file.truncate(100_000_000)

    assert f"more than {MOST_BYTES:,} bytes" in mistakes_in(place.nix_conf)[0].problem
    with pytest.raises(ClientError, match="more than"):
        obstacles.require_sound()


def test_what_is_not_a_file_is_not_read(place: Place) -> None:
    """A pipe would block for ever, and a device never ends."""
    folder = place.nix_conf.parent
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    place.nix_conf.write_text("!include pipe\n!include /dev/zero\n!include folder\na = b\n")

    assert settings_in(place.nix_conf) == [("nix.conf:4", "a")]


def test_a_required_file_that_is_missing_is_a_mistake(place: Place) -> None:
    """Nix stops there. It goes on after !include, and after one that it may not read."""
    unreadable = place.nix_conf.parent / "unreadable.conf"
    unreadable.write_text("a = b\n")
    unreadable.chmod(0)
    place.nix_conf.write_text("!include gone.conf\ninclude unreadable.conf\ninclude gone.conf\n")

    [mistake] = mistakes_in(place.nix_conf)
    assert mistake.where == f"{place.nix_conf}:3"
    assert not mistake.endless
    with pytest.raises(ClientError, match=r"nix\.conf:3 includes .*gone\.conf"):
        obstacles.require_sound()


@pytest.mark.parametrize(
    "text", [b"include a\0b\n", b"include \xff\xfe\n", b"\0\0\n", b"include " + b"x" * 9000]
)
def test_names_that_no_file_has_are_no_reason_to_stop(place: Place, text: bytes) -> None:
    """The lines after them count."""
    place.nix_conf.write_bytes(text + b"\r\na = b\r\n")

    assert settings_in(place.nix_conf) == [("nix.conf:3" if b"\n" in text else "nix.conf:2", "a")]


def test_doctor_names_the_line_over_which_nix_fails(place: Place) -> None:
    """And does not claim that there is no Nix."""
    place.nix_conf.write_bytes(SELF_INCLUDE)

    found = list(doctor.settings(Subject(client_caches.manifest())))

    assert [finding.level for finding in found] == [Level.ERROR, Level.ERROR]
    assert found[0].what.startswith(f"{place.nix_conf}:1 includes {place.nix_conf}")
    assert found[0].fix == "remove that line"


def test_use_refuses_an_endless_nix_conf(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """In one error, and changes nothing."""
    place.nix_conf.write_bytes(SELF_INCLUDE)
    outputs = place.nix_conf.parent / "outputs.json"
    client_caches.write(outputs, client_caches.outputs())

    assert app.run(["use", "--system", str(outputs), "--yes"]) == 1

    assert f"{place.nix_conf}:1 includes" in capsys.readouterr().err
    assert place.nix_conf.read_bytes() == SELF_INCLUDE
    assert not place.folder.exists()
