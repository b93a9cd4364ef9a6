"""The whole check of settings: defaults, what is refused, and how it is reported."""

from typing import Any

import pulumi
import pytest

from nix_cache.arguments import CacheSettings
from nix_cache.backends.minio.settings import MinioSettings
from nix_cache.config.catalogue import all_settings
from nix_cache.config.check import check
from nix_cache.config.problems import Problem, SettingsError
from nix_cache.config.setting import NAME_RULE
from nix_cache.config.spelling import Spelling
from nix_cache.formats import signing
from nix_cache.iam.access import Privilege
from tests.samples import SAMPLES

LEAST: dict[str, Any] = {
    "domain": "cache.example.org",
    "minio": {"endpoint": "https://minio.example.org"},
}
KEY = signing.generate("cache.example.org-1")


def problems(**settings: Any) -> list[tuple[str, str]]:
    """Where the mistakes are and what they are, with the least settings besides."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, **settings})
    return [(problem.key, problem.mistake) for problem in refusal.value.problems]


def test_the_defaults_are_the_recipes_names_and_a_private_protected_cache() -> None:
    """Safe without thinking: no user reads without a credential, and nothing expires."""
    cache = check(LEAST)

    assert (cache.backend, cache.bucket, cache.priority) == ("minio", "nix-cache", 40)
    assert cache.store_dir == "/nix/store"
    assert cache.want_mass_query is True
    assert cache.public is False
    assert cache.protect is True
    assert cache.expire_after_days == 0
    assert [writer.name for writer in cache.writers] == ["nixbuilder"]
    assert cache.reader_names == ("nixreader",)
    assert cache.own(MinioSettings).region == "us-east-1"


def test_a_public_cache_has_only_the_readers_that_it_names() -> None:
    """No user needs a credential to read it."""
    assert check({**LEAST, "public": True}).reader_names == ()
    assert check({**LEAST, "public": True, "readers": ["ops-team"]}).reader_names == ("ops-team",)


def test_no_writer_or_reader_has_the_janitors_name() -> None:
    """A writer or reader of that name is as fine as before where there is no janitor."""
    named: dict[str, Any] = {"writers": ["janitor"], "readers": ["laptop"]}
    assert list(check({**LEAST, **named}).privileges) == ["janitor", "laptop"]
    assert check({**LEAST, "janitor": True}).privileges == {
        "nixbuilder": Privilege.WRITE,
        "nixreader": Privilege.READ,
        "janitor": Privilege.JANITOR,
    }
    for names in (named, {"readers": ["janitor"]}):
        assert problems(janitor=True, **names) == [
            ("writers, readers", "is the name of the cache's janitor, and janitor is true")
        ]


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("unset", [{}, {"landingPage": "", "manifest": ""}, {"manifest": None}])
def test_a_page_and_a_manifest_are_there_where_the_cache_is_public(
    public: bool, unset: dict[str, Any]
) -> None:
    """Unless it is said. The engine's default for what depends on another setting is empty."""
    cache = check({**LEAST, "public": public, **unset})

    assert (cache.has_landing_page, cache.has_manifest) == (public, public)


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_page_and_a_manifest_can_each_be_turned_on_and_off(public: bool, wanted: bool) -> None:
    """Whatever the cache is, and whatever the other is."""
    page = check({**LEAST, "public": public, "landingPage": wanted, "manifest": not wanted})
    text = check({**LEAST, "public": public, "landing_page": str(wanted).lower()})

    assert (page.has_landing_page, page.has_manifest) == (wanted, not wanted)
    assert (text.has_landing_page, text.has_manifest) == (wanted, public)


@pytest.mark.parametrize(
    ("written", "current", "kept"),
    [
        ({"name": "abc"}, 1, (1,)),
        ({"name": "abc", "generation": 3}, 3, (3, 2, 1)),
        ({"name": "abc", "generation": 3, "trustedGenerations": [1]}, 3, (3, 1)),
        ({"name": "abc", "generation": 3, "trustedGenerations": []}, 3, (3,)),
        ({"name": "abc", "generation": 3, "trustedGenerations": [3, 2, 2]}, 3, (3, 2)),
    ],
)
def test_earlier_generations_stay_trusted_until_they_are_left_out(
    written: dict[str, Any], current: int, kept: tuple[int, ...]
) -> None:
    """The current one comes first, the newest next."""
    writer = check({**LEAST, "writers": [written]}).writers[0]

    assert writer.generation == current
    assert writer.kept_generations == kept


def test_text_from_the_engine_is_read_as_what_it_means() -> None:
    """The engine hands scalars over as text."""
    cache = check(
        {**LEAST, "priority": "30", "public": "true", "expireAfterDays": "90", "protect": "false"}
    )

    assert (cache.priority, cache.public, cache.expire_after_days, cache.protect) == (
        30,
        True,
        90,
        False,
    )


def test_both_spellings_of_a_key_mean_the_same() -> None:
    """The program writes camelCase, Python arguments are snake_case."""
    assert check({**LEAST, "want_mass_query": False}) == check({**LEAST, "wantMassQuery": False})


@pytest.mark.parametrize(
    ("settings", "key", "mistake"),
    [
        ({"domain": None}, "domain", "is required"),
        ({"domain": ""}, "domain", "has an invalid format"),
        ({"domain": "two words"}, "domain", "has an invalid format"),
        ({"domain": True}, "domain", "is not text"),
        ({"backend": "floppy"}, "backend", "is not a known backend"),
        ({"bucket": "my..cache"}, "bucket", "has an invalid format"),
        ({"bucket": ".cache"}, "bucket", "has an invalid format"),
        ({"bucket": "cache."}, "bucket", "has an invalid format"),
        ({"bucket": "my.-cache"}, "bucket", "has an invalid format"),
        ({"bucket": "my-.cache"}, "bucket", "has an invalid format"),
        ({"bucket": "192.168.5.4"}, "bucket", "has an invalid format"),
        ({"bucket": "a." * 31 + "bc"}, "bucket", "has an invalid format"),
        ({"bucket": "Cache"}, "bucket", "has an invalid format"),
        ({"bucket": "ab"}, "bucket", "has an invalid format"),
        ({"bucket": "a" * 64}, "bucket", "has an invalid format"),
        ({"landingPage": "maybe"}, "landingPage", "is neither true nor false"),
        ({"manifest": 7}, "manifest", "is neither true nor false"),
        ({"public": "maybe"}, "public", "is neither true nor false"),
        ({"writers": []}, "writers", "is empty"),
        ({"writers": "ci"}, "writers", "is not a list"),
        ({"writers": ["X"]}, "writers[0].name", "has an invalid format"),
        ({"writers": [{}]}, "writers[0].name", "is required"),
        ({"writers": [7]}, "writers[0]", "is not an object"),
        ({"writers": [{"name": "abc", "generation": 0}]}, "writers[0].generation", "is below 1"),
        (
            {"writers": [{"name": "abc", "generation": "x"}]},
            "writers[0].generation",
            "is not a whole number",
        ),
        (
            {"writers": [{"name": "abc", "trustedGenerations": [2]}]},
            "writers[0].trustedGenerations",
            "trusts generation 2, but the current one is 1",
        ),
        (
            {"writers": [{"name": "abc", "signingKey": "abc"}]},
            "writers[0].signingKey",
            "it has no colon between a name and the key",
        ),
        ({"readers": ["UPPER"]}, "readers[0]", "has an invalid format"),
        ({"readers": {"a": 1}}, "readers", "is not a list"),
        ({"priority": "high"}, "priority", "is not a whole number"),
        ({"priority": -1}, "priority", "is below 0"),
        ({"priority": 1.5}, "priority", "is not a whole number"),
        ({"priority": 1001}, "priority", "is above 1000"),
        ({"wantMassQuery": "si"}, "wantMassQuery", "is neither true nor false"),
        ({"storeDir": "nix/store"}, "storeDir", "has an invalid format"),
        ({"storeDir": "/nix/../etc"}, "storeDir", "has an invalid format"),
        ({"expireAfterDays": -3}, "expireAfterDays", "is below 0"),
        ({"expireAfterDays": 4000}, "expireAfterDays", "is above 3650"),
        ({"partSizeMib": 4}, "partSizeMib", "is below 5, the smallest part of an upload"),
        ({"partSizeMib": 5121}, "partSizeMib", "is above 5120"),
        ({"partSizeMib": "16 MiB"}, "partSizeMib", "is not a whole number"),
        ({"retiredPublicKeys": ["a:b"]}, "retiredPublicKeys[0]", "what follows the colon"),
        ({"retiredPublicKeys": [KEY.secret_text]}, "retiredPublicKeys[0]", "32 bytes"),
        ({"protect": "often"}, "protect", "is neither true nor false"),
        ({"minio": {}}, "minio.endpoint", "is required"),
        ({"minio": {"endpoint": "minio:9000"}}, "minio.endpoint", "is not a full URL"),
        ({"minio": {"endpoint": "https://u:p@m"}}, "minio.endpoint", "has credentials in it"),
        ({"minio": {"endpoint": "https://u%3Ap%40m"}}, "minio.endpoint", "has credentials in it"),
        ({"minio": {"endpoint": "https://m/path"}}, "minio.endpoint", "more than a scheme"),
        ({"minio": {"endpoint": "https://m\nn"}}, "minio.endpoint", "characters that no URL has"),
        ({"minio": {"endpoint": 'https://m"n'}}, "minio.endpoint", "characters that no URL has"),
        ({"minio": {"endpoint": "https://m<n>"}}, "minio.endpoint", "characters that no URL has"),
        (
            {"minio": {"endpoint": "https://m", "userPrefix": "A_"}},
            "minio.userPrefix",
            "has an invalid format",
        ),
        ({"minio": None}, "minio", "is required for the backend minio"),
        ({"prioritty": 40}, "prioritty", "is an unknown setting"),
    ],
)
def test_a_mistake_is_named_by_key_and_kind(
    settings: dict[str, Any], key: str, mistake: str
) -> None:
    """One mistake, one message."""
    found = problems(**settings)

    assert len(found) == 1
    assert found[0][0] == key
    assert mistake in found[0][1]


@pytest.mark.parametrize(
    ("settings", "key", "mistake"),
    [
        ({"writers": ["abc"], "readers": ["abc"]}, "writers, readers", "names more than one"),
        ({"writers": ["abc", "abc"]}, "writers, readers", "names more than one"),
        ({"writers": ["nixreader"]}, "writers, readers", "names more than one"),
        (
            {
                "writers": [
                    {"name": "abc", "signingKey": KEY.secret_text},
                    {"name": "def", "signingKey": KEY.secret_text},
                ]
            },
            "writers",
            "is the signing key of two writers",
        ),
        (
            {
                "writers": [{"name": "abc", "signingKey": KEY.secret_text}],
                "retiredPublicKeys": [KEY.public_text],
            },
            "retiredPublicKeys",
            "is also a key in use",
        ),
        (
            {"retiredPublicKeys": [KEY.public_text, KEY.public_text]},
            "retiredPublicKeys",
            "is listed twice",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    settings: dict[str, Any], key: str, mistake: str
) -> None:
    """Each is right by itself, and together they are not."""
    assert any(k == key and mistake in m for k, m in problems(**settings))


@pytest.mark.parametrize("name", ["example.net/team.a-1", "example.net/a+b-1", "user@host_1"])
def test_keys_of_any_name_may_be_retired(name: str) -> None:
    """They may come from another cache."""
    key = f"{name}:{KEY.public_text.partition(':')[2]}"

    assert check({**LEAST, "retiredPublicKeys": [key]}).retired_public_keys == (key,)


def test_all_mistakes_are_reported_at_once() -> None:
    """No user has to run the program as often as they have made mistakes."""
    found = problems(
        domain=None, bucket="X.Y", priority="high", writers=[{"name": "a"}], colour="red"
    )

    assert {key for key, _ in found} == {
        "domain",
        "bucket",
        "priority",
        "writers[0].name",
        "colour",
    }


def test_contradictions_are_reported_beside_single_mistakes() -> None:
    """But not such as follow from a mistake that is reported already."""
    found = problems(priority="high", writers=["abc"], readers=["abc"])
    assert {key for key, _ in found} == {"priority", "writers, readers"}

    found = problems(writers=["abc", "X"], readers=["abc"])
    assert {key for key, _ in found} == {"writers[1].name"}


def test_a_message_has_key_value_and_fix() -> None:
    """In the spelling and with the prefix of where it was written."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "expire_after_days": "soon"}, spelling=Spelling.SNAKE_CASE)
    assert "expire_after_days = 'soon' is not a whole number" in str(refusal.value)
    assert "fix: set it to a whole number of days up to 3650, or 0 to keep everything" in str(
        refusal.value
    )

    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "expireAfterDays": "soon"}, prefix="nix-cache:")
    assert "nix-cache:expireAfterDays = 'soon' is not a whole number" in str(refusal.value)


def test_python_programs_get_every_name_in_their_spelling() -> None:
    """In keys, mistakes and fixes; values, other packages' settings and commands stay."""
    writer = {"name": "gha", "github_branch": "main"}
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "writers": [writer], "wantMassQuerry": True}, spelling=Spelling.SNAKE_CASE)

    assert "writers[0].github_repository is required with github_branch or" in str(refusal.value)
    assert "fix: did you mean want_mass_query?" in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["digitalocean:spacesAccessId", "pulumi config set aws:region", "OWNER/NAME", "AwS"]
)
def test_what_is_not_a_setting_of_ours_keeps_its_spelling(text: str) -> None:
    """A provider's setting has a colon before it."""
    assert Spelling.SNAKE_CASE.spell(text) == text


def test_every_setting_is_spelled_as_python_programs_write_it() -> None:
    """A digit begins no word: ``b2.region`` stays as it is."""
    cache, *groups = all_settings()
    for setting in (setting for group in (cache, *groups) for setting in group.settings):
        problem = Problem(f"{cache.name}[0].{setting.name}", "", "is wrong", "set it")
        [_, line, _] = str(SettingsError([problem], spelling=Spelling.SNAKE_CASE)).splitlines()
        assert line.split()[0].rpartition(".")[2] == setting.python_name

    with pytest.raises(SettingsError, match=r"b2\.region is required"):
        check({**LEAST, "backend": "b2", "b2": {}}, spelling=Spelling.SNAKE_CASE)


def test_an_output_is_refused_where_a_plain_value_is_needed() -> None:
    """The fix says so, and which values are allowed."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "priority": pulumi.Output.from_input(40)})

    [problem] = refusal.value.problems
    assert problem.mistake.startswith("is a secret or an output of a resource")
    assert problem.fix == "set it to a plain value: a whole number from 0 to 1000"


def test_objects_and_lists_of_the_wrong_kind_or_length_are_reported_in_words() -> None:
    """And never in those of pydantic."""
    aws: dict[str, Any] = {"region": "eu-central-1"}
    settings = {**LEAST, "backend": "aws", "minio": None}

    def mistake(own: dict[str, Any]) -> str:
        with pytest.raises(SettingsError) as refusal:
            check({**settings, "aws": {**aws, **own}})
        return refusal.value.problems[0].mistake

    assert mistake({"tags": "team"}) == "is not an object"
    assert mistake({"tags": {f"tag-{n}": "a" for n in range(11)}}) == "has more than 10 entries"
    addresses = [f"{n}@example.org" for n in range(11)]
    monitoring = {"monthlyBudgetUsd": 1, "budgetEmails": addresses}
    assert mistake({"monitoring": monitoring}) == "has more than 10 entries"


@pytest.mark.parametrize(
    ("settings", "key", "fix"),
    [
        ({"readers": ["abc", "Ops!"]}, "readers[1]", f"set it to {NAME_RULE}"),
        ({"writers": ["abc", 7]}, "writers[1]", "set it to an object with name, generation,"),
        ({"writers": ["Ops!"]}, "writers[0].name", f"set it to {NAME_RULE}"),
        (
            {"writers": [{"name": "abc", "trustedGenerations": [0]}]},
            "writers[0].trustedGenerations[0]",
            "set it to a whole number from 1 to 9999",
        ),
        (
            {"retiredPublicKeys": ["x"]},
            "retiredPublicKeys[0]",
            "set it to a public key, NAME:BASE64",
        ),
    ],
)
def test_a_wrong_item_of_a_list_has_a_fix_for_the_item(
    settings: dict[str, Any], key: str, fix: str
) -> None:
    """Not one for the whole list, of which the rest is right."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, **settings})

    [problem] = refusal.value.problems
    assert problem.key == key
    assert problem.fix.startswith(fix)


def test_a_near_miss_is_reported_what_was_meant() -> None:
    """At the top and inside an object."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "wantMassQuerry": True, "writers": [{"name": "abc", "generaton": 2}]})

    fixes = {problem.key: problem.fix for problem in refusal.value.problems}
    assert fixes == {
        "wantMassQuerry": "did you mean wantMassQuery?",
        "writers[0].generaton": "did you mean generation?",
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"writers": [{"name": "abc", "signingKey": f"{KEY.secret_text}x"}]},
        {"writers": {"name": "abc", "signingKey": KEY.secret_text}},
        {"writers": [[KEY.secret_text]]},
        {"writers": [{"name": "a", "signingKey": KEY.secret_text}]},
        {"signingKey": KEY.secret_text},
        {"writers": [{"name": "abc", "signingkey": KEY.secret_text}]},
        {"domain": KEY.secret_text},
        {"retiredPublicKeys": [KEY.secret_text]},
    ],
    ids=[
        "broken",
        "no list",
        "list in a list",
        "beside a mistake",
        "misplaced",
        "misspelt",
        "in another setting",
        "taken for a public key",
    ],
)
def test_no_message_shows_a_secret(settings: dict[str, Any]) -> None:
    """Wherever the key stands, and whatever is wrong."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, **settings})

    assert KEY.secret_text.partition(":")[2][:20] not in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "key", "fix"),
    [
        ({"accessLogs": "true"}, "accessLogs", "did you mean aws.accessLogs?"),
        (
            {"domainName": "cache.example.org"},
            "domainName",
            "did you mean aws.cloudfront.domainName or spaces.cdn.domainName?",
        ),
        ({"signingKey": "x"}, "signingKey", "did you mean writers[0].signingKey?"),
        (
            {"minio": {"endpoint": "https://m", "janitor": "true"}},
            "minio.janitor",
            "did you mean janitor?",
        ),
        (
            {"aws.accessLogs": "true"},
            "aws.accessLogs",
            "remove it, and set it again by the option --path of `pulumi config set`",
        ),
        (
            {"writers[1]": "ci-robot"},
            "writers[1]",
            "remove it, and set it again by the option --path of `pulumi config set`",
        ),
    ],
)
def test_a_setting_in_the_wrong_place_is_reported_with_the_right_one(
    settings: dict[str, Any], key: str, fix: str
) -> None:
    """As `pulumi config set KEY true` writes it, where a setting of that name is elsewhere."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, **settings})

    assert [(one.key, one.fix) for one in refusal.value.problems] == [(key, fix)]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"expireAfterDays": True}, "expireAfterDays"),
        ({"writers": [{"name": "ci-robot", "generation": True}]}, "writers[0].generation"),
        (
            {"writers": [{"name": "ci-robot", "generation": 2, "trustedGenerations": [True]}]},
            "writers[0].trustedGenerations[0]",
        ),
        (
            {
                "backend": "aws",
                "minio": None,
                "aws": {"region": "eu-central-1", "accessLogs": {"expireAfterDays": True}},
            },
            "aws.accessLogs.expireAfterDays",
        ),
    ],
)
def test_true_is_not_a_number(settings: dict[str, Any], key: str) -> None:
    """It would count as 1: everything would expire after one day."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, **settings})

    [problem] = refusal.value.problems
    assert (problem.key, problem.value) == (key, "True")
    assert problem.mistake == "is not a whole number"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"domain": 1.1}, "domain"),
        (
            {"writers": [{"name": "ci-robot", "githubRepository": "o/r", "githubBranch": 1.1}]},
            "writers[0].githubBranch",
        ),
        ({"readers": [1.1]}, "readers"),
        (
            {"backend": "aws", "minio": None, "aws": {"region": "eu-west-1", "tags": {"v": 1.1}}},
            "aws.tags",
        ),
    ],
)
def test_a_number_with_a_fraction_is_not_text(settings: dict[str, Any], key: str) -> None:
    """A branch 1.10 without quotes in a YAML file comes as 1.1, which is another branch."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, **settings})

    [problem] = [one for one in refusal.value.problems if one.key == key]
    assert problem.mistake == "is not text"


def test_a_gap_in_a_list_is_reported_as_null() -> None:
    """`pulumi config set --path 'nix-cache:writers[1]'` leaves one where the default is meant."""
    with pytest.raises(SettingsError, match=r"writers\[0\] = null is not an object"):
        check({**LEAST, "writers": [None, "ci-robot"]})


def test_the_value_of_an_unknown_setting_is_not_shown() -> None:
    """It may be a password that was meant for the provider."""
    with pytest.raises(SettingsError) as refusal:
        check({**LEAST, "minioPassword": "hunter2"})

    assert "minioPassword is an unknown setting" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_every_setting_says_what_to_write() -> None:
    """A mistake in it is reported with that."""
    for name, field in CacheSettings.model_fields.items():
        assert field.description, name


AWS: dict[str, Any] = {
    "domain": "cache.example.org",
    "backend": "aws",
    "bucket": "team-cache",
    "aws": {"region": "eu-central-1"},
}


def aws_problems(aws: dict[str, Any] | None = None, **settings: Any) -> list[tuple[str, str]]:
    """Where the mistakes are and what they are, for a cache on AWS."""
    with pytest.raises(SettingsError) as refusal:
        check({**AWS, "aws": {**AWS["aws"], **(aws or {})}, **settings})
    return [(problem.key, problem.mistake) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    ("writer", "key", "mistake"),
    [
        (
            {"githubRepository": "o/*", "githubBranch": "main"},
            "writers[0].githubRepository",
            "has an invalid format",
        ),
        (
            {"githubRepository": "*", "githubBranch": "main"},
            "writers[0].githubRepository",
            "has an invalid format",
        ),
        (
            {"githubRepository": "o/r", "githubBranch": "release-*"},
            "writers[0].githubBranch",
            "has an invalid format",
        ),
        (
            {"githubRepository": "o/r", "githubEnvironment": "pro?"},
            "writers[0].githubEnvironment",
            "has an invalid format",
        ),
        (
            {"githubRepository": "o/r"},
            "writers[0]",
            "has githubRepository without exactly one of githubBranch and githubEnvironment",
        ),
        (
            {"githubRepository": "o/r", "githubBranch": "main", "githubEnvironment": "prod"},
            "writers[0]",
            "has githubRepository without exactly one of githubBranch and githubEnvironment",
        ),
        (
            {"githubBranch": "main"},
            "writers[0].githubRepository",
            "is required with githubBranch or githubEnvironment",
        ),
    ],
)
def test_a_oidc_writer_is_one_branch_or_environment_of_one_repository(
    writer: dict[str, Any], key: str, mistake: str
) -> None:
    """Whatever is wider would let another user's workflow push."""
    assert aws_problems(writers=[{"name": "gha", **writer}]) == [(key, mistake)]


def test_no_user_is_oidc_on_a_backend_that_trusts_no_other_users_word() -> None:
    """The error says what to do instead."""
    writer = {"name": "gha", "githubRepository": "o/r", "githubBranch": "main"}
    assert problems(writers=[writer]) == [
        (
            "writers[0].githubRepository",
            "needs the backend aws: minio accepts no OIDC tokens",
        )
    ]


def test_a_oidc_writer_has_no_stored_credential() -> None:
    """Only those who have one are users."""
    writer = {"name": "gha", "githubRepository": "o/r", "githubBranch": "release/1.0"}
    assert list(check({**AWS, "writers": [writer, "ops"]}).privileges) == ["ops", "nixreader"]


@pytest.mark.parametrize(
    ("aws", "settings", "key"),
    [
        ({"region": "cn-north-1"}, {}, "aws.region"),
        ({"region": "us-gov-west-1"}, {}, "aws.region"),
        ({"accountId": "12345"}, {}, "aws.accountId"),
        ({"narStorageClass": "GLACIER"}, {}, "aws.narStorageClass"),
        ({"signingKeyStore": "vault"}, {}, "aws.signingKeyStore"),
        ({"kmsKeyArn": "alias/mine"}, {}, "aws.kmsKeyArn"),
        (
            {"kmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/0f"},
            {"public": True},
            "aws.kmsKeyArn",
        ),
        ({"cloudfront": {}}, {}, "aws.cloudfront"),
        (
            {"cloudfront": {"domainName": "c.example.org"}},
            {"public": True},
            "aws.cloudfront.domainName",
        ),
        ({"cloudfront": {"hostedZoneId": "Z1"}}, {"public": True}, "aws.cloudfront.domainName"),
        (
            {
                "cloudfront": {
                    "domainName": "c.example.org",
                    "certificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/0f",
                }
            },
            {"public": True},
            "aws.cloudfront.certificateArn",
        ),
        ({"monitoring": {"monthlyBudgetUsd": 5}}, {}, "aws.monitoring"),
        ({"monitoring": {"budgetEmails": ["a@example.org"]}}, {}, "aws.monitoring"),
        ({}, {"bucket": "b" * 60}, "bucket, writers, readers"),
    ],
)
def test_what_aws_would_refuse_or_leak_is_refused_before(
    aws: dict[str, Any], settings: dict[str, Any], key: str
) -> None:
    """With the setting that is wrong."""
    assert {found for found, _ in aws_problems(aws, **settings)} == {key}


@pytest.mark.parametrize("bucket", ["my.cache", "a.b", "cache.example.org", "1.2.3.4.5"])
def test_the_bucket_may_have_dots_where_requests_have_its_name_in_their_path(bucket: str) -> None:
    """Elsewhere the reason is in the message, and not that the format is invalid."""
    for name, sample in SAMPLES.items():
        settings = {**sample, "bucket": bucket}
        if name in ("minio", "s3"):
            assert check(settings).bucket == bucket
            continue
        with pytest.raises(SettingsError, match=r"bucket = '.*' has dots, which ") as refusal:
            check(settings)
        assert "use hyphens" in str(refusal.value)
        assert ("TLS" in str(refusal.value)) == (name in ("aws", "spaces"))


@pytest.mark.parametrize("backend", ["aws", "spaces", "b2"])
def test_a_backend_without_its_settings_is_reported_which_are_missing(backend: str) -> None:
    """And settings of one that was not chosen are a mistake too: a user forgot to choose it."""
    assert problems(backend=backend) == [
        ("minio", f"is set, but the backend is {backend}"),
        (backend, f"is required for the backend {backend}"),
    ]


def test_keys_of_a_public_space_cannot_be_limited_to_readers() -> None:
    """A bucket has a policy or limited keys; both valid choices are offered."""
    with pytest.raises(SettingsError) as refusal:
        check(
            {
                "domain": "cache.example.org",
                "backend": "spaces",
                "public": True,
                "readers": ["ops-team"],
                "spaces": {"region": "fra1"},
            }
        )
    assert "public: false" in str(refusal.value)
    assert "no readers" in str(refusal.value)


def test_expiry_that_b2_cannot_do_exactly_points_to_what_does() -> None:
    """A rule that met nix-cache-info would take the cache away."""
    with pytest.raises(SettingsError, match="nix-cache gc"):
        check(
            {
                "domain": "cache.example.org",
                "backend": "b2",
                "expireAfterDays": 30,
                "b2": {"region": "us-west-004"},
            }
        )
