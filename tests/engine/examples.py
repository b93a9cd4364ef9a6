"""The examples' programs in folders of the tests, and what their READMEs say, typed."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.engine.command import TIMEOUT_SECONDS
from tests.engine.project import Project
from tests.pages import blocks
from tools.bootstrap import ROOT
from tools.engine import Engine

EXAMPLES = ROOT / "examples"


def example(name: str, folder: Path, engine: Engine) -> Project:
    """Return an example's program in its own folder, with one place for all states of a test."""
    project = Project.create(folder / name, engine)
    copy_example(name, project)
    states, passphrase = folder / "states", folder / "passphrase"
    states.mkdir(exist_ok=True)
    passphrase.write_text("one for all, as a reference reads the other stack's secrets")
    project.environment |= {
        "PULUMI_BACKEND_URL": states.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
    }
    return project


def copy_example(name: str, project: Project) -> None:
    """Put an example's files in the place of the program's."""
    for file in (EXAMPLES / name).iterdir():
        if file.is_file():
            shutil.copy2(file, project.folder)


def type_the_readme(
    project: Project,
    name: str,
    here: Mapping[str, str],
    password: str = "",
    timeout: float = TIMEOUT_SECONDS,
) -> str:
    """Type what an example's README says; gives back what the last line printed.

    The environment is there already, made as `make` makes it.

    Args:
        project: where.
        name: the example's.
        here: what of the lines is different here.
        password: the answer to whatever asks.
        timeout: of each line, in seconds.
    """
    lines = [
        line.partition("  #")[0]
        for block in blocks(f"examples/{name}/README.md", language="sh")
        if block.is_executed
        for line in block.content.splitlines()
        if ".venv" not in line
    ]
    for meant, real in here.items():
        assert any(meant in line for line in lines), meant
        lines = [line.replace(meant, real) for line in lines]
    *_, printed = [project.typed(line, password, timeout) for line in lines]
    return printed
