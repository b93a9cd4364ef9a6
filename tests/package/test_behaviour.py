"""The component's unit tests, run on the wheel: nothing that it needs is only in the sources.

Those of the client take minutes and run on the sources alone; that its modules load is tested here.
"""

import re
import shutil
from pathlib import Path

import pytest

from tests.package.running import printed_by, run
from tools.bootstrap import ROOT

_BEYOND = re.compile(
    r"^(from|import) (bench|tools|offline|policies|tests\.(engine|e2e|fakes\.(b2|spaces)_\w+))\b"
    "|README",
    re.MULTILINE,
)
"""By this, a module of tests that needs more of the repository than the package."""

_CLIENT_TESTS = ROOT / "tests" / "unit" / "cli"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provide a folder with those of its unit tests that need nothing but it, and no sources."""
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    shared = (ROOT / "tests").glob("*.py")
    fakes = (ROOT / "tests" / "fakes").glob("*.py")
    tests = set((ROOT / "tests" / "unit").rglob("*.py")) - set(_CLIENT_TESTS.glob("test_*.py"))
    for file in [*shared, *fakes, *tests]:
        if not _BEYOND.search(file.read_text()):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
    return tmp_path


def test_the_unit_tests_of_the_component_pass_on_the_wheel(python: Path, folder: Path) -> None:
    """Far from the sources, with what the wheel's extras bring."""
    where = printed_by(python, "import nix_cache; print(nix_cache.__file__)", folder)
    assert Path(where).is_relative_to(python.parent.parent)
    assert len([*folder.glob("tests/unit/**/test_*.py")]) > 10

    done = run([python, "-m", "pytest", "-q", "-n", "2", "tests/unit"], folder)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 300
