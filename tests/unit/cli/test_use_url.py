"""`nix-cache use URL`: keys are shown, and trusted only by a user who agrees."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.caches.source import load
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import system_place
from nix_cache.cli.use import consent
from nix_cache.cli.use.settings_plan import Wish, plan_use
from nix_cache.formats import signing
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import KEY, NEXT_KEY, outputs
from tests.unit.cli.misbehaving import always, answer, misbehaving
from tests.unit.cli.served_cache import ServedCache, served_cache

DENIED = "these keys have to be agreed to, and standard input is no terminal to ask at"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedCache]:
    """Provide a served cache with a manifest, and a machine that uses none yet."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.delenv("NIX_CONFIG", raising=False)
    with served_cache() as served:
        served.describe(described(served))
        yield served


def described(served: ServedCache, **changes: Any) -> dict[str, Any]:
    """Return what its stack says of it."""
    reported: dict[str, Any] = outputs(readUrl=served.url, **changes)["manifest"]
    return reported


def at_a_terminal(answer: str, *arguments: str) -> tuple[int, str]:
    """Run the command at a terminal, where a user types; gives its exit code and the screen."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "nix_cache.cli", "use", "--system", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    screen = b""
    try:
        while piece := os.read(ours, 4096):
            screen += piece
    except OSError:  # the terminal's other end is closed
        pass
    os.close(ours)
    return process.wait(timeout=60), screen.decode()


def in_a_script(url: str, *arguments: str) -> int:
    """Run the command without a terminal."""
    return app.run(["use", "--system", url, *arguments])


def is_used() -> bool:
    """Return whether anything was written."""
    return system_place().nix_conf.exists()


@pytest.mark.parametrize("answer", ["y", "YES"])
def test_a_user_who_agrees_gets_the_cache(served: ServedCache, answer: str) -> None:
    """The question shows URL and keys in full."""
    code, screen = at_a_terminal(answer, served.url)

    assert code == 0
    assert served.url in screen
    assert KEY.public_text in screen
    assert "Trust these keys? [y/N]" in screen
    assert "WARNING" not in screen
    assert is_used()


@pytest.mark.parametrize("answer", ["n", "", "yet"])
def test_without_agreement_nothing_changes(served: ServedCache, answer: str) -> None:
    """Anything but yes is no."""
    code, screen = at_a_terminal(answer, served.url)

    assert code == 1
    assert "Nothing was changed." in screen
    assert not is_used()


def test_a_script_has_to_agree_beforehand(
    served: ServedCache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--yes` it is refused, and is reported which keys those would be."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert in_a_script(served.url) == 2
        said = capsys.readouterr().err
        assert DENIED in said
        assert KEY.public_text in said
        assert not is_used()

        assert in_a_script(served.url, "--yes") == 0
        assert is_used()


def test_the_same_keys_are_not_asked_about_again(
    served: ServedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command may run from a timer."""
    assert in_a_script(served.url, "--yes") == 0

    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert in_a_script(served.url) == 0


def test_changed_keys_are_shown_and_asked_about(served: ServedCache) -> None:
    """What came, what went, what stayed."""
    retired = signing.generate("retired-1").public_text
    served.describe(described(served, publicKeys=[KEY.public_text, retired]))
    assert in_a_script(served.url, "--yes") == 0
    before = system_place().conf("demo").read_text()
    served.describe(described(served, publicKeys=[NEXT_KEY.public_text, KEY.public_text]))

    code, screen = at_a_terminal("n", served.url)

    assert code == 1
    assert system_place().conf("demo").read_text() == before
    for line in (f"+ {NEXT_KEY.public_text}", f"- {retired}", f"  {KEY.public_text}"):
        assert line in screen


def test_another_read_url_than_asked_for_is_pointed_out(served: ServedCache) -> None:
    """A manifest may send its users anywhere."""
    served.describe(outputs(readUrl="https://elsewhere.example.org/demo")["manifest"])

    code, screen = at_a_terminal("n", served.url)

    assert code == 1
    assert "WARNING: it is read from another place than was asked for" in screen
    assert "https://elsewhere.example.org/demo" in screen


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://cache.example.org/demo", True),
        ("http://192.0.2.1/demo", True),
        ("http://127.0.0.1:9000/demo", False),
        ("http://[::1]:9000/demo", False),
        ("http://localhost/demo", False),
        ("https://cache.example.org/demo", False),
    ],
)
def test_keys_that_came_in_the_clear_are_pointed_out(
    url: str, warned: bool, served: ServedCache
) -> None:
    """Except from this machine itself."""
    plan = plan_use(client_caches.source(readUrl=url), Wish(system_place()))

    assert any("WARNING: this came over http" in line for line in consent.statement(url, plan)) is (
        warned
    )


def test_a_dry_run_asks_nothing(
    served: ServedCache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes nothing either."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert in_a_script(served.url, "--dry-run", "--json") == 0

    document = json.loads(capsys.readouterr().out)
    assert document["dryRun"] is True
    assert f"+extra-trusted-public-keys = {KEY.public_text}" in document["diff"]
    assert not is_used()


def test_a_private_cache_cannot_be_used_by_its_url(
    served: ServedCache, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its manifest has no credentials."""
    served.describe(outputs(public=False)["manifest"])

    assert in_a_script(served.url, "--yes") == 1
    said = capsys.readouterr().err
    assert "the cache demo is private, and no credentials are taken from a URL" in said
    assert not is_used()


def test_a_redirect_is_not_followed(served: ServedCache) -> None:
    """It could lead from https to http."""
    served.redirects["/old/nix-cache.json"] = f"{served.url}/nix-cache.json"

    with pytest.raises(ClientError, match="redirects to"):
        load(served.url.replace("/demo", "/old"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "is a web page, not a binary cache"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[]", "holds no JSON object"),
        (b"{}", "describes no cache: version"),
        (b'{"version": 99}', "this nix-cache reads version 1"),
        (b'{"manifest": 1}', "describes no cache"),
        (None, "answers 404: the cache has no manifest there"),
    ],
)
def test_what_is_no_manifest_is_refused(
    served: ServedCache, content: bytes | None, message: str
) -> None:
    """With one clear error each."""
    if content is None:
        served.objects.clear()
    else:
        served.objects["/demo/nix-cache.json"] = content

    with pytest.raises(ClientError, match=message):
        load(served.url)


def test_a_server_that_requires_a_login_is_named() -> None:
    """Nix itself logs in there, by its netrc file."""
    with (
        misbehaving(always(answer(b"", "401 Unauthorized"))) as server,
        pytest.raises(ClientError, match=r"requires a login \(401\)"),
    ):
        load(server.url)


def test_a_server_that_is_not_there_is_reported() -> None:
    """In one line, with the host and without the address of an object."""
    with served_cache() as served:
        url = served.url

    with pytest.raises(ClientError, match=r"^http://127\.0\.0\.1:\d+ does not answer: "):
        load(url)
