"""`nix-cache doctor` on healthy caches, and on each damage that an administrator can do to a cache.

Only a real MinIO shows what its answers look like to doctor: of rights, expiry, disabled users and
narinfos of each kind. How NARs and answers of other storages are judged is in `tests/unit`.
"""

import datetime
import json
import re
import ssl
from collections.abc import Iterator
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.manifest import Manifest
from nix_cache.rights import trials
from nix_cache.rights.trials import Outcome
from tests.engine.keys import new_secret_key
from tests.engine.patient import OWNER, Diagnosis, Patient, signed
from tests.engine.ports import closed_port
from tests.engine.project import public_cache
from tests.engine.s3 import s3_client
from tests.fakes.altering_proxy import AlteringProxy
from tests.fakes.forwarding import Headers
from tools.engine import Engine
from tools.server import LocalServer

PUBLIC, PRIVATE = "nix-cache", "private.cache"
HASH = "0123456789abcdfghijklmnpqrsvwxyz"


@pytest.fixture(scope="module")
def patients(module_folder: Path, engine: Engine, module_server: LocalServer) -> dict[str, Patient]:
    """Provide a public and a private cache, both well."""
    settings: dict[str, dict[str, Any]] = {
        PUBLIC: {"readers": ["team-reader"]},
        PRIVATE: {"public": False, "readers": ["team-reader"], "priority": 30},
    }
    found = {}
    for bucket, own in settings.items():
        project = public_cache(module_folder / bucket, engine, module_folder / "minio")
        project.set(bucket=bucket, **own)
        project.up()
        outputs = project.outputs(secrets=True)
        found[bucket] = Patient(module_server, outputs, module_folder / f"{bucket}-home")
    return found


@pytest.fixture
def public(patients: dict[str, Patient]) -> Iterator[Patient]:
    """Provide the public one. Each test has to leave it as it was."""
    before = patients[PUBLIC].everything()
    yield patients[PUBLIC]
    assert patients[PUBLIC].everything().keys() == before.keys()


@pytest.fixture
def private(patients: dict[str, Patient]) -> Patient:
    """Provide the private one."""
    return patients[PRIVATE]


def only(found: Diagnosis, pattern: str, level: str = "error") -> dict[str, object]:
    """Return the only finding of a level, after a check of its problem and its fix."""
    whats = found.of(level)
    assert len(whats) == 1, json.dumps(found.findings, indent=1)
    assert re.search(pattern, whats[0]), whats
    assert found.exit_code == (1 if found.errors else 0)
    finding = next(one for one in found.findings if one["level"] == level)
    assert finding["why"]
    assert finding["fix"]
    return finding


@pytest.mark.parametrize("bucket", [PUBLIC, PRIVATE])
def test_a_healthy_cache_has_no_error_and_no_warning(
    patients: dict[str, Patient], bucket: str
) -> None:
    """With everything looked at that can be looked at without a Nix."""
    patient = patients[bucket]
    first = patient.new_path()
    second = patient.new_path(references=[first.info.base_name], compression="none")
    with patient.having(first, second):
        found = patient.examined("--all", "--deep")

    assert (found.errors, found.of("warning")) == ([], [])
    assert found.exit_code == 0
    assert "2 of 2 paths from the bucket" in str(found.of("ok"))
    for user in ("the writer nixbuilder", "the reader team-reader", "anonymous clients"):
        assert f"{user} cannot list" in found.of("ok")
        assert f"{user} cannot delete" in found.of("ok")
    assert "the storage refuses writes without a signature" in found.of("ok")
    assert all("nix" in what.lower() for what in found.of("not checked"))


def test_what_could_not_be_looked_at_is_reported_and_never_well(private: Patient) -> None:
    """A private cache without any credential: little is left."""
    source = private.home / "bare.json"
    source.write_text(json.dumps(private.outputs["manifest"]))
    found = private.examined(source=source, owner=False)

    unseen = " ".join(found.of("not checked"))
    for thing in ("nix-cache-info", "lifecycle", "narinfos", "nixbuilder", "team-reader"):
        assert thing in unseen
        assert thing not in " ".join(found.of("ok")).replace("nix-cache-info", "")
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("action", "pattern"),
    [
        ("s3:ListBucket", "^anonymous clients can list$"),
        ("s3:ListBucketMultipartUploads", "^anonymous clients can list$"),
        ("s3:PutObject", "^anonymous clients can upload$"),
        ("s3:DeleteObject", "^anonymous clients can delete$"),
    ],
)
def test_a_bucket_policy_that_was_made_wide_is_found(
    public: Patient, action: str, pattern: str
) -> None:
    """Each right on its own."""
    with public.anonymous_may(action):
        found = public.examined()

    assert only(found, pattern)["items"]


def test_a_private_cache_that_any_user_reads_is_found(private: Patient) -> None:
    """It was made public past the stack."""
    with private.anonymous_may("s3:GetObject"):
        only(private.examined(), "anonymous clients can read a private cache")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 10\n", "Priority is 10, .* 40"),
        (b"StoreDir: /gnu/store\nWantMassQuery: 1\nPriority: 40\n", "StoreDir is /gnu/store"),
        (b"StoreDir: /nix/store\n", "WantMassQuery is missing.*Priority is missing"),
        (None, "nix-cache-info is missing"),
    ],
)
def test_a_changed_nix_cache_info_is_found(
    public: Patient, content: bytes | None, pattern: str
) -> None:
    """With what differs."""
    with public.changed_object("nix-cache-info", content):
        only(public.examined(), pattern)


def test_a_manifest_with_another_key_is_found(public: Patient) -> None:
    """Who sets their machine up by it would trust that key."""
    cache = Manifest.model_validate(public.outputs["manifest"]).for_readers()
    reported = {
        **cache.model_dump(mode="json", by_alias=True),
        "publicKeys": ["evil-1:" + "A" * 43 + "="],
    }
    with public.changed_object("nix-cache.json", json.dumps(reported).encode()):
        only(public.examined(), "differs from the source in: public_keys")


def test_an_expiry_of_the_whole_bucket_is_found(public: Patient) -> None:
    """The recipe's mistake: nix-cache-info goes too, and NARs with their narinfos."""
    with public.expiring(("", 30)):
        found = public.examined()

    assert len(found.errors) == 2
    assert "the lifecycle rules expire the cache's metadata" in found.errors
    assert "NARs expire after 30 days, while narinfos do after 30" in found.errors


def test_nars_that_expire_before_narinfos_are_found(public: Patient) -> None:
    """A rule for nar/ alone leaves the narinfos dangling."""
    with public.expiring(("nar/", 90)):
        only(public.examined(), "NARs expire after 90 days, while narinfos never do")


def test_the_components_own_expiry_is_well_and_another_one_is_reported(public: Patient) -> None:
    """Safe and declared; safe but not declared."""
    from nix_cache.iam.lifecycle import expiry_rules

    with public.expiring(*((rule.prefix, rule.days) for rule in expiry_rules(45))):
        declared = public.examined(source=public.source(expireAfterDays=45))
        undeclared = public.examined()

    assert "paths expire after 45 days" in str(declared.of("ok"))
    only(undeclared, "differ from the declared ones", level="warning")


def test_a_writer_who_may_put_more_than_nix_writes_is_found(public: Patient) -> None:
    """Their policy was widened, or they were given another one."""
    with public.user_may("nixbuilder", "s3:PutObject"):
        finding = only(
            public.examined(), "^the writer nixbuilder can upload what Nix does not write$"
        )

    assert any("nix-cache-info" in item for item in finding["items"])  # type: ignore[attr-defined]


def test_a_writer_who_may_delete_and_list_is_found(public: Patient) -> None:
    """Two errors, one for each."""
    with public.user_may("nixbuilder", "s3:DeleteObject", "s3:ListBucket"):
        found = public.examined("--as", "nixbuilder")

    assert found.errors == ["the writer nixbuilder can list", "the writer nixbuilder can delete"]


def test_a_disabled_writer_is_found(public: Patient) -> None:
    """Their credential is refused whatever they ask."""
    public.admin.user_disable(public.user_name("nixbuilder"))
    try:
        found = public.examined()
    finally:
        public.admin.user_enable(public.user_name("nixbuilder"))

    only(found, "the credential of the writer nixbuilder is refused: InvalidAccessKeyId")


def test_a_disabled_reader_of_a_private_cache_is_one_error(private: Patient) -> None:
    """Their refusal is not taken for that of the objects, which the writer reads."""
    path = private.new_path()
    private.admin.user_disable(private.user_name("team-reader"))
    try:
        with private.having(path):
            found = private.examined("--all")
            stranger = private.examined("--as", "team-reader", owner=False, source=bare(private))
    finally:
        private.admin.user_enable(private.user_name("team-reader"))

    only(found, "the credential of the reader team-reader is refused: InvalidAccessKeyId")
    only(stranger, "the credential of the reader team-reader is refused: InvalidAccessKeyId")
    assert "narinfos" in str(stranger.of("not checked"))
    assert "missing path" in str(stranger.of("not checked"))


def bare(patient: Patient) -> Path:
    """Return a source with the credential of the reader alone."""
    file = patient.source()
    outputs = json.loads(file.read_text())
    outputs["credentials"].pop("nixbuilder")
    file.write_text(json.dumps(outputs))
    return file


def test_a_writer_without_their_policy_is_found(public: Patient) -> None:
    """They can read, as any user, but not put."""
    user = public.user_name("nixbuilder")
    public.admin.detach_policy(["nix-cache-write"], user=user)
    public.admin.attach_policy(["nix-cache-read"], user=user)
    try:
        found = public.examined()
    finally:
        public.admin.detach_policy(["nix-cache-read"], user=user)
        public.admin.attach_policy(["nix-cache-write"], user=user)

    only(found, "the writer nixbuilder cannot upload what Nix writes")


@pytest.mark.parametrize("bucket", [PUBLIC, PRIVATE])
def test_a_reader_who_may_write_is_found(patients: dict[str, Patient], bucket: str) -> None:
    """They were given the writers' policy."""
    patient = patients[bucket]
    user = patient.user_name("team-reader")
    patient.admin.attach_policy([f"{bucket}-write"], user=user)
    try:
        found = patient.examined()
    finally:
        patient.admin.detach_policy([f"{bucket}-write"], user=user)

    only(found, "^the reader team-reader can upload$")


def test_a_nar_that_is_gone_cut_short_or_altered_is_found(public: Patient) -> None:
    """The last one only by reading it."""
    path = public.new_path()
    url = path.info.url
    with public.having(path):
        with public.changed_object(url, None):
            only(public.examined("--all"), "^1 path without a NAR$")
        with public.changed_object(url, path.nar[:-1]):
            only(public.examined("--all"), "^1 path with a NAR that differs from its narinfo$")
        altered = path.nar[:-9] + bytes([path.nar[-9] ^ 1]) + path.nar[-8:]
        with public.changed_object(url, altered):
            assert public.examined("--all").errors == []
            only(
                public.examined("--all", "--deep"),
                "^1 path with a NAR that differs from its narinfo$",
            )


def test_a_nar_of_another_path_is_found_by_reading_it(public: Patient) -> None:
    """It decompresses well, and has the stated size."""
    path = public.new_path(compression="none", content=b"good" * 100)
    other = public.new_path(compression="none", content=b"evil" * 100)
    with public.having(path), public.changed_object(path.info.url, other.nar):
        assert public.examined("--all").errors == []
        finding = only(public.examined("--all", "--deep"), "^1 path with a NAR that differs from")

    assert "NarHash is" in str(finding["items"])


def test_an_unsigned_path_and_one_of_a_stranger_are_found(public: Patient) -> None:
    """Each with the name of the key."""
    with public.having(public.new_path(key="")):
        only(public.examined("--all"), "^1 path not signed$")
    with public.having(public.new_path(key=new_secret_key("stranger-1"))):
        finding = only(public.examined("--all"), "^1 path signed by keys that are not trusted")
    assert "stranger-1" in str(finding["items"])


def test_a_signature_by_a_stranger_beside_a_good_one_is_well(public: Patient) -> None:
    """One trusted signature is enough for a reader."""
    path = public.new_path()
    more = signed(path.narinfo, new_secret_key("stranger-1"))
    with public.having(type(path)(more, path.nar)):
        assert public.examined("--all").errors == []


@pytest.mark.parametrize(
    ("field", "value", "pattern"),
    [
        ("NarSize", "1", "an invalid signature by a trusted key"),
        ("NarHash", "sha256:" + "0" * 52, "an invalid signature by a trusted key"),
        ("References", f"{HASH}-evil", "an invalid signature by a trusted key"),
        ("StorePath", "/other/store/{base_name}", "with the narinfo of something else"),
        ("NarHash", "sha256:none", "with a narinfo that Nix cannot read"),
        ("URL", "nar/elsewhere.nar", "without a NAR"),
    ],
)
def test_a_tampered_narinfo_is_found(public: Patient, field: str, value: str, pattern: str) -> None:
    """Whatever was changed in it."""
    path = public.new_path()
    value = value.format(base_name=path.info.base_name)
    tampered = re.sub(rf"(?m)^{field}: .*$", f"{field}: {value}", path.narinfo)
    with public.having(path), public.changed_object(path.info.key, tampered.encode()):
        only(public.examined("--all"), pattern)


def test_another_size_of_the_file_than_stated_is_a_warning(public: Patient) -> None:
    """Nix takes the path; so doctor reads the NAR to see whether it is well."""
    path = public.new_path()
    tampered = re.sub(r"(?m)^FileSize: .*$", "FileSize: 7", path.narinfo)
    with public.having(path), public.changed_object(path.info.key, tampered.encode()):
        only(public.examined("--all"), "another FileSize or FileHash", "warning")


def test_a_narinfo_under_another_paths_name_is_found(public: Patient) -> None:
    """Well signed, but not of what was asked for."""
    path, other = public.new_path(), public.new_path()
    with (
        public.having(path, other),
        public.changed_object(path.info.key, other.narinfo.encode()),
    ):
        only(public.examined("--all"), "^1 path with the narinfo of something else$")


def test_references_that_are_not_in_the_cache_are_a_warning(public: Patient) -> None:
    """They may be in another cache, which the manifest does not name as an upstream cache."""
    path = public.new_path(references=[f"{HASH}-glibc"])
    with public.having(path):
        found = public.examined("--all", source=public.source(upstreams={}, descriptor=False))
    finding = only(found, "referring to paths that are not", "warning")

    assert f"{HASH}-glibc" in str(finding["items"])


def test_paths_are_reported_by_a_file_without_any_right_to_list(
    public: Patient, tmp_path: Path
) -> None:
    """Those that are missing are errors: a user said that they are there."""
    path = public.new_path()
    file = tmp_path / "paths"
    file.write_text(f"{path.info.store_path}\n\n/nix/store/{HASH}-missing\n")
    with public.having(path):
        found = public.examined("--paths-from", str(file), owner=False)

    assert HASH in str(only(found, "^1 path not in the cache$")["items"])
    assert "1 of 2 paths from those named" in str(found.of("ok"))


def later(headers: Headers, **units: int) -> Headers:
    """Headers of a server whose clock goes before."""
    there = parsedate_to_datetime(headers["Date"]) + datetime.timedelta(**units)
    return {**headers, "Date": format_datetime(there, usegmt=True)}


def test_a_clock_that_is_wrong_is_found(public: Patient) -> None:
    """A warning from a minute on; an error from where S3 refuses signed requests."""
    upstream = public.server.connection().server
    with AlteringProxy(
        upstream, lambda status, reported: (status, later(reported, minutes=20))
    ) as proxy:
        only(public.examined(source=public.seen_at(proxy.url)), "clock is 1[0-9]* s ahead of")
    with AlteringProxy(
        upstream, lambda status, reported: (status, later(reported, minutes=-2))
    ) as proxy:
        found = public.examined(source=public.seen_at(proxy.url))
    only(found, "the server's clock is 1[12][0-9] s behind", "warning")


def test_a_server_that_sends_elsewhere_is_found(public: Patient) -> None:
    """With the place that it names."""

    def redirected(_: int, reported: Headers) -> tuple[int, Headers]:
        return 301, {**reported, "Location": "https://elsewhere.example/"}

    with AlteringProxy(public.server.connection().server, redirected) as proxy:
        found = public.examined(source=public.seen_at(proxy.url))
    only(found, "redirects to https://elsewhere.example")


def test_a_server_that_is_down_is_one_error_and_the_rest_is_not_checked(
    public: Patient,
) -> None:
    """Nothing that was not seen is well."""
    with closed_port() as netloc:
        found = public.examined(source=public.seen_at(f"http://{netloc}"))

    only(found, f"http://{netloc} does not answer: Connection refused")
    assert not any("cannot" in what for what in found.of("ok"))
    assert any("narinfos" in what for what in found.of("not checked"))


def test_something_else_than_the_storage_is_found(public: Patient) -> None:
    """Its answers say nothing of rights. So does a storage without the bucket."""

    def lost(_: int, reported: Headers) -> tuple[int, Headers]:
        return 404, {name: value for name, value in reported.items() if name != "Content-Type"}

    with AlteringProxy(public.server.connection().server, lost, body=b"nothing here") as proxy:
        found = public.examined(source=public.seen_at(proxy.url))
    only(found, "the server at http.* is not an S3 storage: 404")
    missing = b"<Error><Code>NoSuchBucket</Code></Error>"
    with AlteringProxy(public.server.connection().server, lost, body=missing) as proxy:
        found = public.examined(source=public.seen_at(proxy.url))
    only(found, "has no bucket nix-cache")


def tls(authority: trustme.CA, host: str = "localhost", *, days: float = 90) -> ssl.SSLContext:
    """Return what a server with a certificate speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    authority.issue_cert(
        host, not_before=end - datetime.timedelta(days=90), not_after=end
    ).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("host", "days", "is_trusted", "level", "pattern"),
    [
        ("localhost", 60.5, True, "ok", "the certificate of localhost expires in 60 days"),
        ("localhost", 5.5, True, "warning", "expires in 5 days"),
        ("localhost", -1, True, "error", "the certificate of https://localhost.* has expired"),
        ("localhost", 60, False, "error", "is signed by (an unknown|a private) authority"),
        ("other.example", 60, True, "error", "the certificate of .* is for another host"),
    ],
)
def test_a_certificate_is_looked_at(
    public: Patient,
    tmp_path: Path,
    host: str,
    days: float,
    is_trusted: bool,
    level: str,
    pattern: str,
) -> None:
    """Its end, its signer and its host, by a real handshake."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusted = {"NIX_SSL_CERT_FILE": str(tmp_path / "ca.pem")} if is_trusted else {}
    with AlteringProxy(public.server.connection().server, tls=tls(authority, host, days=days)) as p:
        found = public.examined(source=public.seen_at(p.url), variables=trusted)

    if level == "ok":
        assert (found.errors, found.of("warning")) == ([], [])
        assert any(re.search(pattern, what) for what in found.of("ok"))
    else:
        only(found, pattern, level)


def test_a_table_is_printed_for_people(public: Patient) -> None:
    """By theme, with why and fix below what is wrong, and the counts first."""
    with public.anonymous_may("s3:ListBucket"):
        done = public.command("doctor", str(public.source()), "--owner", OWNER)

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = lines.index("  ERROR  anonymous clients can list")
    assert any(line.lstrip().startswith("why: ") for line in lines[at:])
    assert any(line.lstrip().startswith("fix: ") for line in lines[at:])
    assert re.fullmatch(r"1 error, 0 warnings, \d+ not checked, \d+ ok", lines[0])
    assert "server" in lines
    for credential in public.outputs["credentials"].values():
        assert credential["secretAccessKey"] not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--all"], "--all requires a list of all paths"),
        (["--as", "stranger"], "stranger is neither a writer nor a reader"),
        (["--owner", "stranger"], "there is no profile stranger"),
        (["--paths-from", "/does/not/exist"], "/does/not/exist cannot be read"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    public: Patient, options: list[str], message: str
) -> None:
    """Before anything is asked."""
    done = public.command("doctor", str(public.source()), *options)

    assert done.returncode in {1, 2}
    assert message in done.stderr
    assert done.stdout == ""


def test_a_try_to_delete_leaves_no_mark_where_versions_are_kept(module_server: LocalServer) -> None:
    """As the owner, and as any user who may delete."""
    bucket = "with-versions"
    connection = module_server.connection()
    root = s3_client(module_server.url, connection.user, connection.password)
    root.create_bucket(Bucket=bucket)
    root.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    url = f"{module_server.url}/{bucket}"
    owner = Credential(access_key_id=connection.user, secret_access_key=connection.password)

    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:DeleteObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    root.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    for credential in (owner, None):
        trial = trials.delete(S3Client(Transport(), url, "us-east-1", credential), "nar/x")
        assert (trial.outcome, trial.left) == (Outcome.ALLOWED, "")
        assert "DeleteMarkers" not in root.list_object_versions(Bucket=bucket)
