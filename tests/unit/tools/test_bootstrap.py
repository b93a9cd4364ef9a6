"""Making the environment: what can be known without making one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap


@pytest.fixture
def pip_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a file of settings that is the only one pip reads."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "pip.conf"


def test_the_registry_of_pip_is_passed_to_uv(pip_settings: Path) -> None:
    """A machine that reaches only a mirror has it in pip's settings."""
    pip_settings.write_text(
        "[global]\nindex-url = https://mirror.example/main\n"
        "extra-index-url = https://mirror.example/a\n    https://mirror.example/b\n"
    )

    assert bootstrap.registry_of_pip() == {
        "UV_DEFAULT_INDEX": "https://mirror.example/main",
        "UV_INDEX": "https://mirror.example/a https://mirror.example/b",
    }


@pytest.mark.usefixtures("pip_settings")
def test_without_settings_of_pip_uv_uses_its_own() -> None:
    """Nothing is made up."""
    assert bootstrap.registry_of_pip() == {}


def test_an_uv_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none is installed."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert bootstrap.find_uv() == str(uv)


def test_the_pinned_uv_has_a_version_and_hashes() -> None:
    """The lock is what pip is reported to require."""
    assert bootstrap.pinned_version("uv", bootstrap.UV_LOCK)[0].isdigit()
    assert "--hash=sha256:" in bootstrap.UV_LOCK.read_text()


@pytest.mark.parametrize("lock", sorted(bootstrap.ROOT.glob("**/*requirements*.txt")))
def test_a_lock_names_no_registry_and_no_package_without_a_hash(lock: Path) -> None:
    """It has to work with any registry, and to refuse a changed package from each."""
    if ".venv" in lock.parts or ".dev" in lock.parts:
        pytest.skip("not a lock of this repository")
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]

    assert not any("://" in line for line in lines)
    for number, line in enumerate(lines):
        if "==" in line:
            assert "--hash=sha256:" in lines[number + 1]


def test_an_older_python_is_reported_with_the_fix() -> None:
    """The first thing that runs on a user's machine ends with a sentence, not a traceback."""
    script = (
        "import sys; sys.version_info = (3, 9, 1); sys.argv = ['bootstrap.py']; "
        "sys.path.insert(0, '.'); from tools import bootstrap; sys.exit(bootstrap.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=bootstrap.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "this is Python 3.9.1, and 3.11 is the least that works" in done.stderr
    assert "fix: name a newer one: make up PYTHON=python3.12" in done.stderr
    assert "Traceback" not in done.stderr
