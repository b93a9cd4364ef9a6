"""The backend `s3`: its settings, its key pair, and services that lack a part of the API."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from nix_cache.arguments import CacheSettings
from nix_cache.backends.s3 import rights
from nix_cache.backends.s3.bucket import ServiceBucket
from nix_cache.backends.s3.bucket_settings import (
    S3BucketSettings,
    lacking,
    same_rules,
    set_bucket,
)
from nix_cache.backends.s3.configuration import complete
from nix_cache.backends.s3.connection import NotOfferedError, S3Service, s3_client
from nix_cache.backends.s3.login import S3Login, S3ServiceError, login_from
from nix_cache.backends.s3.settings import S3Settings
from nix_cache.backends.s3.storage import bucket_settings
from nix_cache.backends.s3.users import Users
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings
from nix_cache.rights.trials import Outcome, Trial
from tests.samples import SAMPLES

ENDPOINT = "https://s3.example.org"
KEYS = [
    {"user": "nixbuilder", "access_key_id": "id", "secret_access_key": "secret"},
    {"user": "nixreader", "access_key_id": "id2", "secret_access_key": "secret2"},
]


def checked(public: bool = False, **own: Any) -> CacheSettings:
    """Return a checked cache with these settings of the backend."""
    args: dict[str, Any] = {**SAMPLES["s3"], "public": public}
    return check({**args, "s3": {"endpoint": ENDPOINT, **own}})


def mistakes(public: bool = False, **own: Any) -> list[tuple[str, str]]:
    """Return the settings that are wrong, each with its mistake."""
    with pytest.raises(SettingsError) as refusal:
        checked(public, **own)
    return [(problem.key, problem.mistake) for problem in refusal.value.problems]


def test_every_user_needs_a_key_pair_where_there_is_no_iam_api() -> None:
    """And no other user has one."""
    assert checked(access_keys=KEYS).own(S3Settings).iam_endpoint is None
    assert mistakes(access_keys=KEYS[:1]) == [("s3.accessKeys", "has no key pair of nixreader")]
    assert mistakes(access_keys=[*KEYS, KEYS[0]]) == [("s3.accessKeys", "is listed twice")]
    assert mistakes(public=True, access_keys=KEYS) == [
        ("s3.accessKeys", "is neither a writer nor a reader of the cache, nor its janitor")
    ]
    [(key, mistake)] = mistakes(access_keys=KEYS, iam_endpoint=ENDPOINT)
    assert key == "s3.accessKeys"
    assert "is set beside s3.iamEndpoint" in mistake


def test_a_janitor_needs_a_key_pair_where_there_is_no_iam_api() -> None:
    """Under its name, like writers and readers."""
    args: dict[str, Any] = {**SAMPLES["s3"], "janitor": True}
    with pytest.raises(SettingsError, match=r"accessKeys has no key pair of janitor"):
        check({**args, "s3": {"endpoint": ENDPOINT, "access_keys": KEYS}})
    keys = [*KEYS, {"user": "janitor", "access_key_id": "id3", "secret_access_key": "secret3"}]
    assert check({**args, "s3": {"endpoint": ENDPOINT, "access_keys": keys}}).janitor


def test_a_public_url_is_for_public_caches() -> None:
    """It is a URL without a query."""
    own: dict[str, Any] = {"iam_endpoint": ENDPOINT}
    assert checked(True, public_url="https://cache.example.org/", **own)
    assert mistakes(public_url="https://cache.example.org", **own) == [
        ("s3.publicUrl", "is for a public cache, but public is false")
    ]
    [(key, _)] = mistakes(True, public_url="https://cache.example.org/?a", **own)
    assert key == "s3.publicUrl"


def test_expiry_and_versions_need_a_lifecycle() -> None:
    """Without one, neither is set."""
    own: dict[str, Any] = {"iam_endpoint": ENDPOINT, "lifecycle": False}
    args: dict[str, Any] = {**SAMPLES["s3"], "expire_after_days": 90}
    with pytest.raises(SettingsError, match=r"expireAfterDays = 90 needs the lifecycle"):
        check({**args, "s3": {"endpoint": ENDPOINT, **own}})
    assert [key for key, _ in mistakes(versioning=True, **own)] == ["s3.versioning"]
    assert bucket_settings(checked(**own), checked(**own).own(S3Settings))["lifecycle"] is None


def test_a_bucket_with_dots_needs_path_style() -> None:
    """As its name is a part of the host's otherwise."""
    args: dict[str, Any] = {**SAMPLES["s3"], "bucket": "cache.example.org"}
    own = {"endpoint": ENDPOINT, "iam_endpoint": ENDPOINT}

    assert check({**args, "s3": own}).bucket == "cache.example.org"
    with pytest.raises(SettingsError, match=r"addressingStyle is virtual"):
        check({**args, "s3": {**own, "addressing_style": "virtual"}})


@pytest.mark.parametrize(
    ("public", "public_url", "policy"),
    [(False, None, ""), (True, "https://cache.example.org", None)],
)
def test_only_a_public_cache_at_its_endpoint_has_a_policy(
    public: bool, public_url: str | None, policy: str | None
) -> None:
    """A private one keeps its bucket free of policies; that of a `publicUrl` is not touched."""
    cache = checked(public, iam_endpoint=ENDPOINT, public_url=public_url)

    assert bucket_settings(cache, cache.own(S3Settings))["policy"] == policy
    opened = checked(True, iam_endpoint=ENDPOINT)
    document = json.loads(bucket_settings(opened, opened.own(S3Settings))["policy"])
    assert [one["Action"] for one in document["Statement"]] == [["s3:GetObject"]]


NOTHING: dict[str, str] = {}


def configured(file: Path) -> dict[str, str]:
    """Return a stack's configuration that names a connection file."""
    return {
        "nix-cache:domain": "cache.example.org",
        "nix-cache:backend": "s3",
        "nix-cache:s3": json.dumps({"connectionFile": str(file)}),
    }


def test_a_connection_file_gives_the_service_and_its_administrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment has. The file's name does not reach the component."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of the environment")
    file = tmp_path / "connection.json"
    pair = {"accessKeyId": "of-the-file", "secretAccessKey": "secret-of-the-file"}
    file.write_text(json.dumps({"endpoint": ENDPOINT, "iamEndpoint": f"{ENDPOINT}:1", **pair}))

    settings, _ = checked_settings(configured(file))

    own = settings.own(S3Settings)
    assert (own.endpoint, own.iam_endpoint) == (ENDPOINT, f"{ENDPOINT}:1")
    assert login_from(configured(file).get) == S3Login("of-the-file", "secret-of-the-file")


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (None, "does not exist"),
        ("not json", "cannot be used"),
        ('{"endpoint": "https://s3.example.org"}', "it lacks endpoint, accessKeyId or secret"),
        ("[]", "it lacks endpoint, accessKeyId or secret"),
    ],
)
def test_a_connection_file_that_cannot_be_used_is_one_mistake(
    tmp_path: Path, content: str | None, mistake: str
) -> None:
    """Also for a resource that is deleted, where the settings are not checked."""
    file = tmp_path / ".dev" / "seaweedfs" / "connection.json"
    file.parent.mkdir(parents=True)
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsError) as refusal:
        checked_settings(configured(file))
    [problem] = refusal.value.problems
    assert problem.key == "s3.connectionFile"
    assert mistake in problem.mistake
    assert ("`make up BACKEND=s3`" in problem.fix) is (content is None)
    with pytest.raises(S3ServiceError, match=r"(?s)connectionFile cannot be used .* Correct"):
        login_from(configured(file).get)


def test_the_key_pair_is_that_of_the_stack_or_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session token of the environment does not go with a key pair of the stack."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-environment")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    stack = {"s3:accessKeyId": "from-stack", "s3:secretAccessKey": "secret-of-stack"}

    assert login_from(NOTHING.get).session_token == "token"
    assert login_from(NOTHING.get).access_key_id == "from-environment"
    assert login_from(stack.get) == S3Login("from-stack", "secret-of-stack", "")
    assert complete({}, {}).problems == []
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    [problem] = complete({}, {}).problems
    assert "s3:secretAccessKey is not set" in problem.mistake
    with pytest.raises(S3ServiceError, match=r"Set s3:secretAccessKey \(or AWS_SECRET_ACCESS_KEY"):
        login_from(NOTHING.get)


SERVICE = S3Service(ENDPOINT, "us-east-1", "path")
LOGIN = S3Login("id", "secret-of-the-administrator")


@pytest.fixture
def answers() -> Iterator[Stubber]:
    """Provide the answers of the service."""
    with Stubber(s3_client(SERVICE, LOGIN)) as stubber:
        yield stubber


def refuse(answers: Stubber, operation: str, code: str, status: int) -> None:
    """Let the service refuse the next request."""
    answers.add_client_error(operation, code, "no", status)


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("MethodNotAllowed", 405)])
def test_what_a_service_lacks_is_named_with_the_setting(
    answers: Stubber, code: str, status: int
) -> None:
    """Before the bucket is there, by the question, and else when it is set."""
    bucket = ServiceBucket(SERVICE, LOGIN, "team-cache")
    refuse(answers, "get_bucket_policy", code, status)
    refuse(answers, "get_bucket_lifecycle_configuration", code, status)
    policy, lifecycle = lacking(bucket, ["policy", "lifecycle"])
    assert "cannot set the bucket policy. Set s3.publicUrl" in policy
    assert "cannot set the lifecycle of a bucket. Set s3.lifecycle to false" in lifecycle

    refuse(answers, "put_bucket_policy", code, status)
    with pytest.raises(NotOfferedError, match=r"Set s3\.publicUrl"):
        set_bucket(bucket, S3BucketSettings("{}", None, None))


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("InvalidAccessKeyId", 403, "refuses the key 'id'"),
        ("AccessDenied", 403, "may not create the bucket 'team-cache'"),
        ("InternalError", 500, "does not answer as it should"),
        ("TooManyBuckets", 400, "refuses to create the bucket 'team-cache': TooManyBuckets no."),
        ("BucketAlreadyExists", 409, "exists in another account"),
    ],
)
def test_a_refusal_is_one_sentence_and_its_fix(
    answers: Stubber, code: str, status: int, words: str
) -> None:
    """Without the secret half of the key pair."""
    for _ in range(3):
        refuse(answers, "create_bucket", code, status)

    with pytest.raises(S3ServiceError) as refusal:
        ServiceBucket(SERVICE, LOGIN, "team-cache").create()
    assert words in str(refusal.value)
    assert LOGIN.secret_access_key not in str(refusal.value)


WRONG_REGION = (
    "<Error><Code>AuthorizationHeaderMalformed</Code><Message>no</Message>"
    "<Region>garage</Region></Error>"
)
"""As Garage answers."""


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, WRONG_REGION, "expects the region garage, and s3.region is us-east-1. Set s3.region"),
        (200, "<html>console</html>", "answers, but not as"),
        (200, "", "answers, but not as an S3 service does"),
        (404, "nothing here", "use the bucket"),
        (301, "", "redirects requests elsewhere"),
    ],
)
def test_what_is_not_an_s3_service_is_named(status: int, body: str, words: str) -> None:
    """Neither a page nor a proxy's 404 says that there is no bucket."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "https://elsewhere.example.org/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            port = server.server_address[1]
            service = S3Service(f"http://127.0.0.1:{port}", "us-east-1", "path")
            with pytest.raises(S3ServiceError) as refusal:
                _ = ServiceBucket(service, LOGIN, "team-cache").exists
        finally:
            server.shutdown()
            thread.join()
    assert words in str(refusal.value)


def test_rules_are_compared_by_what_they_do() -> None:
    """In any order, and with the former form of a prefix."""
    first = {"ID": "a", "Filter": {"Prefix": "0"}, "Status": "Enabled", "Expiration": {"Days": 9}}
    second = {**first, "ID": "b", "Filter": {"Prefix": "1"}}
    former = {"ID": "a", "Prefix": "0", "Status": "Enabled", "Expiration": {"Days": 9}}

    assert same_rules([first, second], [second, former])
    assert not same_rules([first], [{**first, "Status": "Disabled"}])
    assert not same_rules([first], [{**first, "Expiration": {"Days": 8}}])
    assert not same_rules([first], [])
    assert same_rules([first], [{**first, "Expiration": {"Days": 9, "Marker": False}}])
    assert not same_rules([first], [{**first, "Transitions": [{"Days": 1}]}])
    assert not same_rules([first], [{**first, "Filter": {"Prefix": "0", "Tag": {"Key": "a"}}}])


def test_a_key_pair_of_a_probe_that_cannot_be_deleted_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It works, so the administrator has to know its id."""

    class Minting:
        def create_access_key(self, **_user: str) -> dict[str, dict[str, str]]:
            return {"AccessKey": {"AccessKeyId": "id9", "SecretAccessKey": "not-printed"}}

    def unanswered(*_: object) -> None:
        raise S3ServiceError("The service does not answer.")

    monkeypatch.setattr(rights, "iam_client", lambda *_: Minting())
    monkeypatch.setattr(Users, "delete_key", unanswered)
    service = S3Service(ENDPOINT, "us-east-1", "path", ENDPOINT)
    login = S3Login("id1", "secret1")

    trial = rights.minter(service, login, login)("demo-reader")

    assert trial == Trial(Outcome.ALLOWED, "200", "the key pair id9 of the user demo-reader")
