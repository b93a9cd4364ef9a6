"""The policy pack under the real engine: what passes, what is stopped, and what is excepted.

Only this module shows when the engine asks the pack, what is unknown in a preview, and how the pack
is configured. The rules themselves are tested in `tests/policies`.
"""

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine.clone import Clone, cloned
from tests.engine.command import Result
from tests.engine.project import STACK, Project, public_cache
from tools.bootstrap import ROOT
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.slow

PACK = str(ROOT / "policies")
AS_IN_PRODUCTION: dict[str, Any] = {
    rule: {"developmentStacks": []}
    for rule in ("deletion-protection", "tls-to-storage", "tls-for-clients")
}
"""The pack's configuration for a stack that is not left alone. Its server has no TLS."""

REASON = "a loopback server of the tests"


def judged(project: Project, command: str, *options: str, **config: Any) -> Result:
    """Run a command with the pack and a configuration of it."""
    file = project.folder / "policies.json"
    file.write_text(json.dumps(config))
    arguments = ["--stack", STACK, "--policy-pack", PACK, "--policy-pack-config", str(file)]
    return project.run(command, *arguments, *options)


def sparing(rule: str, *names: str) -> dict[str, Any]:
    """Return a rule's configuration with exceptions."""
    return {rule: {**AS_IN_PRODUCTION[rule], "exceptions": dict.fromkeys(names, REASON)}}


@pytest.fixture
def project(
    tmp_path: Path, engine: Engine, module_server: LocalServer, module_folder: Path
) -> Project:
    """Provide a public cache, not up yet, with its own bucket and users on the shared server."""
    made = public_cache(tmp_path / "project", engine, module_folder / "minio")
    made.set(bucket=f"cache-{secrets.token_hex(4)}")
    return made


@pytest.fixture
def admin(module_server: LocalServer) -> MinioServer:
    """Questions to the server, past the engine."""
    return MinioServer(module_server.connection())


def has_bucket(project: Project, admin: MinioServer) -> bool:
    """Return whether the server has the project's bucket."""
    return admin.has(NameKind.BUCKET, project.config["nix-cache:bucket"])


@pytest.mark.parametrize(
    ("public", "options"),
    [(True, []), (False, ["--skip-preview"])],
    ids=["public", "private"],
)
def test_the_program_passes_without_a_word(
    project: Project, public: bool, options: list[str]
) -> None:
    """Before it is made and once it is there. Nothing is left unjudged."""
    project.set(public=public, expireAfterDays=90)

    output = judged(project, "up", "--yes", *options).checked("up").output
    assert "nix-cache@v" in output, "the pack was not asked"
    assert "[mandatory]" not in output
    assert "[advisory]" not in output


def test_a_violation_stops_an_up_before_anything_is_made(
    project: Project, admin: MinioServer
) -> None:
    """All violations are reported at once, each with its reason and its fix."""
    result = judged(project, "up", "--yes", **AS_IN_PRODUCTION)

    assert result.exit_code != 0
    for rule in AS_IN_PRODUCTION:
        assert rule in result.output
    assert "nix-cache-bucket is not protected" in result.output
    assert "why: " in result.output
    assert "fix: " in result.output
    assert not has_bucket(project, admin)
    assert not project.resources()


def test_without_a_preview_a_violation_still_stops_its_resource(
    project: Project, admin: MinioServer
) -> None:
    """The engine asks again before it makes anything."""
    config = sparing("deletion-protection", "nix-cache-nixbuilder-key-1")

    result = judged(project, "up", "--yes", "--skip-preview", **config)

    assert result.exit_code != 0
    assert "nix-cache-bucket is not protected" in result.output
    assert not has_bucket(project, admin)


def test_exceptions_with_a_reason_let_it_pass(project: Project) -> None:
    """For each resource by name, and no further. Unused exceptions are reported."""
    config: dict[str, Any] = {
        **sparing("deletion-protection", "nix-cache-bucket", "nix-cache-nixbuilder-key-1"),
        **sparing("tls-to-storage", "minio", "stranger"),
        **sparing("tls-for-clients", "nix-cache"),
    }

    output = judged(project, "preview", **config).checked("preview").output
    assert "[mandatory]" not in output
    assert "the exception of tls-to-storage for 'stranger' is unused" in output
    assert output.count("[advisory]") == 1


@pytest.mark.parametrize("reason", ["", "because", None])
def test_an_exception_without_a_reason_is_refused_by_its_name(
    project: Project, reason: str | None
) -> None:
    """Before the program runs."""
    config = {"tls-to-storage": {"exceptions": {"minio": reason}}}
    result = judged(project, "preview", **config)

    assert result.exit_code != 0
    assert "tls-to-storage: exceptions.minio: " in result.output
    assert "nix-cache-bucket" not in result.output


def test_a_level_can_be_lowered_and_a_misspelt_setting_is_reported(project: Project) -> None:
    """As the engine has it for every pack."""
    config: dict[str, Any] = {
        rule: {**more, "enforcementLevel": "advisory"} for rule, more in AS_IN_PRODUCTION.items()
    }
    config["tls-to-storage"]["exeptions"] = {}

    output = judged(project, "preview", **config).checked("preview").output
    assert "nix-cache-bucket is not protected" in output
    assert "[mandatory]" not in output
    assert "tls-to-storage has no setting 'exeptions'" in output


LATER = """
import json
import pulumi
import pulumi_minio as minio
from nix_cache.program import read_config

args, opts = read_config()
user = minio.IamUser("user", name=args.bucket + "-user", opts=opts)
# The status is known only once the user is there.
action = user.status.apply(lambda status: "s3:*" if status else "s3:GetObject")
minio.IamPolicy("policy", name=args.bucket + "-policy", opts=opts, policy=action.apply(
    lambda known: json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": [known], "Resource": ["arn:aws:s3:::b/*"]}]})
))
"""


def test_what_a_preview_does_not_know_yet_is_reported_and_then_judged(
    project: Project, admin: MinioServer
) -> None:
    """The preview passes with a word, and the up stops at that resource."""
    (project.folder / "__main__.py").write_text(LATER)

    output = judged(project, "preview").checked("preview").output
    assert "policy: policy is not known yet" in output
    assert "[advisory]" in output
    assert "[mandatory]" not in output

    result = judged(project, "up", "--yes")
    assert result.exit_code != 0
    assert "policy allows the action 's3:*'" in result.output
    assert not admin.has(NameKind.POLICY, project.config["nix-cache:bucket"] + "-policy")


MISTAKES = """
import pulumi
import pulumi_minio as minio
from nix_cache import BinaryCache
from nix_cache.program import read_config

minio.Provider("plain", minio_server="127.0.0.1:1", minio_user="u", minio_password="geheim-3f9a")
minio.Provider(
    "marked", minio_server="127.0.0.1:1", minio_user="u",
    minio_password=pulumi.Output.secret("geheim-3f9b"),
)
args, opts = read_config()
cache = BinaryCache("nix-cache", args, opts)
opts = pulumi.ResourceOptions(provider=opts.providers[0])
minio.S3Object(
    "second", bucket_name=args.bucket, object_name="nix-cache-info", content="Priority: 1",
    opts=opts,
)
minio.IamUserPolicyAttachment("wide", user_name="u", policy_name="readwrite", opts=opts)
minio.S3BucketPolicy("open", bucket=args.bucket, opts=opts, policy='''{
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:List*", "Resource": "*"}
}''')
minio.S3BucketPolicy("twice", bucket="other", opts=opts, policy='''{
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::other/*"]}],
    "statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:ListBucket"],
        "Resource": ["arn:aws:s3:::other"]}]
}''')
minio.IlmPolicy(
    "expiry", bucket=args.bucket, opts=opts, rules=[{"id": "all", "expiration": "30d"}]
)
"""


def test_the_usual_mistakes_beside_a_cache_are_found(project: Project) -> None:
    """By the engine's own words for resources. No secret is reported."""
    (project.folder / "__main__.py").write_text(MISTAKES)

    result = judged(project, "preview")

    assert result.exit_code != 0
    for what in (
        "plain has minioPassword in plain text",
        "second has the StoreDir None",
        "nix-cache-bucket has nix-cache-info 2 times: nix-cache-nix-cache-info, second",
        "wide attaches readwrite",
        "open lets anonymous requests s3:ListBucket",
        "open allows the action 's3:List*'",
        "open allows s3:List* to the principal '*'",
        "twice has a document in policy that has 'Statement' and 'statement' in one object",
        "expiry removes nix-cache-info after 30 days, by a rule for every key",
        "expiry removes NARs after 30 days, while narinfos go after 30",
    ):
        assert what in result.output
    assert "marked has" not in result.output
    assert "geheim" not in result.output


def test_an_empty_passphrase_is_no_encryption_in_production(project: Project) -> None:
    """Known by the stack's file, where the shell was, and by the engine's environment."""
    config: dict[str, Any] = {"state-encryption": {"developmentStacks": []}}
    assert "no Pulumi.test.yaml beside the pack" in judged(project, "preview", **config).output

    project.pulumi("stack", "rm", STACK, "--yes", "--preserve-config")
    project.stack_file.unlink()
    project.environment |= {"PULUMI_CONFIG_PASSPHRASE": "", "PWD": str(project.folder)}
    project.pulumi("stack", "init", STACK)
    result = judged(project, "preview", **config)
    assert result.exit_code != 0
    assert "encrypted with an empty passphrase" in result.output


def test_make_asks_the_pack_and_changes_nothing_that_it_refuses(
    tmp_path: Path, engine: Engine
) -> None:
    """With the configuration that the pack has for the stack."""
    with cloned(tmp_path / "clone", engine, policies=True) as clone:
        _own_policies(clone, {"deletion-protection": {"developmentStacks": []}})

        for command in ("preview", "up"):
            result = clone.run(command)
            assert result.exit_code == 1
            assert "nix-cache-bucket is not protected" in result.output
        assert not clone.admin.has(NameKind.BUCKET, "nix-cache")


def _own_policies(clone: Clone, config: dict[str, Any]) -> None:
    """Give a clone its own pack, with a configuration for the stack `dev`."""
    folder = clone.folder / "policies"
    folder.unlink()
    shutil.copytree(ROOT / "policies", folder)
    (folder / "stacks").mkdir(exist_ok=True)
    (folder / "stacks" / "dev.json").write_text(json.dumps(config))
