"""Errors of what `make` runs: a problem and its fix, ready to print."""

from pathlib import Path


class ToolError(Exception):
    """A step of `make` failed, and its user can fix it.

    `problem` names the thing and the value that is wrong, `fix` says what to do about it.
    `str()` gives both, ready to print.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        """Give the problem and its fix."""
        return f"{self.problem}\n  fix: {self.fix}"


class BuildError(ToolError):
    """A tool could not be built; `log` is the file with all that Go said, when it ran."""

    def __init__(self, problem: str, fix: str, log: Path | None = None) -> None:
        super().__init__(problem, fix)
        self.log = log

    def __str__(self) -> str:
        """Give the problem, its fix and the log."""
        where = f"\n  log: {self.log}" if self.log else ""
        return super().__str__() + where
