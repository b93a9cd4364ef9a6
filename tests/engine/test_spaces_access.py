"""What anonymous clients and each key can do on Spaces, by plain HTTP and S3.

Only this module uses the keys of a public and of a private cache. The rights of a key are those
that DigitalOcean documents, as the local service gives them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from tests.engine.patient import Patient
from tests.engine.project import Project
from tests.engine.spaces_project import (
    NAR,
    key_client,
    root,
    spaces,
    spaces_cache,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.engine.versioned import Versioned
from tests.fakes.spaces_service import SpacesService
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["root", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

pytestmark = pytest.mark.slow

PUBLIC, PRIVATE = "public-cache", "private-cache"


@pytest.fixture(scope="module")
def caches(
    tmp_path_factory: pytest.TempPathFactory,
    spaces_engine: Engine,
    spaces: SpacesService,
    spaces_venv: Path,
) -> Iterator[dict[str, Project]]:
    """Provide a public and a private cache in one account, each with a NAR."""
    folder = tmp_path_factory.mktemp("caches")
    made = {}
    for bucket in (PUBLIC, PRIVATE):
        project = spaces_cache(folder / bucket, spaces_engine, spaces, spaces_venv)
        project.set(bucket=bucket, public=bucket == PUBLIC, janitor=True)
        project.up()
        key_client(project, "nixbuilder").put_object(Bucket=bucket, Key=NAR, Body=b"a NAR")
        made[bucket] = project
    yield made
    for project in made.values():
        project.destroy()


def status(method: str, url: str, **request: Any) -> int:
    """Return the status of an anonymous request for a URL."""
    return urllib3.request(method, url, retries=False, timeout=30, **request).status


def test_anonymous_requests_get_objects_of_a_public_cache_alone(caches: dict[str, Project]) -> None:
    """No user lists, puts or deletes, and a private cache reveals nothing."""
    url = caches[PUBLIC].outputs()["readUrl"]
    server = url.removesuffix(f"/{PUBLIC}")

    assert status("GET", f"{url}/nix-cache-info") == 200
    assert status("GET", f"{url}/{NAR}") == 200
    assert status("GET", f"{url}/nothing-there") in (403, 404)
    for method, place in {
        "GET": ["", "/", "?list-type=2", "?policy", "?lifecycle"],
        "PUT": ["/nix-cache-info", f"/{NAR}"],
        "DELETE": ["/nix-cache-info", f"/{NAR}", ""],
    }.items():
        for path in place:
            assert status(method, f"{url}{path}") == 403, (method, path)
    assert status("GET", f"{server}/{PRIVATE}/nix-cache-info") == 403
    assert status("GET", f"{server}/{PRIVATE}") == 403


Act = Callable[["S3Client"], Any]
ACTS: dict[str, Act] = {
    "get": lambda s3: s3.get_object(Bucket=PRIVATE, Key=NAR),
    "get nix-cache-info": lambda s3: s3.get_object(Bucket=PRIVATE, Key="nix-cache-info"),
    "list": lambda s3: s3.list_objects_v2(Bucket=PRIVATE),
    "put": lambda s3: s3.put_object(Bucket=PRIVATE, Key="log/x", Body=b"x"),
    "upload in parts": lambda s3: s3.abort_multipart_upload(
        Bucket=PRIVATE,
        Key=NAR,
        UploadId=s3.create_multipart_upload(Bucket=PRIVATE, Key=NAR)["UploadId"],
    ),
    "delete": lambda s3: s3.delete_object(Bucket=PRIVATE, Key="log/x"),
    "replace nix-cache-info": lambda s3: s3.copy_object(
        Bucket=PRIVATE,
        Key="nix-cache-info",
        CopySource=f"{PRIVATE}/nix-cache-info",
        MetadataDirective="REPLACE",
        ContentType="text/x-nix-cache-info",
    ),
    "make a bucket": lambda s3: s3.create_bucket(Bucket="another"),
    "set a policy": lambda s3: s3.put_bucket_policy(Bucket=PRIVATE, Policy="{}"),
    "set a lifecycle": lambda s3: s3.delete_bucket_lifecycle(Bucket=PRIVATE),
    "get from another cache": lambda s3: s3.list_objects_v2(Bucket=PUBLIC),
    "put into another cache": lambda s3: s3.put_object(Bucket=PUBLIC, Key="log/x", Body=b"x"),
}
READS = {"get", "get nix-cache-info", "list"}
WRITES = {*READS, "put", "upload in parts", "delete", "replace nix-cache-info"}


@pytest.mark.parametrize(("user", "allowed"), [("nixreader", READS), ("nixbuilder", WRITES)])
def test_a_limited_key_opens_its_bucket_alone(
    caches: dict[str, Project], user: str, allowed: set[str]
) -> None:
    """A writer's is wider than elsewhere: it deletes, lists, and replaces nix-cache-info."""
    client = key_client(caches[PRIVATE], user)

    assert {name for name, act in ACTS.items() if _is_allowed(client, act)} == allowed


def test_a_full_key_opens_the_other_cache_too(caches: dict[str, Project]) -> None:
    """Which is what the warning is about."""
    client = key_client(caches[PUBLIC], "nixbuilder")

    assert _is_allowed(client, ACTS["get"])
    assert _is_allowed(client, ACTS["put"])


@pytest.mark.parametrize("bucket", [PUBLIC, PRIVATE])
def test_doctor_knows_what_spaces_cannot_withhold(
    caches: dict[str, Project], spaces_server: LocalServer, tmp_path: Path, bucket: str
) -> None:
    """It says so, and takes it for no fault; what can be withheld is tried as everywhere."""
    patient = Patient(spaces_server, caches[bucket].outputs(secrets=True), tmp_path)

    found = patient.examined()

    assert found.errors == []
    assert {
        f"the writer nixbuilder can {what}: DigitalOcean Spaces has no narrower key"
        for what in ("list", "delete", "upload what Nix does not write, nix-cache-info too")
    } <= set(found.of("ok"))
    if bucket == PRIVATE:
        assert "the reader nixreader cannot upload" in found.of("ok")
        assert "the reader nixreader cannot delete" in found.of("ok")


@pytest.mark.parametrize("bucket", [PUBLIC, PRIVATE])
def test_the_janitor_collects_and_removes_for_good(
    caches: dict[str, Project], spaces_server: LocalServer, tmp_path: Path, bucket: str
) -> None:
    """With its own key. It reads that the bucket keeps no versions where it is a full key."""
    outputs = caches[bucket].outputs(secrets=True)
    cache = Versioned(Patient(spaces_server, outputs, tmp_path / "home"), owner=None)
    old, secret = cache.put("old"), cache.put("secret")

    code, _, said = cache.remove(secret.info.store_path)
    assert code == 0, said
    collected, said = cache.collect(2)

    assert collected["narinfos"] == [old.info.key]
    assert ("cannot be restored" if bucket == PUBLIC else "is not known") in said
    assert cache.history(old, secret) == set()
    assert "nix-cache-info" in cache.present()


def _is_allowed(client: "S3Client", act: Act) -> bool:
    try:
        act(client)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True
