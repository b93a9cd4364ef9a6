"""`python -m bench.retention` simulates ten years, and writes bench/RETENTION.md."""

import sys
import time

from bench.retention.page import page, row
from bench.retention.policies import POLICIES
from bench.retention.years import Years, simulate
from tools.bootstrap import ROOT

DAYS = 3650
SEED = 20


def main() -> int:
    """Simulate each policy; returns the process's exit code."""
    results: list[Years] = []
    for policy in POLICIES:
        start = time.monotonic()
        results.append(simulate(policy, DAYS, SEED))
        print(f"{row(results[-1])}  {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    (ROOT / "bench" / "RETENTION.md").write_text(page(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
