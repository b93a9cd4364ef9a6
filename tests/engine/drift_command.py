"""`make drift` on a stack of the tests, where no MinIO is."""

import json
import subprocess

from tests.engine.command import TIMEOUT_SECONDS, Result
from tests.engine.project import STACK, Project
from toolchain.bootstrap import ROOT


def drift(cache: Project, *options: str) -> Result:
    """Run `make drift`'s command in the program's own environment, which has no MinIO client."""
    done = subprocess.run(
        [
            cache.folder / ".venv" / "bin" / "python",
            "-m",
            "dev",
            "drift",
            "--stack",
            STACK,
            *options,
        ],
        cwd=cache.folder,
        env={**cache.variables(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stdout + done.stderr, 0)


def drifted(cache: Project) -> set[str]:
    """What was changed outside, as it is told. The state stays as it is, and nothing is written."""
    state = cache.state_file.read_bytes()
    result = drift(cache, "--json")
    assert result.exit_code in (0, 2), result.output
    found = {finding["what"] for finding in json.loads(result.stdout)["drift"]}
    assert result.exit_code == (2 if found else 0)
    assert cache.state_file.read_bytes() == state
    return found
