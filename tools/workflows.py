"""Checks GitHub's workflows: `python -m tools.workflows [FILE …]`, or else the project's."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from offline import builds
from tools.bootstrap import ROOT, cache_folder
from tools.errors import ToolError

PROJECTS_OWN = ROOT / ".github"


def found_in(paths: Sequence[Path]) -> str:
    """Return what two linters say of workflows; nothing where all is well.

    Both work alone, without GitHub and without programs that are only on some machines.

    Args:
        paths: workflows, or folders such as `.github`, of which zizmor reads actions as well.

    Raises:
        ToolError: actionlint can neither be found nor built.
    """
    actionlint = builds.ensure(["actionlint"], cache_folder())["actionlint"]
    zizmor = Path(sys.executable).with_name("zizmor")
    workflows = [
        file
        for path in paths
        for file in (path.glob("workflows/*.yml") if path.is_dir() else [path])
    ]
    commands: list[list[str | Path]] = [
        [actionlint, "-shellcheck=", "-pyflakes=", "-oneline", *workflows],
        [zizmor, "--offline", "--quiet", "--pedantic", "--format=plain", *paths],
    ]
    answers = [subprocess.run(c, capture_output=True, text=True, check=False) for c in commands]
    return "".join(done.stdout + done.stderr for done in answers if done.returncode)


def main() -> int:
    """Check the given files, or all; returns the process's exit code."""
    try:
        found = found_in([Path(name) for name in sys.argv[1:]] or [PROJECTS_OWN])
    except ToolError as failure:
        found = f"error: {failure}\n"
    print(found, end="", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
