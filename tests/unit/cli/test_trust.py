"""Trust changes only with consent: keys, places, key pairs and files, from every source."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.caches import record
from nix_cache.cli.machine.places import Place, system_place
from nix_cache.formats import signing
from nix_cache.render import nix_conf
from tests.unit.cli.client_caches import ENDPOINT, KEY, NEXT_KEY, READER, WRITER, outputs
from tests.unit.cli.served_cache import ServedCache, served_cache
from tests.unit.cli.test_use_files import tree

MOVED = "https://moved.example.org"
CDN = "https://cdn.example.org/demo"
EXPECTED = ("--expect-key", KEY.public_text)
CREDENTIALS = {"r": {"accessKeyId": "EVIL", "secretAccessKey": "hunter2"}}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Provide a machine that uses no cache; standard input is not a terminal."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    for name in ("NIX_CONFIG", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(home)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield tmp_path


@pytest.fixture
def served() -> Iterator[ServedCache]:
    """Provide a served cache."""
    with served_cache() as served:
        yield served


def place() -> Place:
    """Return the machine's."""
    return system_place()


def use(*arguments: str, reported: dict[str, Any] | None = None) -> int:
    """Run the command, on a file with outputs if they are given."""
    if reported is None:
        return app.run(["use", "--system", *arguments])
    Path("outputs.json").write_text(json.dumps(reported))
    return app.run(["use", "--system", "outputs.json", *arguments])


def at_a_terminal(answer: str, *arguments: str) -> tuple[int, str]:
    """Run the command at a terminal; gives its exit code and the screen."""
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


def files() -> dict[str, tuple[int, bytes]]:
    """Every file of the machine, except the source."""
    found = tree(Path.home().parent)
    found.pop("home/outputs.json", None)
    return found


def refused(capsys: pytest.CaptureFixture[str], run: Callable[[], int]) -> str:
    """Run a command that fails and changes nothing; gives what it printed."""
    before = files()
    capsys.readouterr()
    code = run()
    said = "".join(capsys.readouterr())
    assert code in (1, 2), said
    assert files() == before
    assert "Traceback" not in said
    assert "hunter2" not in said
    return said


def moved(**changes: Any) -> dict[str, Any]:
    """Return the outputs of a cache with its storage at another endpoint, read as before."""
    push = nix_conf.s3_push_url("demo", MOVED, "us-east-1", WRITER)
    return outputs(**{"readUrl": CDN, "endpoint": MOVED, "pushUrls": {WRITER: push}, **changes})


class TestUrls:
    """From a URL only the readers' manifest is taken."""

    @pytest.mark.parametrize("profile", ["default", "DEFAULT", "nixreader", "mine"])
    @pytest.mark.parametrize("with_secrets", [True, False])
    def test_a_url_never_brings_credentials(
        self,
        served: ServedCache,
        capsys: pytest.CaptureFixture[str],
        profile: str,
        with_secrets: bool,
    ) -> None:
        """Neither on the first run nor on a second; no profile is written or used."""
        Path(".aws").mkdir()
        Path(".aws/credentials").write_text("[mine]\naws_access_key_id = a\n")
        read_url = f"s3://demo?profile={profile}&endpoint={served.url.removesuffix('/demo')}"
        cache = outputs(
            public=False, readUrl=read_url, profiles={"r": profile}, readers=["r"], pushUrls={}
        )["manifest"]
        served.describe({"manifest": cache, "credentials": CREDENTIALS} if with_secrets else cache)

        for _ in range(2):
            refused(capsys, lambda: use(served.url, "--yes", "--replace-credentials"))

    def test_what_only_writers_need_is_not_taken(self, served: ServedCache) -> None:
        """A manifest of 0.1.0 has it."""
        served.describe(outputs(readUrl=served.url)["manifest"])

        assert use(served.url, "--yes") == 0

        kept = record.find("demo")
        assert (kept.manifest.push_urls, kept.manifest.profiles) == ({}, {})
        assert (kept.manifest.key_names, kept.manifest.readers) == ({}, ())
        assert not Path(".aws").exists()

    @pytest.mark.parametrize("option", [("--as", WRITER), ("--reader", READER), ("--janitor",)])
    def test_a_writer_needs_another_source(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
    ) -> None:
        """The error names the sources that have keys."""
        served.describe(outputs(readUrl=served.url)["manifest"])

        said = refused(capsys, lambda: use(served.url, "--yes", *option))

        assert "none are taken from a URL" in said
        assert "name the stack" in said

    @pytest.mark.parametrize(
        "push_url", ["ssh-ng://evil.example?remote-program=x", f"s3://demo?endpoint={MOVED}"]
    )
    def test_a_url_cannot_move_where_this_machine_pushes(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str], push_url: str
    ) -> None:
        """The push URL and the profile stay those that the stack brought."""
        assert use("--as", WRITER, reported=outputs(readUrl=served.url)) == 0
        before = record.find("demo").manifest
        hostile: dict[str, Any] = {
            "pushUrls": {WRITER: push_url},
            "profiles": {WRITER: "prod-admin"},
        }
        served.describe(outputs(readUrl=served.url, priority=10, **hostile)["manifest"])

        assert use(served.url, "--yes") == 0

        after = record.find("demo")
        assert after.writer == WRITER
        assert after.manifest.priority == 10
        assert after.manifest.push_urls == before.push_urls
        assert after.manifest.profiles == before.profiles

    @pytest.mark.parametrize("field", ["endpoint", "region"])
    def test_a_url_cannot_move_the_storage_of_a_writer(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str], field: str
    ) -> None:
        """Not even at a terminal: the stack says where writers push."""
        assert use("--as", WRITER, reported=outputs(readUrl=served.url)) == 0
        evil: dict[str, Any] = {field: "http://evil"}
        served.describe(outputs(readUrl=served.url, **evil)["manifest"])

        assert "this machine pushes to" in refused(capsys, lambda: use(served.url, "--yes"))
        before = files()
        code, screen = at_a_terminal("y", served.url)
        assert (code, files()) == (1, before), screen

    @pytest.mark.parametrize("field", ["endpoint", "region"])
    def test_a_reader_is_asked_about_another_place(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str], field: str
    ) -> None:
        """`--yes` and expected keys do not agree to it."""
        served.describe(outputs(readUrl=served.url)["manifest"])
        assert use(served.url, "--yes") == 0
        value = "http://evil" if field == "endpoint" else "eu-west-1"
        changed: dict[str, Any] = {field: value}
        served.describe(outputs(readUrl=served.url, **changed)["manifest"])

        said = refused(capsys, lambda: use(served.url, "--yes", *EXPECTED))
        assert "the places of the cache demo have changed" in said
        assert f"+ {value}" in said
        code, screen = at_a_terminal("y", served.url)

        assert code == 0, screen
        assert "Agree to these changes? [y/N]" in screen
        assert getattr(record.find("demo").manifest, field) == value

    def test_a_url_stays_the_same_cache_when_it_names_another_bucket(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Or else `--yes` in a script would take other keys as a first use."""
        served.describe(outputs(readUrl=served.url)["manifest"])
        assert use(served.url, "--yes") == 0
        other = outputs(bucket="other", key=NEXT_KEY, readUrl=served.url)["manifest"]
        served.describe(other)

        said = refused(capsys, lambda: use(served.url, "--yes"))

        assert "the keys and places of the cache demo have changed" in said

    def test_the_url_of_a_cache_that_a_stack_brought_stays_that_cache(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its read URL was never given as a source here."""
        assert use("--as", WRITER, reported=outputs(readUrl=served.url)) == 0
        other = outputs(bucket="other", key=NEXT_KEY, readUrl=served.url)["manifest"]
        served.describe(other)

        assert "this machine pushes to" in refused(capsys, lambda: use(served.url, "--yes"))

    def test_a_reader_who_wants_to_push_is_pointed_to_the_stack(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A URL that it was used from brings no keys."""
        served.describe(outputs(readUrl=served.url)["manifest"])
        assert use(served.url, "--yes") == 0

        said = refused(capsys, lambda: app.run(["push", "/nix/store/x"]))

        assert "run `nix-cache use STACK --name demo --as WRITER`" in said

    @pytest.mark.parametrize(
        "url",
        [
            "https://user:hunter2@cache.example.org/demo",
            "HTTPS://user:hunter2@cache.example.org/demo",
            "http://hunter2@cache.example.org",
            "s3://user:hunter2@demo",
            "https://user:hunter2@[x",
        ],
    )
    def test_a_password_in_a_url_is_refused_and_not_shown(
        self, capsys: pytest.CaptureFixture[str], url: str
    ) -> None:
        """By every command that takes a source."""
        for arguments in (
            ["use", "--system", url, "--yes"],
            ["use", "--system", url, "--remove"],
            ["doctor", url],
        ):
            said = refused(capsys, lambda arguments=arguments: app.run(arguments))  # type: ignore[misc]
            assert said.count("error: ") == 1

    @pytest.mark.parametrize(
        "url", ["https://[x", "https://h:99999/", "ftp://h/x", "https://h/x?y", "https://h/\tx"]
    )
    def test_a_malformed_url_is_one_clear_error(
        self, capsys: pytest.CaptureFixture[str], url: str
    ) -> None:
        """No engine and no network is asked."""
        said = refused(capsys, lambda: use(url, "--yes"))

        assert said.startswith("error: the URL ")
        assert said.count("\n") == 1


class TestKeys:
    """Changed keys are shown, and agreed to at a terminal or by naming them."""

    def test_yes_never_agrees_to_changed_keys(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The old and the new line are shown."""
        served.describe(outputs(readUrl=served.url)["manifest"])
        assert use(served.url, "--yes") == 0
        served.describe(outputs(readUrl=served.url, key=NEXT_KEY)["manifest"])

        said = refused(capsys, lambda: use(served.url, "--yes"))

        assert f"- {KEY.public_text}" in said
        assert f"+ {NEXT_KEY.public_text}" in said
        assert "--expect-key" in said

    def test_a_file_and_a_pipe_are_asked_about_as_well(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A first use of either needs no consent."""
        assert use(reported=outputs()) == 0

        said = refused(capsys, lambda: use("--yes", reported=outputs(key=NEXT_KEY)))

        assert "the keys of the cache demo have changed" in said
        Path("outputs.json").write_text(json.dumps(outputs(key=NEXT_KEY)))
        code, screen = at_a_terminal("y", "outputs.json")
        assert code == 0, screen
        assert f"- {KEY.public_text}" in screen
        assert record.find("demo").manifest.public_keys == (NEXT_KEY.public_text,)

    def test_expected_keys_agree_to_a_first_use_and_to_a_change(self, served: ServedCache) -> None:
        """Without --yes."""
        both = [NEXT_KEY.public_text, KEY.public_text]
        served.describe(outputs(readUrl=served.url)["manifest"])
        assert use(served.url, *EXPECTED) == 0
        served.describe(outputs(readUrl=served.url, publicKeys=both)["manifest"])

        assert use(served.url, *EXPECTED, "--expect-key", NEXT_KEY.public_text) == 0

        assert record.find("demo").manifest.public_keys == tuple(both)

    @pytest.mark.parametrize(
        ("keys", "expected", "problem"),
        [
            ([KEY, NEXT_KEY], [KEY], f"{NEXT_KEY.public_text} is not expected"),
            ([KEY], [KEY, NEXT_KEY], f"{NEXT_KEY.public_text} is missing"),
            ([NEXT_KEY], [KEY], f"{NEXT_KEY.public_text} is not expected; {KEY.public_text} is"),
            ([], [KEY], f"{KEY.public_text} is missing"),
        ],
        ids=["surplus", "missing", "other", "none"],
    )
    @pytest.mark.parametrize("options", [[], ["--yes"], ["--dry-run"]], ids=str)
    def test_the_keys_have_to_be_exactly_those(
        self,
        served: ServedCache,
        capsys: pytest.CaptureFixture[str],
        keys: list[signing.SecretKey],
        expected: list[signing.SecretKey],
        problem: str,
        options: list[str],
    ) -> None:
        """On a first use too; the error names the key."""
        texts = [key.public_text for key in keys]
        served.describe(outputs(readUrl=served.url, publicKeys=texts)["manifest"])
        named = [word for key in expected for word in ("--expect-key", key.public_text)]

        assert problem in refused(capsys, lambda: use(served.url, *named, *options))

    def test_a_key_of_the_same_name_is_another_key(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Names prove nothing."""
        alike = signing.generate(KEY.name)
        served.describe(outputs(readUrl=served.url, key=alike)["manifest"])

        said = refused(capsys, lambda: use(served.url, *EXPECTED))

        assert f"{alike.public_text} is not expected" in said

    @pytest.mark.parametrize(
        "text",
        ["x", "x:", "x:hunter2", KEY.secret_text, ""],
        ids=["no colon", "no key", "not base64", "secret", "empty"],
    )
    def test_an_expected_key_that_is_none_is_a_usage_error(
        self, capsys: pytest.CaptureFixture[str], text: str
    ) -> None:
        """It is not printed, as it may be a secret key."""
        said = refused(capsys, lambda: use("x.json", "--expect-key", text))

        assert "--expect-key is not a public key" in said
        assert not text or len(text) < 5 or text not in said

    def test_a_key_under_the_name_of_another_caches_key_is_refused(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nix trusts only the first of them."""
        assert use(reported=outputs()) == 0
        alike = signing.generate(KEY.name)

        said = refused(capsys, lambda: use(reported=outputs(bucket="other", key=alike)))

        assert (
            f"the cache demo, which is in use, has another public key with the name {KEY.name}"
            in said
        )

    def test_a_key_under_the_name_of_nixos_is_refused(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Likewise; the real one may be named."""
        real = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
        alike = signing.generate("cache.nixos.org-1").public_text

        said = refused(capsys, lambda: use(reported=outputs(publicKeys=[KEY.public_text, alike])))

        assert "which is that of https://cache.nixos.org" in said
        assert use(reported=outputs(publicKeys=[KEY.public_text, real])) == 0

    def test_two_keys_of_one_name_are_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The second would be without effect."""
        alike = signing.generate(KEY.name).public_text

        said = refused(capsys, lambda: use(reported=outputs(publicKeys=[KEY.public_text, alike])))

        assert f"the cache has two public keys with the name {KEY.name}" in said

    def test_another_signing_key_needs_consent(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Also where readers trust both."""
        both = [NEXT_KEY.public_text, KEY.public_text]
        assert use("--as", WRITER, reported=outputs(publicKeys=both)) == 0
        other = outputs(key=NEXT_KEY, publicKeys=both)

        said = refused(capsys, lambda: use("--yes", reported=other))
        assert f"signing key of the writer {WRITER}" in said
        expected = [word for key in both for word in ("--expect-key", key)]

        assert use(*expected, reported=other) == 0
        assert record.find("demo").signing_key_file == place().signing_key(NEXT_KEY.name)


class TestPlaces:
    """Where this machine pushes changes at a terminal only."""

    def test_a_moved_storage_is_shown_and_asked_about(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """From a file too; `--yes` does not agree."""
        assert use("--as", WRITER, reported=outputs(readUrl=CDN)) == 0

        said = refused(capsys, lambda: use("--yes", *EXPECTED, reported=moved()))
        assert f"- {ENDPOINT}" in said
        assert f"+ {MOVED}" in said
        assert "changed: push URL" in said
        assert "nix-cache use demo --remove" in said
        Path("outputs.json").write_text(json.dumps(moved()))
        assert at_a_terminal("n", "outputs.json")[0] == 1
        assert record.find("demo").manifest.endpoint == ENDPOINT
        code, screen = at_a_terminal("y", "outputs.json")

        assert code == 0, screen
        assert record.find("demo").manifest.endpoint == MOVED

    def test_a_script_removes_the_cache_and_uses_it_again(self) -> None:
        """As the error says."""
        assert use("--as", WRITER, reported=outputs(readUrl=CDN)) == 0

        assert use("demo", "--remove") == 0
        assert use("--as", WRITER, reported=moved()) == 0

        assert record.find("demo").manifest.endpoint == MOVED

    def test_another_profile_needs_consent(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Requests would be signed with other credentials."""
        assert use("--as", WRITER, reported=outputs()) == 0
        push = nix_conf.s3_push_url("demo", ENDPOINT, "us-east-1", "second")
        other = outputs(pushUrls={WRITER: push}, profiles={WRITER: "second"})

        said = refused(capsys, lambda: use("--yes", reported=other))

        assert f"changed: credentials profile of the writer {WRITER}" in said

    @pytest.mark.parametrize(
        "push_url",
        [
            "ssh-ng://evil.example?remote-program=x",
            "s3://demo?profile=nixbuilder&endpoint=https%3A%2F%2Fevil.example&region=us-east-1",
            "s3://other?profile=nixbuilder&endpoint=https%3A%2F%2Fs3.example.org&region=us-east-1",
        ],
    )
    @pytest.mark.parametrize("option", [(), ("--as", WRITER)])
    def test_a_push_url_to_another_place_is_refused_from_any_source(
        self, capsys: pytest.CaptureFixture[str], push_url: str, option: tuple[str, ...]
    ) -> None:
        """Also on a machine that only reads."""
        said = refused(capsys, lambda: use(*option, reported=outputs(pushUrls={WRITER: push_url})))

        assert "the push URL" in said

    def test_a_record_of_an_older_version_is_checked_before_a_push(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """0.1.0 took any push URL."""
        assert use("--as", WRITER, reported=outputs()) == 0
        path = place().record("demo")
        kept = json.loads(path.read_text())
        kept["description"]["pushUrls"][WRITER] = "ssh-ng://evil.example"
        path.write_text(json.dumps(kept))

        said = refused(capsys, lambda: app.run(["push", "/nix/store/x"]))

        assert "the push URL 'ssh-ng://evil.example' of the cache is refused" in said


class TestKeyPairs:
    """A key pair that is there is replaced only by agreement."""

    def rotated(self) -> dict[str, Any]:
        """Return the outputs with another secret."""
        reported = outputs(public=False)
        reported["credentials"][READER]["secretAccessKey"] = "hunter2"
        return reported

    def test_a_second_run_does_not_replace_a_key_pair(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Not by --yes; neither of the pairs is shown."""
        assert use(reported=outputs(public=False)) == 0

        said = refused(capsys, lambda: use("--yes", *EXPECTED, reported=self.rotated()))

        assert f"changed: key pair of the credentials profile {READER}" in said
        assert "--replace-credentials" in said
        assert "secret-of" not in said

    def test_it_is_replaced_at_a_terminal(self) -> None:
        """By yes alone."""
        assert use(reported=outputs(public=False)) == 0
        Path("outputs.json").write_text(json.dumps(self.rotated()))

        code, screen = at_a_terminal("n", "outputs.json")
        assert code == 1, screen
        assert "hunter2" not in Path(".aws/credentials").read_text()
        code, screen = at_a_terminal("y", "outputs.json")

        assert code == 0, screen
        assert "hunter2" not in screen
        assert "hunter2" in Path(".aws/credentials").read_text()

    @pytest.mark.parametrize("profile", ["default", "Default", "DEFAULT", "preview", "plugins"])
    @pytest.mark.parametrize("is_there", [True, False])
    def test_reserved_profiles_are_refused(
        self, capsys: pytest.CaptureFixture[str], profile: str, is_there: bool
    ) -> None:
        """To be written and to be used, also where the stack does not have the secret."""
        if is_there:
            Path(".aws").mkdir()
            Path(".aws/credentials").write_text(
                f"[{profile}]\naws_access_key_id = nixreader\naws_secret_access_key = mine\n"
            )
        reported = outputs(public=False)
        reported["manifest"]["profiles"][READER] = profile
        reported["manifest"]["readUrl"] = nix_conf.s3_read_url(
            "demo", ENDPOINT, "us-east-1", profile
        )

        for secret in ("secret", ""):
            reported["credentials"][READER]["secretAccessKey"] = secret
            said = refused(capsys, lambda: use("--yes", "--replace-credentials", reported=reported))
            assert "which is reserved" in said

    def test_a_profile_written_by_hand_must_be_that_users(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A manifest could name any profile of the user's."""
        Path(".aws").mkdir()
        Path(".aws/credentials").write_text(
            "[nixreader]\naws_access_key_id = admin\naws_secret_access_key = mine\n"
        )
        reported = outputs(public=False)
        reported["credentials"][READER]["secretAccessKey"] = ""

        assert "with that user's access key id" in refused(capsys, lambda: use(reported=reported))

    @pytest.mark.parametrize("secret", ["secret", ""])
    def test_a_profile_that_logs_in_otherwise_is_used_as_it_is_after_consent(
        self, capsys: pytest.CaptureFixture[str], secret: str
    ) -> None:
        """It is a role or single sign-on of the user's, who is asked once."""
        Path(".aws").mkdir()
        Path(".aws/config").write_text("[profile nixreader]\nrole_arn = arn:aws:iam::1:role/x\n")
        reported = outputs(public=False)
        reported["credentials"][READER]["secretAccessKey"] = secret

        said = refused(capsys, lambda: use("--yes", reported=reported))
        assert f"which logs in by role_arn in {Path('.aws/config').absolute()}" in said

        assert use("--replace-credentials", reported=reported) == 0
        assert use(reported=reported) == 0
        assert not Path(".aws/credentials").exists()
        assert "the stack's key pair of nixreader is not written" in capsys.readouterr().err

    def test_a_profile_that_a_manifest_only_names_needs_consent(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The published part of a private cache has no credentials. `--yes` agrees to it."""
        cache = outputs(public=False)["manifest"]
        reported = {**cache, "profiles": {}, "pushUrls": {}, "readers": [], "keyNames": {}}

        said = refused(capsys, lambda: use(reported=reported))
        assert "signs its requests there with the profile that the read URL names" in said
        assert use("--yes", reported=reported) == 0

        reported["readUrl"] = nix_conf.s3_read_url("demo", ENDPOINT, "us-east-1", "default")
        assert use("demo", "--remove") == 0
        assert "which is reserved" in refused(capsys, lambda: use("--yes", reported=reported))


class TestFiles:
    """Files of one cache are not written or removed for another."""

    @pytest.mark.parametrize(
        "name",
        [
            "nix-cache-post-build-hook",
            "NIX-CACHE-POST-BUILD-HOOK",
            "-post-build-hook",
            ".",
            "..",
            "../x",
            "a/b",
            "",
            "con",
            "NUL.x",
            "x.",
            "x\n",
            "x y",
            "x" * 101,
        ],
    )
    def test_a_name_that_could_collide_is_refused(
        self, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        """As the bucket's and as one that the user gives."""
        if name:
            refused(capsys, lambda: use("--name", name, reported=outputs()))
        refused(capsys, lambda: use(reported=outputs(bucket=name)))

    def test_a_bucket_with_a_reserved_name_is_used_under_another(self) -> None:
        """The error says how."""
        reported = outputs(bucket="nix-cache-post-build-hook")

        assert use(reported=reported) == 2
        assert use("--name", "team", reported=reported) == 0

    def test_a_name_in_other_letters_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        """On some file systems it is the same file."""
        assert use("--name", "team", reported=outputs()) == 0
        other = outputs(bucket="other", key=NEXT_KEY)

        said = refused(capsys, lambda: use("--name", "Team", reported=other))

        assert "only in letter case" in said

    def test_the_signing_key_of_another_cache_is_not_overwritten(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nor by a cache whose own key changes to that name."""
        assert use("--as", WRITER, reported=outputs()) == 0
        assert use("demo", "--remove") == 0
        (place().folder).mkdir(parents=True)
        place().signing_key(KEY.name).write_text("something else\n")
        said = refused(capsys, lambda: use("--as", WRITER, reported=outputs()))
        assert f"{KEY.name}.sec exists and holds a key" in said
        place().signing_key(KEY.name).unlink()

        assert use("--as", WRITER, reported=outputs()) == 0
        assert use("--as", WRITER, "--name", "again", reported=outputs()) == 0
        alike = signing.generate(KEY.name)
        expected = ("--expect-key", alike.public_text)
        said = refused(
            capsys, lambda: use(*expected, "--name", "again", reported=outputs(key=alike))
        )
        assert KEY.name in said

    def test_settings_that_were_not_written_for_a_cache_are_not_overwritten(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A file of the user's, or the settings of a hook."""
        place().folder.mkdir(parents=True)
        for content in (
            "max-jobs = 4\n",
            "# The binary cache other. `nix-cache use` keeps this file\n",
            "# The hook that pushes to the binary cache demo; `nix-cache hook` removes it.\n",
        ):
            place().conf("demo").write_text(content)
            said = refused(capsys, lambda: use(reported=outputs()))
            assert "demo.conf exists and was not written for the cache demo" in said

    def test_a_file_in_the_place_of_a_record_is_not_overwritten(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """JSON of another program."""
        place().folder.mkdir(parents=True)
        for content in ("{}", "[]", "not JSON"):
            place().record("demo").write_text(content)
            assert "demo.json" in refused(capsys, lambda: use(reported=outputs()))

    def test_a_removal_leaves_what_was_not_written_for_the_cache(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And says so."""
        assert use(reported=outputs()) == 0
        script = place().folder / "demo-post-build-hook"
        script.write_text("#!/bin/sh\n# mine\n")
        place().conf("demo-post-build-hook").write_text("# mine\n")
        conf = place().nix_conf.read_bytes()
        place().nix_conf.write_bytes(conf + b"!include nix-cache/demo-post-build-hook.conf\n")

        assert use("demo", "--remove") == 0

        assert script.read_text() == "#!/bin/sh\n# mine\n"
        assert place().nix_conf.read_bytes().endswith(b"demo-post-build-hook.conf\n")
        assert "stays, because it was not written for the cache demo" in capsys.readouterr().err

    def test_the_hook_of_a_cache_is_not_removed_as_a_cache(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its settings are included like those of a cache."""
        assert use(reported=outputs()) == 0
        place().conf("demo-post-build-hook").write_text(
            "# The hook that pushes to the binary cache demo; `nix-cache hook` removes it.\n"
        )
        conf = place().nix_conf.read_bytes()
        place().nix_conf.write_bytes(conf + b"!include nix-cache/demo-post-build-hook.conf\n")

        said = refused(capsys, lambda: use("demo-post-build-hook", "--remove"))

        assert "name one of these: demo\n" in said
        assert use("demo", "--remove") == 0
        assert not place().folder.exists()

    def test_a_profile_that_another_cache_needs_is_handed_over(self) -> None:
        """The last one takes it out."""
        reported = outputs(public=False)
        assert use(reported=reported) == 0
        assert use("--name", "again", reported=reported) == 0

        assert use("demo", "--remove") == 0
        assert "[nixreader]" in Path(".aws/credentials").read_text()
        assert use("--replace-credentials", "--name", "again", reported=reported) == 0
        assert use("again", "--remove") == 0

        assert not Path(".aws/credentials").exists()

    def test_a_first_use_of_a_url_shows_the_diff_of_existing_files(
        self, served: ServedCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Before it asks."""
        place().nix_conf.parent.mkdir()
        place().nix_conf.write_text("max-jobs = 4\naccess-tokens = github.com=hunter2\n")
        served.describe(outputs(readUrl=served.url)["manifest"])

        said = refused(capsys, lambda: use(served.url))

        assert f"--- {place().nix_conf}" in said
        assert "+!include nix-cache/demo.conf" in said
        assert "no terminal to ask at; nothing was changed" in said
