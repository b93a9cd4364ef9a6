"""A first `make up` that is killed at each kind of resource: the next one makes the whole cache.

Only this module kills engine and plugins. Outages in the middle of an `up`, after which they end in
order, are in `test_interrupted.py`. The page and the manifest are created as `nix-cache-info` is.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from nix_cache.backends.minio.drift.comparison import compare
from nix_cache.backends.minio.drift.declared_by_state import declared
from nix_cache.backends.minio.drift.server import Administration
from tests.engine.clone import Clone, cloned
from tests.fakes.killing_proxy import KillingProxy, kill_tree
from tests.waiting import wait_until
from tools import engine as toolchain_engine
from tools.place import STACK
from tools.stack import LocalStack, variables

pytestmark = pytest.mark.faults

KILLED_SECONDS = 90.0

AT_REQUESTS: dict[str, str] = {
    "names asked for": "GET /minio/admin/v3/user-info",
    "bucket": "PUT /nix-cache/",
    "user": "PUT /minio/admin/v3/add-user",
    "policy": "PUT /minio/admin/v3/add-canned-policy",
    "attachment": "PUT /minio/admin/v3/set-user-or-group-policy",
    "bucket policy": "PUT /nix-cache/?policy",
    "lifecycle": "PUT /nix-cache/?lifecycle",
    "nix-cache-info": "PUT /nix-cache/nix-cache-info",
}
"""By step, how the request begins that makes it, which is carried out, but never noted."""

AT_NOTES = {"reservation": "nix-cache-names", "signing key": "nix-cache-nixbuilder-key-1"}
"""By step that asks no server, what the state has as soon as it is noted."""


@dataclass(frozen=True)
class Beginning:
    """A clone whose stack is there and has nothing yet, behind a proxy.

    Attributes:
        clone: it.
        proxy: through which it reaches its server.
        state: a copy of its state.
    """

    clone: Clone
    proxy: KillingProxy
    state: Path

    def again(self) -> None:
        """Forget all that was made."""
        self.clone.server.stop()
        shutil.rmtree(self.clone.place.server / "data")
        shutil.rmtree(self.clone.place.state)
        shutil.copytree(self.state, self.clone.place.state)
        self._reach(self.proxy.upstream)
        self.clone.server.start()
        self._reach(self.proxy.address)

    def _reach(self, address: str) -> None:
        """From now on, reach the server at another address."""
        file = self.clone.place.connection_file
        file.write_text(json.dumps({**json.loads(file.read_text()), "minioServer": address}))

    def start_up(self) -> "subprocess.Popen[str]":
        """Start what `make up` starts, without the preview before it."""
        return subprocess.Popen(
            [
                *(str(self.clone.engine.pulumi), "up", "--yes", "--skip-preview"),
                *("--non-interactive", "--color", "never", "--stack", STACK),
            ],
            cwd=self.clone.folder,
            env={**self.clone.variables(), **variables(self.clone.place)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def beginning(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Beginning]:
    """One clone and one server for all steps."""
    folder = tmp_path_factory.mktemp("interruptions")
    with cloned(folder / "clone", engine) as clone:
        clone.configure(expireAfterDays=90)
        clone.server.start()
        LocalStack(clone.place, engine).prepare()
        shutil.copytree(clone.place.state, folder / "state")
        with KillingProxy(clone.connection.server) as proxy:
            yield Beginning(clone, proxy, folder / "state")


@pytest.mark.parametrize("step", [*AT_NOTES, *AT_REQUESTS])
def test_an_up_that_was_killed_is_finished_by_the_next(beginning: Beginning, step: str) -> None:
    """Engine, plugins and all: nothing has to be removed by hand, and nothing is left over."""
    clone, proxy = beginning.clone, beginning.proxy
    beginning.again()
    with beginning.start_up() as process:
        if step in AT_NOTES:
            state = clone.place.state / ".pulumi" / "stacks" / "nix-cache" / f"{STACK}.json"
            wait_until(lambda: AT_NOTES[step] in state.read_text(), "noted", seconds=KILLED_SECONDS)
            kill_tree(psutil.Process(process.pid))
        else:
            proxy.kill_at(process.pid, lambda request: request.startswith(AT_REQUESTS[step]))
        output, _ = process.communicate(timeout=KILLED_SECONDS)
    assert process.returncode == -signal.SIGKILL, output

    clone.dev("up")

    exported = clone.pulumi("stack", "export", "--show-secrets", "--stack", STACK)
    state_now = json.loads(exported.checked("stack export").stdout)["deployment"]
    assert not state_now.get("pending_operations")
    made = declared(state_now["resources"])
    assert compare(made, Administration(clone.connection).look(made)) == []
    kinds = sorted(resource["type"].rpartition(":")[2] for resource in state_now["resources"])
    assert kinds == WHOLE


WHOLE = sorted(
    [
        *("Stack", "BinaryCache", "minio", "pulumi-python", "SigningKey", "NameReservation"),
        *("S3Bucket", "S3BucketPolicy", "IlmPolicy", *["S3Object"] * 3),
        *("IamUser", "IamPolicy", "IamUserPolicyAttachment"),
    ]
)
"""The types of all resources of a public cache with a lifecycle."""
