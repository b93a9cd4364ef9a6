"""One comment and one issue, kept up to date, on a server that answers as GitHub's API does."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.bootstrap import ROOT
from tools.ci.github import BOT, LIMIT_CHARACTERS
from tools.ci.report import JobReport, JobStatus

REPOSITORY = "example/cache"
PREVIEW = "<!-- nix-cache preview -->\n"
DRIFT = "<!-- nix-cache drift of prod -->\n"


class FakeGitHub(ThreadingHTTPServer):
    """Issues and their comments, in memory.

    Attributes:
        issues: by number.
        comments: by their own number.
        refused: methods that the token does not allow.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, on: int, body: str, author: str = BOT) -> int:
        """Write a comment; gives back its number."""
        number = len(self.comments) + 1000
        self.comments[number] = {"id": number, "on": on, "body": body, "user": {"login": author}}
        return number

    def open(self, body: str | None, author: str = BOT, title: str = "an issue") -> int:
        """Open an issue; gives back its number."""
        number = len(self.issues) + 1
        issue = {"number": number, "state": "open", "title": title, "body": body}
        self.issues[number] = {**issue, "user": {"login": author}}
        return number


class _Handler(BaseHTTPRequestHandler):
    server: FakeGitHub

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        allowed = self.headers["Authorization"] == "Bearer a-token"
        if not allowed or self.command in self.server.refused:
            self._send(403, {"message": "Resource not accessible by integration"})
            return
        if len(body.get("body") or "") > LIMIT_CHARACTERS:
            self._send(422, {"message": "body is too long"})
            return
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.removeprefix(f"/repos/{REPOSITORY}/").split("/")
        self._send(200, self._done(parts, query, body))

    def _done(self, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> Any:
        here = self.server
        match (self.command, *parts):
            case ("GET", "issues"):
                found = [i for i in here.issues.values() if i["state"] == query["state"]]
                return self._page(found, query)
            case ("GET", "issues", number, "comments"):
                found = [c for c in here.comments.values() if c["on"] == int(number)]
                return self._page(found, query)
            case ("POST", "issues"):
                return here.issues[here.open(body["body"], title=body["title"])]
            case ("POST", "issues", number, "comments"):
                return here.comments[here.say(int(number), body["body"])]
            case ("PATCH", "issues", "comments", number):
                here.comments[int(number)].update(body)
                return here.comments[int(number)]
            case ("PATCH", "issues", number):
                here.issues[int(number)].update(body)
                return here.issues[int(number)]
        raise AssertionError(f"{self.command} {self.path} is not known")

    def _page(self, found: list[Any], query: dict[str, str]) -> list[Any]:
        size, page = int(query["per_page"]), int(query["page"])
        return found[(page - 1) * size : page * size]

    def _send(self, status: int, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names that the server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """Provide a server with nothing in it."""
    with FakeGitHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Provide reports on two stacks, as jobs wrote them."""
    for stack in ("staging", "prod"):
        JobReport(stack, JobStatus.SAME, f"### of {stack}\n").write(tmp_path / f"{stack}.json")
    return tmp_path


def run_job(
    github: FakeGitHub, command: str, folder: Path, *stacks: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run the script as a job does, with nothing installed."""
    job = {
        "PATH": os.environ["PATH"],
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": "a-token",
        "PULL_REQUEST": "7",
        "RUN_URL": "https://example.org/run",
    }
    return subprocess.run(
        # Isolated from the environment's packages: a runner has none.
        [sys.executable, "-S", "-m", "tools.ci.github", command, str(folder), *stacks],
        cwd=ROOT,
        env={**job, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_pull_request_gets_one_comment_with_all_stacks(github: FakeGitHub, reports: Path) -> None:
    """In the order in which they are named."""
    done = run_job(github, "comment", reports, "staging", "prod")

    assert done.returncode == 0, done.stderr
    [comment] = github.comments.values()
    assert comment["on"] == 7
    assert comment["body"] == (
        PREVIEW + "### of staging\n\n### of prod\n\n[The log](https://example.org/run)\n"
    )


def test_the_comment_is_rewritten_wherever_it_is(github: FakeGitHub, reports: Path) -> None:
    """Also on a later page, below what others have said."""
    for number in range(150):
        github.say(7, f"remark {number}", "somebody")
    own = github.say(7, PREVIEW + "before")
    run_job(github, "comment", reports, "prod")

    assert len(github.comments) == 151
    assert "### of prod" in github.comments[own]["body"]


def test_what_another_wrote_is_never_changed(github: FakeGitHub, reports: Path) -> None:
    """Neither by a marker that a user copied, nor without one."""
    foreign = {
        github.say(7, PREVIEW + "mine", "somebody"),
        github.say(7, "of another workflow"),
        github.say(8, PREVIEW + "of another pull request"),
    }
    before = {number: dict(github.comments[number]) for number in foreign}
    run_job(github, "comment", reports, "prod")

    assert {number: github.comments[number] for number in foreign} == before
    assert len(github.comments) == 4


def test_a_job_that_left_no_report_is_reported_as_a_failure(
    github: FakeGitHub, reports: Path
) -> None:
    """Beside those that did."""
    (reports / "prod.json").unlink()
    run_job(github, "comment", reports, "staging", "prod")

    [comment] = github.comments.values()
    assert "### of staging" in comment["body"]
    assert "### `prod`: failed" in comment["body"]


def test_a_text_that_github_would_refuse_is_cut(github: FakeGitHub, reports: Path) -> None:
    """With the way to all of it, and no block left open."""
    JobReport("prod", JobStatus.SAME, "```text\n" + "x\n" * 40_000).write(reports / "prod.json")
    done = run_job(github, "comment", reports, "prod")

    assert done.returncode == 0, done.stderr
    [comment] = github.comments.values()
    assert "This is cut" in comment["body"]
    assert comment["body"].endswith("[The log](https://example.org/run)\n")
    assert "```" not in comment["body"]


def test_drift_opens_one_issue_and_then_keeps_it_up_to_date(
    github: FakeGitHub, reports: Path
) -> None:
    """Night after night."""
    for found in ("first", "second"):
        JobReport("prod", JobStatus.DIFFERENT, found).write(reports / "prod.json")
        run_job(github, "issue", reports, "staging", "prod")

    [issue] = github.issues.values()
    assert issue["title"] == "The stack prod was changed outside"
    assert issue["body"].startswith(DRIFT + "second")


def test_the_issue_is_closed_when_the_drift_is_gone(github: FakeGitHub, reports: Path) -> None:
    """And opened again by the next one; the closed one stays as it is."""
    other = github.open("somebody's", "somebody")
    own = github.open(DRIFT + "drift")
    run_job(github, "issue", reports, "prod")
    assert github.issues[own]["state"] == "closed"
    assert github.issues[other]["state"] == "open"
    assert [comment["on"] for comment in github.comments.values()] == [own]

    JobReport("prod", JobStatus.DIFFERENT, "again").write(reports / "prod.json")
    run_job(github, "issue", reports, "prod")
    assert [issue["state"] for issue in github.issues.values()] == ["open", "closed", "open"]


def test_a_check_that_failed_leaves_the_issue_alone(github: FakeGitHub, tmp_path: Path) -> None:
    """It knows nothing of the drift."""
    own = github.open(DRIFT + "drift")
    before = dict(github.issues[own])
    run_job(github, "issue", tmp_path, "prod")

    assert github.issues == {own: before}


def test_an_issue_without_a_text_is_no_obstacle(github: FakeGitHub, reports: Path) -> None:
    """GitHub has null there."""
    github.open(None)

    assert run_job(github, "issue", reports, "prod").returncode == 0


def test_a_token_that_may_not_write_is_one_clear_error(github: FakeGitHub, reports: Path) -> None:
    """Which names what the job needs."""
    github.refused = {"POST"}
    done = run_job(github, "comment", reports, "prod")

    assert done.returncode == 1
    assert "GitHub answers 403 to POST /issues/7/comments" in done.stderr
    assert "pull-requests" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GITHUB_API_URL": "http://127.0.0.1:1"}, "cannot be reached"),
        ({"PULL_REQUEST": "seven"}, "PULL_REQUEST"),
    ],
)
def test_other_mistakes_are_one_clear_error(
    github: FakeGitHub, reports: Path, variables: dict[str, str], message: str
) -> None:
    """And nothing was written."""
    done = run_job(github, "comment", reports, "prod", **variables)

    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert github.comments == {}
