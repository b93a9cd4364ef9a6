"""Finds out whether a Nix signs its S3 requests, by looking at one of them."""

import subprocess
from pathlib import Path

from nix_cache.cli.doctor.signing_trial import signing_trial
from offline.nix import RealNix
from tests.e2e.nix import Nix

PROFILE = "probe"


def signs_requests(real: RealNix, session: Path) -> bool:
    """Return whether a Nix that has credentials sends them along.

    Args:
        real: the Nix.
        session: a folder that the whole run of tests shares.
    """
    nix = Nix(real, session, session / "probe", signs=True)  # so that no proxy signs for it
    nix.add_profile(PROFILE, {"accessKeyId": "probe", "secretAccessKey": "probe-probe"})
    try:
        with signing_trial() as trial:
            store = f"s3://probe?profile={PROFILE}&region=us-east-1&endpoint={trial.url}"
            reported = nix.run("store", "info", "--store", store)
    except subprocess.TimeoutExpired as hung:
        raise AssertionError(f"the Nix hung while it was looked at: {hung}") from hung
    finally:
        nix.close()
    assert trial.signed, f"the Nix asked nothing of an S3 cache:\n{reported.output}"
    return all(trial.signed)
