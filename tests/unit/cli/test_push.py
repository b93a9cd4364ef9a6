"""The parts of `nix-cache push` that need neither Nix nor a server."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from nix_cache.cli.caches.record import Record, save
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine.places import user_place
from nix_cache.cli.machine.sizes import size, took
from nix_cache.cli.nix import program
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.s3.errors import AnsweredError, BusyError, Meaning, RefusedError, meaning
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.retry import TRIES, retry
from nix_cache.cli.upload import report
from nix_cache.cli.upload.held import Held, judge
from nix_cache.cli.upload.identity import identify
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import (
    SIGNING_KEY_FILE_VARIABLE,
    Writer,
    as_writer,
    find_writer,
)
from nix_cache.formats import signing
from nix_cache.formats.narinfo import Narinfo
from tests.unit.cli.client_caches import KEY, NEXT_KEY, WRITER, manifest

CREDENTIAL_VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
STORE = "/nix/store"
PATH = f"{STORE}/{'0' * 32}-name"
WHO = Requester(
    WRITER,
    "https://s3.example.org",
    "nix-cache",
    cache="team",
    origin="the profile nixbuilder in /home/me/.aws/credentials",
)


def narinfo(*signatures: str, path: str = PATH) -> bytes:
    """Return what a cache could say of a path."""
    lines = [
        f"StorePath: {path}",
        "URL: nar/x.nar.zst",
        "Compression: zstd",
        "FileSize: 70",
        f"NarHash: sha256:{'0' * 52}",
        "NarSize: 120",
        "References: ",
        *(f"Sig: {signature}" for signature in signatures),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def signature(key: signing.SecretKey, path: str = PATH) -> str:
    """Return what a key signs that with."""
    message = Narinfo.parse(narinfo(path=path).decode()).fingerprint.encode()
    signed = SigningKey(key.seed).sign(message).signature
    return f"{key.name}:{base64.b64encode(signed).decode()}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a user's home with nothing in it."""
    for name in [*CREDENTIAL_VARIABLES, "AWS_SHARED_CREDENTIALS_FILE", "NIX_USER_CONF_FILES"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    return tmp_path


def record(home: Path, *, name: str = "demo", writer: str | None = WRITER) -> Record:
    """Return a cache in use, with a key."""
    key_file = home / "the key&.sec"
    key_file.write_text(f"{KEY.secret_text}\n")
    return Record(
        name=name,
        manifest=manifest(bucket=name),
        writer=writer,
        signing_key_file=key_file if writer else None,
    )


def writer(home: Path) -> Writer:
    """Return a user who pushes to it."""
    return as_writer(record(home))


class TestWhatTheCacheHolds:
    """Whether readers will take what is there."""

    def test_a_trusted_signature_is_accepted(self) -> None:
        """Whatever other signatures there are."""
        stranger = signing.generate("stranger-1")
        content = narinfo(signature(stranger), signature(KEY))

        assert judge(PATH, content, [KEY.public_text]) == Held(PATH, 70, None, "nar/x.nar.zst")

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            (narinfo(), "it is not signed"),
            (narinfo(signature(NEXT_KEY)), f"it is signed by {NEXT_KEY.name} alone"),
            (
                narinfo(signature(KEY, PATH.replace("name", "other"))),
                f"its signature by {KEY.name} does not hold",
            ),
            (narinfo(signature(KEY), path=f"{STORE}/{'1' * 32}-name"), "its narinfo is that of"),
            (narinfo(signature(KEY))[:-20], "its narinfo cannot be read"),
            (b"\xff\n", "its narinfo cannot be read"),
            (
                narinfo(signature(KEY)).replace(b"e: 120", b"e: " + b"1" * 4301),
                "its narinfo cannot",
            ),
            (
                narinfo(signature(KEY)).replace(b": zstd", b": foo"),
                "its compression foo is unknown",
            ),
            (
                narinfo(signature(KEY)) + f"CA: fixed:r:sha256:{'0' * 52}\n".encode(),
                "its path does not follow from its content address",
            ),
            (
                narinfo(f"{KEY.name}:AAAA", signature(KEY)),
                "a signature by a trusted key has the wrong length",
            ),
        ],
    )
    def test_what_readers_refuse_has_a_fault(self, content: bytes, fault: str) -> None:
        """Each kind in its own words."""
        held = judge(PATH, content, [KEY.public_text])

        assert held.fault is not None
        assert held.fault.startswith(fault)
        assert held.key == f"{'0' * 32}.narinfo"


class TestWriter:
    """As whom this machine pushes."""

    def test_the_only_cache_that_is_written_to_is_the_default(self, home: Path) -> None:
        """Others, which are only read, do not make it unclear."""
        save(user_place(), record(home, name="mine"))
        save(user_place(), record(home, name="other", writer=None))

        assert find_writer(None).record.name == "mine"

    def test_several_caches_that_are_written_to_have_to_be_distinguished(self, home: Path) -> None:
        """Nothing is pushed to a cache by chance."""
        for name in ("one", "two"):
            save(user_place(), record(home, name=name))

        with pytest.raises(UsageError, match="writer of several caches: one, two; name one with"):
            find_writer(None)
        assert find_writer("two").record.name == "two"

    def test_a_reader_gets_the_way_to_become_a_writer(self, home: Path) -> None:
        """The writers' names are part of it."""
        save(user_place(), record(home, writer=None))

        with pytest.raises(UsageError, match=r"only reads the cache demo; run .* nixbuilder"):
            find_writer(None)

    def test_a_machine_that_uses_no_cache_is_reported(self) -> None:
        """The way in is `nix-cache use`."""
        with pytest.raises(UsageError, match="no cache is in use on this machine; run `nix-cache"):
            find_writer(None)

    def test_no_message_has_the_key_in_it(self, home: Path) -> None:
        """Also if its file is not as it should be."""
        broken = record(home)
        secret = KEY.secret_text.partition(":")[2]
        assert broken.signing_key_file is not None
        broken.signing_key_file.write_text(f"{KEY.name} {secret}")

        with pytest.raises(ClientError) as refused:
            as_writer(broken)

        assert secret[:10] not in str(refused.value)

    def test_a_service_names_its_copy_of_the_key(self, home: Path) -> None:
        """As systemd gives it, where the record's file cannot be read."""
        used = record(home)
        assert used.signing_key_file is not None
        copy = used.signing_key_file.rename(home / "copy")
        environment = {SIGNING_KEY_FILE_VARIABLE: str(copy)}

        assert as_writer(used, environment).key == KEY
        with pytest.raises(ClientError, match="is gone"):
            as_writer(used, {SIGNING_KEY_FILE_VARIABLE: ""})

    def test_a_wrong_copy_of_the_key_is_reported_with_its_variable(self, home: Path) -> None:
        """Both if it is missing and if it is another writer's."""
        other = home / "other"
        other.write_text(NEXT_KEY.secret_text)

        for file, problem in ((other, "and nixbuilder signs with"), (home / "none", "is gone")):
            with pytest.raises(ClientError, match=f"{file}.*{problem}") as refused:
                as_writer(record(home), {SIGNING_KEY_FILE_VARIABLE: str(file)})
            assert SIGNING_KEY_FILE_VARIABLE in str(refused.value)


def keys_of(found: Identity) -> tuple[str | None, str | None]:
    """Return the key and the token that requests of this client are signed with."""
    pair = found.credentials
    return pair.access_key, pair.token


class TestIdentity:
    """Whose credential a push goes with."""

    def test_a_profile_beats_the_environment(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The AWS tools would take those first."""
        (home / ".aws").mkdir()
        (home / ".aws" / "credentials").write_text(
            "[nixbuilder]\naws_access_key_id = mine\naws_secret_access_key = my-secret\n"
        )
        for name in CREDENTIAL_VARIABLES:
            monkeypatch.setenv(name, "foreign")

        found = identify(writer(home))

        assert found.origin == f"the profile nixbuilder in {home}/.aws/credentials"
        assert keys_of(found) == ("mine", None)

    def test_an_oidc_writer_pushes_with_the_environments_credential_or_gets_its_source(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Their workflow has assumed the role; nowhere else can they push."""
        used = record(home)
        oidc = used.manifest.model_copy(update={"profiles": {}})
        pusher = as_writer(used.model_copy(update={"manifest": oidc}))
        with pytest.raises(ClientError, match=r"has no stored credential.*githubActions"):
            identify(pusher)

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "assumed")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "by the workflow")
        found = identify(pusher)

        assert found.origin == "the environment, for it has no other"

    def test_without_the_profile_the_environments_are_used(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in CI."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ci")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ci-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "ci-token")

        found = identify(writer(home))

        assert found.origin.startswith("the environment, for there is no profile nixbuilder in ")
        assert keys_of(found) == ("ci", "ci-token")
        assert "ci-secret" not in repr(found)

    def test_without_either_the_missing_profile_is_named(self, home: Path) -> None:
        """With its file."""
        with pytest.raises(ClientError, match=r"no profile nixbuilder .* in .*/\.aws/credentials"):
            identify(writer(home))


class TestRefusals:
    """What a storage's answer means."""

    @pytest.mark.parametrize(
        ("status", "code", "text", "busy"),
        [
            ("503", "SlowDown", "", True),
            ("503", "SlowDownWrite", "", True),
            ("429", "", "", True),
            ("500", "InternalError", "", True),
            ("400", "RequestTimeout", "", True),
            ("", "", "Could not connect to server (7)", True),
            ("", "", "Timeout was reached (28)", True),
            ("", "", "Connection reset by peer", True),
            ("403", "AccessDenied", "timed out", False),
            ("404", "NoSuchBucket", "", False),
            ("", "", "path is not valid", False),
        ],
    )
    def test_only_what_may_pass_is_tried_again(
        self, status: str, code: str, text: str, busy: bool
    ) -> None:
        """A refusal stays one."""
        assert (meaning(status, code, text) is Meaning.BUSY) is busy

    @pytest.mark.parametrize(
        ("status", "code", "said", "fix"),
        [
            (403, "InvalidAccessKeyId", "the writer was removed, or got a new one", "cache's own"),
            (403, "SignatureDoesNotMatch", "is not the right one", "nix-cache use"),
            (403, "RequestTimeTooSkewed", "the clock of this machine differs", "timedatectl"),
            (400, "ExpiredToken", "has run out", "get a new one"),
            (404, "NoSuchBucket", "no bucket nix-cache", "nix-cache stack repair"),
            (403, "AccessDenied", "may not write to the bucket nix-cache", "nix-cache doctor team"),
        ],
    )
    def test_a_refusal_is_explained(self, status: int, code: str, said: str, fix: str) -> None:
        """By the storage's own code."""
        explained = explain(AnsweredError(status, code), WHO)

        assert isinstance(explained, RefusedError)
        assert said in explained.problem
        assert fix in explained.fix

    def test_a_body_that_is_too_large_for_a_proxy_is_explained(self) -> None:
        """With the option that helps."""
        explained = explain(AnsweredError(413, ""), WHO)

        assert "refuses a body of this size (413)" in explained.problem
        assert "--part-size" in explained.fix
        assert not isinstance(explained, BusyError | RefusedError)


class TestPatience:
    """Trying again."""

    def test_what_succeeds_at_last_gives_its_result(self) -> None:
        """Every further try is reported."""
        reported: list[str] = []

        assert retry(fails(2, BusyError("busy", "wait")), reported.append, **quick()) == "done"
        assert len(reported) == 2
        assert reported[0].startswith("busy; trying again in ")

    def test_who_stays_busy_is_given_up(self) -> None:
        """With the mistake of the last try."""
        reported: list[str] = []

        with pytest.raises(BusyError, match="busy; wait"):
            retry(fails(TRIES, BusyError("busy", "wait")), reported.append, **quick())
        assert len(reported) == TRIES - 1

    def test_a_refusal_is_not_tried_again(self) -> None:
        """It would be the same."""
        reported: list[str] = []

        with pytest.raises(RefusedError):
            retry(fails(1, RefusedError("no", "go")), reported.append, **quick())
        assert reported == []


def quick() -> dict[str, float]:
    return {"first_wait_seconds": 0.0, "jitter_seconds": 0.0}


def fails(times: int, failure: ClientError) -> Callable[[], str]:
    """Something that fails some times and then succeeds."""
    left = [failure] * times

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


class TestStorePath:
    """The store path that a user means."""

    def test_links_are_followed_into_the_store_and_no_further(self, tmp_path: Path) -> None:
        """A store path that is a link itself is what is meant."""
        store = tmp_path / "store"
        (store / f"{'1' * 32}-inner" / "bin").mkdir(parents=True)
        (store / f"{'0' * 32}-outer").symlink_to(store / f"{'1' * 32}-inner")
        (tmp_path / "result").symlink_to(store / f"{'0' * 32}-outer")
        (tmp_path / "again").symlink_to("result")

        for given in ("result", "again", "again/bin", "./x/../again/bin/program"):
            found = program.store_path(str(tmp_path / given), str(store))
            assert found == f"{store}/{'0' * 32}-outer"

    def test_a_store_that_is_not_here_is_no_obstacle(self, tmp_path: Path) -> None:
        """The path is looked at as text."""
        (tmp_path / "result").symlink_to(PATH)

        assert program.store_path(str(tmp_path / "result"), STORE) == PATH
        assert program.store_path(f"{PATH}/bin/x", STORE) == PATH

    def test_links_in_a_circle_are_refused(self, tmp_path: Path) -> None:
        """And not followed for ever."""
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")

        with pytest.raises(UsageError, match="is neither a path in /nix/store nor a link to one"):
            program.store_path(str(tmp_path / "one"), STORE)

    @pytest.mark.parametrize("given", ["nixpkgs#hello", "/nix/store", "/nix/store/.links", "", "."])
    def test_what_is_not_a_store_path_is_refused(self, given: str) -> None:
        """Nix would take some of these as something to be built."""
        with pytest.raises(UsageError, match="nix build --no-link --print-out-paths"):
            program.store_path(given, STORE)

    def test_an_empty_path_can_be_seen_in_the_error(self) -> None:
        """As with an unset variable in a script."""
        with pytest.raises(UsageError, match=r"^'' is neither a path in /nix/store"):
            program.store_path("", STORE)


def test_a_missing_nix_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the version that is needed."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ClientError, match=r"no nix on PATH; install Nix 2\.18"):
        program.version(os.environ)


class TestReport:
    """What is reported in the end."""

    RESULT = Result("team", KEY.name, [Held(PATH, 70, None)], 2_500_000, [], 0.5)

    def test_speed_is_that_of_the_nars(self) -> None:
        """In megabytes of ten to the sixth; a push that was over at once has none to speak of."""
        assert took(0.5, self.RESULT.nar_bytes) == "0.5 s"
        assert took(2.0, self.RESULT.nar_bytes) == "2.0 s, 1.2 MB/s"
        assert list(report.warnings(self.RESULT)) == []

    def test_sizes_are_for_people(self) -> None:
        """Three digits and a unit."""
        sizes = [size(number) for number in (0, 999, 1000, 999_900, 10**8, 5 * 10**11, 2 * 10**12)]

        assert sizes[:4] == ["0 B", "999 B", "1.0 kB", "999.9 kB"]
        assert sizes[4:] == ["100.0 MB", "500.0 GB", "2.0 TB"]

    def test_many_refused_paths_are_not_all_reported_to_people(self) -> None:
        """Programs get all of them."""
        refused = [Held(f"{PATH}{number}", None, "it is not signed") for number in range(25)]
        result = Result("team", KEY.name, [], 0, refused, 0.0)

        assert "  and 15 more; --json prints all" in report.warnings(result)
        assert len(report.document(result)["refusedByReaders"]) == 25
