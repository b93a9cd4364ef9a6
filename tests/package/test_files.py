"""What is in the wheel and the source distribution, and the ways to install them."""

import os
import shlex
import shutil
import subprocess
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from tests.package.packages import Packages, build
from tests.package.running import printed_by, run
from tests.pages import commands
from tools.bootstrap import ROOT
from tools.release import agreement, installed

WHERE = "import nix_cache; print(nix_cache.__file__)"


@pytest.fixture(scope="module")
def names(package: Packages) -> set[str]:
    """Provide the names of the wheel's files."""
    with zipfile.ZipFile(package.wheel) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(package: Packages) -> Message:
    """Provide the metadata of the wheel."""
    with zipfile.ZipFile(package.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(wheel.read(name).decode())


def test_the_wheel_has_the_types_the_page_and_the_license(names: set[str]) -> None:
    """What is no module is forgotten easily."""
    page = {f"nix_cache/render/page/page.{kind}" for kind in ("html", "css", "js")}

    assert {"nix_cache/py.typed", "nix_cache/render/page/icon.svg", *page} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_package_has_every_page_of_the_documentation(names: set[str], python: Path) -> None:
    """The one source is `docs`; the installed command prints a page of it."""
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    done = run([python.with_name("nix-cache"), "help", "upgrades"], python.parent)

    assert {name.removeprefix("nix_cache/manual/") for name in names if "/manual/" in name} == pages
    assert done.stdout == (ROOT / "docs" / "upgrades.md").read_text()


def test_the_wheel_has_nothing_but_the_package(names: set[str]) -> None:
    """No tests, no caches, nothing of the machine that built it."""
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    endings = {Path(name).suffix for name in names if ".dist-info/" not in name}

    assert tops == {"nix_cache"}
    assert endings <= {".py", ".typed", ".html", ".css", ".js", ".svg", ".sh", ".md"}
    assert not any(part.startswith((".", "__pyc")) for name in names for part in name.split("/"))


def test_the_source_distribution_has_the_same_files(package: Packages, names: set[str]) -> None:
    """And what it takes to build the wheel from it, as was done."""
    with tarfile.open(package.sdist) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}

    assert {name for name in names if name.startswith("nix_cache/")} <= inside
    assert {n for n in inside if "/" not in n} == {
        *("LICENSE", "README.md", "pyproject.toml", "PKG-INFO", "hatch_build.py"),
    } | ({".gitignore"} & inside)


def test_a_second_build_has_the_same_bytes(package: Packages, tmp_path: Path) -> None:
    """In another folder, time zone and language, of files with other times and modes."""
    folder = tmp_path / "another folder" / "and a longer one"
    source = folder / "components"
    shutil.copytree(ROOT / "components", source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", folder / "docs")
    for file in folder.rglob("*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    strange = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"}

    again = build(source, tmp_path / "dist", {**os.environ, **strange}, umask=0o077)

    assert again.wheel.name == package.wheel.name
    assert again.wheel.read_bytes() == package.wheel.read_bytes()
    assert again.sdist.read_bytes() == package.sdist.read_bytes()


def test_the_package_has_its_page_its_extras_and_its_command(
    package: Packages, metadata: Message
) -> None:
    """As a package index shows them."""
    with zipfile.ZipFile(package.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
        assert "nix-cache = nix_cache.cli.__main__:main" in wheel.read(name).decode()

    assert set(installed.EXTRAS) < set(metadata.get_all("Provides-Extra", []))
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith("# nix-cache\n")
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_source_distribution_can_be_installed(package: Packages, tmp_path: Path) -> None:
    """It is built then, on the machine that wants it."""
    python = installed.install(tmp_path / "venv", installed.requirement(package.sdist, ["client"]))

    assert printed_by(python, WHERE, tmp_path).startswith(str(tmp_path))


def test_a_tag_of_the_repository_can_be_installed(tmp_path: Path) -> None:
    """By pip, as the README describes: for those who use no package index."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    subprocess.run(["git", "tag", "v9.9.9"], cwd=clone, check=True)
    python = installed.install(tmp_path / "venv", "hatchling", "pip")
    [line] = commands("README.md", "Use the component")
    command, meant, requirement = shlex.split(line)
    assert (command, meant) == ("pip", "install")
    here = requirement.replace(
        "https://github.com/OWNER/REPOSITORY@v0.1.0", f"{clone.as_uri()}@v9.9.9"
    )
    assert here != requirement

    done = run(
        [
            *(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
            here,
        ],
        tmp_path,
    )

    assert done.returncode == 0, done.stderr
    reported = printed_by(
        python, "from importlib.metadata import version; print(version('nix-cache'))", tmp_path
    )
    pyproject = (clone / "components" / "pyproject.toml").read_text()
    assert reported.strip() == str(agreement.package_version(pyproject))
