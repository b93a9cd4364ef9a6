"""Files with signing keys are usable by Nix and by readers, and by no other user."""

import base64
import json
import os
from pathlib import Path

import pytest

from nix_cache.cli.caches.record import Record
from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.signing_keys import signing_keys
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix.key_files import Severity, content_problem, faults_of
from nix_cache.cli.upload.writer import as_writer
from nix_cache.formats import signing
from tests.unit.cli.client_caches import KEY, NEXT_KEY, WRITER, manifest
from tests.unit.cli.test_transport import within
from tests.unit.cli.test_use_files import without_privileges

TEXT = KEY.secret_text
SECRET = TEXT.partition(":")[2]

UNUSABLE = {
    "empty": (b"\n", "it is empty"),
    "leading blank": (f" {TEXT}".encode(), "a blank before or after the name"),
    "leading line": (f"\n{TEXT}".encode(), "a blank before or after the name"),
    "byte order mark": (f"\ufeff{TEXT}".encode(), "a blank before or after the name"),
    "comment": (f"# mine\n{TEXT}".encode(), "there is something else before the key"),
    "no colon": (f"{KEY.name} {SECRET}".encode(), "there is no name and colon"),
    "no name": (f":{SECRET}".encode(), "there is no name and colon"),
    "blank in the key": (f"{KEY.name}: {SECRET}".encode(), "is not base64"),
    "public key": (KEY.public_text.encode(), "it is a public key"),
    "cut off": (TEXT[:-20].encode(), "a secret key has 64 bytes"),
    "binary": (b"\xff\x00", "it is not text"),
    "halves": (
        f"{KEY.name}:{base64.b64encode(KEY.seed + bytes(32)).decode()}".encode(),
        "its public half does not belong",
    ),
}
USABLE = [TEXT, f"{TEXT}\n", f"{TEXT}\r\n", f"{TEXT} \n", f"a/b@c:{SECRET}\n"]


@pytest.mark.parametrize(("content", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_not_a_secret_key_is_refused_before_anything_is_uploaded(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "key.sec"
    file.write_bytes(content)
    file.chmod(0o600)

    [fault] = faults_of(file)
    assert fault.severity is Severity.UNUSABLE
    assert problem in fault.problem
    record = Record(name="demo", manifest=manifest(), writer=WRITER, signing_key_file=file)
    with pytest.raises(ClientError, match=problem) as refused:
        as_writer(record)
    assert SECRET[:10] not in f"{fault.problem}{refused.value}"


@pytest.mark.parametrize("text", USABLE, ids=range(len(USABLE)))
def test_what_nix_takes_is_taken(text: str) -> None:
    """Nix stops at the first equals sign, and allows every name without a blank or a colon."""
    assert content_problem(text.encode()) is None


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660])
def test_a_key_that_others_can_read_comes_with_the_command_that_closes_it(
    tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "the key.sec"
    file.write_text(TEXT)
    file.chmod(mode)

    [fault] = faults_of(file)

    assert (fault.severity, fault.fix) == (Severity.EXPOSED, f"run `chmod 600 '{file}'`")


def test_an_unreadable_key_is_an_error_for_its_owner_and_unknown_to_others(tmp_path: Path) -> None:
    """As root, who reads everything, the test becomes another user."""
    file = tmp_path / "key.sec"
    file.write_text(TEXT)
    file.chmod(0)
    is_root = os.geteuid() == 0

    with without_privileges():
        [fault] = faults_of(file)

    assert fault.severity is (Severity.UNKNOWN if is_root else Severity.UNUSABLE)


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_not_a_regular_file_is_reported_and_not_waited_for(
    tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "key.sec"
    (os.mkfifo if kind == "pipe" else os.mkdir)(place, 0o600)

    with within(2):
        [fault] = faults_of(place)

    assert fault.severity is Severity.UNUSABLE
    assert f"{place} cannot be read: it is not a regular file" in fault.problem


class TestDoctor:
    """What doctor finds out about keys."""

    def findings(self, tmp_path: Path, named: list[str], own: Path | None = None) -> list[str]:
        """Return the levels and texts, for a Nix whose nix.conf names files."""
        nix = tmp_path / "bin" / "nix"
        nix.parent.mkdir(exist_ok=True)
        settings = json.dumps({"secret-key-files": {"value": named}})
        nix.write_text(f"#!/bin/sh\necho '{settings}'\n")
        nix.chmod(0o755)
        record = Record(
            name="demo", manifest=manifest(), writer=WRITER if own else None, signing_key_file=own
        )
        variables = {"PATH": f"{nix.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
        subject = Subject(record.manifest, record=record, environment=variables)
        return [f"{one.level}: {one.what} {one.fix}".strip() for one in signing_keys(subject)]

    def key(self, path: Path, key: signing.SecretKey = KEY) -> Path:
        """Return a key file."""
        path.write_text(f"{key.secret_text}\n")
        path.chmod(0o600)
        return path

    def test_every_named_file_is_looked_at(self, tmp_path: Path) -> None:
        good, gone = self.key(tmp_path / "good"), tmp_path / "gone"
        assert self.findings(tmp_path, []) == []
        [found] = self.findings(tmp_path, [str(good)])
        assert found.startswith(f"{Level.OK}: 1 signing key file holds a secret key")
        [found] = self.findings(tmp_path, [str(good), str(gone)])
        assert found.startswith(f"{Level.ERROR}: the signing key file {gone} does not exist")
        good.chmod(0o644)
        [found] = self.findings(tmp_path, [str(good)])
        assert found == (
            f"{Level.WARNING}: the signing key file {good} has the mode 0644 run `chmod 600 {good}`"
        )

    def test_the_writers_key_has_to_be_the_current_one(self, tmp_path: Path) -> None:
        assert self.findings(tmp_path, [], self.key(tmp_path / "own"))[0].startswith(Level.OK)
        [found] = self.findings(tmp_path, [], self.key(tmp_path / "own", NEXT_KEY))
        assert found.startswith(f"{Level.ERROR}: {tmp_path / 'own'} holds the key {NEXT_KEY.name}")
        (tmp_path / "own").unlink()
        [found] = self.findings(tmp_path, [], tmp_path / "own")
        assert "does not exist" in found
