"""Credentials are found wherever the AWS tools find them, and failures are named as what they are.

The services are moto's STS and small real servers; every file is in a temporary home.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from nix_cache.cli.errors import UsageError
from nix_cache.cli.s3 import aws_session
from nix_cache.cli.s3.aws_session import frozen
from nix_cache.cli.s3.credentials import (
    Identity,
    aws_files,
    find,
    owner_identity,
    profile_in,
)
from nix_cache.cli.s3.errors import NoCredentialError
from nix_cache.cli.s3.plain_profile import plain_pair
from nix_cache.cli.s3.signature import KeyPair
from tests.unit.cli.test_transport import within

PAIR = "aws_access_key_id = {0}\naws_secret_access_key = secret-of-{0}\n"
ROLE = "role_arn = arn:aws:iam::123456789012:role/push\n"
SSO = (
    "[profile legacy]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n"
    "sso_account_id = 123456789012\nsso_role_name = r\n"
    "[profile session]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = r\n"
    "[sso-session work]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n"
)
LATER, EARLIER = (
    f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (8, -8)
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a user without credentials."""
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def sts() -> Iterator[str]:
    """Provide STS."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@contextlib.contextmanager
def answering(answers: dict[str, tuple[int, str]]) -> Iterator[str]:
    """Provide a server that answers by the beginning of a path; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            matches = [path for path in answers if self.path.startswith(path)]
            status, body = answers[max(matches, key=len)] if matches else (404, "")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "600")
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PUT = do_POST = answer  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write(home: Path, *, config: str = "", credentials: str = "") -> None:
    """Fill the files of the AWS tools."""
    (home / ".aws" / "config").write_text(config)
    (home / ".aws" / "credentials").write_text(credentials)


def process(*commands: str) -> str:
    """Return the setting of a process that runs shell commands."""
    return f"""credential_process = sh -c "{"; ".join(commands)}"\n"""


def printing(home: Path, **values: str) -> str:
    """Return a shell command that prints a credential as JSON."""
    document = {"Version": 1, "AccessKeyId": "p", "SecretAccessKey": "s", **values}
    (home / "printed.json").write_text(json.dumps(document))
    return f"cat {home}/printed.json"


def parts(found: Identity | None) -> tuple[str | None, str | None]:
    """Return what a request is signed with: the key and the token."""
    assert found is not None
    pair = found.credentials
    now = pair if isinstance(pair, KeyPair) else frozen(pair)
    return now.access_key, now.token


def in_a_process(profile: str, **variables: str) -> tuple[str, str]:
    """Find a credential in a separate process, because botocore reads HOME when it starts.

    Returns:
        what it prints: the key id and the token, or the error; and what it leaves of its input.
    """
    code = (
        "import sys\n"
        "from nix_cache.cli.errors import ClientError\n"
        "from nix_cache.cli.s3.credentials import find\n"
        "try:\n"
        f"    found = find({profile!r})\n"
        "    print(*found.credentials.get_frozen_credentials()[::2]) if found else print(None)\n"
        "except ClientError as failure:\n"
        "    print(failure)\n"
        "print(sys.stdin.read(), end='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        input="/nix/store/x",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, _, rest = done.stdout.partition("\n")
    return first, rest


class TestFiles:
    """In which files profiles are looked for."""

    @pytest.mark.parametrize("file", ["config", "credentials", "named config", "named credentials"])
    @pytest.mark.parametrize("token", [None, "the-token"])
    def test_a_key_pair_is_found_in_each_file_with_its_token(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, file: str, token: str | None
    ) -> None:
        path = home / ".aws" / file.removeprefix("named ")
        if file.startswith("named"):
            variable = "AWS_CONFIG_FILE" if "config" in file else "AWS_SHARED_CREDENTIALS_FILE"
            monkeypatch.setenv(variable, f"~/{path.name}")
            path = home / path.name
        header = "[profile nixbuilder]\n" if "config" in file else "[nixbuilder]\n"
        more = f"aws_session_token = {token}\n" if token else ""
        path.write_text(header + PAIR.format("mine") + more)

        found = find("nixbuilder")

        assert parts(found) == ("mine", token)
        assert found is not None
        assert found.origin == f"the profile nixbuilder in {path}"
        assert "secret" not in repr(found)
        assert parts(owner_identity("nixbuilder")) == ("mine", token)

    def test_what_use_wrote_is_found_where_the_environment_names_another_file(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As root, whose shell has a variable that the daemon does not have."""
        write(home, credentials="[nixbuilder]\n" + PAIR.format("written"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "other"))
        assert parts(find("nixbuilder")) == ("written", None)

        (home / "other").write_text("[nixbuilder]\n" + PAIR.format("named"))
        assert parts(find("nixbuilder")) == ("named", None)

    def test_a_further_file_is_looked_in_last(self, home: Path) -> None:
        also = home / "also"
        also.write_text("[nixbuilder]\n" + PAIR.format("also"))

        assert find("nixbuilder") is None
        assert parts(find("nixbuilder", also)) == ("also", None)

    def test_each_place_is_listed_once(self, home: Path) -> None:
        assert [str(each.credentials) for each in aws_files()] == [f"{home}/.aws/credentials"]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[nixbuilder]\naws_access_key_id = a\n", "aws_secret_access_key is missing"),
            ("aws_access_key_id = a\n", "has an invalid format"),
        ],
    )
    def test_a_broken_file_is_reported_and_never_taken_for_a_missing_one(
        self, home: Path, text: str, problem: str
    ) -> None:
        write(home, credentials=text)

        with pytest.raises(NoCredentialError, match=problem) as failed:
            find("nixbuilder")

        assert f"{home}/.aws/credentials" in failed.value.problem

    def test_an_owner_gets_the_names_that_there_are(self, home: Path) -> None:
        write(home, config=f"[profile b]\n{ROLE}", credentials="[a]\n" + PAIR.format("a"))

        with pytest.raises(UsageError, match="no profile ow with a credential") as refused:
            owner_identity("ow")

        assert refused.value.fix == "name one of these: a, b"

    @pytest.mark.parametrize("file", ["config", "credentials"])
    def test_a_pipe_is_reported_and_not_waited_for(self, home: Path, file: str) -> None:
        os.mkfifo(home / ".aws" / file)

        with within(5), pytest.raises(NoCredentialError, match=f"{file} is a pipe"):
            find("nixbuilder")
        assert profile_in(str(home / ".aws" / file), "nixbuilder") is None


NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

VALUES = [
    *((name, value) for name in NAMES for value in ("two\n  lines", "a\x7fb")),
    *((name, value) for name in NAMES[::2] for value in ("caf\u00e9", "my value")),
]


class TestValues:
    """Which values can be sent. A wrong one is named, and not shown."""

    @pytest.mark.parametrize("settings", ["", "region = x\n"], ids=["plain", "botocore"])
    @pytest.mark.parametrize(("name", "value"), VALUES)
    def test_a_profile_is_refused(self, home: Path, name: str, value: str, settings: str) -> None:
        values = {**dict.fromkeys(NAMES, "good"), name: value}
        lines = "".join(f"{key} = {text}\n" for key, text in values.items())
        write(home, credentials=f"[ci]\n{lines}{settings}")

        with pytest.raises(NoCredentialError) as refused:
            find("ci")

        assert refused.value.problem.startswith(
            f"the profile ci in {home}/.aws/credentials gives no credential: {name} has a "
        )
        assert refused.value.fix.startswith(f"copy {name} again")
        assert value not in str(refused.value)

    @pytest.mark.parametrize(("name", "value"), [*VALUES, (NAMES[0], "\udcff")])
    def test_a_variable_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        for key in NAMES:
            monkeypatch.setenv(key.upper(), value if key == name else "good")

        with pytest.raises(NoCredentialError) as refused:
            find("")

        assert refused.value.problem.startswith(
            f"the environment gives no credential: {name.upper()} has a "
        )

    def test_what_a_process_prints_is_refused(self, home: Path) -> None:
        printed = printing(home, SessionToken="two\nlines")
        write(home, config=f"[profile ci]\n{process(printed)}")

        with pytest.raises(NoCredentialError, match="no credential: aws_session_token has a blank"):
            find("ci")

    def test_a_secret_is_not_sent_and_may_have_other_letters(self, home: Path) -> None:
        """A password of MinIO's root may."""
        write(home, credentials=f"[ci]\n{NAMES[0]} = id\n{NAMES[1]} = caf\u00e9 au lait\n")

        assert parts(find("ci")) == ("id", None)


class TestEnvironment:
    """What stands in for a profile that is not there."""

    @pytest.mark.parametrize("profile", ["", "nixbuilder"])
    def test_variables_are_used_with_their_token(
        self, monkeypatch: pytest.MonkeyPatch, profile: str
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ci")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ci-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "ci-token")

        assert parts(find(profile)) == ("ci", "ci-token")

    def test_the_default_profile_is_used_only_where_none_is_named(self, home: Path) -> None:
        """A push as nixbuilder is not signed as another user by accident."""
        write(home, credentials="[default]\n" + PAIR.format("other"))

        assert find("nixbuilder") is None
        assert parts(find("")) == ("other", None)

    def test_a_profile_that_aws_profile_names_is_used_or_missed(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(home, config="[profile chosen]\n" + PAIR.format("chosen"))
        monkeypatch.setenv("AWS_PROFILE", "chosen")
        assert parts(find("nixbuilder")) == ("chosen", None)

        monkeypatch.setenv("AWS_PROFILE", "gone")
        with pytest.raises(NoCredentialError, match="AWS_PROFILE names the profile gone") as failed:
            find("nixbuilder")
        assert failed.value.fix == "correct or unset AWS_PROFILE"

    def test_a_container_and_an_instance_have_a_role(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": LATER}
        metadata = {
            "/container": (200, json.dumps(given)),
            "/latest/api/token": (200, "token"),
            "/latest/meta-data/iam/security-credentials/": (200, "push"),
            "/latest/meta-data/iam/security-credentials/push": (
                200,
                json.dumps({"Code": "Success", **given}),
            ),
        }
        with answering(metadata) as url:
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/container")
            assert parts(found := find("nixbuilder")) == ("ASIA", "t")
            assert found is not None
            assert found.origin.startswith("the container's role, for there is no profile")

            monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{url}/")
            assert parts(found := find("")) == ("ASIA", "t")
            assert found is not None
            assert found.origin == "the instance's role, for it has no other"


class TestProcess:
    """Profiles with a ``credential_process``."""

    def test_its_key_is_used(self, home: Path) -> None:
        config = "[profile nixbuilder]\n" + process(printing(home, SessionToken="t"))
        write(home, config=config)

        assert parts(find("nixbuilder")) == ("p", "t")

    def test_a_key_that_ends_soon_is_renewed_for_the_next_request(self, home: Path) -> None:
        """So a long push outlives it."""
        soon = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
        counting = [f"echo >> {home}/runs", printing(home, Expiration=soon)]
        write(home, config="[profile nixbuilder]\n" + process(*counting))

        found = find("nixbuilder")
        before = len((home / "runs").read_text())
        printing(home, Expiration=LATER, AccessKeyId="new")

        assert parts(found)[0] == parts(found)[0] == "new"
        assert len((home / "runs").read_text()) == before + 1

    @pytest.mark.parametrize(
        ("commands", "problem"),
        [
            (["echo no >&2", "exit 3"], "its credential_process failed: no"),
            (["echo hello"], "its credential_process prints something that is not JSON"),
            (["echo '{}'"], "its credential_process failed: Unsupported version"),
            (["sleep 60"], "its credential_process failed: it did not end within 0 s"),
        ],
    )
    def test_a_failure_is_named(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, commands: list[str], problem: str
    ) -> None:
        monkeypatch.setattr(aws_session, "PROCESS_SECONDS", 0.4)
        write(home, config="[profile nixbuilder]\n" + process(*commands))

        with pytest.raises(NoCredentialError) as failed:
            find("nixbuilder")

        origin = f"the profile nixbuilder in {home}/.aws/config gives no credential: "
        assert failed.value.problem.startswith(origin + problem)
        assert failed.value.fix.startswith("run that command by hand")

    def test_a_missing_program_is_named(self, home: Path) -> None:
        write(home, config="[profile nixbuilder]\ncredential_process = /nowhere/get x\n")

        with pytest.raises(NoCredentialError, match="/nowhere/get: No such file"):
            find("nixbuilder")

    def test_it_does_not_read_the_commands_input(self, home: Path) -> None:
        """Paths for `push --stdin` would be lost."""
        write(home, config="[profile nixbuilder]\n" + process("cat", printing(home)))

        assert in_a_process("nixbuilder") == ("p None", "/nix/store/x")


class TestRoles:
    """Roles that STS hands out."""

    @pytest.mark.parametrize(
        "source", ["source_profile = base\n", "credential_source = Environment\n"]
    )
    def test_a_role_is_assumed(
        self, home: Path, sts: str, monkeypatch: pytest.MonkeyPatch, source: str
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "env")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
        base = "[profile base]\n" + PAIR.format("base")
        write(home, config=f"{base}[profile nixbuilder]\n{ROLE}{source}")

        key, token = parts(found := find("nixbuilder"))

        assert str(key).startswith("ASIA")
        assert token
        assert found is not None
        assert found.origin == f"the profile nixbuilder in {home}/.aws/config"

    @pytest.mark.parametrize("profile", ["", "nixbuilder"])
    def test_a_web_identity_is_used_without_a_profile(
        self, home: Path, sts: str, monkeypatch: pytest.MonkeyPatch, profile: str
    ) -> None:
        (home / "token").write_text("x.y.z")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/push")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))

        found = find(profile)

        assert str(parts(found)[0]).startswith("ASIA")
        assert found is not None
        assert found.origin.startswith("the web identity in the environment")

        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "gone"))
        with pytest.raises(NoCredentialError, match="gone cannot be read: No such file"):
            find(profile)

    @pytest.mark.parametrize(
        ("code", "fix"),
        [
            ("AccessDenied", "allow this machine's credential to assume the role"),
            ("ExpiredToken", "log in again, or get a new session token"),
        ],
    )
    def test_a_refusal_is_that_of_the_role(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, code: str, fix: str
    ) -> None:
        write(
            home,
            config=f"[profile base]\n{PAIR.format('base')}[profile nixbuilder]\n{ROLE}"
            "source_profile = base\n",
        )
        body = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
        with answering({"/": (403, body)}) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            with pytest.raises(NoCredentialError) as failed:
                find("nixbuilder")

        assert f"the service that issues it answers 403 {code} to AssumeRole" in str(failed.value)
        assert failed.value.fix.startswith(fix)

    @pytest.mark.parametrize(
        ("answers", "problem"),
        [
            (None, "127.0.0.1:9 does not answer: Connection refused"),
            ({"/": (200, "<html>log in</html>")}, "gives a malformed answer"),
        ],
    )
    def test_a_service_that_cannot_be_reached_is_not_called_the_storage(
        self,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
        answers: dict[str, tuple[int, str]] | None,
        problem: str,
    ) -> None:
        base = "[profile base]\n" + PAIR.format("base")
        write(home, config=f"{base}[profile nixbuilder]\n{ROLE}source_profile = base\n")
        with contextlib.ExitStack() as stack:
            url = (
                "http://127.0.0.1:9" if answers is None else stack.enter_context(answering(answers))
            )
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            with pytest.raises(NoCredentialError, match=problem) as failed:
                find("nixbuilder")

        assert "storage" not in str(failed.value)

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            (f"{ROLE}source_profile = gone\n", "gone"),
            (f"{ROLE}source_profile = nixbuilder\n", "nixbuilder"),
            (ROLE, "Partial credentials|source_profile|credential_source"),
        ],
    )
    def test_a_profile_that_leads_nowhere_is_reported(
        self, home: Path, settings: str, problem: str
    ) -> None:
        write(home, config=f"[profile nixbuilder]\n{settings}")

        with pytest.raises(NoCredentialError, match=problem):
            find("nixbuilder")

    def test_a_role_that_needs_a_code_is_not_asked_for_one_without_a_terminal(
        self, home: Path, sts: str
    ) -> None:
        base = "[profile base]\n" + PAIR.format("base")
        role = f"{ROLE}source_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"
        write(home, config=f"{base}[profile nixbuilder]\n{role}")

        said, left = in_a_process("nixbuilder", AWS_ENDPOINT_URL_STS=sts)

        assert "the role needs an MFA code, and there is no terminal to ask for it" in said
        assert left == "/nix/store/x"


def sso_token(home: Path, name: str, expires: str) -> None:
    """Log in, as `aws sso login` does, until some time."""
    folder = home / ".aws" / "sso" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    token = {"accessToken": "t", "expiresAt": expires, "region": "us-east-1"}
    start = "https://x.awsapps.com/start"
    key = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    (folder / f"{key}.json").write_text(json.dumps({"startUrl": start, **token}))


@pytest.mark.parametrize(
    ("profile", "name"), [("legacy", "https://x.awsapps.com/start"), ("session", "work")]
)
def test_a_user_who_logged_in_by_sso_needs_nothing_else(
    home: Path, profile: str, name: str
) -> None:
    """The command that logs in is named to others, and what to check if the role is refused."""
    write(home, config=SSO)
    again = f"the SSO session is missing or has ended; run `aws sso login --profile {profile}`"
    assert again in in_a_process(profile)[0]
    sso_token(home, name, EARLIER)
    assert again in in_a_process(profile)[0]
    sso_token(home, name, LATER)
    keys = {"accessKeyId": "ASIA", "secretAccessKey": "s", "sessionToken": "t"}
    expiration = round(datetime.now(UTC).timestamp() * 1000) + 3_600_000
    given = json.dumps({"roleCredentials": {**keys, "expiration": expiration}})

    with answering({"/federation/credentials": (200, given)}) as url:
        assert in_a_process(profile, AWS_ENDPOINT_URL_SSO=url)[0] == "ASIA t"
    error = json.dumps({"__type": "UnauthorizedException", "message": "no"})
    with answering({"/federation/credentials": (401, error)}) as url:
        assert again in in_a_process(profile, AWS_ENDPOINT_URL_SSO=url)[0]
    with answering({"/federation/credentials": (403, "{}")}) as url:
        assert "check sso_account_id and" in in_a_process(profile, AWS_ENDPOINT_URL_SSO=url)[0]
    said = in_a_process(profile, AWS_ENDPOINT_URL_SSO="http://127.0.0.1:9")[0]
    assert "127.0.0.1:9 does not answer" in said


class TestPlainPairs:
    """A key pair is read without botocore, and with what botocore would return."""

    SECTION = "[{name}]\naws_access_key_id = id\naws_secret_access_key = secret\n"

    @pytest.mark.parametrize("rest", ["", "aws_session_token = token\n"])
    def test_a_key_pair_is_what_botocore_finds(self, home: Path, rest: str) -> None:
        write(home, credentials=self.SECTION.format(name="ci") + rest)
        code = (
            "import sys\n"
            "from nix_cache.cli.s3.credentials import AwsFiles, _session, find\n"
            "found = find('ci')\n"
            "assert 'botocore' not in sys.modules, 'botocore was loaded'\n"
            "[files] = [AwsFiles(*map(__import__('pathlib').Path, sys.argv[1:]))]\n"
            "session = _session(files)\n"
            "session.set_config_variable('profile', 'ci')\n"
            "theirs = session.get_credentials().get_frozen_credentials()\n"
            "ours = found.credentials\n"
            "assert (ours.access_key, ours.secret_key, ours.token) == tuple(theirs)[:3]\n"
        )
        folder = home / ".aws"
        subprocess.run(
            [sys.executable, "-c", code, str(folder / "config"), str(folder / "credentials")],
            env={**os.environ, "HOME": str(home)},
            check=True,
        )

    @pytest.mark.parametrize(
        ("config", "more"),
        [
            ("[profile ci]\nregion = x\n", ""),
            ("", "role_arn = arn:aws:iam::1:role/x\n"),
            ("", "region = x\n"),
        ],
    )
    def test_anything_more_is_left_to_botocore(self, home: Path, config: str, more: str) -> None:
        write(home, config=config, credentials=self.SECTION.format(name="ci") + more)

        assert plain_pair("ci", [(home / ".aws/config", home / ".aws/credentials")]) is None

    def test_a_half_of_a_pair_is_none(self, home: Path) -> None:
        write(home, credentials="[ci]\naws_access_key_id = id\naws_secret_access_key =\n")

        assert plain_pair("ci", [(home / ".aws/config", home / ".aws/credentials")]) is None
