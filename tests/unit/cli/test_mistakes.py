"""What wrong guesses on a command line lead to: a hint at the right form, and exit code 2."""

from pathlib import Path

import pytest

from nix_cache.cli import app, options
from nix_cache.cli.caches.record import Record, save
from nix_cache.cli.caches.target import find_target
from nix_cache.cli.errors import UsageError
from nix_cache.cli.machine.places import user_place
from tests.unit.cli.client_caches import manifest

OF_ONE_CACHE = ("doctor", "gc", "pins", "resign", "stats")
"""The commands that take the cache as an argument."""


def failed(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """Return the error of a wrong command line."""
    code = app.run(line.split())
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    return said.err


@pytest.mark.parametrize("command", ["push", "pin", "unpin", "remove", "hook", "exec"])
@pytest.mark.parametrize("guess", ["--source", "--bucket", "--name"])
def test_a_guess_is_answered_with_the_option(
    capsys: pytest.CaptureFixture[str], command: str, guess: str
) -> None:
    """Not with an option that is spelt alike, such as --grace."""
    said = failed(capsys, f"{command} {guess} x")
    assert f"No such option: {guess}; name the cache with --cache; see `nix-cache {command}" in said
    assert "Possible" not in said


@pytest.mark.parametrize("command", OF_ONE_CACHE)
def test_the_option_of_the_pushing_commands_is_named_too(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    said = failed(capsys, f"{command} --to x")
    assert "No such option: --to; name the cache with --cache; see" in said


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("mirror --from a --to b", "give `nix-cache mirror [OPTIONS] FROM TO [PATH...]`; see"),
        ("mirror a", "'TO'; give `nix-cache mirror [OPTIONS] FROM TO [PATH...]`; see"),
        ("use --cache x", "give `nix-cache use [OPTIONS] SOURCE`; see"),
        ("pin x", "'PATH'; give `nix-cache pin [OPTIONS] NAME PATH`; see"),
        ("pin prod app ./result", "OPTIONS] NAME PATH`, and name the cache with --cache; see"),
        ("unpin prod app", "[OPTIONS] NAME`, and name the cache with --cache; see"),
        ("gc prod x", "give `nix-cache gc [OPTIONS] [SOURCE]`; see"),
        ("stack repair prod", "[OPTIONS]`, and name the stack with --stack; see"),
        (
            "gc --older-than 0",
            "--older-than '0' is below 1; give a number of at least 1; see `nix-c",
        ),
        ("gc --older-than 36501", "'36501' is above 36500; give a number of at most 36500; see"),
        (
            "gc --older-than 30d",
            "'30d' is not a whole number; give digits alone; see `nix-cache gc",
        ),
        ("stats --for x", "--for 'x' is not a number; give digits, such as 30 or 0.5; see"),
        ("push -j 0 x", "--jobs '0' is below 1; give a number of at least 1; see `nix-cache push"),
        ("gc --older-then 3", "Possible options: --older-than); see"),
        ("gc", "--older-than is missing; add --older-than DAYS to collect, or --undo RUN to"),
        ("gc --undo x --roots-from y", "--roots-from has no meaning with --undo; leave out"),
        (
            "gc --undo x --grace 3",
            "--grace has no meaning with --undo; leave out --grace or --undo",
        ),
        ("gc --undo x --set-aside y", "--set-aside has no meaning with --undo; leave out"),
        ("gc --older-than 3 --undo x", "--undo and --older-than exclude each other; give one"),
        ("remove", "no paths to remove; name store paths, or a key with --signed-by"),
        ("remove a --signed-by k", "paths and --signed-by exclude each other; give one of them"),
        ("remove --since 2026-11-27", "--since has no meaning without --signed-by; add"),
        ("remove prod", "a link to one such as ./result; name the cache with --cache"),
    ],
)
def test_a_wrong_form_is_answered_with_the_right_one(
    capsys: pytest.CaptureFixture[str], line: str, hint: str
) -> None:
    assert hint in failed(capsys, line)


@pytest.mark.parametrize("command", OF_ONE_CACHE)
def test_the_cache_is_named_by_argument_or_option(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Two that differ are refused before anything is read."""
    needed = {"gc": " --older-than 9", "resign": " --owner x"}.get(command, "")
    said = failed(capsys, f"{command} one --cache two{needed}")
    assert "two caches are named: one, and two by --cache; name one of them" in said


def test_one_cache_may_be_named_twice() -> None:
    assert options.one_cache("a", "a") == "a"
    assert options.one_cache(None, "a") == "a"
    assert options.one_cache("a", None) == "a"
    assert options.one_cache(None, None) is None


def test_a_misspelt_cache_is_answered_with_those_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a stack, too, so the error has what the engine says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "nix"))
    monkeypatch.setenv("PATH", "/nowhere")
    save(user_place(), Record(name="team", manifest=manifest()))

    expected = (
        "no cache taem is in use on this machine, and .* no pulumi .*; caches in use here: team"
    )
    with pytest.raises(UsageError, match=expected):
        find_target("taem", None)
