"""One thing that was changed outside, in the cache's words, and what brings it back. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

BACK_TO_STACK = "puts it back"
"""The remedy of what a refresh sees, and the update after it mends."""


class Act(StrEnum):
    """What is done on a server about what the engine does not see."""

    REMOVE_USER = "remove a user"
    END_TEMPORARY = "end the temporary credentials of a user"
    DETACH_POLICY = "take a policy from a user"
    LEAVE_GROUP = "take a user out of a group"
    REMOVE_ACCESS_KEY = "remove a further access key of a user"
    REMOVE_BUCKET_POLICY = "remove a bucket's policy"
    REMOVE_LIFECYCLE = "remove a bucket's lifecycle"
    REMOVE_QUOTA = "remove a bucket's quota"


@dataclass(frozen=True)
class Undo:
    """One act.

    Attributes:
        act: what is done.
        subject: the bucket or the user.
        name: the policy, group or access key, where the act is about one.
    """

    act: Act
    subject: str
    name: str = ""


@dataclass(frozen=True)
class Finding:
    """One difference between what the stack made and what is there.

    Attributes:
        what: what happened, as a sentence without its full stop.
        was: what the stack made.
        now: what is there.
        remedy: what a repair does about it, as the rest of "it ...".
        undo: what it does on the server before it runs the engine.
        forget: the URNs that it drops from the state first, so that the engine creates them again.
    """

    what: str
    was: str
    now: str
    remedy: str = BACK_TO_STACK
    undo: tuple[Undo, ...] = ()
    forget: tuple[str, ...] = ()


def as_document(findings: Sequence[Finding], command: str) -> dict[str, Any]:
    """The findings for programs.

    Args:
        findings: all of them.
        command: what brings everything back.
    """
    return {
        "drift": [
            {
                "what": finding.what,
                "was": finding.was,
                "is": finding.now,
                "fix": f"`{command}` {finding.remedy}",
            }
            for finding in findings
        ]
    }
