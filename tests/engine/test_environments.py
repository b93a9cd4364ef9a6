"""The stacks `staging` and `prod` from their own files, on one server.

Only this module has two stacks of the program up at once, and shows that they share nothing.
"""

import pytest
from botocore.exceptions import ClientError

from tests.engine.project import Project
from tests.engine.s3 import s3_client
from tools.bootstrap import ROOT
from tools.server import LocalServer

pytestmark = pytest.mark.slow

STACKS = ("staging", "prod")


@pytest.fixture
def team_project(project: Project, server: LocalServer) -> Project:
    """Provide the program with both files; the one server that there is takes the place of both."""
    root = server.connection()
    for stack in STACKS:
        written = (ROOT / f"Pulumi.{stack}.yaml").read_text()
        named = "minio.staging.example.org:9000" if stack == "staging" else "minio.example.org:9000"
        assert named in written
        here = written.replace(named, root.server).replace('"true"', '"false"')
        here = here.replace("User: admin", f"User: {root.user}")
        (project.folder / f"Pulumi.{stack}.yaml").write_text(here)
        project.pulumi("stack", "init", stack)
    project.environment["MINIO_PASSWORD"] = root.password
    return project


def test_staging_and_production_are_up_side_by_side_and_share_nothing(
    team_project: Project, server: LocalServer
) -> None:
    """Neither keys nor credentials, even where both are on one server."""
    found = {}
    for stack in STACKS:
        team_project.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
        found[stack] = team_project._json(
            "stack", "output", "--json", "--show-secrets", "--stack", stack
        )

    staging, prod = found["staging"], found["prod"]
    assert not set(staging["publicKeys"]) & set(prod["publicKeys"])
    credential = staging["credentials"]["ci-runner"]
    writer = s3_client(server.url, credential["accessKeyId"], credential["secretAccessKey"])
    name = "0" * 32 + ".narinfo"
    writer.put_object(Bucket=staging["manifest"]["bucket"], Key=name, Body=b"a narinfo")
    with pytest.raises(ClientError, match="AccessDenied"):
        writer.put_object(Bucket=prod["manifest"]["bucket"], Key=name, Body=b"a narinfo")
