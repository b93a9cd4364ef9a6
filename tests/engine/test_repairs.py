"""Every fix that doctor prints for a path is carried out as it is printed, and repairs the path.

The storage, doctor and the push are real; of the local store only Nix's database is not.
"""

import contextlib
import io
import json
import os
import re
import shlex
import unittest.mock
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.caches.record import Record, save
from nix_cache.cli.doctor.faults import Fault
from nix_cache.cli.machine.places import user_place
from nix_cache.formats import signing
from nix_cache.formats.narinfo import Narinfo, narinfo_key
from nix_cache.formats.path_info import PathInfo
from nix_cache.render.nix_conf import s3_push_url
from tests.engine.conftest import running_server
from tests.engine.patient import signed
from tests.engine.s3 import s3_client
from tests.fakes.faulty_proxy import Fault as NetworkFault
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.plain_store import PlainStore, Pusher
from tests.unit.cli.client_caches import WRITER, manifest
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "demo"
KEY = signing.generate("cache.example.org-nixbuilder-1")
OTHER_KEY = signing.generate("stranger-1")
NAME = "demo"
PATH_HEADLINE = re.compile(r"[0-9]+ paths? ")


class FailingProxy(FaultyProxy):
    """A proxy that fails some requests.

    Attributes:
        failing: what is in the first line of these.
    """

    failing = ""

    def treatment(self, request: str) -> tuple[NetworkFault, bool]:
        """Return what to do to a request."""
        is_meant = bool(self.failing) and self.failing in request
        return (NetworkFault.RESET if is_meant else NetworkFault.NONE), True


@dataclass
class Ward:
    """A cache with one closure, on which faults are tried.

    Attributes:
        root: the bucket's owner.
        proxy: in front of the storage.
        pusher: the writer.
        home: of the user who runs the commands.
        path: the store path that is damaged; another one refers to it.
        top: the one that refers to it.
    """

    root: "S3Client"
    proxy: FailingProxy
    pusher: Pusher
    home: Path
    path: PathInfo
    top: PathInfo
    later: list[Callable[[], None]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Where the narinfo of the path is."""
        return narinfo_key(self.path.path)

    def narinfo(self) -> str:
        """Return the narinfo of the path."""
        return self.read(self.key).decode()

    def nar_key(self) -> str:
        """Return where its NAR is."""
        return Narinfo.parse(self.narinfo()).url

    def read(self, key: str) -> bytes:
        """Return an object."""
        return self.root.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def put(self, key: str, content: bytes) -> None:
        """Put an object."""
        self.root.put_object(Bucket=BUCKET, Key=key, Body=content)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.root.delete_object(Bucket=BUCKET, Key=key)

    def state(self, **fields: str | None) -> None:
        """Let the narinfo state other values, and sign those; None leaves a field out."""
        text = re.sub(r"Sig: .*\n", "", self.narinfo())
        for name, value in fields.items():
            text = re.sub(rf"{name}: .*\n", "" if value is None else f"{name}: {value}\n", text)
        self.put(self.key, signed(text, KEY.secret_text).encode())

    def sign(self, *signatures: str) -> None:
        """Let the narinfo have these signatures and no others."""
        text = re.sub(r"Sig: .*\n", "", self.narinfo())
        self.put(self.key, "".join([text, *(f"Sig: {one}\n" for one in signatures)]).encode())

    def signature(self, key: signing.SecretKey, message: str | None = None) -> str:
        """Return a signature of the narinfo, or of something else."""
        return key.sign((message or Narinfo.parse(self.narinfo()).fingerprint).encode())

    def address(self, value: str, **fields: str) -> None:
        """Let the narinfo have a content address, and state other values."""
        self.state(**fields)
        self.put(self.key, f"{self.narinfo()}CA: {value}\n".encode())

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command as the user; returns its exit code and what it printed."""
        out, err = io.StringIO(), io.StringIO()
        named = [one for one in (self.path, self.top) if one.path in arguments]
        with (
            unittest.mock.patch.dict(os.environ, self.environment(), clear=True),
            self.pusher.store_of(self.infos(named[0] if named else self.top)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = app.run([*arguments])
        return code, out.getvalue(), err.getvalue()

    def infos(self, named: PathInfo) -> list[PathInfo]:
        """Return the closure of a path."""
        return [self.path, self.top] if named is self.top else [self.path]

    def environment(self) -> dict[str, str]:
        """Return the user's environment."""
        return {
            "HOME": str(self.home),
            "PATH": str(self.home / "bin"),
            "NIX_CONF_DIR": str(self.home / "etc"),
        }

    def faults(self, *options: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what doctor finds of paths that is not well, by its headline."""
        code, out, err = self.run("doctor", NAME, "--owner", "owner", "--all", "--json", *options)
        assert out, err
        findings = json.loads(out)
        wrong = {
            PATH_HEADLINE.sub("", finding["what"]): finding
            for finding in findings
            if PATH_HEADLINE.match(finding["what"]) and finding["level"] != "ok"
        }
        assert code == 1 or not any(one["level"] == "error" for one in wrong.values())
        return wrong


def stored_nar(ward: Ward, content: bytes) -> None:
    """Put other bytes in the NAR's place."""
    ward.put(ward.nar_key(), content)


def damaged(content: bytes) -> bytes:
    """Return other bytes of the same length."""
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def failing(ward: Ward, request: str) -> None:
    """Let some requests fail until the fix is carried out."""
    ward.proxy.failing = request
    ward.later.append(lambda: setattr(ward.proxy, "failing", ""))


ZEROS = "0" * 52
DAMAGES: Mapping[Fault, Callable[[Ward], None]] = {
    Fault.ABSENT: lambda ward: ward.delete(ward.key),
    Fault.UNREADABLE: lambda ward: ward.put(ward.key, ward.narinfo().encode()[:-20]),
    Fault.MISPLACED: lambda ward: ward.put(ward.key, ward.read(narinfo_key(ward.top.path))),
    Fault.UNSIGNED: lambda ward: ward.sign(),
    Fault.UNKNOWN_KEY: lambda ward: ward.sign(ward.signature(OTHER_KEY)),
    Fault.BAD_SIGNATURE: lambda ward: ward.sign(ward.signature(KEY, "something else")),
    Fault.MALFORMED_SIGNATURE: lambda ward: ward.sign(f"{KEY.name}:AAAA", ward.signature(KEY)),
    Fault.FALSE_ADDRESS: lambda ward: ward.address(f"fixed:r:sha256:{ZEROS}"),
    Fault.UNUSABLE_ADDRESS: lambda ward: ward.address(
        f"fixed:sha256:{ZEROS}", References=f"{'1' * 32}-other"
    ),
    Fault.COMPRESSION: lambda ward: ward.state(Compression="unknown"),
    Fault.NAR_HASH: lambda ward: ward.state(NarHash=f"sha1:{'0' * 32}"),
    Fault.NAR_ABSENT: lambda ward: ward.delete(ward.nar_key()),
    Fault.NAR_CONTENT: lambda ward: stored_nar(ward, damaged(ward.read(ward.nar_key()))),
    Fault.NO_ANSWER: lambda ward: failing(ward, f"GET /{BUCKET}/{ward.nar_key()}"),
    Fault.FILE_DIFFERS: lambda ward: ward.state(FileSize="7"),
    Fault.REFERENCE_ABSENT: lambda ward: ward.delete(ward.key),
    Fault.REFERENCE_NOT_CHECKED: lambda ward: failing(ward, f"HEAD /{BUCKET}/{ward.key}"),
    Fault.NAR_SIZE_UNKNOWN: lambda ward: ward.state(FileSize=None, FileHash=None),
    Fault.NOT_READ: lambda ward: ward.put(ward.key, bytes(1_000_001)),
    Fault.NAR_NOT_CHECKED: lambda ward: ward.state(URL=f"{ward.nar_key()}?x=1"),
}
"""How each fault comes about."""

QUICK_FAULTS = {Fault.NAR_SIZE_UNKNOWN}
"""Those that only a check without ``--deep`` reports."""

NAMED_FAULTS = {Fault.ABSENT, Fault.REFERENCE_ABSENT, Fault.REFERENCE_NOT_CHECKED}
"""Those that are found by naming paths: a listing has none that is absent."""


@pytest.fixture(scope="module")
def made(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """Provide the cache."""
    folder = tmp_path_factory.mktemp("repairs")
    store = PlainStore(folder / "store")
    path = store.add("damaged", os.urandom(20_000))
    top = store.add("top", b"top\n", [path])
    with running_server(folder / "minio", engine) as server:
        at = server.connection()
        root = s3_client(at.url, at.user, at.password)
        root.create_bucket(Bucket=BUCKET)
        with FailingProxy(at.url.partition("//")[2]) as proxy:
            endpoint = f"http://{proxy.address}"
            pusher = Pusher(endpoint, at.user, at.password, BUCKET, KEY, store)
            ward = Ward(root, proxy, pusher, folder / "home", path, top)
            use(ward, at.user, at.password)
            yield ward


def use(ward: Ward, user: str, secret: str) -> None:
    """Let the cache be in use on the machine, as the writer."""
    (ward.home / ".aws").mkdir(parents=True)
    pair = f"aws_access_key_id = {user}\naws_secret_access_key = {secret}\n"
    profiles = "".join(f"[{name}]\n{pair}\n" for name in (WRITER, "owner"))
    (ward.home / ".aws" / "credentials").write_text(profiles)
    key_file = ward.home / "key.sec"
    key_file.touch(mode=0o600)
    key_file.write_text(KEY.secret_text)
    described = manifest(
        endpoint=ward.pusher.endpoint,
        bucket=BUCKET,
        storeDir=str(ward.pusher.store.folder),
        key=KEY,
        pushUrls={WRITER: s3_push_url(BUCKET, ward.pusher.endpoint, "us-east-1", WRITER)},
        public=False,
        descriptor=False,
    )
    record = Record(
        name=NAME, manifest=described, writer=WRITER, reader=WRITER, signing_key_file=key_file
    )
    save(user_place({"HOME": str(ward.home)}), record)


@pytest.fixture
def ward(made: Ward) -> Iterator[Ward]:
    """Provide the cache, well."""
    for entry in made.root.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        made.delete(entry["Key"])
    info = f"StoreDir: {made.pusher.store.folder}\nWantMassQuery: 1\nPriority: 40\n"
    made.put("nix-cache-info", info.encode())
    assert len(made.pusher.push().pushed) == 2
    yield made
    made.proxy.failing = ""
    made.later.clear()


def carry_out(ward: Ward, fault: Fault, fix: str) -> None:
    """Do what a fix says: its first command, with the damaged path, or the check once more.

    A missing reference is pushed with what refers to it.
    """
    for act in ward.later:
        act()
    subject = ward.top if fault is Fault.REFERENCE_ABSENT else ward.path
    commands = re.findall(r"`(nix-cache [^`]*PATH[^`]*)`", fix)
    if not commands:
        assert re.search(r"run doctor again|--deep", fix), fix
        return
    _, *arguments = shlex.split(commands[0].replace("PATH", subject.path))
    code, _, err = ward.run(*arguments)
    assert code == 0, err


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_the_printed_fix_repairs_the_path(ward: Ward, fault: Fault, tmp_path: Path) -> None:
    """A kind of fault without a way to cause it fails here."""
    DAMAGES[fault](ward)
    deep = () if fault in QUICK_FAULTS else ("--deep",)
    named: tuple[str, ...] = ()
    if fault in NAMED_FAULTS:
        file = tmp_path / "paths"
        chosen = (ward.path, ward.top) if fault is Fault.ABSENT else (ward.top,)
        file.write_text("\n".join(one.path for one in chosen))
        named = ("--paths-from", str(file))

    found = ward.faults(*deep, *named)
    assert fault.value.headline in found, found
    carry_out(ward, fault, found[fault.value.headline]["fix"])

    assert ward.faults("--deep") == {}
    Narinfo.parse(ward.narinfo())


def test_a_named_path_without_its_nar_is_uploaded_again_by_a_plain_push(ward: Ward) -> None:
    """And so is one whose NAR was cut off."""
    for content in (None, ward.read(ward.nar_key())[:-1]):
        if content is None:
            ward.delete(ward.nar_key())
        else:
            stored_nar(ward, content)
        code, out, err = ward.run("push", ward.path.path, "--json")
        assert code == 0, err
        assert json.loads(out)["repaired"] == [ward.path.path]
        assert ward.faults("--deep") == {}


def test_a_closure_is_repaired_where_only_its_root_is_named(ward: Ward) -> None:
    """With --repair, a path below that has no NAR is found; without, it costs no request."""
    ward.delete(ward.nar_key())

    code, out, err = ward.run("push", ward.top.path, "--json")
    assert (code, json.loads(out)["pushed"]) == (0, []), err
    code, out, err = ward.run("push", "--repair", ward.top.path, "--json")

    assert code == 0, err
    assert json.loads(out)["repaired"] == sorted([ward.path.path, ward.top.path])
    assert ward.faults("--deep") == {}


def test_a_push_keeps_other_signatures_and_adds_its_own(ward: Ward) -> None:
    """To what has the same contents; what differs is reported with the fix."""
    foreign = ward.signature(OTHER_KEY)
    ward.sign(foreign)
    before = ward.narinfo()

    code, out, err = ward.run("push", ward.top.path, "--json")
    assert code == 0, err
    assert json.loads(out)["signed"] == [ward.path.path]
    assert ward.narinfo() == f"{before}Sig: {ward.signature(KEY)}\n"

    ward.put(ward.key, re.sub("NarSize: .*", "NarSize: 7", before).encode())
    code, _, err = ward.run("push", ward.top.path)
    assert code == 1
    assert "nix-cache push --repair" in err
