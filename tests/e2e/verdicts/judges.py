"""The two judges of samples: doctor, and the real Nix."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.narinfos import paths
from nix_cache.cli.doctor.paths import Wanted
from nix_cache.cli.doctor.subject import Subject
from nix_cache.formats.manifest import Manifest
from tests.e2e.nix import Nix
from tests.e2e.verdicts.samples import KEY, Sample

JOBS = 4
HANG_SECONDS = 8
"""Nix never ends where a file compressed by Brotli is cut off."""


class Verdict(Enum):
    """What became of a path."""

    TAKEN = "taken"
    REFUSED = "refused"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reasons."""

    verdict: Verdict
    reasons: tuple[str, ...] = field(default=(), compare=False)


def manifest(cache_url: str, store_dir: str) -> Manifest:
    """Return the cache, as doctor knows it."""
    endpoint, _, bucket = cache_url.rpartition("/")
    return Manifest.model_validate(
        {
            "version": 1,
            "backend": "minio",
            "bucket": bucket,
            "endpoint": endpoint,
            "region": "us-east-1",
            "public": True,
            "storeDir": store_dir,
            "priority": 40,
            "wantMassQuery": True,
            "readUrl": cache_url,
            "pushUrls": {},
            "profiles": {},
            "publicKeys": [KEY.public_text],
            "keyNames": {},
            "readers": [],
            "expireAfterDays": 0,
            "landingPage": False,
            "descriptor": False,
        }
    )


def by_doctor(
    samples: Sequence[Sample], cache: Manifest, *, deep: bool = True
) -> dict[str, Judgement]:
    """Return what doctor says of each sample, by name."""
    hashes = {sample.base_name[:32]: sample.name for sample in samples}
    found: dict[str, list[tuple[Level, str]]] = {sample.name: [] for sample in samples}
    wanted = Wanted(None, named=tuple(hashes), deep=deep)
    for finding in paths(Subject(cache), wanted):
        if "referring to paths" in finding.what:
            continue  # which may come from another cache
        for item in finding.items:
            for part in item.replace(":", "/").split("/"):
                if part[:32] in hashes:
                    reason = f"{finding.level.value}: {finding.what}: {item}"
                    found[hashes[part[:32]]].append((finding.level, reason))
                    break
            else:
                raise AssertionError(f"{item} names no path")
    return {name: _judged(levels) for name, levels in found.items()}


def _judged(found: list[tuple[Level, str]]) -> Judgement:
    levels = {level for level, _ in found}
    reasons = tuple(reason for _, reason in found)
    if Level.ERROR in levels:
        return Judgement(Verdict.REFUSED, reasons)
    if Level.NOT_CHECKED in levels:
        return Judgement(Verdict.NOT_CHECKED, reasons)
    return Judgement(Verdict.TAKEN, reasons)


_SCRIPT = """\
# Realises each path that standard input names, as a build would, and keeps what comes of it.
while read -r name path; do
  timeout -k 1 {seconds} {program} -r "$path" --option max-jobs 0 --option download-attempts 1 \
    --option connect-timeout 5 >/dev/null 2>"{folder}/$name.err" </dev/null
  echo $? >"{folder}/$name.code"
done
"""


def by_nix(samples: Sequence[Sample], nix: Nix, cache_url: str) -> dict[str, Judgement]:
    """Return what the real Nix does with each sample, by name. It takes each as a build would."""
    nix.configure(f"substituters = {cache_url}", f"trusted-public-keys = {KEY.public_text}")
    nix.get("-q", "--requisites", program="nix-store")  # makes the database, once
    folder = nix.folder / "judged"
    folder.mkdir()
    script = folder / "judge.sh"
    program = nix.real.programs / "nix-store"
    script.write_text(_SCRIPT.format(seconds=HANG_SECONDS, program=program, folder=folder))
    enter = nix.real.command(
        ["sh", str(script)], nix.real.nix_folder(nix.session), nix.store_folder, [nix.session]
    )
    lists = [
        "".join(f"{sample.name} {sample.path}\n" for sample in samples[start::JOBS])
        for start in range(JOBS)
    ]
    with ThreadPoolExecutor(JOBS) as workers:
        done = workers.map(
            lambda names: subprocess.run(
                enter, input=names.encode(), env=nix.environment, check=True, timeout=900
            ),
            lists,
        )
        list(done)
    return {sample.name: _read(folder, sample.name) for sample in samples}


def _read(folder: Path, name: str) -> Judgement:
    code = int((folder / f"{name}.code").read_text())
    printed = (folder / f"{name}.err").read_text(errors="backslashreplace").splitlines()[-4:]
    verdict = Verdict.REFUSED if code else Verdict.TAKEN
    return Judgement(verdict, (f"exit code {code}", *printed))
