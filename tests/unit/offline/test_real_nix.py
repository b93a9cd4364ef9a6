"""How a real Nix is found for the tests, and how a Debian tree is made and entered."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from offline import debian, nix
from tests.e2e import __main__ as e2e
from tools.bootstrap import ROOT
from tools.errors import BuildError

pytestmark = pytest.mark.offline

AN_OLD_NIX = "#!/bin/sh\necho 'nix (Nix) 2.8.0'\n"
A_NEW_NIX = "#!/bin/sh\necho 'nix (Nix) 2.34.1'\n"
ANOTHER_NIX = "#!/bin/sh\necho 'nix (Lix, like Nix) 2.93.0'\n"

needs_root = pytest.mark.skipif(
    debian.why_impossible() is not None, reason=f"needs a tree: {debian.why_impossible()}"
)


@pytest.fixture
def path_with(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Provide a function that makes an environment whose PATH has only a program named nix."""

    def make(script: str) -> dict[str, str]:
        program = tmp_path / "nix"
        program.write_text(script)
        program.chmod(0o755)
        return {"PATH": str(tmp_path)}

    return make


@pytest.mark.parametrize(
    ("reported", "version"),
    [
        ("nix (Nix) 2.34.8\n", (2, 34, 8)),
        ("nix (Nix) 2.33\n", (2, 33)),
        ("nix (Nix) 2.35.0pre20260101_abc\n", (2, 35, 0)),
        ("nix (Determinate Nix 3.11.2) 2.33.1", (2, 33, 1)),
        ("nix: command not found", ()),
        ("", ()),
    ],
)
def test_the_version_is_read_from_what_nix_prints(reported: str, version: tuple[int, ...]) -> None:
    """Anything else is not a version."""
    assert nix.version_of(reported) == version


def test_a_nix_on_path_that_is_new_enough_is_taken(
    tmp_path: Path, path_with: Callable[[str], dict[str, str]]
) -> None:
    """Nothing is made in the cache."""
    found = nix.find(tmp_path / "cache", search=path_with(A_NEW_NIX))

    assert (found.version, found.tree) == ("2.34.1", None)
    assert found.programs == tmp_path
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("script", "named"), [(AN_OLD_NIX, "2.8.0"), ("#!/bin/sh\nexit 1\n", "broken")]
)
def test_without_a_usable_nix_and_without_rights_both_reasons_are_reported(
    tmp_path: Path,
    path_with: Callable[[str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    named: str,
) -> None:
    """What was found on PATH, why Debian's is no way out, and what to do."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(nix.NoNixError) as reported:
        nix.find(tmp_path / "cache", search=path_with(script))

    assert named in reported.value.problem
    assert "only root" in reported.value.problem
    assert "install Nix 2.33 or newer" in reported.value.fix


def test_where_there_can_be_no_nix_it_is_said_that_nothing_was_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loudly, and it is no failure of the project's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert e2e.main([]) == 0

    reported = capsys.readouterr().err
    assert "NOT run, and nothing was proven" in reported
    assert "there is no nix on PATH" in reported
    assert "only root" in reported


def test_a_nix_that_could_be_had_but_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken cache folder must not look like a machine on which nothing can be proven."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    monkeypatch.setattr(debian, "why_impossible", lambda: None)

    assert e2e.main([]) == 1

    assert "cache folder /proc/nix-cache" in capsys.readouterr().err


@pytest.mark.parametrize("has_browser", [False, True])
def test_the_page_is_left_out_loudly_where_no_browser_can_be_had(
    tmp_path: Path,
    path_with: Callable[[str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has_browser: bool,
) -> None:
    """All other end-to-end tests are run; with a browser the page's are too, without a note."""
    monkeypatch.setenv("PATH", path_with(A_NEW_NIX)["PATH"])
    if has_browser:
        (tmp_path / "chromium").write_text("#!/bin/sh\n")
        (tmp_path / "chromium").chmod(0o755)
    runs: list[list[str]] = []

    def run(options: list[str]) -> int:
        runs.append(options)
        return 3

    monkeypatch.setattr(pytest, "main", run)  # the tests themselves take minutes

    assert e2e.main(["--quiet"]) == 3

    [options] = runs
    page = ROOT / "tests" / "e2e" / "test_landing_page.py"
    assert page.exists()
    assert (str(page) in options) is not has_browser
    assert options[-1] == "--quiet"
    reported = "The page was NOT looked at in a browser" in capsys.readouterr().err
    assert reported is not has_browser


def test_debians_mirror_is_the_one_of_the_machines_apt() -> None:
    """Not that of security updates, nor another user's archive."""
    listed = (
        "Vendor|Vendor|https://packages.example.org/\n"
        "Debian|Debian-Security|http://mirror.example.org/debian-security/\n"
        "Debian|Debian|http://mirror.example.org/debian/\n"
    )

    assert debian.mirror(listed) == "http://mirror.example.org/debian/"


def test_a_machine_without_a_debian_mirror_is_reported() -> None:
    """As on Ubuntu, or before the first `apt-get update`."""
    with pytest.raises(BuildError, match="no Debian mirror") as reported:
        debian.mirror("Ubuntu|Ubuntu|http://mirror.example.org/ubuntu/\n")

    assert "apt-get update" in reported.value.fix


def test_only_the_settings_by_which_apt_reaches_mirrors_are_taken() -> None:
    """Proxies and certificates, but neither empty ones nor other methods'."""
    dumped = (
        'Dir "/";\n'
        'Acquire::http "";\n'
        'Acquire::http::Proxy "http://proxy.example.org:3128";\n'
        'Acquire::https::CaInfo "/etc/ssl/own.pem";\n'
        'Acquire::cdrom::mount "/media/cdrom";\n'
    )

    assert debian.mirror_settings(dumped) == [
        'Acquire::http::Proxy "http://proxy.example.org:3128"',
        'Acquire::https::CaInfo "/etc/ssl/own.pem"',
    ]


def test_a_tree_is_known_by_its_packages_in_any_order() -> None:
    """Other packages are another tree."""
    assert debian.key(["one", "two"]) == debian.key(["two", "one"])
    assert debian.key(["one"]) != debian.key(["one", "two"])


def test_a_tree_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    """Also by a user who could not make one."""
    made = tmp_path / "trees" / f"some-{debian.key(['one'])}"
    made.mkdir(parents=True)

    assert debian.tree("some", ["one"], tmp_path) == made


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Provide a tree of the machine's own programs: enough to be entered."""
    folder = tmp_path / "tree"
    for name in ("dev", "proc", "mnt", "tmp"):
        (folder / name).mkdir(parents=True)
    for path in map(Path, ("/bin", "/lib", "/lib64", "/usr", "/sbin")):
        if path.exists():
            (folder / path.name).mkdir()
    return folder


def machines_folders() -> dict[str, Path]:
    """Mounts that fill such a tree."""
    paths = map(Path, ("/bin", "/lib", "/lib64", "/usr", "/sbin"))
    return {str(path): path for path in paths if path.exists()}


@needs_root
def test_a_program_in_a_tree_sees_what_is_bound_and_leaves_no_trace(
    tmp_path: Path, tree: Path
) -> None:
    """It writes through a bind, runs in the caller's folder, and the tree stays as it was."""
    shared = tmp_path / "shared"
    shared.mkdir()
    file = tmp_path / "only this"
    file.write_text("seen")
    script = 'cat "$0"; echo gone > /written; echo kept > here; ls /proc/self/exe > /dev/null; pwd'
    command = debian.command(
        tree, ["sh", "-c", script, str(file)], [shared, file], machines_folders()
    )

    done = subprocess.run(command, cwd=shared, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"seen{shared}\n"
    assert (shared / "here").read_text() == "kept\n"
    assert not (tree / "written").exists()
    assert list((tree / "mnt").iterdir()) == []
    assert str(tree) not in Path("/proc/self/mounts").read_text()


@needs_root
def test_the_exit_code_and_signals_are_the_programs_own(tmp_path: Path, tree: Path) -> None:
    """Who runs the command may end it as any program."""
    failing = debian.command(tree, ["sh", "-c", "exit 7"], [], machines_folders())
    assert subprocess.run(failing, cwd=tmp_path, check=False).returncode == 7

    sleeping = debian.command(tree, ["sh", "-c", "echo on; exec sleep 60"], [], machines_folders())
    with subprocess.Popen(sleeping, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.terminate()
        assert process.wait(5) == -15
