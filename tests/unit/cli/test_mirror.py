"""`nix-cache mirror`: what is copied, what is left out, and that both caches stay whole."""

import lzma
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.mirror.origin import OriginCache, UnusableUrlError
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats import signing
from nix_cache.formats.cache_object import CacheObject
from nix_cache.formats.own_objects import ROOTS_PREFIX
from nix_cache.formats.pin import (
    PinKey,
    PinRevision,
    latest_content,
    latest_key,
    new_revision_key,
)
from nix_cache.formats.realisation import Realisation
from nix_cache.formats.root_record import RootRecord
from tests.unit.cli.client_caches import KEY, NEXT_KEY
from tests.unit.cli.mirrored_caches import OLD_KEY, QUERY, STRANGER, TwoCaches, require_whole
from tests.unit.cli.s3_double import S3Double
from tests.unit.cli.served_cache import ServedCache, served_cache


@pytest.fixture
def caches(tmp_path: Path) -> TwoCaches:
    """Provide a cache with a small closure, and an empty one."""
    found = TwoCaches(tmp_path / "store")
    found.add("base", compression="xz")
    found.add("data", compression="none")
    found.add("library", ["base"])
    found.add("program", ["library", "data"])
    found.add("other", ["base"])
    return found


class TestCopying:
    """What is there afterwards."""

    def test_a_cache_is_copied_whole_with_its_signatures(self, caches: TwoCaches) -> None:
        """NARs keep their keys, and narinfos every line."""
        done = caches.mirror()

        assert done.well
        assert len(done.result["copied"]) == 5
        assert require_whole(caches.new.objects) == 5
        for key, held in caches.old.objects.items():
            assert caches.new.objects[key].content == held.content

    def test_named_paths_are_copied_with_their_closures(self, caches: TwoCaches) -> None:
        """And nothing else."""
        done = caches.mirror("program")

        assert done.well
        assert caches.key("other") not in caches.new.objects
        assert require_whole(caches.new.objects) == 4

    def test_a_second_run_sends_no_nar(self, caches: TwoCaches) -> None:
        """What is there is skipped, and keeps its date."""
        caches.mirror()
        before = dict(caches.new.objects)

        done = caches.mirror()

        assert done.well
        assert done.result["copied"] == []
        assert len(done.result["skipped"]) == 5
        written = {key for key in caches.new.objects if caches.new.objects[key] != before.get(key)}
        assert all(key.startswith(ROOTS_PREFIX) for key in written)

    def test_what_is_relied_on_is_in_a_root_record(self, caches: TwoCaches) -> None:
        """Written before anything is asked for."""
        caches.mirror("program")

        [key] = [key for key in caches.new.objects if key.startswith(ROOTS_PREFIX)]
        record = RootRecord.parse(caches.new.objects[key].content)
        wanted = {caches.key(name)[:32] for name in ("base", "data", "library", "program")}
        assert set(record.paths) == wanted
        assert record.roots == (caches.paths["program"].base_name,)

    def test_a_dry_run_changes_nothing(self, caches: TwoCaches) -> None:
        before = dict(caches.new.objects)

        done = caches.mirror(dry_run=True)

        assert done.well
        assert len(done.result["copied"]) == 5
        assert done.result["storedBytes"] > 0
        assert caches.new.objects == before

    @pytest.mark.parametrize("query", ["", QUERY])
    def test_a_nar_of_another_name_gets_that_of_its_hash(
        self, caches: TwoCaches, query: str
    ) -> None:
        """So that no NAR is ever replaced by other bytes. Caches read by HTTP may use queries."""
        caches.add("strange", nar_key=f"nar/strange.nar.zst{query}")

        done = caches.mirror("strange", owner=None)

        assert done.well, done.result
        assert "strange" not in caches.fields("strange")["URL"]
        assert require_whole(caches.new.objects) == 1

    def test_a_nar_without_stated_size_and_hash_is_copied_to_its_end(
        self, caches: TwoCaches
    ) -> None:
        """Some caches state neither."""
        fields = caches.fields("base", caches.old)
        for name in ("FileHash", "FileSize"):
            caches.change("base", f"{name}: {fields[name]}\n", "")

        done = caches.mirror("base")

        assert done.well
        assert caches.fields("base")["FileHash"] == fields["FileHash"]
        assert require_whole(caches.new.objects) == 1

    def test_further_objects_are_copied(self, caches: TwoCaches) -> None:
        """Of a listed cache. What is not of a copied path is left out."""
        name = caches.key("base")[:32]
        nar = caches.fields("base", caches.old)["URL"]
        objects = {
            f"{name}.ls": b'{"version":1}',
            "log/a.drv": b"built",
            "debuginfo/ab": b'{"archive":"../%s","member":"lib"}' % nar.encode(),
        }
        dotted = "log/../nix-cache-info"
        others = {"debuginfo/cd": b"{}", f"{'0' * 32}.ls": b"{}", dotted: b"StoreDir: /other"}
        for key, content in {**objects, **others}.items():
            caches.old.put(key, content)
        caches.old.put("index.html", b"<html>")

        done = caches.mirror()

        for key, content in objects.items():
            assert caches.new.objects[key].content == content
        assert done.result["further"] == {
            "realisations": 0,
            "logs": 1,
            "listings": 1,
            "debugInfo": 1,
            "pins": 0,
        }
        assert done.result["leftOut"] == {
            "debuginfo/cd": "it names no NAR",
            dotted: "its key has a segment '.' or '..', which HTTP clients resolve",
        }
        assert not {"index.html", f"{'0' * 32}.ls"} & caches.new.objects.keys()


def realisation(caches: TwoCaches, name: str, *keys: signing.SecretKey) -> CacheObject:
    """Return a realisation of a path of the old cache, signed."""
    made = Realisation.parse(
        {
            "id": f"sha256:{'a' * 64}!out",
            "outPath": caches.paths[name].base_name,
            "dependentRealisations": {},
            "signatures": [],
        }
    )
    for key in keys:
        made = made.signed(key)
    return made.cache_object()


class TestRealisations:
    """Which store path an output of a content-addressed derivation became."""

    @pytest.mark.parametrize("signs", [False, True])
    def test_one_that_readers_trust_is_copied(self, caches: TwoCaches, signs: bool) -> None:
        """With its signatures, and one of the writer on request."""
        stored = realisation(caches, "base", OLD_KEY)
        caches.old.put(stored.key, stored.content)

        done = caches.mirror(signs=signs)

        assert done.well
        expected = realisation(caches, "base", OLD_KEY, *([KEY] if signs else []))
        assert caches.new.objects[stored.key].content == expected.content

    def test_one_that_readers_do_not_trust_is_left_out(self, caches: TwoCaches) -> None:
        stored = realisation(caches, "base", STRANGER)
        caches.old.put(stored.key, stored.content)

        for signs in (False, True):
            done = caches.mirror(signs=signs)
            assert "trusts none" in done.result["leftOut"][stored.key]
        assert stored.key not in caches.new.objects

    def test_another_one_of_the_target_stays(self, caches: TwoCaches) -> None:
        """Two machines built different outputs."""
        theirs, ours = (realisation(caches, name, OLD_KEY) for name in ("base", "data"))
        caches.old.put(theirs.key, theirs.content)
        caches.new.put(ours.key, ours.content)

        done = caches.mirror()

        assert "the target names" in done.result["leftOut"][theirs.key]
        assert caches.new.objects[ours.key].content == ours.content

    def test_one_of_a_path_that_is_not_there_is_left_out(self, caches: TwoCaches) -> None:
        """Readers would look for the path in vain."""
        stored = realisation(caches, "base", OLD_KEY)
        caches.old.put(stored.key, stored.content)
        del caches.old.objects[caches.fields("base", caches.old)["URL"]]

        done = caches.mirror()

        assert "does not have" in done.result["leftOut"][stored.key]
        assert stored.key not in caches.new.objects


class TestPins:
    """A collection of the target keeps what one of the old cache keeps."""

    @staticmethod
    def pin(cache: S3Double, path: str | None, day: int, keep: int | None = None) -> None:
        """Put a revision of a pin, as a writer does."""
        made = datetime(2026, 11, day, tzinfo=UTC)
        revision = PinRevision(made=made, writer="old", path=path, keep_revisions=keep)
        age = datetime.now(UTC) - made
        cache.put(new_revision_key("release", made), revision.content, age=age)
        cache.put(latest_key("release"), latest_content(path), age=age)

    @staticmethod
    def revisions(cache: S3Double) -> list[PinRevision]:
        """Return the revisions of the pin, the oldest first."""
        keys = sorted(key for key in cache.objects if PinKey.parse(key) and key.endswith(".json"))
        return [PinRevision.parse(cache.objects[key].content) for key in keys]

    def test_the_kept_revisions_are_made_again_once(self, caches: TwoCaches) -> None:
        """With their rules; a second run adds what was pinned meanwhile."""
        paths = [caches.paths[name].path for name in ("base", "data", "library", "program")]
        for day, path in enumerate(paths[:3], start=1):
            self.pin(caches.old, path, day, keep=2)

        first = caches.mirror()
        again = caches.mirror()
        self.pin(caches.old, paths[3], 4, keep=2)
        later = caches.mirror()

        assert [one.result["further"]["pins"] for one in (first, again, later)] == [2, 0, 1]
        made = self.revisions(caches.new)
        assert [one.path for one in made] == paths[1:]
        assert {one.keep_revisions for one in made} == {2}
        assert caches.new.objects[latest_key("release")].content == latest_content(paths[3])

    @pytest.mark.parametrize("name", ["other", None])
    def test_another_pin_of_the_target_stays(self, caches: TwoCaches, name: str | None) -> None:
        """Also one that ended."""
        self.pin(caches.old, caches.paths["base"].path, 2)
        self.pin(caches.new, name and caches.paths[name].path, 1)

        done = caches.mirror()

        state = f"for {caches.paths[name].path}" if name else "which was unpinned"
        left_out = done.result["leftOut"]["nix-cache-pins/release"]
        assert left_out == f"the target has a pin of this name, {state}"
        assert len(self.revisions(caches.new)) == 1

    def test_a_pin_of_a_path_that_is_not_copied_is_left_out(self, caches: TwoCaches) -> None:
        self.pin(caches.old, caches.paths["base"].path, 2)
        del caches.old.objects[caches.fields("base", caches.old)["URL"]]

        done = caches.mirror()

        assert "does not have" in done.result["leftOut"]["nix-cache-pins/release"]
        assert not self.revisions(caches.new)


class TestTrust:
    """Readers of the target trust everything that is copied."""

    def test_a_key_that_the_target_does_not_trust_is_an_error_with_both_fixes(
        self, caches: TwoCaches
    ) -> None:
        """Before anything is copied."""
        caches.trusted = [KEY.public_text]
        before = dict(caches.new.objects)

        with pytest.raises(ClientError) as refused:
            caches.mirror()

        assert OLD_KEY.name in refused.value.problem
        assert "--sign" in refused.value.fix
        assert "retiredPublicKeys" in refused.value.fix
        assert caches.new.objects == before

    def test_the_writer_signs_on_request(self, caches: TwoCaches) -> None:
        """The other signatures stay."""
        caches.trusted = [KEY.public_text]

        done = caches.mirror(signs=True)

        assert done.well
        content = caches.new.objects[caches.key("program")].content.decode()
        assert f"Sig: {OLD_KEY.name}:" in content
        assert f"Sig: {KEY.name}:" in content

    def test_keys_of_one_name_are_distinguished(self, caches: TwoCaches) -> None:
        """As of two stacks with one domain, whose writers have one name."""
        other = signing.generate(OLD_KEY.name)
        caches.trusted = [other.public_text, KEY.public_text]

        with pytest.raises(ClientError, match="--sign"):
            caches.mirror()
        done = caches.mirror(signs=True)

        assert done.well
        assert f"Sig: {KEY.name}:" in caches.new.objects[caches.key("base")].content.decode()

    @pytest.mark.parametrize("signs", [False, True])
    def test_a_path_that_no_given_key_signed_is_left_out_with_its_dependents(
        self, caches: TwoCaches, signs: bool
    ) -> None:
        """The others are copied."""
        caches.add("evil", keys=[STRANGER])
        caches.add("victim", ["evil", "base"])
        caches.add("unsigned", keys=[])

        done = caches.mirror(signs=signs)

        assert not done.well
        left_out = done.result["leftOut"]
        assert {Path(path).name[33:] for path in left_out} == {"evil", "victim", "unsigned"}
        assert "evil, which is left out" in left_out[caches.paths["victim"].path]
        assert require_whole(caches.new.objects) == 5

    def test_a_forged_signature_is_refused(self, caches: TwoCaches) -> None:
        """One by the name of a trusted key, over other contents."""
        caches.change("base", "NarSize: ", "NarSize: 1")

        done = caches.mirror("base")

        [reason] = done.result["leftOut"].values()
        assert "is invalid" in reason or "no signature" in reason

    def test_keys_of_a_url_are_taken_from_the_command_line_alone(self, caches: TwoCaches) -> None:
        """What is at the URL could name any."""
        caches.trusted = [KEY.public_text]
        url = "https://s3.example.org/old"

        done = caches.mirror("base", origin=url, owner=None, signs=True)
        assert not done.well

        keys = (OLD_KEY.public_text,)
        done = caches.mirror("base", origin=url, owner=None, signs=True, keys=keys)
        assert done.well
        assert require_whole(caches.new.objects) == 1

    def test_a_path_that_is_there_gets_signatures_that_it_lacks(self, caches: TwoCaches) -> None:
        """As after the old cache was signed again with a key that readers trust."""
        caches.trusted = [KEY.public_text, OLD_KEY.public_text, NEXT_KEY.public_text]
        caches.mirror("base")
        caches.add("base", keys=[OLD_KEY, NEXT_KEY], compression="xz")

        done = caches.mirror("base")

        assert done.result["signed"] == [caches.paths["base"].path]
        content = caches.new.objects[caches.key("base")].content.decode()
        assert content.count("Sig: ") == 2

    def test_a_path_that_is_there_with_other_contents_stays(self, caches: TwoCaches) -> None:
        """Two machines built different outputs of one name."""
        caches.mirror("base")
        there = caches.new.objects[caches.key("base")]
        (caches.folder / caches.paths["base"].base_name).unlink()
        caches.add("base", content=b"different")

        done = caches.mirror("base")

        assert done.well
        assert caches.new.objects[caches.key("base")] == there


class TestHostileOrigin:
    """What does not verify is left out; the rest is copied."""

    def test_another_file_than_stated_is_refused(self, caches: TwoCaches) -> None:
        """Even if Nix would take it: FileHash is not signed, and names the NAR."""
        key = caches.fields("base", caches.old)["URL"]
        nar = lzma.decompress(caches.old.objects[key].content)
        caches.old.put(key, lzma.compress(nar, preset=0))

        done = caches.mirror()

        assert "FileHash" in done.result["leftOut"][caches.paths["base"].path]
        assert require_whole(caches.new.objects) == 1  # data alone does not need it

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "not a NAR in xz"),
            (b"no xz", "not a NAR in xz"),
            (lzma.compress(b"\0" * 50_000_000), "not a NAR in xz"),
        ],
        ids=["empty", "garbage", "bomb"],
    )
    def test_a_damaged_nar_is_refused(self, caches: TwoCaches, content: bytes, reason: str) -> None:
        caches.old.put(caches.fields("base", caches.old)["URL"], content)

        done = caches.mirror("program")

        assert reason in done.result["leftOut"][caches.paths["base"].path]
        assert not any(key.endswith(".xz") for key in caches.new.objects)
        require_whole(caches.new.objects)

    def test_a_missing_nar_is_named(self, caches: TwoCaches) -> None:
        del caches.old.objects[caches.fields("library", caches.old)["URL"]]

        done = caches.mirror()

        assert not done.well
        reason = done.result["leftOut"][caches.paths["library"].path]
        assert reason == "its NAR is missing (answered 404)"
        assert require_whole(caches.new.objects) == 3

    def test_a_narinfo_of_another_path_is_refused(self, caches: TwoCaches) -> None:
        other = caches.old.objects[caches.key("other")].content
        caches.old.put(caches.key("library"), other)

        done = caches.mirror()

        assert "its narinfo is that of" in done.result["leftOut"][caches.paths["library"].path]
        assert caches.key("program") not in caches.new.objects
        require_whole(caches.new.objects)

    @pytest.mark.parametrize("content", [b"", b"<html>", b"x" * 2_000_000])
    def test_a_narinfo_that_cannot_be_read_is_refused(
        self, caches: TwoCaches, content: bytes
    ) -> None:
        caches.old.put(caches.key("library"), content)

        done = caches.mirror()

        assert caches.paths["library"].path in done.result["leftOut"]
        assert require_whole(caches.new.objects) == 3

    @pytest.mark.parametrize(
        "url", ["https://evil.example.org/nar/x", "../../etc/passwd", "nar/../../x", "//evil/x"]
    )
    def test_a_nar_elsewhere_is_not_read(self, caches: TwoCaches, url: str) -> None:
        caches.change("base", f"URL: {caches.fields('base', caches.old)['URL']}", f"URL: {url}")

        for owner in ("owner", None):
            done = caches.mirror("base", owner=owner)
            assert "the URL" in done.result["leftOut"][caches.paths["base"].path]


class TestReferences:
    """References that the origin does not have."""

    def test_one_that_is_nowhere_leaves_out_what_refers_to_it(self, caches: TwoCaches) -> None:
        del caches.old.objects[caches.key("library")]

        done = caches.mirror()

        left_out = done.result["leftOut"]
        assert "in neither cache" in left_out[caches.paths["library"].path]
        assert caches.paths["program"].path in left_out
        assert require_whole(caches.new.objects) == 3

    def test_one_that_the_target_has_is_relied_on(self, caches: TwoCaches) -> None:
        caches.mirror("library")
        del caches.old.objects[caches.key("library")]

        done = caches.mirror("program")

        assert done.well
        assert require_whole(caches.new.objects) == 4
        records = [
            RootRecord.parse(held.content)
            for key, held in caches.new.objects.items()
            if key.startswith(ROOTS_PREFIX)
        ]
        assert all(caches.key("library")[:32] in record.paths for record in records)

    def test_a_circle_is_left_out(self, caches: TwoCaches) -> None:
        """No such paths can be built, and waiting for one another would never end."""
        first = caches.add("first")
        second = caches.add("second", ["first"])
        caches.store.infos.clear()
        caches.paths["first"] = second
        (caches.folder / first.base_name).unlink()
        caches.paths["second-again"] = second
        caches.add("first", ["second-again"])

        done = caches.mirror()

        assert done.result["leftOut"].keys() == {first.path, second.path}
        assert require_whole(caches.new.objects) == 5


class TestRequests:
    """What makes no sense is refused before anything is sent."""

    def test_a_cache_that_cannot_be_listed_needs_paths(self, caches: TwoCaches) -> None:
        with pytest.raises(UsageError, match="--paths"):
            caches.mirror(owner=None)
        with pytest.raises(UsageError, match="--paths"):
            caches.mirror(origin="https://cache.example.org", owner=None)

    def test_a_private_cache_needs_a_profile(self, caches: TwoCaches) -> None:
        caches.old_changes["public"] = False
        with pytest.raises(UsageError, match="--from-owner"):
            caches.mirror("base", owner=None)

    def test_the_target_itself_is_refused(self, caches: TwoCaches) -> None:
        with pytest.raises(UsageError, match="two caches"):
            caches.mirror("base", origin="https://s3.example.org/new/", owner=None)

    def test_another_store_is_refused(self, caches: TwoCaches) -> None:
        caches.old.put("nix-cache-info", b"StoreDir: /gnu/store\n")
        with pytest.raises(UsageError, match="/gnu/store"):
            caches.mirror()

    def test_a_named_path_that_is_not_there_is_reported(self, caches: TwoCaches) -> None:
        caches.add("late", cache=caches.new)
        del caches.new.objects[caches.key("late")]

        done = caches.mirror("late", "base")

        assert done.result["leftOut"] == {caches.key("late"): "the cache does not have it"}
        assert require_whole(caches.new.objects) == 1


class TestRedirects:
    """NARs of a cache that is read by HTTP may be elsewhere, as what comes is compared."""

    @pytest.fixture
    def web(self) -> Iterator[ServedCache]:
        """Provide a web server."""
        with served_cache() as served:
            yield served

    def read(self, web: ServedCache, url: str) -> bytes:
        """Read an object of the web server as one of a cache."""
        transport = Transport()
        client = S3Client(transport, web.url, "us-east-1")
        with OriginCache(client, transport, "old", lambda _: None).streamed(url) as response:
            assert response.status == 200
            return response.read()

    @pytest.mark.parametrize("target", ["/demo/there", "there", "http://{host}/demo/there"])
    def test_a_redirected_nar_is_read(self, web: ServedCache, target: str) -> None:
        host = web.url.split("/")[2]
        web.objects["/demo/there"] = b"nar"
        web.redirects["/demo/here"] = target.format(host=host)

        assert self.read(web, "here") == b"nar"

    def test_a_query_is_sent(self, web: ServedCache) -> None:
        web.objects["/demo/nar/x.nar?hash=y"] = b"nar"

        assert self.read(web, "nar/x.nar?hash=y") == b"nar"

    @pytest.mark.parametrize(
        "target",
        [
            *("here", "file:///etc/passwd", "ftp://example.org/x"),
            *("http://[", "http://", "http://host:port/x", "http://host:99999/x", "http://a b/x"),
        ],
    )
    def test_a_redirect_without_end_or_to_another_protocol_is_refused(
        self, web: ServedCache, target: str
    ) -> None:
        web.redirects["/demo/here"] = target

        with pytest.raises(UnusableUrlError, match="redirected"):
            self.read(web, "here")


class Killed(Exception):  # noqa: N818  # not an error, but an end
    """The client was killed: it sends nothing more."""


class Killing:
    """Kills a client at a request to either cache. Before each request the target is looked at.

    Args:
        caches: the caches.
        killed_at: the request.
        is_answer_lost: whether that request is still done.
    """

    def __init__(self, caches: TwoCaches, killed_at: int, *, is_answer_lost: bool) -> None:
        self._caches = caches
        self._left = killed_at
        self._is_answer_lost = is_answer_lost
        for storage in (caches.old, caches.new):
            storage.before, storage.after = self._before, self._after

    def stop(self) -> None:
        """Let every request pass."""
        for storage in (self._caches.old, self._caches.new):
            storage.before = storage.after = lambda _: None

    def _before(self, _: int) -> None:
        require_whole(self._caches.new.objects)
        self._left -= 1
        if self._left < 0 and not (self._is_answer_lost and self._left == -1):
            raise Killed

    def _after(self, _: int) -> None:
        if self._left < 0:
            raise Killed


@pytest.mark.parametrize("is_answer_lost", [False, True])
def test_a_run_that_is_killed_at_any_request_leaves_a_whole_cache_and_can_be_repeated(
    tmp_path: Path, is_answer_lost: bool
) -> None:
    """The cache is looked at before each request, in each run."""
    counts = []
    for killed_at in range(1000):
        caches = TwoCaches(tmp_path / "store")
        caches.add("base")
        caches.add("data")
        caches.add("library", ["base"])
        caches.add("program", ["library", "data"])
        killing = Killing(caches, killed_at, is_answer_lost=is_answer_lost)
        try:
            caches.mirror()
        except (Killed, ClientError):
            killing.stop()
        else:
            break
        counts.append(require_whole(caches.new.objects))
        assert caches.mirror().well
        assert require_whole(caches.new.objects) == 4
    assert 30 < len(counts) < 100
    assert {0, 4} <= set(counts)
    assert set(counts) & {1, 2, 3}
