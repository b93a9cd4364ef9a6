"""`nix-cache gc` over the life of a few generated caches on a real MinIO and a real SeaweedFS.

The janitor collects with its own credential. `tests/unit/cli/test_gc_history.py` tries many more on
a storage in memory. Real servers date objects themselves, so a collection runs with another clock:
all that was written before the last wait is then 30 days old, and the rest is younger.
"""

import contextlib
import io
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from nix_cache.cli import app
from nix_cache.cli.gc import session
from nix_cache.cli.resign import session as resign_session
from tests.engine import s3_project
from tests.engine.conftest import running_server
from tests.engine.project import Project, public_cache
from tests.engine.s3 import s3_client
from tests.unit.cli.cache_history import OLDER_THAN_DAYS, PATHS, Call, Scenario, histories
from tests.unit.cli.client_caches import KEY, NEXT_KEY
from tests.unit.cli.s3_double import Held
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

METADATA = {"nix-cache-info", "nix-cache.json", "index.html"}
CLOCKS_DIFFER_SECONDS = 5.0
"""By how much the clock of a collection may be behind: it takes the earlier of two, the storage's
states whole seconds, and an answer may take a while."""


@dataclass
class ServerPlace:
    """A cache of a stack on a real server.

    Attributes:
        root: a client of the administrator.
        outputs: the stack's outputs, with secrets.
        folder: for files.
        key_pair: the administrator's credential.
        boundary: when the last wait ended; None before the first.
        contents: what was read already, by key and ETag.
    """

    root: "S3Client"
    outputs: dict[str, Any] = field(repr=False)
    folder: Path
    key_pair: tuple[str, str] = field(repr=False)
    boundary: datetime | None = None
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return str(self.outputs["manifest"]["bucket"])

    def empty(self) -> None:
        """Remove everything but the cache's metadata, and begin again."""
        for key in self.objects().keys() - METADATA:
            self.delete(key)
        self.boundary = None

    def put(self, key: str, content: bytes) -> None:
        """Put an object."""
        self.root.put_object(Bucket=self.bucket, Key=key, Body=content)

    def delete(self, key: str) -> None:
        """Delete an object that may be there."""
        self.root.delete_object(Bucket=self.bucket, Key=key)

    def objects(self) -> Mapping[str, Held]:
        """Return what is there, with the server's dates."""
        found = self.root.list_objects_v2(Bucket=self.bucket)
        assert not found["IsTruncated"]
        return {
            one["Key"]: Held(self._content(one["Key"], one["ETag"]), one["LastModified"])
            for one in found.get("Contents", [])
        }

    def now(self) -> datetime:
        """Return the true time."""
        return datetime.now(UTC)

    def wait(self, days: float) -> None:
        """Part what was written from what will be, however many days are meant."""
        del days
        time.sleep(CLOCKS_DIFFER_SECONDS)
        self.boundary = self.now()
        time.sleep(1.2)  # a storage may state whole seconds

    def collect(self, roots: Sequence[str]) -> tuple[datetime, dict[str, Any]]:
        """Collect with the janitor's credential, which is in the stack's outputs."""
        age = timedelta(days=OLDER_THAN_DAYS)
        now = self.now() if self.boundary is None else self.boundary + age
        file = self.folder / "roots"
        file.write_text("\n".join(roots))
        request = session.CollectionRequest(
            cache=str(self._source()),
            project=None,
            owner=None,
            older_than_days=OLDER_THAN_DAYS,
            grace_days=0,
            roots_from=file if roots else None,
            dry_run=False,
            agreed=True,
            jobs=4,
        )
        with self._as_user() as (out, err):
            assert session.run(request, as_json=True, clock=lambda: now), err.getvalue()
        return now, json.loads(out.getvalue())

    def resign(self) -> None:
        """Sign as the administrator, with the key that followed."""
        command = ["resign", str(self._source()), "--owner", "owner", "--yes", "--json"]
        with (
            self._as_user() as (_, err),
            mock.patch.object(resign_session, "SETTLING_SECONDS", 0.0),
        ):
            assert app.run(command) == 0, err.getvalue()

    def _content(self, key: str, etag: str) -> bytes:
        if (key, etag) not in self.contents:
            answer = self.root.get_object(Bucket=self.bucket, Key=key)
            self.contents[key, etag] = answer["Body"].read()
        return self.contents[key, etag]

    def _source(self) -> Path:
        """Return the stack's outputs after its writer's key was rotated."""
        (writer,) = self.outputs["signingKeys"]
        manifest = {
            **self.outputs["manifest"],
            "publicKeys": [NEXT_KEY.public_text, KEY.public_text],
            "keyNames": {writer: NEXT_KEY.name},
            "descriptor": False,
        }
        rotated = {"manifest": manifest, "signingKeys": {writer: NEXT_KEY.secret_text}}
        file = self.folder / "source.json"
        file.write_text(json.dumps({**self.outputs, **rotated}))
        return file

    @contextlib.contextmanager
    def _as_user(self) -> Iterator[tuple[io.StringIO, io.StringIO]]:
        """Run as a user with nothing but a home; yields standard output and standard error."""
        home = self.folder / "home"
        profiles = home / ".aws" / "credentials"
        profiles.parent.mkdir(parents=True, exist_ok=True)
        user, secret = self.key_pair
        profiles.write_text(
            f"[owner]\naws_access_key_id = {user}\naws_secret_access_key = {secret}\n"
        )
        variables = {"HOME": str(home), "PATH": str(home / "bin"), "NIX_CONF_DIR": str(home)}
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, variables, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            yield out, err


@pytest.fixture(scope="module", params=["minio", "seaweedfs"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine: Engine
) -> Iterator[ServerPlace]:
    """Provide a cache with a janitor on one of two servers."""
    folder = tmp_path_factory.mktemp(str(request.param))
    with contextlib.ExitStack() as stack:
        if request.param == "minio":
            local = stack.enter_context(running_server(folder / "server", engine))
            connection = local.connection()
            url, pair = connection.url, (connection.user, connection.password)
            made: Project = public_cache(folder / "project", engine, folder / "server")
        else:
            server = stack.enter_context(s3_project.running_seaweedfs(folder / "server"))
            url, pair = server.url, server.key_pair
            made = s3_project.s3_cache(folder / "project", engine, server)
        made.set(janitor=True)
        made.up()
        yield ServerPlace(s3_client(url, *pair), made.outputs(secrets=True), folder, pair)


EVERYTHING = Scenario(
    references=(
        *(frozenset[int](), frozenset({0}), frozenset({1}), frozenset({2})),
        *(frozenset({0}) for _ in range(4, PATHS)),
    ),
    steps=(
        Call("push", (3,)),
        Call("copy", (4,)),
        Call("copy", (5,)),
        Call("pin", ("app", 4, None, None)),
        Call("pin", ("app", 5, 2, None)),
        Call("pin", ("app-2", 6, None, None)),
        Call("push", (6,)),
        Call("wait", (40,)),
        Call("push", (3,)),
        Call("collect", ([],)),
        Call("pin", ("app", None, None, None)),
        Call("copy", (7,)),
        Call("resign"),
        Call("wait", (40,)),
        Call("pin", ("app-2", 6, None, None)),
        Call("collect", ([7],)),
    ),
)
"""A path that is kept by its last push and needs what an upstream cache has, pins with a rule of
which one ends, re-signing, and a root that is named."""


@settings(
    max_examples=2,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@example(EVERYTHING)
@given(scenario=histories(most_rounds=2))
def test_each_collection_keeps_exactly_what_the_history_asks_for(
    place: ServerPlace, scenario: Scenario
) -> None:
    """As on the storage in memory."""
    place.empty()
    scenario.run(place)
