"""All files that Nix reads, what becomes of its lists, and what discards a cache."""

import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.caches import record, trusting
from nix_cache.cli.caches.same_cache import same_cache
from nix_cache.cli.doctor import machine as doctor
from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.machine.places import user_conf_files, user_place
from nix_cache.cli.nix import conf_lists, conf_sources, effective, flake_settings
from nix_cache.cli.nix.conf_lists import SUBSTITUTERS
from nix_cache.cli.nix.obstacles import CacheNeeds, ObstacleKind, obstacles
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import KEY, READER, outputs

URL = "https://s3.example.org/demo"
OFFICIAL = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
NEEDS = CacheNeeds(lambda url: same_cache(url, URL), [KEY.public_text])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a user with a home on a machine with another nix.conf and no Nix."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("NIX_CONFIG", "NIX_USER_CONF_FILES", "XDG_CONFIG_HOME", "NIX_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(home)
    return home


def write(path: Path, text: str) -> Path:
    """Write a file and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_nix(folder: Path, settings: dict[str, Any] | None, failure: str = "") -> None:
    """Put a Nix on PATH that prints settings, or fails."""
    shown = json.dumps({name: {"value": value} for name, value in (settings or {}).items()})
    script = f"case $* in *'config show'*) echo {shlex.quote(shown)};; *) exit 1;; esac\n"
    if failure:
        script = f"echo {shlex.quote(failure)} >&2; exit 1\n"
    nix = write(folder / "nix", f"#!/bin/sh\n{script}")
    nix.chmod(0o755)


def found_by_doctor(**changes: Any) -> list[Finding]:
    """Return what doctor finds on a machine that may use the cache."""
    return list(doctor.settings(Subject(client_caches.manifest(**changes))))


@pytest.mark.parametrize(
    ("variables", "files"),
    [
        ({}, ["home/.config/nix/nix.conf", "xdg/nix/nix.conf"]),
        (
            {"XDG_CONFIG_DIRS": "{}/a::{}/b"},
            ["home/.config/nix/nix.conf", "a/nix/nix.conf", "b/nix/nix.conf"],
        ),
        ({"XDG_CONFIG_HOME": "{}/c"}, ["c/nix/nix.conf", "xdg/nix/nix.conf"]),
        (
            {"NIX_CONFIG_HOME": "{}/d", "XDG_CONFIG_HOME": "{}/c"},
            ["d/nix.conf", "xdg/nix/nix.conf"],
        ),
        ({"NIX_USER_CONF_FILES": "{}/one:{}/two"}, ["one", "two"]),
        ({"NIX_USER_CONF_FILES": ""}, []),
    ],
)
def test_users_files_are_those_of_nix(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    files: list[str],
) -> None:
    """Nix 2.34 was asked, and tests/e2e asks it again. The first file counts most."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("{}", str(tmp_path)))

    assert user_conf_files() == [tmp_path / file for file in files]
    if files:
        assert user_place().nix_conf == tmp_path / files[0]


def test_every_setting_is_read_in_the_order_of_nix(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its file and line."""
    write(tmp_path / "etc/nix.conf", "substituters = https://a\n!include more.conf\n")
    write(tmp_path / "etc/more.conf", "\nextra-substituters = https://b https://c\n")
    write(tmp_path / "xdg/nix/nix.conf", "# shared\nextra-substituters = https://d\n")
    write(home / ".config/nix/nix.conf", "extra-binary-caches = https://e\n")
    included = write(tmp_path / "absolute.conf", "extra-substituters = https://g\n")
    monkeypatch.setenv("NIX_CONFIG", f"extra-substituters = https://f\ninclude {included}\n")

    items = conf_lists.history(conf_sources.all_settings().lines, SUBSTITUTERS).items

    assert [(one.value[-1], one.where.removeprefix(f"{tmp_path}/")) for one in items] == [
        ("a", "etc/nix.conf:1"),
        ("b", "etc/more.conf:2"),
        ("c", "etc/more.conf:2"),
        ("d", "xdg/nix/nix.conf:2"),
        ("e", "home/.config/nix/nix.conf:1"),
        ("f", "NIX_CONFIG:1"),
        ("g", "absolute.conf:1"),
    ]


SORTED = f"""\
extra-substituters = {URL}
extra-trusted-public-keys = {KEY.public_text}
substituters = https://cache.nixos.org/
trusted-public-keys = {OFFICIAL}
"""


@pytest.mark.parametrize("file", ["etc/nix.conf", "xdg/nix/nix.conf", "home/.config/nix/nix.conf"])
def test_the_line_that_discards_the_cache_is_named(tmp_path: Path, file: str) -> None:
    """In whatever file it is. Sorted lines put extra- before the list that discards it."""
    path = write(tmp_path / file, SORTED)
    write_nix(tmp_path / "bin", {"substituters": [], "trusted-public-keys": []})

    found = [(one.where, one.kind) for one in obstacles(NEEDS)]
    assert found == [(f"{path}:3", ObstacleKind.LIST), (f"{path}:4", ObstacleKind.LIST)]
    errors = [one for one in found_by_doctor() if one.level is Level.ERROR]
    assert errors[0].what == (
        f"{path}:3: substituters replaces the list, so what {path}:1 adds for the cache is not in "
        "it"
    )
    assert errors[0].fix == (f"write extra-substituters there instead, or add {URL} to that line")


@pytest.mark.parametrize(
    "text",
    [
        f"substituters = https://x\nextra-substituters = {URL}\n",
        f"extra-substituters = {URL}\nsubstituters = {URL}/?priority=5\n",
        f"extra-substituters = {URL}\nsubstituters = https://x\nextra-binary-caches = {URL}\n",
        f"extra-substituters = https://x\nsubstituters = {URL}\n",
    ],
)
def test_a_line_that_leaves_the_cache_in_the_list_is_no_obstacle(tmp_path: Path, text: str) -> None:
    write(tmp_path / "etc/nix.conf", text)
    assert obstacles(NEEDS) == []


def test_a_variable_that_discards_the_cache_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "etc/nix.conf", f"extra-substituters = {URL}\n")
    monkeypatch.setenv("NIX_CONFIG", "max-jobs = 1\nsubstituters = https://x\n")

    assert [one.where for one in obstacles(NEEDS)] == ["NIX_CONFIG:2"]


FLAKE = f"""\
{{
  # nixConfig.substituters = [ "https://comment" ];
  inputs = {{ substituters = "https://not-nixconfig"; }};
  nixConfig = {{
    extra-trusted-public-keys = [ "k:x" ];
    /* substituters = [ "https://comment" ]; */
    substituters = [
      "https://cache.nixos.org" # {URL}
    ];
    trusted-public-keys = "{KEY.public_text} {OFFICIAL}";
  }};
  outputs = _: {{ }};
}}
"""


def test_the_line_of_a_projects_flake_is_named(home: Path) -> None:
    """From any folder of the project, up to where it ends; a list with the cache does no harm."""
    flake = write(home / "project/flake.nix", FLAKE)
    (home / "project/sub").mkdir()

    found = obstacles(NEEDS, folder=home / "project/sub")

    assert [(one.where, one.kind) for one in found] == [(f"{flake}:7", ObstacleKind.PROJECT)]
    (home / "project/sub/.git").mkdir()
    assert obstacles(NEEDS, folder=home / "project/sub") == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{ nixConfig.substituters = [ "https://a" ]; outputs = _: {}; }', [SUBSTITUTERS]),
        ('{ nixConfig = { "substituters" = "https://a https://b"; }; }', [SUBSTITUTERS]),
        ('{ nixConfig = { extra-substituters = [ "https://a" ]; }; }', []),
        ("{ nixConfig = { x = { substituters = [ ]; }; }; }", []),
        ('{ description = "nixConfig.substituters = [ ]"; }', []),
        ("{ nixConfig", []),
        ("{ nixConfig = {", []),
        ("{ nixConfig.", []),
        ("{ nixConfig = { substituters", []),
        ('{ nixConfig = { substituters = [ "https://a', [SUBSTITUTERS]),
        ("", []),
    ],
)
def test_only_lists_that_a_flake_replaces_count(home: Path, text: str, names: list[str]) -> None:
    write(home / "flake.nix", text)
    assert [one.name for one in flake_settings.replaced_lists(home)] == names


BROKEN = {
    "colon": (
        "max-jobs = 2\nextra-substituters: https://x.example.org\n",
        2,
        "`extra-substituters",
    ),
    "no blanks": ("max-jobs=2\n", 1, "`max-jobs = VALUE`"),
    "one word": ("\nsubstituters\n", 2, "`substituters = VALUE`"),
    "two signs": ("max-jobs == 2\n", 1, "`max-jobs = VALUE`"),
    "no name": ("= 2\n", 1, "`NAME = VALUE`"),
    "a secret": ("ghp_0123456789\n", 1, "`NAME = VALUE`"),
    "two paths": ("include a b\n", 1, "include with 2 paths"),
    "no path": ("!include\n", 1, "!include with 0 paths"),
    "missing": ("include gone.conf\n", 1, "which does not exist"),
    "a path as key": (f"trusted-public-keys = {OFFICIAL} /home/u/key.pub\n", 1, "/home/u/key.pub"),
    "a short key": ("extra-trusted-public-keys = a-1:AAAA\n", 1, "has 3 bytes after the colon"),
    "an old name": ("binary-cache-public-keys = a-1:AAAA\n", 1, "the key a-1"),
    "no key": ("trusted-public-keys = a-1:\n", 1, "no name or no key"),
    "no base64": ("trusted-public-keys = a-1:%%%\n", 1, "is not base64"),
}
"""What stops Nix, on which line, and a part of the message."""


@pytest.mark.parametrize("file", ["etc/nix.conf", "xdg/nix/nix.conf", "home/.config/nix/nix.conf"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_line_that_stops_nix_is_an_error_of_doctor_and_of_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, file: str
) -> None:
    """In whatever file, with its number. `use` changes nothing."""
    text, number, part = BROKEN[name]
    path = write(tmp_path / file, text)
    client_caches.write(Path("outputs.json"), outputs())

    [finding] = [one for one in found_by_doctor() if one.level is not Level.NOT_CHECKED]
    assert finding.level is Level.ERROR
    assert finding.what.startswith(f"{path}:{number} ")
    assert part in finding.what
    assert "ghp_" not in finding.what
    assert app.run(["use", "--system", "outputs.json", "--yes"]) == 1
    message = capsys.readouterr().err
    assert f"{path}:{number} " in message
    assert "nothing was changed" in message
    assert path.read_text() == text
    assert not (tmp_path / "etc" / "nix-cache").exists()


def test_a_broken_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nix follows no relative path from there."""
    monkeypatch.setenv("NIX_CONFIG", "max-jobs = 1\nnonsense\n!include more.conf\n")

    assert [one.where for one in conf_sources.all_settings().mistakes] == [
        "NIX_CONFIG:2",
        "NIX_CONFIG:3",
    ]


def test_keys_that_nix_takes_are_no_mistake(tmp_path: Path) -> None:
    """Without padding, and under names with other characters."""
    material = KEY.public_text.partition(":")[2]
    keys = f"a:{material} example.net/team.a+b@c-1:{material.rstrip('=')}"
    write(tmp_path / "etc/nix.conf", f"trusted-public-keys = {keys}\n")

    assert conf_sources.all_settings().mistakes == ()


def test_a_failure_that_no_line_explains_is_reported_in_the_words_of_nix(tmp_path: Path) -> None:
    """And not as a missing Nix."""
    write_nix(tmp_path / "bin", None, "error: cannot open the database")

    [mistake] = effective.mistakes()
    assert "cannot open the database" in mistake.problem


@pytest.mark.parametrize(
    ("machine", "lacking"),
    [
        ("extra-trusted-substituters = URL\nextra-trusted-public-keys = KEY\n", 0),
        ("substituters = URL/\ntrusted-public-keys = KEY\n", 0),
        ("trusted-binary-caches = URL\nbinary-cache-public-keys = KEY\n", 0),
        ("extra-trusted-substituters = URL\n", 1),
        ("trusted-public-keys = KEY\n", 1),
        ("extra-trusted-substituters = https://S3.example.org:443/demo\n", 2),
        ("extra-trusted-substituters = URL\ntrusted-substituters =\n", 2),
        ("", 2),
    ],
)
def test_what_root_has_to_add_for_users_who_are_not_trusted(
    tmp_path: Path, machine: str, lacking: int
) -> None:
    """The daemon compares substituters as texts."""
    text = machine.replace("URL", URL).replace("KEY", KEY.public_text)
    write(tmp_path / "etc/nix.conf", text)

    assert len(trusting.missing(client_caches.manifest())) == lacking


def test_the_parameters_of_a_listed_substituter_have_any_order(tmp_path: Path) -> None:
    """Nix puts them in order."""
    manifest = client_caches.manifest(public=False)
    bucket, _, query = manifest.read_url.partition("?")
    shuffled = f"{bucket}?{'&'.join(reversed(query.split('&')))}"
    keys = " ".join(manifest.public_keys)
    write(
        tmp_path / "etc/nix.conf",
        f"trusted-substituters = {shuffled}\ntrusted-public-keys = {keys}\n",
    )

    assert trusting.missing(manifest) == []


def test_the_daemon_has_to_list_the_url_by_which_a_user_names_the_cache(
    tmp_path: Path, home: Path
) -> None:
    """A parameter makes it another text."""
    keys = f"trusted-public-keys = {KEY.public_text}\n"
    write(tmp_path / "etc/nix.conf", f"trusted-substituters = {URL}\n{keys}")
    write(home / ".config/nix/nix.conf", f"extra-substituters = {URL}?priority=10\n")
    manifest = client_caches.manifest()
    wanted = f"extra-trusted-substituters = {URL}?priority=10"

    assert trusting.missing(manifest) == [wanted]
    assert trusting.lines(manifest)[0] == wanted

    write(tmp_path / "etc/nix.conf", f"trusted-substituters = {URL}?priority=10\n{keys}")
    assert trusting.missing(manifest) == []


@pytest.mark.parametrize("setting", ["substituters", "extra-trusted-substituters"])
def test_a_public_key_among_substituters_is_a_warning(tmp_path: Path, setting: str) -> None:
    """Nix takes it for a URL, and stays silent about it in trusted-substituters."""
    text = f"{setting} = {URL} {KEY.public_text}\ntrusted-public-keys = {KEY.public_text}\n"
    path = write(tmp_path / "etc/nix.conf", text)

    [found] = obstacles(NEEDS)

    assert (found.where, found.kind) == (f"{path}:1", ObstacleKind.MISPLACED)
    assert found.problem.endswith(f"substituters has the public key {KEY.name}, but lists URLs")


def own_line(tmp_path: Path) -> str:
    """Return what `use` wrote for the cache."""
    return (tmp_path / "etc/nix-cache/demo.conf").read_text()


@pytest.mark.parametrize(
    "spelling",
    [URL, f"{URL}/", "https://S3.Example.org:443/demo?priority=10", "s3://demo?endpoint=x.example"],
)
def test_a_cache_that_a_line_names_already_is_not_added_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spelling: str
) -> None:
    """By any spelling; another bucket is another cache."""
    path = write(tmp_path / "etc/nix.conf", f"extra-substituters = {spelling}\n")
    client_caches.write(Path("outputs.json"), outputs())
    is_same = same_cache(spelling, URL)

    assert app.run(["use", "--system", "outputs.json"]) == 0

    assert ("substituters" not in own_line(tmp_path)) == is_same
    assert KEY.public_text in own_line(tmp_path)
    assert (f"{path}:1 names the cache already" in capsys.readouterr().err) == is_same
    items = conf_lists.history(conf_sources.all_settings().lines, SUBSTITUTERS).items
    assert sum(same_cache(one.value, URL) for one in items) == 1
    path.write_text(path.read_text().replace(f"extra-substituters = {spelling}\n", ""))
    assert app.run(["use", "--system", "outputs.json"]) == 0
    assert f"extra-substituters = {URL}" in own_line(tmp_path)


@pytest.mark.parametrize(
    ("spelling", "is_added"),
    [
        (f"s3://demo?profile={READER}&endpoint=s3.example.org", False),
        (f"s3://demo?profile={READER}&endpoint=s3.example.org&scheme=https", False),
        (URL, True),
    ],
)
def test_a_private_cache_is_added_beside_a_url_that_cannot_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spelling: str, is_added: bool
) -> None:
    """Over HTTPS nothing is signed."""
    write(tmp_path / "etc/nix.conf", f"extra-substituters = {spelling}\n")
    client_caches.write(Path("outputs.json"), outputs(public=False))

    assert app.run(["use", "--system", "outputs.json"]) == 0

    assert ("extra-substituters = s3://demo" in own_line(tmp_path)) == is_added
    assert ("so Nix asks it twice" in capsys.readouterr().err) == is_added


def test_a_cache_is_removed_by_another_spelling_of_its_url(tmp_path: Path) -> None:
    client_caches.write(Path("outputs.json"), outputs())
    assert app.run(["use", "--system", "outputs.json"]) == 0

    assert app.run(["use", "--system", "https://S3.example.org:443/demo/", "--remove"]) == 0

    assert not (tmp_path / "etc/nix-cache").exists()


def test_includes_count_first_for_the_nix_versions_that_read_them_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a list that stands before the include replaces what is included."""
    path = write(tmp_path / "etc/nix.conf", "substituters = https://x\n!include more.conf\n")
    write(tmp_path / "etc/more.conf", f"extra-substituters = {URL}\n")
    for version, where in (
        ("nix (Nix) 2.15.3", []),
        ("nix (Nix) 2.16.0", [f"{path}:1"]),
        ("nix (Nix) 2.18.9", [f"{path}:1"]),
        ("nix (Nix) 2.20.0", []),
        ("nix (Nix) 2.34.8", []),
        ("nix (Lix, like Nix) 2.18.1", []),
    ):
        write(tmp_path / "bin/nix", f"#!/bin/sh\necho '{version}'\n").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
        assert [one.where for one in obstacles(NEEDS)] == where, version


def test_a_user_whose_file_nix_does_not_read_is_warned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client_caches.write(Path("outputs.json"), outputs())
    monkeypatch.setenv("NIX_USER_CONF_FILES", "")

    assert app.run(["use", "--user", "outputs.json"]) == 0

    assert "WARNING: NIX_USER_CONF_FILES is empty" in capsys.readouterr().err


def test_a_password_in_a_discarded_url_is_not_shown(tmp_path: Path) -> None:
    url = "https://user:S3cretPassw0rd@s3.example.org/demo"
    write(tmp_path / "etc/nix.conf", f"extra-substituters = {url}\nsubstituters = https://x\n")

    [found] = obstacles(NEEDS)

    assert "S3cretPassw0rd" not in found.fix + found.problem


def test_doctor_looks_for_the_profile_of_the_url_in_nix_conf(tmp_path: Path, home: Path) -> None:
    """A line of the user may name another profile than the manifest."""
    described = outputs(public=False)
    client_caches.write(Path("outputs.json"), described)
    url = described["manifest"]["readUrl"].replace(f"profile={READER}", "profile=other")
    write(tmp_path / "etc/nix.conf", f"extra-substituters = {url}\n")
    assert app.run(["use", "--system", "outputs.json"]) == 0

    subject = Subject(client_caches.manifest(public=False), record=record.find(None))
    [finding] = doctor.credentials(subject)

    assert finding.level is Level.ERROR
    assert finding.what == f"{home}/.aws/credentials has no profile other"


def test_doctor_names_the_installation_and_where_settings_last(tmp_path: Path) -> None:
    conf = write(tmp_path / "etc/nix.conf", "# DETERMINATE NIX CONFIG\n!include nix.custom.conf\n")
    write_nix(tmp_path / "bin", {"substituters": [URL], "trusted-public-keys": [KEY.public_text]})

    said = [one.what for one in found_by_doctor() if one.level is Level.OK]

    custom = conf.with_name("nix.custom.conf")
    assert f"the installation is Determinate Nix; settings last in {custom}" in said


@pytest.mark.parametrize("place", ["--system", "--user"])
def test_the_command_that_doctor_prints_writes_the_settings_again(
    tmp_path: Path, home: Path, place: str
) -> None:
    """It is run here as printed, apart from the program's path."""
    client_caches.write(Path("outputs.json"), outputs())
    assert app.run(["use", place, "outputs.json", "--name", "team"]) == 0
    conf = tmp_path / "etc/nix.conf" if place == "--system" else home / ".config/nix/nix.conf"
    conf.unlink()
    write_nix(tmp_path / "bin", {"substituters": [], "trusted-public-keys": [KEY.public_text]})

    subject = Subject(client_caches.manifest(), record=record.find("team"))
    [finding] = [one for one in doctor.settings(subject) if one.level is Level.ERROR]
    command = finding.fix.split("`")[3]

    assert app.run(shlex.split(command)[1:]) == 0
    assert "!include nix-cache/team.conf" in conf.read_text()


@pytest.mark.parametrize("part", ["/*", '"', "''", "nixConfig.substituters = ", "nixConfig = {"])
def test_a_hostile_flake_costs_no_time(part: str) -> None:
    """What is never closed takes a moment, and not hours."""
    text = part * (200_000 // len(part))
    began = time.process_time()

    list(flake_settings.lists_in("flake.nix", text))

    assert time.process_time() - began < 20
