"""Doctor's verdict on mutated paths is that of the real Nix, but for known differences."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from offline.nix import RealNix
from tests.e2e.nix import Nix
from tests.e2e.verdicts.judges import Judgement, Verdict, by_doctor, by_nix, manifest
from tests.e2e.verdicts.known_differences import expected
from tests.e2e.verdicts.mutations import all_samples
from tests.e2e.verdicts.server import sample_cache

FEWEST_SAMPLES = 1000

pytestmark = pytest.mark.timeout(900)  # 60 s on an idle machine with two cores

OLDEST = (2, 34)
"""Older versions read narinfos with malformed signatures."""


@dataclass(frozen=True)
class Judged:
    """All samples as they were judged, by name."""

    by_nix: dict[str, Judgement]
    by_deep_doctor: dict[str, Judgement]
    by_quick_doctor: dict[str, Judgement]
    expected: dict[str, tuple[Verdict, Verdict]]


@pytest.fixture(scope="module")
def judged(
    real_nix: RealNix, session_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Judged]:
    """Every sample, judged by doctor and by Nix."""
    version = tuple(map(int, real_nix.version.split(".")))
    if version < OLDEST:
        pytest.skip(f"nothing was proven: doctor judges as Nix 2.34, and this is {version}")
    folder = tmp_path_factory.mktemp("verdicts") / "machine"
    store_dir = f"{real_nix.nix_folder(session_folder)}/store"
    with (
        sample_cache(store_dir) as served,
        closing(Nix(real_nix, session_folder, folder, signs=True)) as nix,
    ):
        samples = all_samples(store_dir, served.url)
        for sample in samples:
            served.add(sample)
        cache = manifest(served.url, store_dir)
        yield Judged(
            by_nix(samples, nix, served.url),
            by_doctor(samples, cache),
            by_doctor(samples, cache, deep=False),
            expected(version),
        )


def test_doctor_and_nix_agree_but_for_the_known_differences(judged: Judged) -> None:
    """A difference that is not listed fails, and so does one that is listed and is none."""
    assert len(judged.by_nix) >= FEWEST_SAMPLES
    assert judged.expected.keys() <= judged.by_nix.keys()
    found = {
        name: (doctor.verdict, judged.by_nix[name].verdict)
        for name, doctor in judged.by_deep_doctor.items()
        if doctor.verdict is not judged.by_nix[name].verdict
    }
    wrong = [
        f"{name}: doctor {_shown(judged.by_deep_doctor[name])}; Nix {_shown(judged.by_nix[name])}"
        for name in sorted(found.keys() | judged.expected.keys())
        if found.get(name) != judged.expected.get(name)
    ]
    assert not wrong, os.linesep.join([f"{len(wrong)} unexpected verdicts:", *wrong])


def test_samples_of_both_verdicts_are_many(judged: Judged) -> None:
    """A Nix that took or refused everything would prove nothing."""
    verdicts = [one.verdict for one in judged.by_nix.values()]

    assert min(verdicts.count(Verdict.TAKEN), verdicts.count(Verdict.REFUSED)) > 300


def test_without_deep_no_path_is_refused_that_nix_takes(judged: Judged) -> None:
    """Less is looked at then, but what is found is true."""
    wrong = [
        f"{name}: doctor {_shown(doctor)}; Nix {_shown(judged.by_nix[name])}"
        for name, doctor in judged.by_quick_doctor.items()
        if (doctor.verdict, judged.by_nix[name].verdict) == (Verdict.REFUSED, Verdict.TAKEN)
        and judged.expected.get(name) != (Verdict.REFUSED, Verdict.TAKEN)
    ]
    assert not wrong, os.linesep.join(wrong)


def _shown(judgement: Judgement) -> str:
    return f"{judgement.verdict.value} {judgement.reasons}"
