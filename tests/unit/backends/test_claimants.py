"""Caches of one program that want the same names are informed before anything is made."""

import pulumi
import pytest
from pulumi.output import UNKNOWN

from nix_cache import BinaryCache, BinaryCacheArgs
from nix_cache.backends import claimants
from nix_cache.backends.minio import storage
from tests.fakes import aws_answers
from tests.fakes.aws_answers import ACCOUNT
from tests.unit import test_component
from tests.unit.backends import test_aws, test_b2_component, test_spaces
from tests.unit.mocks import Recorder, run

MINIO, B2, SPACES = test_component.PUBLIC, test_b2_component.PUBLIC, test_spaces.PUBLIC
AWS, OIDC_WRITER = test_aws.PUBLIC, test_aws.OIDC_WRITER
APART = "choose another bucket for one of them"


def together(
    first: BinaryCacheArgs, second: BinaryCacheArgs, recorder: Recorder | None = None
) -> Recorder:
    """Return what a program of two caches registers."""
    recorder = recorder or test_spaces.Spaces(answers=dict(aws_answers.FREE))

    def program() -> pulumi.Output[object]:
        return pulumi.Output.all(
            BinaryCache("one", first).manifest, BinaryCache("two", second).manifest
        )

    return run(program, recorder)


def refusal(first: BinaryCacheArgs, second: BinaryCacheArgs) -> list[str]:
    """Why a program of two caches is refused, line by line. None of their storage was made."""
    recorder = test_spaces.Spaces(answers=dict(aws_answers.FREE))
    with pytest.raises(pulumi.RunError) as reported:
        together(first, second, recorder)
    for kind in (":S3Bucket", ":SpacesBucket", ":B2Bucket", "aws:s3/bucket:Bucket"):
        assert len(recorder.names(kind)) <= 1  # the first one's
    *lines, last = str(reported.value).splitlines()
    assert last == "Nothing was changed."
    return lines


@pytest.mark.parametrize("args", [B2, SPACES, AWS], ids=["b2", "spaces", "aws"])
def test_one_bucket_for_two_caches_is_refused(args: BinaryCacheArgs) -> None:
    """Also where the service could have reported nothing, as neither of them is there yet."""
    bucket = args["bucket"]

    assert refusal(args, args) == [
        f"the bucket '{bucket}' is claimed by two caches, 'one' and 'two': {APART}"
    ]


@pytest.mark.parametrize("args", [MINIO, B2, SPACES, AWS], ids=["minio", "b2", "spaces", "aws"])
def test_two_caches_with_buckets_of_their_own_are_made(args: BinaryCacheArgs) -> None:
    """All their other names follow from the bucket's."""
    recorder = together({**args, "bucket": "apart-1"}, {**args, "bucket": "apart-2"})

    made = {r.inputs.get("bucket") or r.inputs.get("name") for r in recorder.resources}
    assert {"apart-1", "apart-2"} <= made


def test_another_service_has_its_own_buckets() -> None:
    """Such as a mirror, which bears the name of what it mirrors."""
    recorder = together(AWS, B2)

    assert recorder.one("aws:s3/bucket:Bucket", "one-bucket").inputs["bucket"] == B2["bucket"]
    assert recorder.one(":B2Bucket", "two-bucket").inputs["bucket"] == AWS["bucket"]


def test_on_a_minio_server_every_contested_name_is_reported_once() -> None:
    """The names of policies follow from the bucket's and are left out."""
    assert refusal(MINIO, MINIO) == [
        f"the bucket 'nix-cache' is claimed by two caches, 'one' and 'two': {APART}",
        "the user 'nixbuilder' is claimed by two caches, 'one' and 'two': choose another name for "
        "the writer or reader of one of them, or set another minio.user_prefix",
    ]


def test_on_another_server_the_same_names_are_free() -> None:
    """A server is known by the provider that is given for it."""
    import pulumi_minio as minio

    def program() -> pulumi.Output[object]:
        caches = []
        for name in ("one", "two"):
            server = minio.Provider(
                name, minio_server=f"{name}.example.org", minio_user="u", minio_password="p"
            )
            opts = pulumi.ResourceOptions(providers=[server])
            caches.append(BinaryCache(name, MINIO, opts).manifest)
        return pulumi.Output.all(*caches)

    assert run(program).names(":S3Bucket") == ["one-bucket", "two-bucket"]


def test_a_server_that_is_yet_to_be_made_is_no_reason_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its address is unknown in the first preview; `up` asks again."""
    monkeypatch.setattr(storage, "_server_of", lambda _: pulumi.Output.from_input(UNKNOWN))

    assert together(MINIO, MINIO).names(":S3Bucket") == ["one-bucket", "two-bucket"]
    with pytest.raises(pulumi.RunError, match="what else is wrong"):
        together(MINIO, MINIO, Recorder(taken={"nix-cache": "what else is wrong"}))


def test_in_another_region_of_spaces_a_bucket_is_another_one() -> None:
    """Elsewhere its name is unique in all of the service."""
    elsewhere: BinaryCacheArgs = {**SPACES, "spaces": {"region": "ams3"}}

    assert together(SPACES, elsewhere).names(":SpacesBucket") == ["one-bucket", "two-bucket"]


def test_an_account_has_one_identity_provider_for_github() -> None:
    """Two caches whose writers are workflows would both make it."""
    [reported] = refusal(OIDC_WRITER, {**OIDC_WRITER, "bucket": "another"})

    assert f"for GitHub of the account {ACCOUNT} is claimed by two caches" in reported
    assert "set aws.github_oidc_provider_arn to its ARN" in reported


def test_two_runs_in_one_process_have_nothing_to_do_with_each_other() -> None:
    """As with the Automation API, where a cache may be named otherwise the next time."""
    for name in ("before", "after"):
        test_component.made(MINIO, name=name)


class Plugin:
    """What makes the components of one program in another language."""


def test_components_that_register_apart_can_be_of_one_program() -> None:
    """In the plugin each has its own monitor."""
    context = claimants.program.set(Plugin())
    try:
        test_component.made(MINIO, name="one")
        with pytest.raises(pulumi.RunError, match="'one' and 'two'"):
            test_component.made(MINIO, name="two")
    finally:
        claimants.program.reset(context)
