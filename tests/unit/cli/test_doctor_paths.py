"""What doctor says of paths: each by what was looked at, and one finding for each kind of fault."""

from collections.abc import Iterator

import pytest

from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.doctor.narinfos import paths
from nix_cache.cli.doctor.paths import Wanted
from nix_cache.cli.doctor.subject import Subject
from tests.e2e.verdicts.judges import Verdict, by_doctor, manifest
from tests.e2e.verdicts.known_differences import KNOWN_DIFFERENCES
from tests.e2e.verdicts.mutations import all_samples
from tests.e2e.verdicts.samples import STRANGER, Sample, Stored
from tests.e2e.verdicts.server import SampleCache, sample_cache
from tools.bootstrap import ROOT

STORE = "/nix/store"


@pytest.fixture
def served() -> Iterator[SampleCache]:
    """Provide a cache without paths."""
    with sample_cache(STORE) as cache:
        yield cache


def found(served: SampleCache, *samples: Sample, deep: bool = False) -> list[Finding]:
    """Return what doctor finds of some samples."""
    for sample in samples:
        served.add(sample)
    hashes = tuple(sample.base_name[:32] for sample in samples)
    subject = Subject(manifest(served.url, STORE))
    return list(paths(subject, Wanted(None, named=hashes, deep=deep)))


def signed(name: str) -> Sample:
    """Return a path that is well."""
    return Sample.signed(name, STORE)


def unsized(name: str) -> Sample:
    """Return a path that is well, of which the size of the file is not stated."""
    sample = signed(name)
    sample.drop("FileSize")
    sample.drop("FileHash")
    return sample


def test_only_what_was_compared_is_said_to_be_well(served: SampleCache) -> None:
    """Without --deep that is the size, and with it the content."""
    (quick,) = found(served, signed("a"), signed("b"))
    (deep,) = found(served, signed("a"), signed("b"), deep=True)

    assert (quick.level, deep.level) == (Level.OK, Level.OK)
    assert quick.what.startswith("2 of 2 paths from those named have a signature")
    assert quick.what.endswith("a NAR of the stated FileSize, which was not read")
    assert deep.what.endswith("a NAR of the stated NarHash and NarSize, which was read")


def test_a_nar_of_which_nothing_was_compared_is_not_checked(served: SampleCache) -> None:
    """Without a FileSize there is nothing to compare; with --deep there is."""
    quick = found(served, signed("a"), unsized("b"))
    (deep,) = found(served, signed("a"), unsized("b"), deep=True)

    assert [finding.level for finding in quick] == [Level.OK, Level.NOT_CHECKED]
    assert quick[0].what.startswith("1 of 2 paths")
    assert "that was not compared" in quick[1].what
    assert deep.what.startswith("2 of 2 paths")


def test_a_nar_of_another_size_is_read_without_deep(served: SampleCache) -> None:
    """The verdict is that of its content, and not a guess."""
    well, cut_off = signed("a"), signed("b")
    well.set("FileSize", "7")
    cut_off.stored.body = cut_off.stored.body[:-8]

    ok, error, warning = found(served, well, cut_off)

    assert (ok.level, warning.level, error.level) == (Level.OK, Level.WARNING, Level.ERROR)
    assert ok.what.endswith("which was read")
    assert "FileSize is 7" in str(warning.items)
    assert cut_off.path in str(error.items)


def tampered_address() -> Sample:
    """Return a content address of something else, without a signature: ``ca_tampered.narinfo``."""
    sample = Sample.addressed("tampered", STORE)
    sample.set("CA", Sample.addressed("other", STORE).value("CA"))
    return sample


def garbage_address() -> Sample:
    """Return a CA that is none, with a valid signature: ``ca_garbage.narinfo``."""
    sample = signed("garbage")
    sample.add("CA", "garbage")
    return sample


def other_content() -> Sample:
    """Return a content address of something else, with a valid signature."""
    sample = Sample.addressed("signed", STORE)
    sample.set("CA", Sample.addressed("other", STORE).value("CA"))
    sample.sign()
    return sample


def unknown_compression() -> Sample:
    """Return an unknown compression: ``compression_unknown.narinfo``."""
    sample = signed("compression")
    sample.set("Compression", "foo")
    return sample


def many_digits() -> Sample:
    """Return a size of 4301 digits: ``narsize_4301_digits.narinfo``."""
    sample = signed("digits")
    sample.set("NarSize", "1" * 4301)
    return sample


def of_a_stranger() -> Sample:
    """Return a path that a stranger signed."""
    sample = signed("stranger")
    sample.sign(STRANGER)
    return sample


def broken_off() -> Sample:
    """Return a NAR of which less comes than is announced."""
    sample = signed("broken")
    sample.stored.body = sample.stored.body[:100]
    sample.stored.headers["Content-Length"] = "1000"
    return sample


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("sample", "what"),
    [
        (tampered_address(), "with a content address from which another path follows"),
        (garbage_address(), "with a narinfo that Nix cannot read"),
        (other_content(), "with a content address from which another path follows"),
        (unknown_compression(), "with a compression that Nix does not know"),
        (many_digits(), "with a narinfo that Nix cannot read"),
        (of_a_stranger(), "signed by keys that are not trusted alone"),
        (broken_off(), ""),
    ],
    ids=lambda value: value.name if isinstance(value, Sample) else "",
)
def test_one_bad_path_costs_one_finding(
    served: SampleCache, sample: Sample, what: str, deep: bool
) -> None:
    """The others are looked at as ever."""
    ok, error = found(served, signed("a"), sample, signed("b"), deep=deep)

    assert ok.what.startswith("2 of 3 paths")
    assert (ok.level, error.level) == (Level.OK, Level.ERROR)
    assert what in error.what
    assert sample.base_name[:32] in str(error.items)
    assert error.fix


def test_the_verdicts_of_the_known_differences_are_as_listed(served: SampleCache) -> None:
    """Doctor's half of them; the other half is the real Nix's, in e2e."""
    expected = {name: one.doctor for one in KNOWN_DIFFERENCES for name in one.samples}
    samples = [one for one in all_samples(STORE, served.url) if one.name in expected]
    for sample in samples:
        served.add(sample)

    judged = by_doctor(samples, manifest(served.url, STORE))

    assert {name: one.verdict for name, one in judged.items()} == expected


def test_the_known_differences_are_documented() -> None:
    """The table in the docs is the list by which the verdicts are tested."""
    shown = {
        Verdict.TAKEN: "takes it",
        Verdict.REFUSED: "refuses it",
        Verdict.NOT_CHECKED: "not checked",
    }
    rows = [
        f"| {one.what} | {shown[one.nix]} | {shown[one.doctor]} | {one.why} |"
        for one in KNOWN_DIFFERENCES
    ]
    lines = (ROOT / "docs" / "operations" / "doctor.md").read_text().splitlines()
    start = lines.index("| A path of which | Nix 2.34 | doctor | because |")

    assert lines[start + 2 : start + 2 + len(rows) + 1] == [*rows, ""]


@pytest.mark.parametrize(
    ("status", "level", "text"),
    [
        (404, Level.WARNING, "referring to paths that are not in the cache"),
        (403, Level.WARNING, "referring to paths that are not in the cache"),
        (503, Level.NOT_CHECKED, "of which it is not clear whether the cache has them"),
        (302, Level.NOT_CHECKED, "of which it is not clear whether the cache has them"),
    ],
)
def test_a_reference_is_absent_only_if_the_cache_says_so(
    served: SampleCache, status: int, level: Level, text: str
) -> None:
    """Any other answer leaves it open."""
    reference, sample = signed("b"), signed("a")
    sample.set("References", reference.base_name)
    sample.sign()
    served.objects[f"{reference.base_name[:32]}.narinfo"] = Stored(b"", status=status)

    last = found(served, sample)[-1]

    assert last.level is level
    assert text in last.what
    assert last.items == (f"{sample.path}: {reference.base_name}",)
