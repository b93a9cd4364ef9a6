"""What the tests of the package stand on: its files, and environments with nothing else in them."""

from pathlib import Path

import pytest

from tests.package.packages import Packages, build, found_in
from tools.bootstrap import ROOT
from tools.release import installed


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make release-check` test the very files that it built."""
    parser.addoption(
        "--packages",
        type=Path,
        help="a folder with a wheel and a source distribution (default: build the sources)",
    )


@pytest.fixture(scope="session")
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Provide the wheel and the source distribution."""
    folder: Path | None = request.config.getoption("--packages", default=None)
    if folder is None:
        return build(ROOT / "components", tmp_path_factory.mktemp("package"))
    return found_in(folder.absolute())


@pytest.fixture(scope="session")
def python(package: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the interpreter of an environment that has the wheel with all extras, and pytest."""
    return installed.install(
        tmp_path_factory.mktemp("environment") / "venv",
        installed.requirement(package.wheel, installed.EXTRAS),
        *("pytest", "pytest-timeout", "pytest-xdist", "hypothesis"),
    )
