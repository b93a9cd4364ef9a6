"""Settings whose values are outputs of other resources: known, unknown and secret ones."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from nix_cache import BinaryCache
from nix_cache.config.catalogue import Setting, SettingKind, all_settings
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.spelling import Spelling
from tests.fakes.aws_answers import ACCOUNT, FREE
from tests.samples import SAMPLES
from tests.unit.mocks import Recorder, run, unresolved

ENDPOINT = "https://storage.example.org:9000"
AWS: dict[str, Any] = dict(SAMPLES["aws"])


def on(backend: str, endpoint: Any, **settings: Any) -> dict[str, Any]:
    """Return a private cache on a backend, with an endpoint."""
    sample: dict[str, Any] = dict(SAMPLES[backend])
    return {**sample, backend: {**sample[backend], "endpoint": endpoint}, **settings}


def outputs(
    args: Callable[[], dict[str, Any]], recorder: Recorder | None = None
) -> tuple[dict[str, Any], set[str], set[str]]:
    """Return a cache's outputs, and the names of the secret and of the unknown ones."""
    values: dict[str, Any] = {}
    secret: set[str] = set()
    unknown: set[str] = set()

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", args())  # type: ignore[arg-type]

        async def look() -> None:
            for name in BinaryCache.__annotations__:
                output = getattr(cache, name)
                values[name] = await output.future()
                if await output.is_secret():
                    secret.add(name)
                if not await output.is_known():
                    unknown.add(name)

        return pulumi.Output.from_input(look())

    run(program, recorder or Recorder(answers=dict(FREE)))
    return values, secret, unknown


def refusal(args: Callable[[], Any], recorder: Recorder | None = None) -> str:
    """Why a cache is not made, of which then no storage is."""
    recorder = recorder or Recorder(answers=dict(FREE))
    with pytest.raises(pulumi.RunError) as refused:
        run(lambda: BinaryCache("c", args()).manifest, recorder)
    made = {r.type.rpartition(":")[2] for r in recorder.resources}
    assert made <= {"BinaryCache", "NameReservation", "SigningKey"}
    return str(refused.value)


@pytest.mark.parametrize("backend", SAMPLES)
@pytest.mark.parametrize(("public", "end"), [(True, ""), (False, "/")])
def test_an_endpoint_that_is_an_output_gives_the_same_cache_as_a_plain_one(
    backend: str, public: bool, end: str
) -> None:
    """In all outputs and in all resources."""
    plain, by_output = Recorder(answers=dict(FREE)), Recorder(answers=dict(FREE))

    expected = outputs(lambda: on(backend, ENDPOINT + end, public=public), plain)
    found = outputs(
        lambda: on(backend, pulumi.Output.from_input(ENDPOINT + end), public=public), by_output
    )

    assert found == expected
    assert "storage.example.org" in str(found[0]["read_url"])
    assert {(r.type, r.name): r.inputs for r in by_output.resources} == {
        (r.type, r.name): r.inputs for r in plain.resources
    }


def test_a_preview_without_the_endpoints_value_has_everything_else() -> None:
    """What is read from the endpoint is unknown, and nothing is an error."""
    recorder = Recorder()

    values, _, unknown = outputs(lambda: on("minio", unresolved(), public=True), recorder)

    assert unknown == {
        "cache",
        "manifest",
        "flake_config",
        "nix_conf",
        "nixos_module",
        "push_urls",
        "read_url",
    }
    assert values["bucket_name"] == "team-cache"
    assert recorder.one(":S3Bucket", "c-bucket").depends_on == {"c-names"}
    info = recorder.one(":S3Object", "c-nix-cache-info")
    assert info.inputs["content"].startswith("StoreDir: /nix/store\n")


def test_a_preview_without_the_endpoints_value_still_finds_names_that_are_taken() -> None:
    """The reservation does not wait for it."""
    recorder = Recorder(taken={"team-cache": "the bucket is taken"})

    assert "the bucket is taken" in refusal(lambda: on("minio", unresolved()), recorder)


@pytest.mark.parametrize("backend", SAMPLES)
def test_what_is_made_of_a_secret_endpoint_is_secret(backend: str) -> None:
    """And nothing else becomes a secret; no name and no object has the value."""
    recorder = Recorder(answers=dict(FREE))

    _, secret, _ = outputs(lambda: on(backend, pulumi.Output.secret(ENDPOINT)), recorder)

    always = {"credentials", "signing_keys"}
    assert secret - always == {
        "cache",
        "manifest",
        "flake_config",
        "nix_conf",
        "nixos_module",
        "push_urls",
        "read_url",
    }
    plain = [
        (r.name, key, value)
        for r in recorder.resources
        for key, value in r.inputs.items()
        if key not in r.secret_inputs
    ]
    assert "storage.example.org" not in str(plain)


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"public": True}, "set manifest and landing_page to false"),
        ({"manifest": True}, "set manifest to false"),
        ({"public": True, "manifest": False}, "set landing_page to false"),
    ],
)
@pytest.mark.parametrize("backend", SAMPLES)
def test_a_secret_endpoint_is_not_published_in_the_bucket(
    backend: str, settings: dict[str, Any], fix: str
) -> None:
    """Neither in the manifest nor on the page; whether or not its value is known."""
    known = refusal(lambda: on(backend, pulumi.Output.secret(ENDPOINT), **settings))
    unknown = refusal(lambda: on(backend, unresolved(is_secret=True), **settings))

    assert known == unknown
    assert f"{backend}.endpoint is a secret, but the cache publishes it in its bucket" in known
    assert f"fix: {fix}, or use a value that is not a secret" in known
    assert "storage.example.org" not in known


def test_a_public_cache_without_page_and_manifest_can_have_a_secret_endpoint() -> None:
    """Its own objects do not contain it."""
    settings = {"public": True, "manifest": False, "landing_page": False}

    _, secret, _ = outputs(lambda: on("minio", pulumi.Output.secret(ENDPOINT), **settings))

    assert "read_url" in secret


@pytest.mark.parametrize("backend", SAMPLES)
@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("ftp://storage.example.org", "= 'ftp://storage.example.org' is not a full URL"),
        ("https://storage.example.org/path", "has more than a scheme, a host and a port"),
        (None, "has no value"),
    ],
)
def test_an_endpoint_that_turns_out_wrong_stops_the_cache_before_any_storage(
    backend: str, value: str | None, mistake: str
) -> None:
    """With the setting, the value and the fix."""
    error = refusal(lambda: on(backend, pulumi.Output.from_input(value)))

    assert f"{backend}.endpoint" in error
    assert mistake in error
    assert "fix: set it to a URL of scheme, host and port" in error
    assert error.endswith("The cache's storage was not changed.")


@pytest.mark.parametrize("backend", SAMPLES)
def test_a_secret_endpoint_that_turns_out_wrong_is_not_shown(backend: str) -> None:
    """Only what is wrong with it."""
    error = refusal(lambda: on(backend, pulumi.Output.secret("ftp://storage.example.org")))

    assert f"{backend}.endpoint is not a full URL" in error
    assert "storage.example.org" not in error


def test_a_value_among_several_is_named_by_its_key() -> None:
    """Tags are an object whose values may be outputs."""
    tags = {"cost_centre": pulumi.Output.from_input(7), "team": pulumi.Output.from_input("nix")}

    error = refusal(lambda: {**AWS, "aws": {**AWS["aws"], "tags": tags}})

    assert "aws.tags.cost_centre = 7 is not text\n  fix: set it to text" in error
    assert "aws.tags.team" not in error


def test_a_repository_of_github_may_be_an_output() -> None:
    """The role trusts the same subject as with plain values."""
    plain, by_output = Recorder(answers=dict(FREE)), Recorder(answers=dict(FREE))
    writer = {"name": "ci-runner", "githubRepository": "team/app", "githubBranch": "main"}

    outputs(lambda: {**AWS, "writers": [writer]}, plain)
    outputs(
        lambda: {
            **AWS,
            "writers": [
                {k: pulumi.Output.from_input(v) if k != "name" else v for k, v in writer.items()}
            ],
        },
        by_output,
    )

    role = by_output.one(":Role", "c-ci-runner").inputs
    assert "repo:team/app:ref:refs/heads/main" in role["assumeRolePolicy"]
    assert role == plain.one(":Role", "c-ci-runner").inputs


@pytest.mark.parametrize(("name", "value"), [("githubRepository", "team/*"), ("githubBranch", "*")])
def test_a_wildcard_in_an_output_opens_no_role(name: str, value: str) -> None:
    """What IAM would take for more than one repository or branch is refused."""
    writer = {"name": "ci-runner", "githubRepository": "team/app", "githubBranch": "main"}

    error = refusal(lambda: {**AWS, "writers": [{**writer, name: pulumi.Output.from_input(value)}]})

    assert (
        f"writers[0].{Spelling.SNAKE_CASE.spell(name)} = {value!r} has an invalid format" in error
    )


def test_the_credentials_of_another_account_than_that_of_an_output_are_refused() -> None:
    """As those of another account than the plain one."""

    def cache(account: Any) -> dict[str, Any]:
        return {**AWS, "aws": {**AWS["aws"], "accountId": account}}

    outputs(lambda: cache(pulumi.Output.from_input(ACCOUNT)))
    outputs(lambda: cache(unresolved()))
    error = refusal(lambda: cache(pulumi.Output.from_input("999999999999")))

    assert f"the credentials belong to the AWS account {ACCOUNT}, and aws.account_id is" in error
    assert "999999999999" not in error
    # The resource that the number comes from was changed by then.
    assert "The cache's storage was not changed." in error


def test_an_awaitable_is_an_input_as_for_every_resource() -> None:
    """It is awaited once."""

    async def endpoint() -> str:
        return ENDPOINT

    values, _, _ = outputs(lambda: on("minio", endpoint(), public=True))

    assert values["read_url"] == f"{ENDPOINT}/team-cache"


def settings_and_values() -> list[Any]:
    """Every setting there is, with an Output in its place."""
    cache, *groups = all_settings()
    by_name = {group.name: group for group in groups}

    def places(setting: Setting, at: tuple[Any, ...]) -> Any:
        here = (*at, setting.name)
        yield here, setting.accepts_outputs and setting.kind.items is None
        yield from inside(setting.kind, here, setting)

    def inside(kind: SettingKind, at: tuple[Any, ...], setting: Setting) -> Any:
        if kind.is_group:
            for inner in by_name[kind.name].settings:
                yield from places(inner, at)
        elif kind.items is not None:
            step = 0 if kind.name == "array" else "key"
            if not kind.items.is_group:
                yield (*at, step), setting.accepts_outputs
            else:
                yield (*at, step), False
                yield from inside(kind.items, (*at, step), setting)

    return [
        pytest.param(at, accepted, id=".".join(map(str, at)))
        for setting in cache.settings
        for at, accepted in places(setting, ())
    ]


@pytest.mark.parametrize(("at", "accepted"), settings_and_values())
def test_an_output_is_accepted_or_refused_wherever_it_stands(
    at: tuple[Any, ...], accepted: bool
) -> None:
    """In the place of a text, a number, a choice, a list, an object, or of an item of these."""
    value: Any = pulumi.Output.from_input("anything")
    for step in reversed(at[1:]):
        value = [value] if step == 0 else {step: value}
    sample = SAMPLES.get(at[0], SAMPLES["minio"])

    with pytest.raises(SettingsError) as error:
        check({**sample, "mistake": "so that there is one", at[0]: value})

    key = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" if index else str(step)
        for index, step in enumerate(at)
    )
    found = {p.key: p for p in error.value.problems}
    if accepted:
        assert key not in found
    else:
        assert found[key].mistake.startswith("is a secret or an output of a resource")
        assert found[key].fix.startswith("set it to a plain value: ")


@pytest.mark.parametrize(
    ("as_args", "name"),
    [
        (lambda settings: settings, "aws.kms_key_arn"),
        (lambda settings: check(settings), "aws.kmsKeyArn"),
    ],
    ids=["Python", "YAML"],
)
@pytest.mark.parametrize("value", [None, "alias/x"])
def test_a_mistake_that_is_found_while_deploying_is_spelled_as_the_user_writes_it(
    as_args: Callable[[dict[str, Any]], Any], name: str, value: str | None
) -> None:
    """As those that are found before."""
    key = {"kms_key_arn": pulumi.Output.from_input(value)}

    assert f"{name} " in refusal(lambda: as_args({**AWS, "aws": {**AWS["aws"], **key}}))


def test_a_mistake_that_is_found_beside_the_outputs_is_spelled_in_the_same_way() -> None:
    """Of what is asked before any resource is declared."""
    settings = {**AWS, "aws": {**AWS["aws"], "accountId": "999999999999"}}

    assert "correct aws.account_id" in refusal(lambda: settings)
    assert "correct aws.accountId" in refusal(lambda: check(settings))


CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0a"
CDNS: dict[str, tuple[dict[str, Any], str]] = {
    "aws": (
        {"cloudfront": {"certificateArn": CERTIFICATE}},
        "cloudfront",
    ),
    "spaces": ({"cdn": {"certificateName": "of-the-team"}}, "cdn"),
}
"""By backend, a CDN without its host name, and its setting."""


def through_cdn(backend: str, host: Any, **settings: Any) -> dict[str, Any]:
    """Return a public cache that is read by its own host name."""
    cdn, name = CDNS[backend]
    sample: dict[str, Any] = dict(SAMPLES[backend])
    own = {**sample[backend], name: {**cdn[name], "domainName": host}}
    return {**sample, "public": True, backend: own, **settings}


@pytest.mark.parametrize("backend", CDNS)
def test_the_host_name_of_a_cdn_may_be_an_output(backend: str) -> None:
    """As the endpoint: known, unknown, wrong, and secret."""
    host = "cache.example.org"
    plain, by_output = Recorder(answers=dict(FREE)), Recorder(answers=dict(FREE))
    hidden = {"manifest": False, "landingPage": False}

    expected = outputs(lambda: through_cdn(backend, host), plain)
    assert outputs(lambda: through_cdn(backend, pulumi.Output.from_input(host)), by_output) == (
        expected
    )
    assert expected[0]["read_url"] == f"https://{host}"
    assert {(r.type, r.name): r.inputs for r in by_output.resources} == {
        (r.type, r.name): r.inputs for r in plain.resources
    }
    assert "read_url" in outputs(lambda: through_cdn(backend, unresolved()))[2]
    wrong = refusal(lambda: through_cdn(backend, pulumi.Output.from_input("https://a.b")))
    assert "domain_name = 'https://a.b' has an invalid format" in wrong
    published = refusal(lambda: through_cdn(backend, pulumi.Output.secret(host)))
    assert "domain_name is a secret, but the cache publishes it in its bucket" in published
    _, secret, _ = outputs(lambda: through_cdn(backend, pulumi.Output.secret(host), **hidden))
    assert {"read_url", "nix_conf", "manifest"} <= secret
    assert "push_urls" not in secret
