"""`nix-cache use` on nix.conf files of many shapes, with the real Nix as the judge."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nix import Nix
from tests.unit.cli.client_caches import KEY, NEXT_KEY, READER, WRITER, outputs

URL = "https://s3.example.org/demo"
SOME_KEY = "cache.example.com-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="


def nix_cache(
    nix: Nix, *arguments: str, reported: Any = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command as the machine's user, the outputs on its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "nix_cache.cli", *arguments],
        env=nix.environment,
        cwd=nix.home,
        input=json.dumps(reported or outputs()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write(content: bytes, mode: int = 0o644) -> Callable[[Path], None]:
    """Return a nix.conf with a content and a mode."""

    def prepare(conf: Path) -> None:
        conf.write_bytes(content)
        conf.chmod(mode)

    return prepare


def missing(conf: Path) -> None:
    """No nix.conf."""


def missing_folder(conf: Path) -> None:
    """Not even its folder."""
    conf.parent.rmdir()


def link_elsewhere(conf: Path) -> None:
    """Make a link to a file of another name in another folder, where includes are not found."""
    elsewhere = conf.parent.parent / "dotfiles"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "my-nix.conf").write_bytes(b"max-jobs = 3")
    conf.symlink_to("../dotfiles/my-nix.conf")


def link_to_nothing(conf: Path) -> None:
    """Make a link whose target does not exist yet."""
    conf.symlink_to("not-yet.conf")


def with_includes(conf: Path) -> None:
    """One include that is there, one that may be missing, one of a file that includes another."""
    (conf.parent / "conf.d").mkdir()
    (conf.parent / "conf.d" / "a.conf").write_bytes(b"extra-substituters = https://a\n!include b")
    (conf.parent / "conf.d" / "b").write_bytes(b"max-jobs = 7")
    conf.write_bytes(b"include conf.d/a.conf\n!include gone.conf\n!include conf.d\n")


def huge(conf: Path) -> None:
    """Ten megabytes."""
    conf.write_bytes(b"# " + b"x" * 97 + b"\n" + b"max-jobs = 5\n" + (b"#" * 99 + b"\n") * 100_000)


def our_earlier_cache(conf: Path) -> None:
    """Another cache is in use already."""
    folder = conf.parent / "nix-cache"
    folder.mkdir()
    (folder / "team.conf").write_bytes(
        f"extra-substituters = https://team\nextra-trusted-public-keys = {SOME_KEY}\n".encode()
    )
    conf.write_bytes(
        b"\n# The binary cache team, added by `nix-cache use`:\n!include nix-cache/team.conf\n"
    )


SHAPES: dict[str, Callable[[Path], None]] = {
    "empty": write(b""),
    "missing": missing,
    "missing folder": missing_folder,
    "one newline": write(b"\n"),
    "ordinary": write(b"max-jobs = 4\nsandbox = false\n"),
    "no final newline": write(b"max-jobs = 4"),
    "read-only": write(b"max-jobs = 4\n", 0o444),
    "private": write(b"access-tokens = github.com=secret\n", 0o600),
    "includes": with_includes,
    "CRLF": write(b"max-jobs = 4\r\ncores = 2\r\n"),
    "CRLF without the final one": write(b"max-jobs = 4\r\ncores = 2"),
    "mixed line ends": write(b"max-jobs = 4\r\ncores = 2\n\r"),
    "duplicates": write(b"max-jobs = 4\nmax-jobs = 5\nextra-substituters = https://a https://a\n"),
    "link elsewhere": link_elsewhere,
    "link to nothing": link_to_nothing,
    "huge": huge,
    "comment at the end": write(b"max-jobs = 4\n# substituters = https://x"),
    "only comments": write(b"# one\n\t# two\n"),
    "backslash at the end": write(b"max-jobs = 4\nfoo = bar \\"),
    "backslash after a newline": write(b"foo = bar \\\n"),
    "tabs": write(b"\tmax-jobs\t=\t4\t\n\t"),
    "unknown settings": write(b"foo = bar\nfoo.bar = 1\n"),
    "extra-substituters": write(
        f"extra-substituters = https://a\nextra-trusted-public-keys = {SOME_KEY}\n".encode()
    ),
    "substituters": write(
        f"substituters = https://a https://b\ntrusted-public-keys = {SOME_KEY}".encode()
    ),
    "old names": write(
        f"binary-caches = https://a\nbinary-cache-public-keys = {SOME_KEY}\n".encode()
    ),
    "substituters emptied": write(b"substituters =\ntrusted-public-keys =\n"),
    "the same cache by hand": write(f"extra-substituters = {URL}\n".encode()),
    "secret keys": write(b"secret-key-files = /a.sec\nextra-secret-key-files = /b.sec\n"),
    "not UTF-8": write(b"# \xff\xfe\xe4\nmax-jobs = 4\n"),
    "BOM": write(b"\xef\xbb\xbfmax-jobs = 4\ncores = 3\n"),
    "NUL": write(b"foo = \x00\n"),
    "blank lines": write(b"\n\n\nmax-jobs = 4\n\n\n\n"),
    "our earlier cache": our_earlier_cache,
}


@dataclass(frozen=True)
class Effect:
    """What the real Nix makes of a configuration: settings, or why it refuses it."""

    settings: dict[str, Any]
    refusal: str


def effect(nix: Nix) -> Effect:
    """Ask the real Nix."""
    shown = nix.run("config", "show", "--json")
    if shown.exit_code != 0:
        return Effect({}, shown.err)
    return Effect({name: entry["value"] for name, entry in json.loads(shown.out).items()}, "")


def as_shown(nix: Nix, url: str) -> str:
    """Return a substituter's URL in the form in which the real Nix shows it."""
    return nix.get("config", "show", "substituters", "--option", "substituters", url)


def files_below(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    """Every file and link: where it points, its mode, its bytes."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()) if path.is_symlink() else "",
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def assert_added(before: Effect, after: Effect, added: Mapping[str, Sequence[str]]) -> None:
    """Each list has what it had, then what was added; nothing else is different."""
    if before.refusal:
        assert after.refusal == before.refusal
        return
    assert after.refusal == ""
    expected = dict(before.settings)
    for setting, values in added.items():
        expected[setting] = [*expected[setting], *values]
    assert after.settings == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_the_real_nix_sees_what_was_added_and_nothing_else_until_it_is_removed(
    module_nix: Nix, tmp_path: Path, shape: str
) -> None:
    """Then every byte, mode and link of the folder is as it was."""
    nix = on_own_folder(module_nix, tmp_path)
    shown_url = as_shown(nix, outputs(public=False)["manifest"]["readUrl"])
    SHAPES[shape](tmp_path / "etc" / "nix.conf")
    before, files_before = effect(nix), files_below(tmp_path)

    used = nix_cache(nix, "use", "-", "--as", WRITER, reported=outputs(public=False))
    assert used.returncode == 0, used.stderr
    key_file = tmp_path / "etc" / "nix-cache" / f"{KEY.name}.sec"
    added = {
        "substituters": [shown_url],
        "trusted-public-keys": [KEY.public_text],
        "secret-key-files": [str(key_file)],
    }
    assert_added(before, effect(nix), added)
    files_used = files_below(tmp_path)

    again = nix_cache(nix, "use", "-", reported=outputs(public=False))
    assert again.returncode == 0, again.stderr
    assert files_below(tmp_path) == files_used

    removed = nix_cache(nix, "use", "demo", "--remove")
    assert removed.returncode == 0, removed.stderr
    assert files_below(tmp_path) == files_before
    assert effect(nix) == before


def on_own_folder(nix: Nix, folder: Path) -> Nix:
    """Return the same Nix with nix.conf and the home in a folder of the test's own."""
    (folder / "etc").mkdir()
    (folder / "home").mkdir()
    other = object.__new__(Nix)
    vars(other).update(vars(nix))
    other.environment = {
        **nix.environment,
        "NIX_CONF_DIR": str(folder / "etc"),
        "NIX_USER_CONF_FILES": str(folder / "home" / ".config" / "nix" / "nix.conf"),
        "HOME": str(folder / "home"),
    }
    return other


@pytest.mark.parametrize(
    "text", ["max-jobs=4\n", "include gone.conf\n", "# one\nextra-substituters: https://x\n"]
)
def test_a_file_that_the_real_nix_refuses_is_not_added_to(
    module_nix: Nix, tmp_path: Path, text: str
) -> None:
    """The line is named, and `doctor` names it too, instead of a missing Nix."""
    nix = on_own_folder(module_nix, tmp_path)
    conf = tmp_path / "etc" / "nix.conf"
    conf.write_text(text)
    assert effect(nix).refusal
    before = files_below(tmp_path)

    used = nix_cache(nix, "use", "-")

    assert used.returncode == 1
    assert used.stderr.startswith(f"error: {conf}:{text.count(chr(10))} ")
    assert files_below(tmp_path) == before


def test_a_link_into_the_store_gets_a_module_and_no_change(
    module_nix: Nix, store_dir: str, tmp_path: Path
) -> None:
    """As NixOS and home-manager make it; the real Nix parses and evaluates the module."""
    nix = on_own_folder(module_nix, tmp_path)
    conf = tmp_path / "etc" / "nix.conf"
    conf.symlink_to(f"{store_dir}/0000000000000000000000000000000a-etc-nix.conf")
    before = files_below(tmp_path)

    done = nix_cache(nix, "use", "-", reported=outputs(storeDir=store_dir))

    assert done.returncode == 0, done.stderr
    assert "is generated by NixOS, so nothing was changed" in done.stderr
    assert files_below(tmp_path) == before
    module = tmp_path / "module.nix"
    module.write_text(done.stdout)
    value = json.loads(nix.get("eval", "--json", "--file", str(module)))
    assert value == {
        "nix": {
            "settings": {
                "extra-substituters": [URL],
                "extra-trusted-public-keys": [KEY.public_text],
            }
        }
    }


def test_a_line_that_came_later_and_undid_the_cache_is_outrun_again(
    module_nix: Nix, tmp_path: Path
) -> None:
    """A user adds `substituters =` behind the include; the next `use` moves that to the end."""
    nix = on_own_folder(module_nix, tmp_path)
    conf = tmp_path / "etc" / "nix.conf"
    conf.write_bytes(b"max-jobs = 2\n")
    assert nix_cache(nix, "use", "-").returncode == 0
    with conf.open("ab") as file:
        file.write(b"substituters = https://later\n")
    assert effect(nix).settings["substituters"] == ["https://later"]

    assert nix_cache(nix, "use", "-").returncode == 0

    assert effect(nix).settings["substituters"] == ["https://later", URL]
    assert nix_cache(nix, "use", "demo", "--remove").returncode == 0
    assert conf.read_bytes() == b"max-jobs = 2\nsubstituters = https://later\n"


def test_what_defeats_the_cache_elsewhere_is_reported(module_nix: Nix, tmp_path: Path) -> None:
    """As the real Nix sees it: the user's own file and NIX_CONFIG count after the machine's."""
    nix = on_own_folder(module_nix, tmp_path)
    own = tmp_path / "home" / ".config" / "nix" / "nix.conf"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"# mine\nsubstituters = https://mine\n")
    nix.environment["NIX_CONFIG"] += "\nrequire-sigs = false\n"

    done = nix_cache(nix, "use", "-")

    assert effect(nix).settings["substituters"] == ["https://mine"]
    assert f"WARNING: {own}:2: substituters replaces the list, so what {tmp_path}" in done.stderr
    assert "WARNING: NIX_CONFIG:5: require-sigs = false" in done.stderr


def test_after_a_rotation_only_the_new_key_signs(module_nix: Nix, tmp_path: Path) -> None:
    """The old key's file is gone, and the real Nix is not pointed to it any more."""
    nix = on_own_folder(module_nix, tmp_path)
    first = nix_cache(nix, "use", "-", "--as", WRITER)
    assert first.returncode == 0, first.stderr
    both = [NEXT_KEY.public_text, KEY.public_text]
    rotated = outputs(key=NEXT_KEY, publicKeys=both)

    expected = [word for key in both for word in ("--expect-key", key)]
    unasked = nix_cache(nix, "use", "-", "--yes", reported=rotated)
    assert (unasked.returncode, unasked.stdout) == (2, ""), unasked.stderr
    second = nix_cache(nix, "use", "-", *expected, reported=rotated)

    assert second.returncode == 0, second.stderr
    settings = effect(nix).settings
    key_file = tmp_path / "etc" / "nix-cache" / f"{NEXT_KEY.name}.sec"
    assert settings["secret-key-files"] == [str(key_file)]
    assert settings["trusted-public-keys"][-2:] == both
    assert list(key_file.parent.glob("*.sec")) == [key_file]
    assert key_file.stat().st_mode & 0o777 == 0o600
    public = nix.get("key", "convert-secret-to-public", input=key_file.read_text(), stdin=None)
    assert public == NEXT_KEY.public_text


def test_a_folder_with_blanks_does_no_harm(module_nix: Nix, tmp_path: Path) -> None:
    """Nix knows no quotes, but takes an include relative to the file that has it."""
    nix = on_own_folder(module_nix, tmp_path)
    folder = tmp_path / "my etc # 1"
    folder.mkdir()
    nix.environment["NIX_CONF_DIR"] = str(folder)
    before = effect(nix)

    used = nix_cache(nix, "use", "-")

    assert used.returncode == 0, used.stderr
    added = {"substituters": [URL], "trusted-public-keys": [KEY.public_text]}
    assert_added(before, effect(nix), added)


def test_two_caches_stand_side_by_side(module_nix: Nix, tmp_path: Path) -> None:
    """Removing one leaves the other, whichever came first."""
    nix = on_own_folder(module_nix, tmp_path)
    other = outputs(bucket="other", key=NEXT_KEY)
    assert nix_cache(nix, "use", "-").returncode == 0
    assert nix_cache(nix, "use", "-", reported=other).returncode == 0
    urls = effect(nix).settings["substituters"]
    assert urls[-2:] == [URL, "https://s3.example.org/other"]

    assert nix_cache(nix, "use", "demo", "--remove").returncode == 0

    settings = effect(nix).settings
    assert settings["substituters"] == [*urls[:-2], "https://s3.example.org/other"]
    assert settings["trusted-public-keys"][-1] == NEXT_KEY.public_text
    assert nix_cache(nix, "use", "other", "--remove").returncode == 0
    assert files_below(tmp_path) == {}


def test_the_reader_may_be_another_one(module_nix: Nix, tmp_path: Path) -> None:
    """The substituter's URL then names that reader's profile."""
    nix = on_own_folder(module_nix, tmp_path)
    reported = outputs(public=False)
    reported["manifest"]["profiles"]["laptop"] = "demo-laptop"
    reported["manifest"]["readers"].append("laptop")
    reported["credentials"]["laptop"] = {"accessKeyId": "l", "secretAccessKey": "ls"}

    done = nix_cache(nix, "use", "-", "--reader", "laptop", reported=reported)

    assert done.returncode == 0, done.stderr
    [*_, url] = effect(nix).settings["substituters"]
    read_url = reported["manifest"]["readUrl"].replace(f"profile={READER}", "profile=demo-laptop")
    assert url == as_shown(nix, read_url)
    assert "[demo-laptop]" in (tmp_path / "home" / ".aws" / "credentials").read_text()
