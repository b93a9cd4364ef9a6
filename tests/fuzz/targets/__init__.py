"""Every parser that reads foreign data, by area."""

from tests.fuzz.target import Target
from tests.fuzz.targets import (
    access_logs,
    buckets,
    credentials,
    encodings,
    manifests,
    narinfos,
    nix_conf,
    nix_output,
    policies,
    stacks,
)

TARGETS: tuple[Target, ...] = (
    *narinfos.TARGETS,
    *encodings.TARGETS,
    *manifests.TARGETS,
    *nix_conf.TARGETS,
    *credentials.TARGETS,
    *buckets.TARGETS,
    *nix_output.TARGETS,
    *policies.TARGETS,
    *stacks.TARGETS,
    *access_logs.TARGETS,
)
