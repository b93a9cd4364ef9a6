"""Narinfos that several clients sign at the same time, in generated orders of their requests.

Beside a real client on the storage in memory, the orders are exhaustive only as far as hypothesis
draws them. The evaluator reads the narinfo by itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock

import pytest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError
from nix_cache.cli.resign import bucket as resign_bucket
from nix_cache.cli.resign.bucket import Judged, contents_hash
from nix_cache.cli.resign.verdict import Ground, TrustTerms
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.upload.narinfos import Conditions, Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.uploader import Uploader
from nix_cache.formats import signing
from nix_cache.formats.narinfo import Narinfo, narinfo_key, verify
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.interleaved import Interleaved
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double

MANIFEST = manifest()
PATH = f"/nix/store/{'0' * 32}-name"
KEY = narinfo_key(PATH)
INFO = PathInfo(PATH, NixHash.of(b"nar"), 3, (), None, (), None, True, 0)
OLD_KEY, FOREIGN_KEY = signing.generate("old-1"), signing.generate("foreign-1")
KEYS = [signing.generate(f"client-{number}") for number in range(4)]
TRUSTED = tuple(key.public_text for key in (OLD_KEY, *KEYS))
OWNER = Identity("the test", Credentials("owner", "secret"))
WHO = Requester("nixbuilder", MANIFEST.endpoint, MANIFEST.bucket, "demo", "the test")


def nar_file(number: int) -> NarFile:
    """Return a NAR as another version of a compressor makes it."""
    return NarFile(NixHash.of(b"file %d" % number), 10)


def stored(*keys: signing.SecretKey) -> bytes:
    """Return a narinfo with some signatures and a line of another client's."""
    signatures = [key.sign(Narinfo.parse(bare()).fingerprint.encode()) for key in keys]
    return bare() + b"".join(f"Sig: {one}\n".encode() for one in signatures)


def bare() -> bytes:
    """Return a narinfo without signatures."""
    text = signed_narinfo(INFO, nar_file(9), OLD_KEY)
    return re.sub(rb"Sig: .*\n", b"Deriver: unknown-deriver\nX-Other: kept\n", text)


@dataclass
class ContestedNarinfo:
    """Clients of one storage.

    Attributes:
        order: of their requests.
        storage: in memory.
        ended: by number, what the narinfo was for each client that ended.
    """

    order: Interleaved
    storage: S3Double
    ended: dict[int, bytes | None] = field(default_factory=dict)

    def re_signer(self, number: int) -> Callable[[], None]:
        """Return one who signs what an old key signed, and looks again in the end."""
        terms = TrustTerms(KEYS[number], TRUSTED, frozenset({KEYS[number].name}))
        contents = contents_hash(Narinfo.parse(stored()))
        planned = Judged(KEY, Ground.TRUSTED_KEY, PATH, contents)
        transport = self.order.transport(self.storage)
        with mock.patch.object(resign_bucket, "Transport", return_value=transport):
            bucket = resign_bucket.Bucket(MANIFEST, OWNER, "owner", 1, lambda _: None)

        def work() -> None:
            outcome = bucket.sign(planned, terms)
            bucket.narinfos.settle(1.0, self.order.sleep)
            self.ended[number] = None if outcome is None else b"signed"

        return work

    def signing_pusher(self, number: int) -> Callable[[], None]:
        """Return a writer who signs what the cache has."""
        uploader = self.uploader(number)

        def work() -> None:
            self.ended[number] = None if uploader.sign(INFO) is None else b"signed"

        return work

    def uploading_pusher(self, number: int) -> Callable[[], None]:
        """Return a writer who found the path missing, and has put its NAR."""
        uploader = self.uploader(number)

        def work() -> None:
            uploader.put_narinfo(INFO, nar_file(number), is_new=True)
            self.ended[number] = b"signed"

        return work

    def collection(self) -> None:
        """Delete the narinfo."""
        self.order.turn()
        self.storage.objects.pop(KEY, None)

    def uploader(self, number: int) -> Uploader:
        """Return what pushes as one of the clients."""
        transport = self.order.transport(self.storage)
        client = S3Client.of(MANIFEST, OWNER.credentials, transport)
        narinfos = Narinfos(client, WHO, lambda _: None)
        objects = Objects(client, WHO, 10**7, lambda _: None)
        return Uploader(objects, narinfos, KEYS[number], TRUSTED, UploadOptions(jobs=1))

    def signers(self) -> set[str]:
        """Return the names of those whose signature is valid."""
        keys = [key.public_text for key in (OLD_KEY, FOREIGN_KEY, *KEYS)]
        return set(verify(Narinfo.parse(self.storage.objects[KEY].content), keys))


def contested(schedule: list[int], conditions: str, content: bytes | None) -> ContestedNarinfo:
    """Return a storage, with the narinfo or without it."""
    storage = S3Double(MANIFEST.bucket, conditions=conditions)
    if content is not None:
        storage.put(KEY, content)
    return ContestedNarinfo(Interleaved(schedule), storage)


ORDERS = st.lists(st.integers(0, 23), min_size=1, max_size=24)
SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(ORDERS, st.integers(0, 3))
def test_no_signature_is_lost_where_the_service_keeps_conditions(
    schedule: list[int], pushers: int
) -> None:
    """Of writers and re-signers; other lines stay, and so do signatures by unknown keys."""
    found = contested(schedule, "kept", stored(OLD_KEY, FOREIGN_KEY))
    kinds = [found.signing_pusher] * pushers + [found.re_signer] * (4 - pushers)

    found.order.run([kind(number) for number, kind in enumerate(kinds)])

    assert found.signers() == {OLD_KEY.name, FOREIGN_KEY.name, *(key.name for key in KEYS)}
    assert b"X-Other: kept\n" in found.storage.objects[KEY].content


@SETTINGS
@given(ORDERS, st.integers(0, 3), st.sampled_from(["ignored", "refused"]))
def test_no_signature_of_a_re_signer_is_lost_without_conditions(
    schedule: list[int], pushers: int, conditions: str
) -> None:
    """They look again once no other client can be between reading and writing."""
    found = contested(schedule, conditions, stored(OLD_KEY, FOREIGN_KEY))
    kinds = [found.signing_pusher] * pushers + [found.re_signer] * (4 - pushers)

    found.order.run([kind(number) for number, kind in enumerate(kinds)])

    expected = {key.name for key in KEYS[pushers:]}
    assert {OLD_KEY.name, FOREIGN_KEY.name, *expected} <= found.signers()


@SETTINGS
@given(ORDERS)
def test_writers_who_upload_one_path_keep_each_others_signatures(schedule: list[int]) -> None:
    """And that of a re-signer who came between them."""
    found = contested(schedule, "kept", None)
    clients = [found.uploading_pusher(0), found.uploading_pusher(1), found.re_signer(2)]

    found.order.run(clients)

    expected = {KEYS[number].name for number, content in found.ended.items() if content}
    assert {KEYS[0].name, KEYS[1].name} <= expected
    assert found.signers() == expected
    url = Narinfo.parse(found.storage.objects[KEY].content).url
    assert url in {nar_file(0).key, nar_file(1).key}


@SETTINGS
@given(ORDERS)
def test_a_narinfo_that_a_collection_deleted_does_not_come_back(schedule: list[int]) -> None:
    """Where the service keeps conditions."""
    found = contested(schedule, "kept", stored(OLD_KEY))

    found.order.run([found.collection, found.re_signer(0), found.signing_pusher(1)])

    assert KEY not in found.storage.objects


@pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
def test_one_client_signs_once_and_leaves_what_is_signed(conditions: str) -> None:
    """The second time nothing is written."""
    found = contested([0], conditions, stored(OLD_KEY))
    found.order.run([found.re_signer(0)])
    signed = found.storage.objects[KEY]
    again = ContestedNarinfo(Interleaved([0]), found.storage)

    again.order.run([again.re_signer(0)])

    assert found.storage.objects[KEY] is signed
    assert signed.content.startswith(stored(OLD_KEY))


def test_a_narinfo_whose_etag_a_proxy_alters_is_signed_all_the_same() -> None:
    """Conditions cannot be used, so it is read right before and after."""
    found = contested([0], "kept", stored(OLD_KEY))
    found.storage.faults[KEY] = lambda answer: type(answer)(
        answer.status, {**answer.headers, "ETag": 'W/"other"'}, answer.body
    )

    found.order.run([found.re_signer(0)])

    assert found.signers() == {OLD_KEY.name, KEYS[0].name}


def narinfos_of(storage: S3Double) -> Narinfos:
    """Return a writer's changes of narinfos, in a bucket."""
    client = S3Client.of(MANIFEST, OWNER.credentials, DoubleTransport(storage))
    return Narinfos(client, WHO, lambda _: None)


def added(there: bytes | None) -> bytes:
    """Return a narinfo with a line of ours."""
    before = there or b""
    return before if b"ours\n" in before else before + b"ours\n"


def error(status: int, code: str) -> Answer:
    """Return an answer of a storage that refuses."""
    return Answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())


@pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_narinfo_that_came_since_it_was_missed_keeps_its_signatures(
    conditions: str, earlier: int
) -> None:
    """The first that a run writes, and a later one."""
    storage = S3Double(MANIFEST.bucket, conditions=conditions)
    narinfos = narinfos_of(storage)
    for number in range(earlier):
        narinfos.change(f"{number}.narinfo", added, is_new=True)
    storage.put(KEY, b"theirs\n")

    assert narinfos.change(KEY, added, is_new=True) == b"theirs\nours\n"
    assert storage.objects[KEY].content == b"theirs\nours\n"


@pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
def test_the_first_new_narinfo_shows_whether_conditions_are_kept(conditions: str) -> None:
    """Where they are, each further one costs a single request."""
    storage = S3Double(MANIFEST.bucket, conditions=conditions)
    narinfos = narinfos_of(storage)
    narinfos.change(KEY, added, is_new=True)
    is_kept = conditions == "kept"
    assert narinfos._conditions is (Conditions.KEPT if is_kept else Conditions.IGNORED)
    before = storage.requests

    for number in range(5):
        narinfos.change(f"{number}.narinfo", added, is_new=True)

    assert storage.requests - before == (5 if is_kept else 10)


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"]
)
@pytest.mark.parametrize("content", [None, b"theirs\n"])
def test_a_mistake_in_a_conditional_write_is_reported(code: str, content: bytes | None) -> None:
    """It does not show that the service refuses conditions."""
    storage = S3Double(MANIFEST.bucket, conditional=[error(400, code)])
    if content is not None:
        storage.put(KEY, content)
    narinfos = narinfos_of(storage)

    with pytest.raises(ClientError):
        narinfos.change(KEY, added)

    assert narinfos._conditions is Conditions.UNKNOWN
    assert KEY not in storage.objects or storage.objects[KEY].content == content


def test_a_busy_answer_to_a_conditional_write_is_tried_again() -> None:
    """RequestTimeout comes with 400."""
    storage = S3Double(MANIFEST.bucket, conditional=[error(400, "RequestTimeout")])
    narinfos = narinfos_of(storage)

    with mock.patch("time.sleep"):
        narinfos.change(KEY, added)

    assert narinfos._conditions is Conditions.KEPT
    assert storage.objects[KEY].content == b"ours\n"


@pytest.mark.parametrize("code", ["NotImplemented", "InvalidRequest", "InvalidArgument", ""])
def test_a_service_that_refuses_conditions_is_written_without(code: str) -> None:
    """Whatever word it has for that."""
    storage = S3Double(MANIFEST.bucket, conditional=[error(400, code) if code else Answer(400)])
    narinfos = narinfos_of(storage)

    assert narinfos.change(KEY, added) == b"ours\n"

    assert narinfos._conditions is Conditions.IGNORED


def test_a_writer_who_may_not_read_what_is_there_is_refused() -> None:
    """The error names the right. The narinfo stays as it was."""
    storage = S3Double(MANIFEST.bucket, faults={KEY: lambda _: error(403, "AccessDenied")})
    storage.put(KEY, b"theirs\n")

    with pytest.raises(ClientError, match=f"to read {KEY}, which is there") as refused:
        narinfos_of(storage).change(KEY, added, is_new=True)

    assert "s3:GetObject" in refused.value.fix
    assert storage.objects[KEY].content == b"theirs\n"


def test_a_narinfo_that_is_deleted_while_it_is_written_is_no_refusal_to_read_it() -> None:
    """A storage answers that to writers, who may not list."""
    conditional = [error(412, "PreconditionFailed")]
    storage = S3Double(
        MANIFEST.bucket,
        conditional=conditional,
        faults={KEY: lambda answer: error(403, "AccessDenied") if answer.status == 404 else answer},
    )

    assert narinfos_of(storage).change(KEY, added, is_new=True) == b"ours\n"


def test_a_narinfo_that_the_storage_holds_back_as_there_is_written_without_conditions() -> None:
    """Such as one whose latest version is a delete marker. It is missing to each read."""
    refused = error(412, "PreconditionFailed")
    storage = S3Double(MANIFEST.bucket, conditional=[refused] * 9)
    narinfos = narinfos_of(storage)

    assert narinfos.change(KEY, added, is_new=True) == b"ours\n"

    assert storage.objects[KEY].content == b"ours\n"
    assert narinfos._conditions is Conditions.IGNORED
