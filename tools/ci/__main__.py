"""`python -m tools.ci preview|deploy|drift STACK [--report FILE]`: one stack, in a job.

It exits 0 if all is well, 2 if something changed outside, and else 1.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from nix_cache import terminal
from nix_cache.cli.machine import console
from tools.ci import engine, texts
from tools.ci.report import JobReport, JobStatus, failed
from tools.errors import ToolError
from tools.place import ClonePlace

_EXIT_CODES = {JobStatus.SAME: 0, JobStatus.DIFFERENT: 2, JobStatus.FAILED: 1}


def preview(place: ClonePlace, stack: str) -> JobReport:
    """Look at what an update would do."""
    found = engine.run("preview", place, stack)
    status = JobStatus.SAME if found.succeeded else JobStatus.FAILED
    return JobReport(stack, status, texts.preview(stack, found))


def deploy(place: ClonePlace, stack: str) -> JobReport:
    """Bring a stack up."""
    done = engine.run("deploy", place, stack)
    status = JobStatus.SAME if done.succeeded else JobStatus.FAILED
    return JobReport(stack, status, texts.deployment(stack, done))


def drift(place: ClonePlace, stack: str) -> JobReport:
    """Look at what changed outside."""
    done = subprocess.run(
        [sys.executable, "-m", "nix_cache.cli", "stack", "drift", "--stack", stack, "--json"],
        cwd=place.project,
        env=engine.environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    statuses = {code: status for status, code in _EXIT_CODES.items()}
    status = statuses.get(done.returncode, JobStatus.FAILED)
    if status is JobStatus.FAILED:
        return failed(stack)
    return JobReport(stack, status, texts.drift(stack, json.loads(done.stdout)["drift"]))


_COMMANDS = {command.__name__: command for command in (preview, deploy, drift)}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.ci", description=__doc__)
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("stack")
    parser.add_argument("--report", type=Path, help="a file for the report on the stack")
    given = parser.parse_args(arguments)
    try:
        report = _COMMANDS[given.command](ClonePlace(Path.cwd()), given.stack)
    except ToolError as failure:
        console.error(failure, lines=True)
        return 1
    if given.report:
        report.write(given.report)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(report.text)
    return _EXIT_CODES[report.status]


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
