"""What one job leaves for the next: a stack, its status, and a text for people.

Without any package but Python's own: the job that reports to GitHub has nothing installed.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from tools.errors import ToolError


class JobStatus(StrEnum):
    """How a stack was found."""

    SAME = "same"
    DIFFERENT = "different"
    FAILED = "failed"


@dataclass(frozen=True)
class JobReport:
    """A stack as it was found.

    Attributes:
        stack: its name.
        status: how it was found.
        text: what people read, as Markdown.
    """

    stack: str
    status: JobStatus
    text: str

    def write(self, path: Path) -> None:
        """Keep it for another job."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def failed(stack: str) -> JobReport:
    """Return that nothing could be found out about a stack."""
    return JobReport(
        stack, JobStatus.FAILED, f"### `{stack}`: failed\n\nThe job's log has the reason.\n"
    )


def read(folder: Path, stack: str) -> JobReport:
    """Return the report on a stack. One that was never written means that the job failed before.

    Args:
        folder: where the reports are, each under its stack's name.
        stack: the stack's name.

    Raises:
        ToolError: there is something else in its place.
    """
    path = folder / f"{stack}.json"
    if not path.exists():
        return failed(stack)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return JobReport(stack, JobStatus(found["status"]), str(found["text"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{path} is no report: {error!r}", "run the job again") from None
