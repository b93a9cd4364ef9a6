"""Adopting a cache on MinIO that was made by hand, by the commands of its page.

Only this module imports what exists there, and shows that objects, key and secret stay.
"""

import json
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from nix_cache.formats.narinfo import Narinfo, verify
from nix_cache.iam.access import anonymous_read_policy
from tests.engine.adoption import ids, keep_what_exists
from tests.engine.conftest import s3_client
from tests.engine.keys import new_secret_key
from tests.engine.patient import signed
from tests.engine.project import STACK, Project
from tests.pages import commands
from tools.server import LocalServer

pytestmark = pytest.mark.slow

NARINFO_KEY = "00bgd045z0d4icpbc2yyz4gx48ak44la.narinfo"
NARINFO = """\
StorePath: /nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-kept
URL: nar/kept.nar
Compression: none
NarHash: sha256:0000000000000000000000000000000000000000000000000000
NarSize: 3
References: 00bgd045z0d4icpbc2yyz4gx48ak44la-kept
"""
BUCKET = "team.cache"
"""With a dot, which the makers of many buckets used."""
USER_SECRET = "a-secret-made-by-hand"
RECIPE_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        }
    ],
}
"""Wider than what the component gives out, as the recipe's is."""


@pytest.fixture
def made_by_hand(server: LocalServer, tmp_path: Path) -> Minio:
    """Provide a cache after the recipe, with an object in it."""
    root = server.connection()
    s3 = Minio(root.server, root.user, root.password, secure=False)
    admin = MinioAdmin(
        endpoint=root.server, credentials=StaticProvider(root.user, root.password), secure=False
    )
    policy_file = tmp_path / "policy.json"
    policy_file.write_text(json.dumps(RECIPE_POLICY))
    s3.make_bucket(BUCKET)
    s3.set_bucket_policy(BUCKET, json.dumps(anonymous_read_policy(BUCKET)))
    s3.put_object(BUCKET, "nar/kept.nar", BytesIO(b"nar"), 3)
    admin.user_add("nixbuilder", USER_SECRET)
    admin.policy_add(f"{BUCKET}-write", str(policy_file))
    admin.policy_set(f"{BUCKET}-write", user="nixbuilder")
    return s3


def test_a_cache_made_by_hand_is_adopted_and_then_narrowed(
    project: Project, server: LocalServer, made_by_hand: Minio
) -> None:
    """Nothing is replaced: objects, key and the user's secret stay, and the rights shrink."""
    key = new_secret_key("nix-cache.example.org-1")
    announced = signed(NARINFO, key)
    made_by_hand.put_object(BUCKET, NARINFO_KEY, BytesIO(announced.encode()), len(announced))
    minio = {**project.config["nix-cache:minio"], "userPrefix": ""}
    project.set(bucket=BUCKET, writers=[{"name": "nixbuilder"}], minio=minio)
    project.set_secret("writers[0].signingKey", key)
    enable, begin = commands("docs/operations/adoption.md", "Write the import file")
    bring_in, look, finish, disable = commands(
        "docs/operations/adoption.md", "Import the resources"
    )
    project.pulumi("stack", "select", STACK)
    project.typed(enable)
    project.typed(begin)
    keep_what_exists(project, BUCKET)
    project.typed(bring_in)

    planned = project.planned()
    assert {planned.get(name, "same") for name in ids(BUCKET)} <= {"same", "update"}
    assert "s3:ListBucket" in project.typed(look)
    project.typed(finish)
    project.typed(disable)
    assert "nix-cache:adopt" not in project.config
    project.up("--expect-no-changes")

    user = s3_client(server.url, "nixbuilder", USER_SECRET)
    assert user.get_object(Bucket=BUCKET, Key="nar/kept.nar")["Body"].read() == b"nar"
    with pytest.raises(user.exceptions.ClientError, match="AccessDenied"):
        user.list_objects_v2(Bucket=BUCKET)
    names = {entry.object_name for entry in made_by_hand.list_objects(BUCKET, recursive=True)}
    assert names == {
        "nar/kept.nar",
        NARINFO_KEY,
        "nix-cache-info",
        "index.html",
        "nix-cache.json",
    }
    outputs = project.outputs(secrets=True)
    assert outputs["signingKeys"] == {"nixbuilder": key}
    found = user.get_object(Bucket=BUCKET, Key=NARINFO_KEY)["Body"].read().decode()
    assert verify(Narinfo.parse(found), outputs["publicKeys"]) == ("nix-cache.example.org-1",)
