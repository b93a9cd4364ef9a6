"""`nix-cache use` on real files."""

import json
import os
import pwd
import shlex
from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.caches import record
from nix_cache.cli.caches.manager import find_manager
from nix_cache.cli.errors import UsageError
from nix_cache.cli.machine.places import Place, system_place, user_place
from nix_cache.cli.nix import daemon
from nix_cache.cli.nix.daemon import Trust
from nix_cache.cli.nix.obstacles import CacheNeeds, ObstacleKind, obstacles
from nix_cache.cli.s3.credentials import Credential, Identity, find
from nix_cache.cli.use import advice
from nix_cache.cli.use.settings_plan import Wish, plan_use
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import KEY, NEXT_KEY, READER, WRITER, outputs
from tests.unit.cli.test_use_files import tree, without_privileges
from tests.unit.test_package import run_without

URL = "https://s3.example.org/demo"
OTHER_PROFILES = b"# mine\n[default]\naws_access_key_id = a\naws_secret_access_key = b"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a user with a home and nix.conf, on a machine with another nix.conf."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("NIX_CONFIG", "NIX_USER_CONF_FILES", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".state"))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.chdir(home)
    return home


def place() -> Place:
    """Return the machine's."""
    return system_place()


def use(*arguments: str, reported: dict[str, Any] | None = None) -> int:
    """Run the command for the whole machine, on a file with outputs if they are given."""
    if reported is None:
        return app.run(["use", "--system", *arguments])
    Path("outputs.json").write_text(json.dumps(reported))
    return app.run(["use", "--system", "outputs.json", *arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, **options: Any) -> str:
    """Run a command that fails and changes nothing; gives its message."""
    folder = Path.home().parent
    before = tree(folder)
    code = use(*arguments, **options)
    after = {name: what for name, what in tree(folder).items() if name != "home/outputs.json"}
    before.pop("home/outputs.json", None)
    message = capsys.readouterr().err
    assert code in (1, 2), message
    assert after == before
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


def test_a_writer_gets_key_credential_and_record(tmp_path: Path) -> None:
    """Each with the mode that it needs."""
    assert use("--as", WRITER, reported=outputs(public=False)) == 0

    written = tree(tmp_path / "etc")
    assert {name: oct(mode) for name, (mode, _) in written.items()} == {
        "nix.conf": "0o644",
        "nix-cache/demo.conf": "0o644",
        "nix-cache/demo.json": "0o644",
        f"nix-cache/{KEY.name}.sec": "0o600",
    }
    assert written[f"nix-cache/{KEY.name}.sec"][1].decode().strip() == KEY.secret_text
    found = record.find(None)
    assert (found.name, found.writer, found.reader) == ("demo", WRITER, READER)
    assert found.signing_key_file == tmp_path / "etc" / "nix-cache" / f"{KEY.name}.sec"
    assert found.manifest.bucket == "demo"
    assert tree(Path.home() / ".aws")["credentials"][0] == 0o600


def test_push_only_installs_what_pushing_needs_and_leaves_nix_conf_alone(tmp_path: Path) -> None:
    """A later use without it names the cache in nix.conf too."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nix.conf").write_text("substituters = https://mine.example.org\n")

    assert use("--as", WRITER, "--push-only", reported=outputs(public=False)) == 0

    written = tree(tmp_path / "etc")
    assert set(written) == {"nix-cache/demo.json", f"nix-cache/{KEY.name}.sec", "nix.conf"}
    assert written["nix.conf"][1] == b"substituters = https://mine.example.org\n"
    assert f"[{WRITER}]" in (Path.home() / ".aws" / "credentials").read_text()
    assert f"[{READER}]" not in (Path.home() / ".aws" / "credentials").read_text()
    found = record.find(None)
    assert (found.writer, found.reader, found.push_only) == (WRITER, None, True)

    assert use("--as", WRITER, reported=outputs(public=False)) == 0
    assert "nix-cache/demo.conf" in tree(tmp_path / "etc")
    assert not record.find(None).push_only


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--push-only needs a writer; name one with --as WRITER"),
        (["--as", WRITER, "--reader", READER], "--reader is for reading, and --push-only leaves"),
        (["--as", WRITER, "--fallback"], "--fallback are settings of nix.conf, and --push-only"),
    ],
)
def test_push_only_is_refused_with_what_is_for_reading(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Before anything is changed."""
    assert message in refused(capsys, "--push-only", *arguments, reported=outputs(public=False))


def test_a_cache_that_nix_conf_names_cannot_become_one_for_pushes_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its lines would stay."""
    assert use("--as", WRITER, reported=outputs(public=False)) == 0
    capsys.readouterr()

    message = refused(capsys, "--as", WRITER, "--push-only", reported=outputs(public=False))
    assert "remove it first: nix-cache use demo --remove" in message


def test_no_secret_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Not on a dry run, not as JSON, and the record has none."""
    reported = outputs(public=False)
    secrets = [KEY.secret_text.partition(":")[2], "secret-of-"]
    for options in (["--dry-run"], ["--dry-run", "--json"], [], ["--json"]):
        assert use("--as", WRITER, *options, reported=reported) == 0
    assert use("demo", "--remove", "--dry-run") == 0
    seen = "".join(capsys.readouterr()) + place().record("demo").read_text()

    assert KEY.name in seen
    for secret in secrets:
        assert secret not in seen


def with_janitor() -> dict[str, Any]:
    """Return the outputs of a public cache that has a janitor."""
    reported = outputs(profiles={WRITER: WRITER, "janitor": "demo-janitor"})
    reported["credentials"]["janitor"] = {"accessKeyId": "j", "secretAccessKey": "secret-of-j"}
    return reported


def test_a_machine_gets_the_janitors_credential_only_by_its_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Which brings no signing key; `gc` then finds it by the cache's name."""
    assert use(reported=with_janitor()) == 0
    assert not (Path.home() / ".aws").exists()
    missing = r"no credential of the janitor .* use .* --name demo --janitor`"
    with pytest.raises(UsageError, match=missing):
        find_manager("demo", None, None)

    assert "nix-cache gc" not in capsys.readouterr().err

    assert use("--janitor", reported=with_janitor()) == 0

    assert "nix-cache gc demo --older-than 90 --dry-run" in capsys.readouterr().err
    assert record.find(None).signing_key_file is None
    found = find_manager("demo", None, None)
    assert isinstance(found.credential, Identity)
    assert (found.profile, found.credential.access_key_id) == ("demo-janitor", "j")
    assert use("demo", "--remove") == 0
    assert not (Path.home() / ".aws" / "credentials").exists()


def test_a_source_with_secrets_is_enough_for_the_janitor() -> None:
    """Nothing has to be written before."""
    Path("outputs.json").write_text(json.dumps(with_janitor()))

    found = find_manager("outputs.json", None, None)

    assert isinstance(found.credential, Credential)
    assert found.credential.access_key_id == "j"


def test_a_cache_without_a_janitor_has_no_credential_of_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A writer or reader of that name is none."""
    assert "has no janitor" in refused(capsys, "--janitor", reported=outputs())
    named = with_janitor()
    named["manifest"]["readers"] = ["janitor"]
    assert "has no janitor" in refused(capsys, "--janitor", reported=named)
    Path("outputs.json").write_text(json.dumps(named))
    with pytest.raises(UsageError, match=r"has no janitor.*"):
        find_manager("outputs.json", None, None)


def test_a_dry_run_changes_nothing_and_shows_every_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As a diff that `patch` could read."""
    assert use("--as", WRITER, "--dry-run", reported=outputs(public=False)) == 0

    shown = capsys.readouterr().out
    assert not (tmp_path / "etc").exists()
    assert not Path(".aws").exists()
    files = [line[4:] for line in shown.splitlines() if line.startswith("+++ ")]
    assert [Path(name).name for name in files] == [
        f"{KEY.name}.sec",
        "credentials",
        "demo.conf",
        "nix.conf",
        "demo.json",
    ]


def test_the_table_reports_what_happened_to_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Added, then unchanged, then updated, then removed."""
    kinds = []
    rotated, agreed = outputs(key=NEXT_KEY), ("--expect-key", NEXT_KEY.public_text)
    for arguments, reported in (((), outputs()), ((), outputs()), (agreed, rotated)):
        assert use(*arguments, "--json", reported=reported) == 0
        document = json.loads(capsys.readouterr().out)
        kinds.append([entry["change"] for entry in document["files"]])
        assert document["next"] == ["nix-cache doctor demo"]
    assert use("demo", "--remove", "--json") == 0
    kinds.append([entry["change"] for entry in json.loads(capsys.readouterr().out)["files"]])

    assert kinds == [
        ["added", "added", "added"],
        ["unchanged", "unchanged", "unchanged"],
        ["updated", "unchanged", "updated"],
        ["removed", "removed", "removed"],
    ]


def test_other_profiles_stay_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    """Through use, rotation and removal; a file that others could read is closed."""
    path = Path(".aws/credentials")
    path.parent.mkdir()
    path.write_bytes(OTHER_PROFILES)
    path.chmod(0o644)
    rotated = outputs(public=False)
    rotated["credentials"][READER]["secretAccessKey"] = "rotated"

    assert use(reported=outputs(public=False)) == 0
    assert use("--replace-credentials", reported=rotated) == 0

    assert path.read_bytes().startswith(OTHER_PROFILES)
    assert path.read_bytes().count(b"[nixreader]") == 1
    assert b"aws_secret_access_key = rotated" in path.read_bytes()
    assert b"secret-of-nixreader" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert use("demo", "--remove") == 0
    assert path.read_bytes() == OTHER_PROFILES


def test_a_foreign_profile_of_that_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be in use for something else."""
    Path(".aws").mkdir()
    Path(".aws/credentials").write_text("[nixreader]\naws_access_key_id = other\n")

    assert "has a profile nixreader already" in refused(capsys, reported=outputs(public=False))


@pytest.mark.parametrize("missing", ["credentials", "signingKeys"])
def test_a_source_without_secrets_reports_how_to_give_them(
    capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """The output `manifest` alone, or outputs that were not decrypted."""
    reported = outputs(public=False)
    reported[missing] = "[secret]"

    message = refused(capsys, "--as", WRITER, reported=reported)

    assert "pulumi stack output --json --show-secrets | nix-cache use -" in message


@pytest.mark.parametrize(
    ("arguments", "public", "message"),
    [
        (
            ["--as", "stranger"],
            True,
            "has no writer 'stranger'; take one of these with --as: nixbuil",
        ),
        (
            ["--reader", "stranger"],
            False,
            "no reader 'stranger'; take one of these: nixbuilder, nixr",
        ),
        (["--reader", READER], True, "the cache demo is public and has no readers"),
        (["--name", "../x"], True, "the cache's name '../x' has other characters"),
    ],
)
def test_names_that_the_cache_does_not_have_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], public: bool, message: str
) -> None:
    """The error lists those that it has."""
    assert message in refused(capsys, *arguments, reported=outputs(public=public))


def test_a_key_that_is_not_the_caches_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """No user would trust what it signs."""
    reported = outputs()
    reported["signingKeys"][WRITER] = NEXT_KEY.secret_text

    message = refused(capsys, "--as", WRITER, reported=reported)

    assert f"the signing key {NEXT_KEY.name} of the writer nixbuilder is not among" in message
    assert NEXT_KEY.secret_text not in message


def test_what_is_not_a_key_is_refused_without_showing_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It may be a secret all the same."""
    reported = outputs()
    reported["signingKeys"][WRITER] = "a-name:hunter2"

    assert "hunter2" not in refused(capsys, "--as", WRITER, reported=reported)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bucket": "../../etc/cron.d/x"}, "name it with --name"),
        ({"readUrl": "https://x\npost-build-hook = /tmp/x"}, "characters"),
        ({"readUrl": "https://x #"}, "readUrl is not a valid URL: it has characters"),
        ({"readUrl": "ssh://x"}, "readUrl is not a valid URL"),
        ({"readUrl": "https://x?trusted=true"}, "readUrl is not a valid URL: it has a query"),
        ({"publicKeys": [KEY.public_text + "\nsandbox = false"]}, "characters"),
        ({"publicKeys": [KEY.public_text + " sandbox"]}, "what follows the colon is not base64"),
        ({"publicKeys": [KEY.public_text + " "]}, "has white space around it"),
        ({"profiles": {WRITER: "x]\n[default"}}, "characters"),
        ({"profiles": {WRITER: "x] [default"}}, "has an invalid format"),
    ],
)
def test_a_manifest_cannot_smuggle_in_settings(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    """A line of nix.conf more, and the daemon runs anything as root."""
    bucket = changes.get("bucket", "demo")
    reported = outputs()
    reported["manifest"].update({**changes, "bucket": bucket})

    assert message in refused(capsys, reported=reported)


def test_a_credential_cannot_smuggle_in_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does the error contain it."""
    reported = outputs(public=False)
    reported["credentials"][READER]["secretAccessKey"] = "hunter2\n[default]"

    assert "hunter2" not in refused(capsys, reported=reported)


def test_another_cache_of_the_same_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the way out, and that works."""
    assert use(reported=outputs()) == 0
    other = outputs(readUrl="https://elsewhere.example.org/demo")
    capsys.readouterr()

    assert "give this one another name with --name" in refused(capsys, reported=other)
    assert use("--name", "second", reported=other) == 0
    assert [found.name for found in record.all_records(place())] == ["demo", "second"]


def test_a_secret_that_the_stack_does_not_know_is_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """That of an adopted user: a user who has it writes the profile by hand."""
    reported = outputs(public=False)
    reported["credentials"][READER]["secretAccessKey"] = ""
    assert "a user that it adopted" in refused(capsys, reported=reported)
    by_hand = b"[nixreader]\naws_access_key_id = nixreader\naws_secret_access_key = x\n"
    Path(".aws").mkdir()
    Path(".aws/credentials").write_bytes(by_hand)

    assert use(reported=reported) == 0

    assert "was left as it is" in capsys.readouterr().err
    assert Path(".aws/credentials").read_bytes() == by_hand


def test_a_user_gets_credentials_where_the_aws_tools_look(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found and removed without the variable, too."""
    profiles = home / "profiles"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    Path("outputs.json").write_text(json.dumps(outputs()))
    assert app.run(["use", "--user", "outputs.json", "--as", WRITER]) == 0
    assert "[nixbuilder]" in profiles.read_text()
    assert not Path(".aws").exists()

    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    [used] = record.all_records(user_place())
    found = find(WRITER, used.credentials_file)
    assert found is not None
    assert found.access_key_id == WRITER
    assert app.run(["use", "--user", "demo", "--remove"]) == 0
    assert not profiles.exists()


def test_a_known_fault_of_the_installed_nix_is_a_warning(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the version that has none, and where it is documented."""
    nix = home / "bin" / "nix"
    nix.parent.mkdir()
    nix.write_text("#!/bin/sh\necho 'nix (Determinate Nix 3.15.2) 2.33.1'\n")
    nix.chmod(0o755)
    monkeypatch.setenv("PATH", f"{nix.parent}:{os.environ['PATH']}")

    assert use(reported=outputs(public=False)) == 0

    said = " ".join(capsys.readouterr().err.split())
    assert "WARNING: Determinate Nix 3.15.2 (Nix 2.33.1) signs the header Accept-Encoding" in said
    assert "install Nix 2.33.2 or newer. See https://github.com/NixOS/nix/issues/15019" in said


def test_a_daemon_gets_credentials_in_roots_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not have the variables of a shell."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "profiles"))

    assert use("--as", WRITER, reported=outputs()) == 0

    assert "[nixbuilder]" in Path(".aws/credentials").read_text()
    assert find(WRITER) is not None


def test_the_writer_stays_when_only_the_manifest_is_read_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And after a rotation it is reported that the key here is not the current one."""
    assert use("--as", WRITER, reported=outputs()) == 0
    rotated = outputs(key=NEXT_KEY, publicKeys=[NEXT_KEY.public_text, KEY.public_text])["manifest"]

    expected = [("--expect-key", key) for key in rotated["publicKeys"]]
    assert use(*(word for option in expected for word in option), reported=rotated) == 0

    kept = record.find("demo")
    assert (kept.writer, kept.signing_key_file) == (WRITER, place().signing_key(KEY.name))
    assert f"signs with {NEXT_KEY.name} now" in capsys.readouterr().err


def test_a_key_that_another_cache_still_names_stays() -> None:
    """The same cache may be in use under two names."""
    assert use("--as", WRITER, reported=outputs()) == 0
    assert use("--as", WRITER, "--name", "again", reported=outputs()) == 0

    assert use("demo", "--remove") == 0
    assert place().signing_key(KEY.name).exists()
    assert use("again", "--remove") == 0
    assert not place().folder.exists()


@pytest.mark.parametrize("called", ["demo", "https://s3.example.org/demo/", "source"])
def test_a_cache_is_removed_by_whatever_name_it_has(called: str) -> None:
    """Its name, its URL, or what was given to `use`."""
    assert use(reported=outputs()) == 0

    assert (
        use("--remove", str(Path("outputs.json").absolute()) if called == "source" else called) == 0
    )

    assert not (place().folder).exists()


def test_a_cache_whose_record_is_lost_is_removed_all_the_same() -> None:
    """By its name."""
    assert use(reported=outputs()) == 0
    place().record("demo").unlink()

    assert use("demo", "--remove") == 0

    assert not place().nix_conf.exists()


def test_removing_what_is_not_there_names_what_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A typing mistake."""
    assert use(reported=outputs()) == 0
    capsys.readouterr()

    assert "no cache 'dmeo' is in use on this machine; name one of these: demo" in refused(
        capsys, "dmeo", "--remove"
    )


def test_the_users_own_file_is_written_on_request(tmp_path: Path) -> None:
    """And the machine's is not."""
    client_caches.write(Path("o.json"), outputs())

    assert app.run(["use", "--user", "o.json"]) == 0

    assert (Path.home() / ".config/nix/nix-cache/demo.conf").exists()
    assert not (tmp_path / "etc").exists()


def test_a_key_in_a_folder_with_a_blank_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nix knows no quotes. Without a key the folder does no harm, as the include is relative."""
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "my etc"))

    assert "whose path has a blank or '#'" in refused(capsys, "--as", WRITER, reported=outputs())
    assert use(reported=outputs()) == 0


def test_a_link_into_the_store_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The module is printed, and the command succeeds."""
    place().nix_conf.parent.mkdir()
    place().nix_conf.symlink_to("/nix/store/0000-nix.conf")

    assert use("--json", reported=outputs(public=False)) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["files"] == []
    assert "nix.settings" in document["nixosModule"]
    assert "is generated by NixOS" in document["remarks"][0]
    assert "root's ~/.aws/credentials" in document["remarks"][1]
    assert list(place().nix_conf.parent.iterdir()) == [place().nix_conf]


def test_what_defeats_the_cache_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it stands, also in files that are included."""
    assert use(reported=outputs()) == 0
    own = Path.home() / ".config/nix"
    own.mkdir(parents=True)
    (own / "nix.conf").write_text("!include more.conf\nrequire-sigs = false\n")
    (own / "more.conf").write_text("\nbinary-caches = https://x\n!include more.conf\n")
    monkeypatch.setenv("NIX_CONFIG", "substitute = false")

    wanted = CacheNeeds(lambda url: url == URL, [KEY.public_text])
    found = [(one.where, one.kind, one.fix) for one in obstacles(wanted)]

    assert found == [
        (f"{own}/more.conf:3", ObstacleKind.MISTAKE, "remove that line"),
        (
            f"{own}/more.conf:2",
            ObstacleKind.LIST,
            f"write extra-substituters there instead, or add {URL} to that line",
        ),
        (f"{own}/nix.conf:2", ObstacleKind.UNSAFE, "take that line out"),
        ("NIX_CONFIG:1", ObstacleKind.CACHES_OFF, "take that line out"),
    ]


@pytest.mark.parametrize(
    ("said", "trust"),
    [
        ('{"trusted":true,"url":"daemon"}', Trust.TRUSTED),
        ('{"trusted":false,"url":"daemon"}', Trust.UNTRUSTED),
        ('{"url":"daemon"}', Trust.UNKNOWN),
        ("", Trust.UNKNOWN),
    ],
)
def test_the_daemon_is_asked_whether_it_trusts_the_user(
    tmp_path: Path, said: str, trust: Trust
) -> None:
    """The answers are those of Nix 2.34 to root, to another user, and without its daemon."""
    nix = tmp_path / "nix"
    nix.write_text(f"#!/bin/sh\necho {shlex.quote(said)}\n")
    nix.chmod(0o755)

    assert daemon.trust({"PATH": f"{tmp_path}:/bin"}) is trust
    assert daemon.trust({"PATH": "/nowhere"}) is Trust.UNKNOWN


@pytest.mark.parametrize(
    ("source", "feed"),
    [
        ("dev", "pulumi stack output --json --show-secrets --stack dev | "),
        ("-", "pulumi stack output --json --show-secrets | "),
        ("outputs.json", ""),
    ],
)
def test_the_command_for_root_is_complete(source: str, feed: str) -> None:
    """Root has no login to the stack's backend, so the outputs are piped to it."""
    given = client_caches.source(public=False)
    Path("outputs.json").touch()
    command = advice.as_root(plan_use(given, Wish(place(), reader=READER)), source)

    assert command.startswith(f"{feed}sudo /")
    assert command.endswith(f" use {source if not feed else '-'} --name demo --reader nixreader")


def test_an_ordinary_user_gets_a_list_of_what_the_daemon_ignores() -> None:
    """It has to trust them, and it does not see their credentials."""
    user = user_place()
    plan = plan_use(client_caches.source(public=False), Wish(user))

    with without_privileges():
        name = pwd.getpwuid(os.geteuid()).pw_name
        reported = list(advice.after_use(plan, user, "-", {"PATH": "/nowhere"}))

    text = "\n".join(reported)
    manifest = plan.record.manifest
    assert "The Nix daemon takes these settings only from users that it trusts." in text
    assert f"\n  extra-trusted-substituters = {manifest.read_url}\n" in text
    assert f"\n  extra-trusted-public-keys = {KEY.public_text}\n" in text
    assert f"Do not add {name} to trusted-users" in text
    assert f"does not see those in {user.credentials}. For the daemon: pulumi stack" in text


def test_root_gets_neither_note() -> None:
    """Root's credentials are the daemon's."""
    plan = plan_use(client_caches.source(public=False), Wish(place()))

    assert not any("trust" in line for line in advice.after_use(plan, place(), "-", {}))


def test_use_works_without_pulumi() -> None:
    """It is installed on machines that only read."""
    client_caches.write(Path("o.json"), outputs(public=False))
    program = (
        "from nix_cache.cli import app; "
        "raise SystemExit(app.run(['use', '--system', 'o.json', '--as', 'nixbuilder']))"
    )
    done = run_without({"pulumi", "pulumi_minio", "jinja2", "grpc", "boto3"}, program)

    assert done.returncode == 0, done.stderr
    assert place().conf("demo").exists()
