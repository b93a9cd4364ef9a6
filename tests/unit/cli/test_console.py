"""What the client prints passes one place, where it is made harmless."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nix_cache.cli
from nix_cache.cli import app
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console
from nix_cache.redaction import MASK, keep_secret

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x9b2J\r\u202e\u200b\ud800\x7f[red]x[/]\nerror: fake"
RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
COMMAND = [sys.executable, "-m", "nix_cache.cli"]


def assert_harmless(text: str) -> None:
    assert not RAW.search(text), ascii(text)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Look at both streams, once the test has printed."""
    yield
    both = capsys.readouterr()
    text = both.out + both.err
    assert_harmless(text)
    assert "\\x1b]0;pwned\\x07" in text
    assert "[red]x[/]" in text
    assert not [line for line in text.splitlines() if line.startswith("error: fake")]


@pytest.mark.usefixtures("printed")
class TestForeignText:
    """Text of a stranger, on each way to the terminal."""

    def test_in_an_error(self) -> None:
        console.error(ClientError(f"the URL {HOSTILE} is none", f"look at {HOSTILE}"))

    def test_in_a_note(self) -> None:
        console.note(f"WARNING: {HOSTILE}")

    def test_in_a_line(self) -> None:
        console.out.print(HOSTILE, style="bold")

    def test_in_columns(self) -> None:
        console.columns([("name", HOSTILE), (HOSTILE, "x")])

    def test_in_a_question(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        assert not console.confirmed(f"Trust {HOSTILE}?")

    def test_in_an_argument(self) -> None:
        assert app.run(["use", "./" + HOSTILE.replace("\ud800", "")]) == 2

    def test_in_an_option(self) -> None:
        assert app.run(["push", f"--{HOSTILE}"]) == 2

    def test_in_a_command(self) -> None:
        assert app.run([HOSTILE]) == 2


def test_line_ends_of_a_layout_stay(capsys: pytest.CaptureFixture[str]) -> None:
    console.out.text("{\n  a = \x1b;\n}\n")
    assert capsys.readouterr().out == "{\n  a = \\x1b;\n}\n"


def test_json_is_ascii_and_has_the_values_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    foreign = HOSTILE.replace("\ud800", "")
    console.document({foreign: [foreign, 1, None, True]})
    text = capsys.readouterr().out
    assert text.isascii()
    assert_harmless(text)
    assert json.loads(text) == {foreign: [foreign, 1, None, True]}


def test_json_has_no_halves_of_characters(capsys: pytest.CaptureFixture[str]) -> None:
    console.document({"\ud800": "a\udc80"})
    assert json.loads(capsys.readouterr().out) == {"\\ud800": "a\\udc80"}


def test_known_secrets_are_masked_on_every_way(capsys: pytest.CaptureFixture[str]) -> None:
    secret = 'a-secret-"of"-ours'
    keep_secret(secret)
    console.error(ClientError(f"no {secret}", secret))
    console.note(secret)
    console.out.print(secret)
    console.out.text(f"{secret}\n")
    console.columns([("x", secret)])
    console.document({"x": {secret: [secret]}})
    both = capsys.readouterr()
    assert "of" not in both.out + both.err
    assert (both.out + both.err).count(MASK) == 8


def test_columns_are_as_wide_as_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.columns([("\x1b", "a"), ("日本", "b"), ("xx", "c")])
    assert capsys.readouterr().out == "  \\x1b  a\n  日本  b\n  xx    c\n"


class TestProcess:
    """The command as a process, with what its surroundings do to it."""

    def run(
        self, *arguments: str, environment: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            check=False,
            timeout=60,
        )

    @pytest.mark.parametrize(
        "encoding", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {}]
    )
    def test_any_encoding_will_do(self, encoding: dict[str, str], tmp_path: Path) -> None:
        missing = tmp_path / "日本\x1b\udc80.json"
        ended = self.run("use", str(missing), environment=encoding)
        assert ended.returncode == 2
        assert b"Traceback" not in ended.stderr
        assert b"\\x1b\\udc80.json" in ended.stderr

    def test_a_traceback_is_harmless(self) -> None:
        program = (
            "from nix_cache import terminal; terminal.protect(); "
            f"raise ValueError({HOSTILE!a}, 'http://root:S3cretPassw0rd@h')"
        )
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        assert b"Traceback" in ended.stderr
        assert_harmless(ended.stderr.decode())
        assert b"S3cret" not in ended.stderr

    def test_print_is_harmless(self) -> None:
        program = (
            "import sys, warnings; from nix_cache import terminal; terminal.protect(); "
            "print('\\x1b', '\\ud800'); sys.stderr.write('\\u202e'); warnings.warn('\\x9b')"
        )
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        assert ended.stdout == b"\\x1b \\ud800\n"
        assert b"\\u202e" in ended.stderr
        assert_harmless(ended.stderr.decode())

    def test_a_reader_who_is_gone_is_no_error(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [*COMMAND, "--help"],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(writing)
        assert (ended.returncode, ended.stderr) == (0, b"")

    def test_a_reader_of_errors_who_is_gone_does_not_change_the_exit_code(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [*COMMAND, "use", "/no/such/file"], stdout=subprocess.PIPE, stderr=writing, check=False
        )
        os.close(writing)
        assert (ended.returncode, ended.stdout) == (2, b"")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
    def test_a_full_disk_is_an_error(self) -> None:
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [*COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert ended.returncode == 1
        assert ended.stderr.count(b"\n") == 1
        assert ended.stderr.startswith(b"error: the output cannot be written: No space left")

    def test_closed_streams_are_no_error(self) -> None:
        ended = subprocess.run(
            ["sh", "-c", f"exec {sys.executable} -m nix_cache.cli --version >&- 2>&- <&-"],
            check=False,
        )
        assert ended.returncode == 0

    def on_a_terminal(self, *arguments: str, environment: dict[str, str]) -> bytes:
        master, slave = pty.openpty()
        surroundings = {**os.environ, "TERM": "xterm-256color", **environment}
        with subprocess.Popen(
            [*COMMAND, *arguments], env=surroundings, stdout=slave, stderr=slave, stdin=slave
        ):
            os.close(slave)
            seen = b""
            while True:
                try:
                    part = os.read(master, 4096)
                except OSError:
                    break
                if not part:
                    break
                seen += part
        os.close(master)
        return seen

    def test_colours_are_for_a_terminal_and_foreign_text_has_none(self) -> None:
        argument = "/no/\x1b[31mred"
        seen = self.on_a_terminal("use", argument, environment={"NO_COLOR": ""})
        assert b"\x1b[31merror:" in seen
        assert b"/no/\\x1b[31mred" in seen
        assert b"\x1b" not in self.run("use", argument).stderr

    def test_there_are_none_if_no_user_wants_them(self) -> None:
        seen = self.on_a_terminal("use", "/no/x", environment={"NO_COLOR": "1"})
        assert b"error: /no/x" in seen
        assert b"\x1b" not in seen


CLIENT = Path(nix_cache.cli.__file__).parent
ONLY_HERE = {CLIENT / "machine" / "console.py", CLIENT / "__main__.py"}
"""The console, and the error that names missing packages."""


@pytest.mark.parametrize(
    "file",
    sorted(set(CLIENT.rglob("*.py")) - ONLY_HERE),
    ids=lambda file: str(file.relative_to(CLIENT)),
)
def test_nothing_is_printed_past_the_console(file: Path) -> None:
    assert not _PAST_THE_CONSOLE.findall(file.read_text())


_PAST_THE_CONSOLE = re.compile(
    r"(?<![\w.])print\(|\bsys\.(?:__)?std(?:out|err)|\btyper\.s?echo|\b(?:out|err)\.rich\b"
    r"|^\s*(?:from|import) (?:rich|click|logging|warnings)\b|^\s*from sys\b",
    re.MULTILINE,
)


@pytest.mark.parametrize(
    "source",
    [
        *(
            "print(x)",
            "  print(x)",
            "sys.stdout.write(x)",
            "f(file=sys.__stderr__)",
            "typer.echo(x)",
        ),
        *(
            "from rich.text import Text",
            "import rich",
            "    import logging",
            "from sys import stdout",
        ),
    ],
)
def test_what_prints_past_the_console_is_recognised(source: str) -> None:
    assert _PAST_THE_CONSOLE.search(source)
