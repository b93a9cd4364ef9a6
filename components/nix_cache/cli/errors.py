"""What can go wrong in the client, each with its exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How the command ends. Scripts rely on these."""

    OK = 0
    FAILED = 1
    """What was asked could not be done, or `doctor` found errors."""
    USAGE = 2
    """What was asked makes no sense: a wrong option, a source that is none."""
    INTERRUPTED = 130
    """By Ctrl-C."""


class ClientError(Exception):
    """Something that the user has to know and can mend.

    Args:
        problem: what is wrong, naming the thing and its value; one line.
        fix: what to do about it, as an order; one line.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}; {fix}")
        self.problem = problem
        self.fix = fix


class UsageError(ClientError):
    """The command line, or what it names, is wrong."""

    exit_code = ExitCode.USAGE
