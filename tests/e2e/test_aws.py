"""The real Nix reads a cache on AWS, on the tests' AWS.

What it pushes is put into the bucket by the writer's key pair, as plain S3 requests: moto knows no
signature in a URL, by which the proxy signs for a Nix that does not. Nor does that proxy speak TLS,
which a bucket on AWS insists on, so clients come in by a door that adds it.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nix_cache.formats.cache_info import INFO_KEY
from tests.e2e import store_paths
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused
from tests.engine.conftest import aws_engine as aws_engine
from tests.engine.environments import program_environment
from tests.engine.project import Project
from tests.fakes.aws_server import AwsServer, Credential, running
from tests.fakes.forwarding import ForwardingHandler, ForwardingServer
from tools.engine import Engine

BUCKET, WRITER = "team-cache", "nixbuilder"


@contextlib.contextmanager
def tls_adding_door(server: AwsServer) -> Iterator[str]:
    """Provide the URL of a loopback port that passes requests on to a server over TLS."""
    tls = ssl.create_default_context(cafile=str(server.authority))

    class Handler(ForwardingHandler):
        def _pass_on(self) -> None:
            upstream = server.url.removeprefix("https://")
            self.answer(*self.forward(upstream, self.body(), tls))

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    door = ForwardingServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=door.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.server_address[1]}"
    finally:
        door.shutdown()
        thread.join()
        door.server_close()


@pytest.fixture
def aws_cache(
    tmp_path: Path, aws_engine: Engine, store_dir: str
) -> Iterator[tuple[AwsServer, dict[str, Any]]]:
    """Provide a public cache that is up on AWS, and its outputs."""
    with running(tmp_path / "aws") as server, tls_adding_door(server) as door:
        project = Project.create(tmp_path / "project", aws_engine, program_environment("aws"))
        project.config.update(server.config())
        project.environment.update(server.environment())
        project.set(
            backend="aws",
            domain="cache.example.org",
            bucket=BUCKET,
            public=True,
            protect=False,
            storeDir=store_dir,
            aws={"endpoint": door},
        )
        project.pulumi("up", "--yes", "--skip-preview", "--stack", "test", timeout=600)
        yield server, project.outputs(secrets=True)


def test_what_a_writer_put_is_taken_if_its_key_is_trusted_and_refused_if_not(
    aws_cache: tuple[AwsServer, dict[str, Any]], nix: Nix, new_nix: NewNix
) -> None:
    """Every file that the real Nix writes, under the keys that it gives them."""
    server, outputs = aws_cache
    key = nix.write_key(outputs["signingKeys"][WRITER])
    path = store_paths.build(nix, 3).root
    written = nix.folder / "written"
    nix.get("copy", "--to", f"file://{written}?compression=zstd&secret-key={key}", path)
    pair = outputs["credentials"][WRITER]
    s3 = server.client("s3", Credential(pair["accessKeyId"], pair["secretAccessKey"]))
    for file in filter(Path.is_file, written.rglob("*")):
        if (name := str(file.relative_to(written))) != INFO_KEY:
            s3.put_object(Bucket=BUCKET, Key=name, Body=file.read_bytes())

    reader, stranger = new_nix(), new_nix()
    wrong = outputs["publicKeys"][0].partition(":")[0] + ":" + "A" * 43 + "="
    stranger.configure(outputs["nixConf"].replace(outputs["publicKeys"][0], wrong))
    assert_refused(stranger, path, UNTRUSTED)
    reader.configure(outputs["nixConf"])
    assert_accepted(reader, path)
