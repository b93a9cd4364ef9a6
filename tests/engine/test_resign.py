"""`nix-cache resign` on a real MinIO: its conditions, its dates, and several clients at a time."""

import contextlib
import io
import json
import os
import threading
import time
import unittest.mock
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.credentials import Credentials

from nix_cache.cli import app
from nix_cache.cli.resign.bucket import Bucket
from nix_cache.cli.resign.plan import make_plan
from nix_cache.cli.resign.verdict import Ground, TrustTerms
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.upload.narinfos import Conditions
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.narinfo import Narinfo, narinfo_key, verify
from nix_cache.formats.path_info import PathInfo
from tests.engine.conftest import running_server
from tests.engine.s3 import s3_client
from tests.fakes.plain_store import PlainStore, Pusher
from tests.unit.cli.client_caches import outputs
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "demo"
OLD_KEY = signing.generate("cache.example.org-nixbuilder-1")
NEW_KEYS = [signing.generate(f"cache.example.org-writer{number}-2") for number in range(3)]
PATHS = 12


@dataclass
class Vault:
    """A cache whose key is rotated.

    Attributes:
        root: the bucket's owner.
        pusher: the writer, with the old key.
        folder: for files.
    """

    root: "S3Client"
    pusher: Pusher
    folder: Path

    @property
    def infos(self) -> list[PathInfo]:
        """All paths that were pushed."""
        return self.pusher.store.infos

    def narinfo_keys(self) -> list[str]:
        """Return the narinfos of all paths."""
        return [narinfo_key(info.path) for info in self.infos]

    def read(self, key: str) -> bytes:
        """Return an object."""
        return self.root.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def written(self, key: str) -> datetime:
        """Return when an object was written."""
        return self.root.head_object(Bucket=BUCKET, Key=key)["LastModified"]

    def signers(self, key: str) -> tuple[str, ...]:
        """Return who signed a path validly."""
        known = [one.public_text for one in (OLD_KEY, *NEW_KEYS)]
        return verify(Narinfo.parse(self.read(key)), known)

    def outputs(self, key: signing.SecretKey, *trusted: signing.SecretKey, **changes: Any) -> Any:
        """Return what the stack gives out after the rotation."""
        return outputs(
            bucket=BUCKET,
            key=key,
            endpoint=self.pusher.endpoint,
            storeDir=str(self.pusher.store.folder),
            publicKeys=[one.public_text for one in (key, *trusted)],
            **changes,
        )

    def resign(self, given: Any, *options: str) -> tuple[int, dict[str, Any], str]:
        """Run the command; returns its exit code, its result and what it said besides."""
        source = self.folder / "outputs.json"
        source.write_text(json.dumps(given))
        out, err = io.StringIO(), io.StringIO()
        with (
            unittest.mock.patch.dict(os.environ, self.environment(), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            command = ["resign", str(source), "--owner", "owner", "--yes", "--json"]
            code = app.run([*command, *options])
        assert out.getvalue(), err.getvalue()
        return code, json.loads(out.getvalue()), err.getvalue()

    def environment(self) -> dict[str, str]:
        """Return the environment of the owner, who has no Nix."""
        home = self.folder / "home"
        credentials = home / ".aws" / "credentials"
        credentials.parent.mkdir(parents=True, exist_ok=True)
        credentials.write_text(
            f"[owner]\naws_access_key_id = {self.pusher.user}\n"
            f"aws_secret_access_key = {self.pusher.secret}\n"
        )
        return {"HOME": str(home), "PATH": str(home / "bin"), "NIX_CONF_DIR": str(home / "etc")}


@pytest.fixture(scope="module")
def made(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """Provide the bucket."""
    folder = tmp_path_factory.mktemp("vault")
    store = PlainStore(folder / "store")
    below: list[PathInfo] = []
    for number in range(PATHS):
        below = [store.add(f"path{number}", os.urandom(2_000), below)]
    with running_server(folder / "minio", engine) as server:
        at = server.connection()
        root = s3_client(at.url, at.user, at.password)
        root.create_bucket(Bucket=BUCKET)
        yield Vault(root, Pusher(at.url, at.user, at.password, BUCKET, OLD_KEY, store), folder)


@pytest.fixture
def vault(made: Vault) -> Vault:
    """Provide the cache, signed with the old key."""
    for entry in made.root.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        made.root.delete_object(Bucket=BUCKET, Key=entry["Key"])
    info = f"StoreDir: {made.pusher.store.folder}\nWantMassQuery: 1\nPriority: 40\n"
    made.root.put_object(Bucket=BUCKET, Key="nix-cache-info", Body=info.encode())
    assert len(made.pusher.push().pushed) == PATHS
    return made


def test_all_paths_are_signed_with_the_new_key_and_nars_stay(vault: Vault) -> None:
    """A second run has nothing to do, and a reader of the new key alone trusts everything."""
    nars = [Narinfo.parse(vault.read(key)).url for key in vault.narinfo_keys()]
    before = {key: vault.written(key) for key in nars}
    given = vault.outputs(NEW_KEYS[0], OLD_KEY)

    code, first, _ = vault.resign(given)
    _, second, _ = vault.resign(given)

    assert code == 0
    assert (first["signed"]["byTrustedKey"], second["alreadySigned"]) == (PATHS, PATHS)
    assert {vault.signers(key) for key in vault.narinfo_keys()} == {
        (OLD_KEY.name, NEW_KEYS[0].name)
    }
    assert {key: vault.written(key) for key in nars} == before


def test_after_a_leak_dates_and_nars_decide(vault: Vault) -> None:
    """What was written after it, and what has another NAR of the same size, is not signed."""
    young, damaged, *old = vault.narinfo_keys()
    time.sleep(1.1)
    leak = datetime.now(UTC)
    vault.root.put_object(Bucket=BUCKET, Key=young, Body=vault.read(young))
    nar = Narinfo.parse(vault.read(damaged)).url
    content = vault.read(nar)
    vault.root.put_object(Bucket=BUCKET, Key=nar, Body=content[:-9] + b"x" + content[-8:])

    options = ("--leaked", OLD_KEY.public_text, "--before", leak.isoformat())
    code, result, _ = vault.resign(vault.outputs(NEW_KEYS[0]), *options)

    assert code == 1
    assert result["signed"]["beforeLeak"] == len(old)
    assert len(result["untrusted"]) == 2
    assert {vault.signers(key) for key in old} == {(OLD_KEY.name, NEW_KEYS[0].name)}
    assert {vault.signers(key) for key in (young, damaged)} == {(OLD_KEY.name,)}


def test_where_paths_expire_a_nar_is_renewed_before_its_narinfo(vault: Vault) -> None:
    """It would expire before the narinfo that is written now."""
    time.sleep(1.1)
    given = vault.outputs(NEW_KEYS[0], OLD_KEY, expireAfterDays=30)
    nars = {key: Narinfo.parse(vault.read(key)).url for key in vault.narinfo_keys()}
    before = {key: (vault.written(nar), vault.read(nar)) for key, nar in nars.items()}

    code, result, _ = vault.resign(given)

    assert (code, result["signed"]["byTrustedKey"]) == (0, PATHS)
    for key, nar in nars.items():
        written, content = before[key]
        assert written < vault.written(nar) <= vault.written(key)
        assert vault.read(nar) == content


def test_re_signers_and_a_push_at_the_same_time_lose_nothing(vault: Vault) -> None:
    """The server keeps conditions. Each of three keys signs every path."""
    owner = Identity("the test", Credentials(vault.pusher.user, vault.pusher.secret))
    described = Manifest.model_validate(vault.outputs(OLD_KEY, *NEW_KEYS)["manifest"])
    buckets = [Bucket(described, owner, "owner", 4, lambda _: None) for _ in NEW_KEYS]
    trusted = (OLD_KEY.public_text, *(key.public_text for key in NEW_KEYS))
    terms = [TrustTerms(key, trusted, frozenset({key.name})) for key in NEW_KEYS]
    with unittest.mock.patch.dict(os.environ, vault.environment(), clear=True):
        plans = [
            make_plan(bucket, one, lambda _: None)
            for bucket, one in zip(buckets, terms, strict=True)
        ]
    start = threading.Barrier(len(NEW_KEYS) + 1)
    outcomes: list[object] = []

    def sign(number: int) -> None:
        start.wait()
        outcomes.extend(
            buckets[number].sign(planned, terms[number]) for planned in plans[number].signing
        )

    threads = [threading.Thread(target=sign, args=(number,)) for number in range(len(NEW_KEYS))]
    for thread in threads:
        thread.start()
    start.wait()
    vault.pusher.push()
    for thread in threads:
        thread.join()

    assert outcomes == [Ground.TRUSTED_KEY] * (PATHS * len(NEW_KEYS))
    everyone = {OLD_KEY.name, *(key.name for key in NEW_KEYS)}
    assert all(set(vault.signers(key)) == everyone for key in vault.narinfo_keys())
    assert {bucket.narinfos._conditions for bucket in buckets} == {Conditions.KEPT}
