"""The command `nix-cache help`: which page it finds, and how it shows it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from nix_cache.cli.errors import UsageError
from nix_cache.cli.help import pages
from nix_cache.cli.help.pages import Page

COMMAND = [sys.executable, "-m", "nix_cache.cli", "help"]

PAGES = {
    "index": "# Welcome\n",
    "limits": "# Limits\n\nBig.\n\n## Time\n\n20 s\n\n### Retries\n\n4\n\n## Size\n\n1 MB\n",
    "backends/index": "# Backends\n",
    "backends/aws": "# AWS\n\nSee [limits](../limits.md#size) and [above](#aws).\n",
    "guides/keys": "# Keys\n",
    "operations/keys": "# Lost keys\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide the pages above, as the package has them."""
    for topic, text in PAGES.items():
        file = tmp_path / f"{topic}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(pages, "_FOLDERS", (tmp_path / "missing", tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
class TestFinding:
    """A page by what was typed."""

    @pytest.mark.parametrize(
        ("asked", "topic"),
        [
            ("limits", "limits"),
            ("backends/aws", "backends/aws"),
            ("aws", "backends/aws"),
            ("backends", "backends/index"),
            ("backends/", "backends/index"),
            ("index", "index"),
            ("docs/backends/aws.md", "backends/aws"),
            ("operations/keys", "operations/keys"),
        ],
    )
    def test_a_page_is_found_by_its_path_or_by_a_unique_name(self, asked: str, topic: str) -> None:
        assert pages.find(asked) == Page(topic, PAGES[topic])

    def test_a_section_ends_at_the_next_heading_of_its_level(self) -> None:
        assert pages.find("limits#time").text == "## Time\n\n20 s\n\n### Retries\n\n4\n"
        assert pages.find("limits#retries").text == "### Retries\n\n4\n"
        assert pages.find("limits#size").text == "## Size\n\n1 MB\n"
        assert pages.find("limits#limits").text == PAGES["limits"]

    @pytest.mark.parametrize(
        ("asked", "problem", "fix"),
        [
            ("limit", "unknown topic 'limit'", "did you mean 'limits'?"),
            ("backend/awz", "unknown topic 'backend/awz'", "did you mean 'backends/aws'?"),
            ("keys", "topic 'keys' is ambiguous", "name one of: guides/keys, operations/keys"),
            ("qqqqqq", "unknown topic 'qqqqqq'", "run `nix-cache help` for a list"),
            ("", "unknown topic ''", "run `nix-cache help` for a list"),
            ("../limits", "unknown topic '../limits'", "did you mean 'limits'?"),
            ("limits#sizes", "page 'limits' has no section 'sizes'", "name one of: size"),
        ],
    )
    def test_what_is_not_found_names_the_nearest(self, asked: str, problem: str, fix: str) -> None:
        with pytest.raises(UsageError) as error:
            pages.find(asked)

        assert error.value.problem == problem
        assert error.value.fix.startswith(fix)


def test_the_name_of_a_command_leads_to_its_options() -> None:
    """Unless a page has that name."""
    done = subprocess.run([*COMMAND, "gc"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == "error: unknown topic 'gc'; run `nix-cache gc --help`\n"
    assert pages.find("push", {"push"}).topic == "guides/push"


def test_headings_are_those_of_the_text_and_not_of_code() -> None:
    """A comment in a shell block looks like a heading."""
    text = (
        "# A `b` & c\n```sh\n# no\n```\n~~~~\n~~~\n# no\n~~~~\n"
        "## See [x](y.md)\n## A b  c\n# A\n#no\n"
    )

    assert [(heading.level, heading.anchor) for heading in pages.headings(text)] == [
        *((1, "a-b--c"), (2, "see-x"), (2, "a-b--c-1"), (1, "a")),
    ]


def test_a_package_without_pages_names_the_way_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was built from a copy of `components` alone."""
    monkeypatch.setattr(pages, "_FOLDERS", (tmp_path, tmp_path))

    with pytest.raises(Exception, match="contains no documentation; install the package from"):
        pages.all_pages()


def test_without_a_terminal_the_markdown_is_printed_as_it_is() -> None:
    """For a pipe or a file."""
    text = pages.find("upgrades").text
    done = subprocess.run([*COMMAND, "upgrades"], capture_output=True, text=True, check=True)

    assert done.stdout == text
    assert done.stderr == ""


def test_the_list_has_a_line_for_each_page() -> None:
    """The topic and its title."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=True)

    listed = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert listed == [[page.topic, page.title] for page in pages.all_pages()]
    assert len(listed) > 5
    assert "nix-cache help TOPIC" in done.stderr


def test_an_unknown_topic_is_a_mistake_on_the_command_line() -> None:
    """With exit code 2."""
    done = subprocess.run([*COMMAND, "upgrdes"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown topic 'upgrdes'; did you mean 'upgrades'?")


def on_terminal(*arguments: str, pager: str, folder: Path) -> str:
    """Run the command on a terminal of 80 columns; returns what it shows."""
    master, slave = pty.openpty()
    code = (
        "import sys; from pathlib import Path; from nix_cache.cli.help import pages\n"
        f"pages._FOLDERS = (Path({str(folder)!r}),)\n"
        "from nix_cache.cli.__main__ import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "help", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "PAGER": pager, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait(30) == 0
    return shown.decode()


@pytest.mark.parametrize("pager", ["cat", "", "no-such-pager-here --option"])
def test_on_a_terminal_a_page_is_formatted(folder: Path, pager: str) -> None:
    """Also without a pager; links to other pages name their topics."""
    shown = on_terminal("aws", pager=pager, folder=folder)

    assert "# AWS" not in shown
    assert "\x1b[" in shown
    assert "../limits" not in shown
    plain = shown.replace("\x1b[36m", "").replace("\x1b[0m", "")
    assert "See limits (limits#size) and above." in plain


def test_on_a_terminal_the_pager_shows_it(folder: Path) -> None:
    """A shell runs it, so it may have options, and it may leave before it read everything."""
    (folder / "limits.md").write_text("# Limits\n\n" + "Words, words, words.\n\n" * 20_000)

    assert on_terminal("limits", pager="head -c 0; echo paged", folder=folder).strip() == "paged"
