"""Reports to GitHub: one comment on a pull request, or one issue for each stack that drifts.

    python3 -m tools.ci.github comment FOLDER STACK…
    python3 -m tools.ci.github issue FOLDER STACK…

The job has only a token that may do this, and nothing installed; so this is Python's own alone.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.ci.report import JobReport, JobStatus, read
from tools.errors import ToolError

BOT = "github-actions[bot]"
"""Who writes with a job's token. What others write is never changed, whatever stands in it."""

LIMIT_CHARACTERS = 65_536
"""The longest text that GitHub takes in a comment or an issue."""

_PAGE = 100
_TIMEOUT_SECONDS = 30


class GitHub:
    """The part of GitHub's API that is needed here.

    Args:
        api: its URL.
        repository: OWNER/NAME.
        token: what the job may do.
    """

    def __init__(self, api: str, repository: str, token: str) -> None:
        self._root = f"{api}/repos/{repository}"
        self._token = token

    def put_comment(self, number: int, marker: str, text: str) -> None:
        """Write the only comment on a pull request that has a marker, or replace it."""
        path = f"/issues/{number}/comments"
        if comment := next(self._own(path, marker), None):
            self._ask("PATCH", f"/issues/comments/{comment['id']}", {"body": text})
        else:
            self._ask("POST", path, {"body": text})

    def put_issue(self, marker: str, title: str, text: str) -> None:
        """Write the one open issue that has a marker, or open it."""
        if issue := self._open_issue(marker):
            self._ask("PATCH", f"/issues/{issue['number']}", {"body": text})
        else:
            self._ask("POST", "/issues", {"title": title, "body": text})

    def close_issue(self, marker: str, text: str) -> None:
        """Close the open issue that has a marker, if there is one, with a last comment."""
        if issue := self._open_issue(marker):
            self._ask("POST", f"/issues/{issue['number']}/comments", {"body": text})
            self._ask("PATCH", f"/issues/{issue['number']}", {"state": "closed"})

    def _open_issue(self, marker: str) -> Any:
        return next(self._own("/issues?state=open", marker), None)

    def _own(self, path: str, marker: str) -> Iterator[Any]:
        """Yield what this job's kind wrote before, and begins with a marker."""
        separator = "&" if "?" in path else "?"
        page = 1
        while entries := self._ask("GET", f"{path}{separator}per_page={_PAGE}&page={page}"):
            for entry in entries:
                if entry["user"]["login"] == BOT and (entry["body"] or "").startswith(marker):
                    yield entry
            page += 1

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the URL is GitHub's own, from the runner
            self._root + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            fix = "give the job the permission that it needs: pull-requests or issues: write"
            raise ToolError(f"GitHub answers {error.code} to {method} {path}", fix) from None
        except OSError as error:
            raise ToolError(f"GitHub cannot be reached: {error}", "run the job again") from None


def comment(github: GitHub, reports: Sequence[JobReport], number: int, run_url: str) -> None:
    """Report on a pull request what it would change.

    Args:
        github: where the pull request is.
        reports: on its stacks.
        number: the pull request's.
        run_url: where the log is.
    """
    marker = "<!-- nix-cache preview -->"
    texts = "\n".join(report.text for report in reports)
    github.put_comment(number, marker, _whole(marker, texts, run_url))


def issue(github: GitHub, reports: Sequence[JobReport], run_url: str) -> None:
    """Open, bring up to date or close one issue for each stack. A check that failed says nothing.

    Args:
        github: where the issues are.
        reports: on the stacks.
        run_url: where the log is.
    """
    for report in reports:
        marker = f"<!-- nix-cache drift of {report.stack} -->"
        if report.status is JobStatus.DIFFERENT:
            title = f"The stack {report.stack} was changed outside"
            github.put_issue(marker, title, _whole(marker, report.text, run_url))
        elif report.status is JobStatus.SAME:
            github.close_issue(marker, f"[Nothing is changed outside any more.]({run_url})")


def _whole(marker: str, text: str, run_url: str) -> str:
    """Return a text between its marker and a link to the log, cut where GitHub would refuse it."""
    begin, end = f"{marker}\n", f"\n[The log]({run_url})\n"
    room = LIMIT_CHARACTERS - len(begin) - len(end)
    if len(text) > room:
        # Without the fences, a cut could leave one open, and the rest would not be read.
        cut = "\n\nThis is cut: the log has all of it.\n"
        text = text.replace("```", "'''")[: room - len(cut)] + cut
    return begin + text + end


def main(arguments: list[str] | None = None) -> int:
    """Report to GitHub; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.ci.github", description=__doc__)
    parser.add_argument("command", choices=("comment", "issue"))
    parser.add_argument("folder", type=Path, help="where the reports are")
    parser.add_argument("stacks", nargs="+", metavar="STACK")
    given = parser.parse_args(arguments)
    try:
        job = _Job()
        github = GitHub(job["GITHUB_API_URL"], job["GITHUB_REPOSITORY"], job["GITHUB_TOKEN"])
        reports = [read(given.folder, stack) for stack in given.stacks]
        if given.command == "comment":
            comment(github, reports, job.number("PULL_REQUEST"), job["RUN_URL"])
        else:
            issue(github, reports, job["RUN_URL"])
    except ToolError as failure:
        print(f"error: {_printable(str(failure))}", file=sys.stderr)
        return 1
    return 0


def _printable(text: str) -> str:
    """Return a text with its control characters escaped. This job has only Python."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


class _Job(dict[str, str]):
    """The job's variables; one that is missing is a mistake that is named."""

    def __init__(self) -> None:
        super().__init__(os.environ)

    def __missing__(self, name: str) -> str:
        raise ToolError(f"the variable {name} is not set", "run this in a job, with its env")

    def number(self, name: str) -> int:
        """Return a variable that is a whole number."""
        if not self[name].isdecimal():
            raise ToolError(
                f"{name} is {self[name]!r}, which is not a number", "name a pull request"
            )
        return int(self[name])


if __name__ == "__main__":
    sys.exit(main())
