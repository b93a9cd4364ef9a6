"""`nix-cache gc` on storages and caches that are faulty or hostile: nothing needed ever goes."""

import base64
import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import brotli
import pytest
import zstandard
from nacl.signing import SigningKey

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory import bucket as gc_bucket
from nix_cache.cli.inventory.ledger import LEDGER_KEY, ledger_content
from nix_cache.cli.limits import NARINFO_BYTES
from nix_cache.formats.narinfo import Narinfo
from tests.unit.cli.client_caches import KEY
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    MANIFEST,
    OLD,
    YOUNG,
    CollectedCache,
    base_name,
    collected_cache,
    nar_key,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import Answer, missing

APP, LIBRARY, OTHER = 0, 1, 2
HTML = b"<!DOCTYPE html><html><body>parked</body></html>"
WHOLE = narinfo(APP, [LIBRARY])


@pytest.fixture
def cache() -> CollectedCache:
    """Provide a young program that needs an old library, and another old path."""
    cache = collected_cache()
    cache.push(LIBRARY, age=OLD)
    cache.push(OTHER, age=OLD)
    cache.push(APP, [LIBRARY])
    return cache


def body(content: bytes) -> Callable[[Answer], Answer]:
    """Return a fault: another body, with its own length."""

    def fault(answer: Answer) -> Answer:
        return Answer(200, {**answer.headers, "Content-Length": str(len(content))}, content)

    return fault


def header(name: str, value: str) -> Callable[[Answer], Answer]:
    """Return a fault: another header."""
    return lambda answer: Answer(answer.status, {**answer.headers, name: value}, answer.body)


def broken_off(answer: Answer) -> Answer:
    """Return a fault: the connection ends early."""
    return Answer(answer.status, answer.headers, answer.body[:100])


def status(code: int) -> Callable[[Answer], Answer]:
    """Return a fault: another status, without S3's explanation."""
    return lambda _: Answer(code, {"Content-Length": "0"}, b"")


CUT = WHOLE[: WHOLE.index(b"References")]
ANOTHER = narinfo(OTHER)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda _: missing(), "is answered as missing (404), although it is listed"),
        (status(404), "is answered as missing (404), although it is listed"),
        (status(403), "cannot be read: the storage answers 403"),
        (status(410), "cannot be read: the storage answers 410"),
        (body(b""), "was received with fewer bytes than the listing says"),
        (body(HTML), "was received with fewer bytes than the listing says"),
        (body(HTML.ljust(len(WHOLE))), "is a web page or XML"),
        (body(CUT), "was received with fewer bytes than the listing says"),
        (body(WHOLE + b"\n"), "was received with more bytes than the listing says"),
        (body(ANOTHER.ljust(len(WHOLE))), "is malformed"),
        (broken_off, "cannot be read: the storage's answer is incomplete or malformed"),
        (header("ETag", '"0"'), "was received with another ETag than the listing says"),
        (header("Content-Encoding", "lz4"), "has the unknown content encoding lz4"),
        (header("Content-Encoding", "gzip"), "cannot be decoded as gzip"),
        (header("Content-Length", "x"), "cannot be read: the storage's answer is incomplete"),
    ],
)
def test_a_narinfo_that_was_not_read_as_it_is_stored_keeps_everything(
    cache: CollectedCache, fault: Callable[[Answer], Answer], said: str
) -> None:
    """What it needs is not known. Set aside by name, it stops nothing."""
    cache.storage.faults[narinfo_key(APP)] = fault

    done = cache.collect()

    assert not done.well
    assert cache.storage.deleted == []
    assert said in done.result["blockedBy"][narinfo_key(APP)]
    assert said in done.said
    assert f"--set-aside {store_hash(APP)}" in done.said
    assert not cache.collect(dry_run=True).well

    aside = cache.collect(set_aside=[f"/nix/store/{base_name(APP)}"])

    assert aside.well
    assert cache.paths == {APP}
    assert aside.result["setAside"] == [narinfo_key(APP)]
    assert "1 unreadable narinfo set aside" in aside.said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (HTML, "is a web page or XML"),
        (CUT, "has no References, and no trusted signature says so: it may be cut off"),
        (WHOLE[:300], "is malformed"),
        (WHOLE.replace(b"References: ", b"References:"), "is malformed"),
        (WHOLE + b"References: \n", "once|twice"),
        (WHOLE + b"URL: nar/x\n", "once|twice"),
        (WHOLE.replace(b"URL", b"x\nURL"), "is malformed"),
        (narinfo(OTHER, [LIBRARY]), "is about another path, /nix/store/22222"),
        (WHOLE.replace(b"Sig: k-1", b"Sig: \xff"), "is not text in UTF-8|malformed"),
        (narinfo(APP, [LIBRARY], size="9" * 4301), "is malformed"),
        (WHOLE.replace(b"/nix/store/0", b"/nix/store/e"), "is malformed"),
        (b"x" * (NARINFO_BYTES + 1), "has 1,000,001 bytes, and at most 1,000,000 are read"),
    ],
)
def test_a_narinfo_that_is_stored_broken_keeps_everything(
    cache: CollectedCache, content: bytes, said: str
) -> None:
    """Once it is repaired, collection goes on."""
    cache.storage.put(narinfo_key(APP), content, age=OLD)

    done = cache.collect()

    assert not done.well
    assert cache.storage.deleted == []
    assert any(one in done.result["unreadable"][narinfo_key(APP)] for one in said.split("|"))

    cache.storage.put(narinfo_key(APP), WHOLE, age=YOUNG)
    assert cache.collect().well
    assert cache.paths == {APP, LIBRARY}


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(WHOLE, mtime=0)),
        ("x-gzip", gzip.compress(WHOLE, mtime=0)),
        ("GZIP", gzip.compress(WHOLE, mtime=0)),
        ("deflate", zlib.compress(WHOLE)),
        ("br", brotli.compress(WHOLE)),
        ("zstd", zstandard.compress(WHOLE)),
        ("xz", lzma.compress(WHOLE)),
        ("bzip2", bz2.compress(WHOLE)),
        ("lzma", lzma.compress(WHOLE, lzma.FORMAT_ALONE)),
        ("identity", WHOLE),
        ("none", WHOLE),
        ("aws-chunked", WHOLE),
        ("aws-chunked,gzip", gzip.compress(WHOLE, mtime=0)),
        ("gzip, br", brotli.compress(gzip.compress(WHOLE, mtime=0))),
    ],
)
def test_content_encodings_that_nix_writes_are_decoded(
    cache: CollectedCache, encoding: str, content: bytes
) -> None:
    """The length is compared before."""
    cache.storage.put(narinfo_key(APP), content, age=YOUNG, encoding=encoding)

    assert cache.collect().well
    assert cache.paths == {APP, LIBRARY}


def test_a_content_encoding_that_expands_without_end_is_refused(cache: CollectedCache) -> None:
    """A megabyte may stand for many."""
    bomb = gzip.compress(WHOLE + b"X: " + b"0" * 50_000_000 + b"\n")
    cache.storage.put(narinfo_key(APP), bomb, age=YOUNG, encoding="gzip")

    done = cache.collect()

    assert "is larger than 1,000,000 bytes" in done.result["unreadable"][narinfo_key(APP)]
    assert cache.storage.deleted == []


@pytest.mark.parametrize(
    ("encoding", "part"),
    [
        ("gzip", gzip.compress(b"", mtime=0)),
        ("bzip2", bz2.compress(b"")),
        ("xz", lzma.compress(b"")),
        ("zstd", zstandard.compress(b"")),
    ],
    ids=("gzip", "bzip2", "xz", "zstd"),
)
def test_an_encoding_of_very_many_parts_is_refused(
    cache: CollectedCache, encoding: str, part: bytes
) -> None:
    """Each part costs a copy of the rest: a megabyte of empty ones took half a minute."""
    cache.storage.put(narinfo_key(APP), part * 1001, age=YOUNG, encoding=encoding)

    done = cache.collect()

    assert "it has more than 1000 parts" in done.result["unreadable"][narinfo_key(APP)]
    assert cache.storage.deleted == []


def test_a_url_of_very_many_parts_is_refused(cache: CollectedCache) -> None:
    """All parts of a URL that is not certain are held in memory."""
    url = "/".join(f"%{number:x}" for number in range(10_000))
    cache.storage.put(narinfo_key(APP), narinfo(APP, [LIBRARY], url=url), age=YOUNG)

    done = cache.collect()

    assert "characters, more than 16,000" in done.result["unreadable"][narinfo_key(APP)]
    assert cache.storage.deleted == []


def test_a_huge_narinfo_is_never_read(cache: CollectedCache) -> None:
    """Its size is in the listing."""
    cache.storage.sizes[narinfo_key(APP)] = 10**9
    asked = []

    def watch(answer: Answer) -> Answer:
        asked.append(answer)
        return answer

    cache.storage.faults[narinfo_key(APP)] = watch

    assert not cache.collect().well
    assert asked == []


def test_a_narinfo_without_references_is_believed_if_a_trusted_key_signed_it() -> None:
    """Nix takes a missing line as none."""
    lines = [line for line in narinfo(APP).splitlines(True) if not line.startswith(b"Ref")]
    text = b"".join(line for line in lines if not line.startswith(b"Sig"))
    parsed = Narinfo.parse((text + b"References: \n").decode())
    signature = SigningKey(KEY.seed).sign(parsed.fingerprint.encode()).signature
    signed = text + b"Sig: " + KEY.name.encode() + b":" + base64.b64encode(signature) + b"\n"
    cache = collected_cache()
    cache.push(OTHER, age=OLD)
    cache.storage.put(narinfo_key(APP), signed)

    assert cache.collect().well
    assert cache.paths == {APP}


class TestGone:
    """A narinfo that is missing when it is read is listed again."""

    def test_what_is_gone_from_both_lists_is_gone(self, cache: CollectedCache) -> None:
        """An expiry rule, or another run, removed it meanwhile."""

        def expire(answer: Answer) -> Answer:
            cache.storage.objects.pop(narinfo_key(APP), None)
            return missing()

        cache.storage.faults[narinfo_key(APP)] = expire

        done = cache.collect()

        assert done.well
        assert cache.paths == set()

    def test_what_is_missing_once_is_read_again(self, cache: CollectedCache) -> None:
        """A proxy had a moment of weakness."""
        answers = iter([missing()])
        cache.storage.faults[narinfo_key(APP)] = lambda answer: next(answers, answer)

        assert cache.collect().well
        assert cache.paths == {APP, LIBRARY}

    def test_what_was_replaced_between_listing_and_reading_is_read_again(
        self, cache: CollectedCache
    ) -> None:
        """The new content counts."""
        newer = narinfo(APP, [OTHER])

        def replaced(answer: Answer) -> Answer:
            cache.storage.put(narinfo_key(APP), newer)
            del cache.storage.faults[narinfo_key(APP)]
            return body(newer)(answer)

        cache.storage.put(narinfo_key(APP), narinfo(APP, [LIBRARY, LIBRARY]))
        cache.storage.faults[narinfo_key(APP)] = replaced

        assert cache.collect().well
        assert cache.paths == {APP, OTHER}

    def test_a_narinfo_that_becomes_unreadable_during_the_run_stops_it(
        self, cache: CollectedCache
    ) -> None:
        """What was removed until then was not needed."""

        def damage(number: int) -> None:
            if cache.storage.deleted and not cache.storage.faults:
                cache.storage.put(narinfo_key(9), b"torn")
                cache.storage.faults["x"] = missing_fault

        cache.storage.before = damage
        done = cache.collect()

        assert not done.well
        assert cache.storage.deleted == [narinfo_key(OTHER)]
        assert done.result["blockedBy"].keys() == {narinfo_key(9)}
        assert "could not be read meanwhile. The rest was not removed" in done.said

    def test_one_that_is_unreadable_after_the_removal_is_named(self, cache: CollectedCache) -> None:
        """What it lacks is not known."""

        def damage(number: int) -> None:
            if nar_key(OTHER) in cache.storage.deleted:
                cache.storage.put(narinfo_key(9), b"torn")

        cache.storage.before = damage
        done = cache.collect()

        assert not done.well
        assert done.result["blockedBy"].keys() == {narinfo_key(9)}
        assert "what it lacks is not known" in done.said

    def test_every_nar_that_is_missing_is_reported(self, cache: CollectedCache) -> None:
        """However many there are."""
        bucket = gc_bucket.Bucket(MANIFEST, CREDENTIAL, "owner", 1)
        keys = {f"nar/{number:052}.nar" for number in range(1001)}
        with mock.patch.object(bucket, "has", return_value=False):
            assert bucket.absent(keys) == keys


def missing_fault(answer: Answer) -> Answer:
    """Return a fault: not there."""
    return missing()


class TestSetAside:
    """The owner's way out, for one narinfo by name."""

    @pytest.mark.parametrize(
        "name", [store_hash(APP), narinfo_key(APP), f"/nix/store/{base_name(APP)}/bin/x"]
    )
    def test_it_takes_a_path_a_hash_or_a_key(self, cache: CollectedCache, name: str) -> None:
        """Whatever the owner has at hand."""
        cache.storage.put(narinfo_key(APP), b"torn")

        assert cache.collect(set_aside=[name]).well
        assert cache.paths == {APP}

    def test_one_that_can_be_read_is_protected_all_the_same(self, cache: CollectedCache) -> None:
        """It is no way to remove a path."""
        done = cache.collect(set_aside=[store_hash(APP), store_hash(20)])

        assert done.well
        assert cache.paths == {APP, LIBRARY}
        assert done.result["setAside"] == []
        assert "--set-aside has no effect on these" in done.said

    def test_another_one_that_cannot_be_read_still_stops_it(self, cache: CollectedCache) -> None:
        """Each has to be named."""
        cache.storage.put(narinfo_key(APP), b"torn")
        cache.storage.put(narinfo_key(7), b"torn")

        assert not cache.collect(set_aside=[store_hash(APP)]).well
        assert cache.storage.deleted == []

    def test_one_bad_object_that_always_fails_does_not_stop_collection_for_good(self) -> None:
        """Also if it is the only one."""
        cache = collected_cache({nar_key(3): b"nar"})
        cache.storage.put(narinfo_key(APP), WHOLE)
        cache.storage.faults[narinfo_key(APP)] = status(410)

        assert not cache.collect().well
        assert cache.collect(set_aside=[store_hash(APP)]).well
        assert cache.storage.deleted == [nar_key(3)]


class TestUrls:
    """NARs are found as Nix finds them."""

    @pytest.mark.parametrize(
        "url",
        [
            nar_key(5).replace(".", "%2e"),
            f"./{nar_key(5)}",
            nar_key(5).replace("nar/", "nar//", 1),
            f"/{nar_key(5)}",
            f"nar/../{nar_key(5)}",
            f"{nar_key(5)}?hash=x",
            f"https://other.example.org/{nar_key(5)}",
        ],
    )
    def test_a_nar_stays_however_its_url_is_spelled(self, cache: CollectedCache, url: str) -> None:
        """It was taken for an orphan once."""
        cache.storage.put(nar_key(5), b"nar", age=OLD)
        cache.storage.put(narinfo_key(5), narinfo(5, url=url), age=YOUNG)

        assert cache.collect().well
        assert 5 in cache.nars

    def test_a_listing_or_narinfo_that_is_named_as_a_nar_stays(self, cache: CollectedCache) -> None:
        """Nothing that a path which stays may need goes."""
        listing = f"{store_hash(9)}.ls"
        cache.storage.put(listing, b"{}", age=OLD)
        cache.storage.put(narinfo_key(5), narinfo(5, url=listing))
        cache.storage.put(narinfo_key(6), narinfo(6, url=f"./{narinfo_key(OTHER)}"))

        assert cache.collect().well
        assert listing in cache.storage.objects
        assert OTHER in cache.paths

    def test_a_nar_that_is_missing_is_reported(self, cache: CollectedCache) -> None:
        """A push beside an earlier run may have lost it."""
        del cache.storage.objects[nar_key(APP)]

        done = cache.collect()

        assert done.well
        assert done.result["missingNars"] == {store_hash(APP): nar_key(APP)}
        assert "the NARs of 1 path are missing" in done.said


class TestDates:
    """Ages mean something only if the clocks agree, and if there is a date."""

    @pytest.mark.parametrize("skew", [timedelta(days=-3650), timedelta(days=3650)])
    @pytest.mark.parametrize("which", ["skew", "storage_skew"])
    def test_clocks_that_differ_remove_nothing(
        self, cache: CollectedCache, which: str, skew: timedelta
    ) -> None:
        """The clock of the storage counts, and not only that of a proxy in front of it."""
        setattr(cache.storage, which, skew)

        with pytest.raises(
            ClientError, match=r"the server's clock is at .*, and this machine's at"
        ):
            cache.collect()

        assert cache.storage.deleted == []

    def test_a_storage_without_a_date_removes_nothing(self, cache: CollectedCache) -> None:
        """Its clock cannot be compared."""
        cache.storage.faults[""] = header("Date", "yesterday")

        with pytest.raises(ClientError, match="have no usable date"):
            cache.collect()
        assert cache.storage.deleted == []

    @pytest.mark.parametrize(
        "date",
        [
            "9999-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59-14:00",
            "2400-01-01T00:00:00Z",
            "yesterday",
            "",
            "9" * 5000,
            "10",
            None,
        ],
    )
    def test_an_object_without_a_usable_date_is_young(
        self, cache: CollectedCache, date: str | None
    ) -> None:
        """So is one from the future. Others go as always."""
        keys = [narinfo_key(LIBRARY), nar_key(12), f"{store_hash(12)}.ls"]
        cache.storage.put(narinfo_key(APP), narinfo(APP))
        cache.storage.put(nar_key(12), b"nar", age=OLD)
        cache.storage.put(f"{store_hash(12)}.ls", b"{}", age=OLD)
        cache.storage.dates |= dict.fromkeys(keys, date)

        done = cache.collect()

        assert done.well
        assert set(keys) < cache.storage.objects.keys()
        assert cache.paths == {APP, LIBRARY}
        if date != "2400-01-01T00:00:00Z":
            assert done.result["undated"] == sorted(keys)

    @pytest.mark.parametrize("year", [1, 1990, 2900, 9999])
    def test_times_in_the_note_that_cannot_be_meant_shorten_no_grace(
        self, cache: CollectedCache, year: int
    ) -> None:
        """A clock was wrong once."""
        del cache.storage.objects[narinfo_key(OTHER)]
        note = ledger_content({nar_key(OTHER): datetime(year, 1, 1, tzinfo=UTC)})
        cache.storage.put(LEDGER_KEY, note)

        assert cache.collect(grace_days=30).well
        assert OTHER in cache.nars

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff",
            b"[]",
            b"{" * 100_000,
            b'{"orphans": {"a": 1e400}}',
            HTML,
            b"0" * 30_000_000,
        ],
    )
    def test_a_note_that_is_none_begins_all_grace_again(
        self, cache: CollectedCache, content: bytes
    ) -> None:
        """Whatever it is."""
        cache.storage.put(LEDGER_KEY, content)
        del cache.storage.objects[narinfo_key(OTHER)]

        assert cache.collect(grace_days=30).well
        assert OTHER in cache.nars


class TestListings:
    """A list that is not whole removes nothing."""

    @pytest.mark.parametrize("answer", [HTML, b"", b"<a/>", b"\0", b"<!DOCTYPE a><a>&b;</a>"])
    def test_a_web_page_is_not_a_listing(self, cache: CollectedCache, answer: bytes) -> None:
        """One clear error."""
        cache.storage.faults[""] = body(answer)

        with pytest.raises(ClientError):
            cache.collect()
        assert cache.storage.deleted == []

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            (b"<IsTruncated>false", b"<IsTruncated>true", "stops|not received|malformed|token"),
            (b"<KeyCount>", b"<KeyCount>9", "states 9. objects on a page"),
            (b"<Size>3<", b"<Size>x<", "malformed answer"),
            (b"<Size>3<", b"<Size>-3<", "states no size"),
            (b"<Size>3<", b"<Size>" + b"3" * 4301 + b"<", "malformed answer"),
            (b"<Size>3</Size>", b"", "states no size"),
            (b"<Key>nar/0", b"<Key>log/0", "was not asked for"),
            (nar_key(0).encode(), nar_key(1).encode(), "twice|repeats"),
            (b"<Key>nix-cache-info</Key>", b"", "without a key|malformed"),
        ],
    )
    def test_a_faulty_listing_is_refused(
        self, cache: CollectedCache, old: bytes, new: bytes, problem: str
    ) -> None:
        """Nothing goes by it."""

        def fault(answer: Answer) -> Answer:
            assert answer.status == 200
            return Answer(200, {}, answer.body.replace(old, new))

        cache.storage.faults[""] = fault

        with pytest.raises(ClientError, match=problem):
            cache.collect()
        assert cache.storage.deleted == []

    def test_pages_that_go_on_for_ever_are_refused(self, cache: CollectedCache) -> None:
        """The same page again and again, each with its own token."""
        tokens = iter(range(10**9))

        def fault(answer: Answer) -> Answer:
            token = f"<NextContinuationToken>{next(tokens)}</NextContinuationToken>".encode()
            endless = answer.body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
            return Answer(200, {}, endless.replace(b"</ListB", token + b"</ListB"))

        cache.storage.faults[""] = fault

        with pytest.raises(ClientError, match=r"repeats itself|empty pages|malformed answer"):
            cache.collect()

    def test_a_reference_that_is_there_and_not_listed_is_noticed(
        self, cache: CollectedCache
    ) -> None:
        """What else is there then is not known."""
        cache.storage.unlisted.add(narinfo_key(LIBRARY))

        with pytest.raises(ClientError, match="lacks objects that are there, such as 1111"):
            cache.collect()
        assert cache.storage.deleted == []

    def test_a_named_root_that_is_there_and_not_listed_is_noticed(
        self, cache: CollectedCache, tmp_path: Path
    ) -> None:
        """It is not simply absent."""
        cache.storage.unlisted.add(narinfo_key(APP))

        with pytest.raises(ClientError, match="lacks objects that are there, such as 0000"):
            cache.collect(roots=[base_name(APP), base_name(OTHER)], folder=tmp_path)
        assert cache.storage.deleted == []

    def test_a_narinfo_that_a_later_listing_lacks_is_noticed(self, cache: CollectedCache) -> None:
        """Before anything goes."""

        def hide(number: int) -> None:
            if LEDGER_KEY in cache.storage.objects:
                cache.storage.unlisted.add(narinfo_key(APP))

        cache.storage.before = hide

        with pytest.raises(ClientError, match="lacks objects that are there, such as 0000"):
            cache.collect()
        assert cache.storage.deleted == []

    def test_a_narinfo_that_only_one_listing_lacks_is_noticed(self, cache: CollectedCache) -> None:
        """The listing that lacks it is the one that decides; the next one has it again."""
        requests = []

        def hide(number: int) -> None:
            if LEDGER_KEY in cache.storage.objects:
                requests.append(number)
            # The clock, root records, pins, NARs, and the list of narinfos that lacks it.
            cache.storage.unlisted.clear()
            if 1 <= len(requests) <= 5:
                cache.storage.unlisted.add(narinfo_key(APP))

        cache.storage.before = hide

        with pytest.raises(ClientError, match=f"{narinfo_key(APP)} was written while"):
            cache.collect()
        assert cache.storage.deleted == []

    def test_a_narinfo_that_was_misread_and_is_not_listed_again_is_noticed(
        self, cache: CollectedCache
    ) -> None:
        """It is there, so it is not gone from both lists."""

        def misread(answer: Answer) -> Answer:
            cache.storage.unlisted.add(narinfo_key(APP))
            return header("ETag", '"0"')(answer)

        cache.storage.faults[narinfo_key(APP)] = misread

        with pytest.raises(ClientError, match="lacks objects that are there, such as 0000"):
            cache.collect()
        assert cache.storage.deleted == []

    def test_many_pages_are_read_to_the_end(self, cache: CollectedCache) -> None:
        """One object on each."""
        cache.storage.page = 1

        assert cache.collect().well
        assert cache.paths == {APP, LIBRARY}
        assert cache.nars == {APP, LIBRARY}


def test_a_storage_that_answers_no_read_is_not_taken_for_bad_narinfos(
    cache: CollectedCache,
) -> None:
    """One clear error; where only narinfos cannot be read, each of them is named."""
    for number in range(32):
        cache.storage.faults[narinfo_key(number)] = status(403)

    assert len(cache.collect().result["blockedBy"]) == 3

    cache.storage.refusing = True
    with pytest.raises(ClientError, match="the profile owner may not read nix-cache-info"):
        cache.collect()


def test_only_what_is_collected_is_ever_removed() -> None:
    """Whatever asks for it."""
    bucket = gc_bucket.Bucket(MANIFEST, CREDENTIAL, "owner", 1)
    for key in ("nix-cache-info", "nar/../nix-cache-info", "log/x", "x.narinfo", "nar/e.txt"):
        with pytest.raises(ValueError, match="is never removed"):
            bucket.remove([key])


def test_the_double_is_strict() -> None:
    """A request that it does not know fails the test."""
    with pytest.raises(AssertionError, match="does not implement"):
        collected_cache().storage.answer("PATCH", "x", {}, b"")
