"""Requests are signed only for places that the user agreed to."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.caches import record
from nix_cache.cli.caches.record import Record
from nix_cache.cli.machine.places import system_place
from nix_cache.render import nix_conf
from tests.unit.cli.client_caches import WRITER, manifest, outputs
from tests.unit.cli.served_cache import ServedCache, served_cache

PROFILES = ("default", WRITER, "prod-admin", "owner")
INFO = b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"


@dataclass
class Storage:
    """A storage, and what it was asked.

    Attributes:
        url: its endpoint.
        signed: the access key ids of the requests so far that were signed.
    """

    url: str
    signed: set[str] = field(default_factory=set)
    requests: int = 0


@contextlib.contextmanager
def running() -> Iterator[Storage]:
    """Provide a storage on a free port, which has nix-cache-info and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.requests += 1
            if signature := self.headers.get("Authorization"):
                asked.signed.add(signature.partition("Credential=")[2].partition("/")[0])
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_info = self.path.endswith("/nix-cache-info") and self.command in ("GET", "HEAD")
            body = INFO if is_info else DENIED
            self.send_response(200 if is_info else 403)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        asked = Storage(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Provide a storage."""
    with running() as storage:
        yield storage


@pytest.fixture
def served() -> Iterator[ServedCache]:
    """Provide a server with a manifest."""
    with served_cache() as served:
        yield served


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a machine without a cache and without Nix, with several profiles."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = id-of-{name}\naws_secret_access_key = secret\n"
            for name in PROFILES
        )
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cache(asked: Storage, profile: str = WRITER, **changes: Any) -> dict[str, Any]:
    """Return a manifest of a bucket on a storage, which names a profile."""
    reported: dict[str, Any] = outputs(
        **{
            "endpoint": asked.url,
            "readUrl": f"{asked.url}/demo",
            "pushUrls": {WRITER: nix_conf.s3_push_url("demo", asked.url, "us-east-1", profile)},
            "profiles": {WRITER: profile},
            **changes,
        }
    )["manifest"]
    return reported


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Run doctor; gives what it did not check."""
    capsys.readouterr()
    app.run(["doctor", *arguments, "--json"])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    findings = json.loads(found.out)
    return [f"{one['what']}: {one['why']}" for one in findings if one["level"] == "not checked"]


def in_use(storage: Storage, **changes: Any) -> None:
    """Let the machine use a cache as its writer."""
    reported = manifest(**cache(storage, **changes))
    record.save(system_place(), Record(name="demo", manifest=reported, writer=WRITER))


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("profile", PROFILES)
def test_doctor_does_not_sign_for_a_bucket_that_a_url_names(
    storage: Storage,
    served: ServedCache,
    capsys: pytest.CaptureFixture[str],
    profile: str,
    public: bool,
) -> None:
    """Whatever profile the document names, and for whichever users."""
    users: dict[str, Any] = {
        "pushUrls": {"a": "x"},
        "profiles": {"a": profile, "b": profile},
        "readers": ["b"],
    }
    read_url = nix_conf.s3_read_url("demo", storage.url, "us-east-1", profile)
    private: dict[str, Any] = {} if public else {"public": False, "readUrl": read_url}
    served.describe(cache(storage, **users, **private))

    skipped = doctor(capsys, served.url)

    assert storage.requests > 0
    assert storage.signed == set()
    assert any("the rights of writers and readers" in line for line in skipped)


@pytest.mark.parametrize("profile", PROFILES)
def test_doctor_does_not_sign_for_a_bucket_that_a_file_names(
    storage: Storage, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    """A file without secrets may be from anyone. It says what was left out."""
    Path("cache.json").write_text(json.dumps(cache(storage, profile)))

    skipped = doctor(capsys, "cache.json")

    assert storage.requests > 0
    assert storage.signed == set()
    assert any("signs requests only for caches that this machine uses" in one for one in skipped)


def test_doctor_signs_with_a_profile_that_the_command_line_names(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with no other one that the file puts in its place."""
    for profile in (WRITER, "prod-admin"):
        Path("cache.json").write_text(json.dumps(cache(storage, profile)))
        doctor(capsys, "cache.json", "--as", WRITER)

    assert storage.signed == {f"id-of-{WRITER}"}


def test_doctor_signs_for_a_cache_in_use(
    storage: Storage, served: ServedCache, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named by its name, its manifest or its URL; with the profile that was agreed to."""
    in_use(storage)
    Path("cache.json").write_text(json.dumps(cache(storage, "prod-admin")))
    served.describe(cache(storage, "prod-admin"))

    for source in ("demo", "cache.json", served.url):
        storage.signed.clear()
        doctor(capsys, source)
        assert storage.signed == {f"id-of-{WRITER}"}, source


@pytest.mark.parametrize("change", [{"region": "eu-west-1"}, {"bucket": "other"}])
def test_doctor_does_not_sign_for_a_place_beside_the_one_in_use(
    storage: Storage,
    served: ServedCache,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
) -> None:
    """Another bucket or region of the same storage was not agreed to."""
    in_use(storage)
    reported = {**cache(storage), **change}
    Path("cache.json").write_text(json.dumps(reported))
    served.describe(reported)

    for source in ("cache.json", served.url):
        doctor(capsys, source)

    assert storage.signed == set()


def test_doctor_never_signs_with_the_default_profile(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even for a cache that an older version came to use so."""
    in_use(storage, profile="default")

    doctor(capsys, "demo")

    assert storage.signed == set()


def test_the_secrets_of_a_file_are_used_for_its_own_place(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are the stack's, not the machine's."""
    reported = {**outputs(), "manifest": cache(storage)}
    Path("outputs.json").write_text(json.dumps(reported))

    doctor(capsys, "outputs.json")

    assert storage.signed == {WRITER}


@pytest.mark.parametrize("command", ["doctor", "gc"])
def test_the_owner_does_not_sign_for_a_bucket_that_only_a_document_names(
    storage: Storage, served: ServedCache, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """One clear error, and no request."""
    served.describe(cache(storage))
    options = ["--owner", "owner", *(["--older-than", "90"] if command == "gc" else [])]

    assert app.run([command, served.url, *options]) == 2

    said = capsys.readouterr().err
    assert f"the bucket {storage.url}/demo is named only by the document" in said
    assert (storage.requests, said.count("\n")) == (0, 1)


def test_the_owner_signs_for_the_url_that_was_given_and_for_a_cache_in_use(
    storage: Storage, served: ServedCache, capsys: pytest.CaptureFixture[str]
) -> None:
    """In use: the place was agreed to. The bucket's own URL: the user names the place."""
    own = cache(Storage(served.url.removesuffix("/demo")))
    served.describe(own)
    code = app.run(["gc", served.url, "--owner", "owner", "--older-than", "90", "--dry-run"])
    assert code == 1  # this server has no list
    assert "is named only by the document" not in capsys.readouterr().err

    in_use(storage)
    served.describe(cache(storage))
    app.run(["gc", served.url, "--owner", "owner", "--older-than", "90", "--dry-run"])

    assert storage.signed == {"id-of-owner"}


def test_doctor_and_gc_sign_with_what_a_profile_of_the_aws_tools_gives(
    storage: Storage, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a writer and an owner; what fails is an error of that user alone."""
    pair = '{"Version": 1, "AccessKeyId": "issued", "SecretAccessKey": "s"}'
    (machine / "pair.json").write_text(pair)
    config = machine / ".aws" / "config"
    profiles = f"[profile admin]\ncredential_process = /bin/cat {machine}/pair.json\n"
    config.write_text(
        f"{profiles}[profile ci]\ncredential_process = /bin/cat {machine}/pair.json\n"
    )
    in_use(storage, profile="ci")

    doctor(capsys, "demo")
    assert storage.signed == {"issued"}
    storage.signed.clear()
    app.run(["gc", "demo", "--owner", "admin", "--older-than", "90", "--dry-run"])
    assert storage.signed == {"issued"}

    config.write_text(f"{profiles}[profile ci]\ncredential_process = /nowhere/get\n")
    assert app.run(["doctor", "demo"]) == 1
    said = " ".join("".join(capsys.readouterr()).split())
    assert "the credential of the writer nixbuilder cannot be had: the profile ci in" in said


def test_a_url_names_no_users(
    storage: Storage, served: ServedCache, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--as` then says where they are named."""
    served.describe(cache(storage))

    assert app.run(["doctor", served.url, "--as", WRITER]) == 2

    assert "a URL names no writers or readers" in capsys.readouterr().err
    assert storage.signed == set()
