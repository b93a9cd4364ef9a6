"""What a user has after cloning, in its own folder, and the commands behind `make` in it."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from nix_cache.backends.minio.connection import Connection
from nix_cache.backends.minio.server import MinioServer
from tests.engine import command as engine_command
from tests.engine.command import TIMEOUT_SECONDS, Result, clean_environment
from tests.engine.s3 import s3_client
from tests.engine.state import State
from tools import engine as toolchain_engine
from tools.bootstrap import ROOT
from tools.place import STACK, ClonePlace, private_folder
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SALT_LINE = re.compile(r"^encryptionsalt: .*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Clone:
    """A folder with the program and the stack `dev`, on which `make`'s commands run.

    Attributes:
        folder: where it is.
        engine: what its commands will find too.
    """

    folder: Path
    engine: toolchain_engine.Engine

    @classmethod
    def create(
        cls, folder: Path, engine: toolchain_engine.Engine, *, policies: bool = False
    ) -> "Clone":
        """Copy what a user has; nothing runs yet.

        Args:
            folder: the clone's, created again.
            engine: what its commands will find too.
            policies: whether it has the policy pack as well, which doubles what `up` costs.
        """
        folder.mkdir(parents=True)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy2(ROOT / name, folder / name)
        # The clone that the tests are in may be up; its salt is not part of what a user gets.
        config = (ROOT / f"Pulumi.{STACK}.yaml").read_text()
        (folder / f"Pulumi.{STACK}.yaml").write_text(_SALT_LINE.sub("", config))
        for name in (".venv", *(["policies"] if policies else [])):
            (folder / name).symlink_to(ROOT / name)
        clone = cls(folder, engine)
        toolchain_engine.remember_choice(ROOT / ".dev", private_folder(clone.place.work))
        return clone

    @property
    def place(self) -> ClonePlace:
        """Where its things are."""
        return ClonePlace(self.folder)

    @property
    def server(self) -> LocalServer:
        """Its MinIO."""
        return LocalServer(self.place.server, self.engine.minio)

    @property
    def connection(self) -> Connection:
        """How the administrator reaches it."""
        return Connection.read(self.place.connection_file)

    @property
    def admin(self) -> MinioServer:
        """Questions to its server, past the engine."""
        return MinioServer(self.connection)

    @property
    def root(self) -> "S3Client":
        """A plain S3 client of the administrator."""
        known = self.connection
        return s3_client(known.url, known.user, known.password)

    def configure(self, **settings: Any) -> None:
        """Set keys of the project ``nix-cache`` in the stack's configuration; None removes one."""
        written = yaml.safe_load(self.place.stack_config.read_text())
        for key, value in settings.items():
            written["config"].pop(f"nix-cache:{key}", None)
            if value is not None:
                written["config"][f"nix-cache:{key}"] = value
        self.place.stack_config.write_text(yaml.safe_dump(written))

    def reach_through(self, address: str) -> None:
        """From now on, let it reach its server at another address."""
        written = json.loads(self.place.connection_file.read_text())
        written["minioServer"] = address
        self.place.connection_file.write_text(json.dumps(written))

    def start(self, command: str) -> "subprocess.Popen[str]":
        """Start one of `make`'s commands as its own process group."""
        return subprocess.Popen(
            [str(ROOT / ".venv" / "bin" / "python"), "-m", "tools", command],
            cwd=self.folder,
            env={**clean_environment(), "PYTHONPATH": str(ROOT), "COLUMNS": "400"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, timeout: float = TIMEOUT_SECONDS) -> Result:
        """Run one of `make`'s commands, whatever its outcome."""
        began = time.monotonic()
        with self.start(command) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Result(process.returncode, output, output, time.monotonic() - began)

    def dev(self, command: str) -> str:
        """Run one of `make`'s commands that has to succeed; gives back what it printed."""
        return self.run(command).checked(f"make {command}").output

    def pulumi(self, *arguments: str) -> Result:
        """Run the engine as a user does who evaluated `make env`."""
        return engine_command.pulumi(self.engine, self.folder, self.variables(), arguments)

    def variables(self) -> dict[str, str]:
        """Return the environment that `make env` describes, without running it."""
        return {
            **self.engine.environment(clean_environment()),
            "PULUMI_BACKEND_URL": self.place.state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.place.passphrase_file),
        }

    def assert_unchanged_by_up(self) -> None:
        """Fail if the stack and its server differ: by the engine's word, having looked."""
        result = self.pulumi(
            *("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes"),
            *("--stack", STACK),
        )
        assert result.exit_code == 0, result.output

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secret ones in clear."""
        return self._state.outputs(secrets=True)

    def resources(self) -> list[dict[str, Any]]:
        """Return the state's resources."""
        return self._state.resources()

    @property
    def _state(self) -> State:
        [file] = self.place.state.glob(f".pulumi/stacks/*/{STACK}.json")
        return State(file, self.place.passphrase_file.read_text())


@contextlib.contextmanager
def cloned(
    folder: Path, engine: toolchain_engine.Engine, *, policies: bool = False
) -> Iterator[Clone]:
    """Provide a clone whose server is stopped in the end."""
    clone = Clone.create(folder, engine, policies=policies)
    try:
        yield clone
    finally:
        clone.server.stop()


def copied(folder: Path) -> Path:
    """Copy the files of this repository, as `git clone` would leave them; returns the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for file in folder.glob("Pulumi.dev*.yaml"):
        # A developer's own `make up` may have put its salt there.
        file.write_text(_SALT_LINE.sub("", file.read_text()))
    return folder


def shell(folder: Path, script: str, home: Path) -> str:
    """Run a script that has to succeed, as a user does in a new clone; returns what it printed.

    Args:
        folder: the clone, as `copied` makes it.
        script: what a shell reads.
        home: the user's home.
    """
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AWS_"))},
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "HOME": str(home),
        "PYTHON": sys.executable,
    }
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def admin_client(connection: Connection) -> MinioAdmin:
    """Return a plain client of the administration API."""
    return MinioAdmin(
        endpoint=connection.server,
        credentials=StaticProvider(connection.user, connection.password),
        secure=connection.ssl,
    )


def in_one_order(document: Any) -> Any:
    """Return a policy document with its lists sorted: MinIO returns them in varying order."""
    if isinstance(document, dict):
        return {key: in_one_order(value) for key, value in document.items()}
    if isinstance(document, list):
        return sorted(map(in_one_order, document), key=json.dumps)
    return document


def assert_plain_error(output: str) -> None:
    """Fail unless an error is reported, in words and not as a traceback."""
    assert "error" in output, output
    for sign in ("Traceback", 'File "', "goroutine", "panic:"):
        assert sign not in output, f"{sign!r} is in:\n{output}"
