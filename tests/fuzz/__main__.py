"""Tries random inputs on every parser: `python -m tests.fuzz --seconds 120`."""

import argparse
import random

from tests.fuzz.driver import HEADER, keep, run_all
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run the chosen targets; return 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="in all (default: 60)")
    parser.add_argument(
        "--only", metavar="WORD", default="", help="parsers with that in their name"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the run")
    options = parser.parse_args()
    targets = [target for target in TARGETS if options.only in target.name]
    if not targets:
        parser.error(f"no parser has {options.only!r} in its name")
    print(f"{len(targets)} parsers, {options.seconds:.0f} s, seed {options.seed}", flush=True)
    results = run_all(targets, options.seconds, options.seed, lambda line: print(line, flush=True))
    print(f"\n{HEADER}")
    for result in results:
        print(result.row())
    failed = [result for result in results if result.failing is not None]
    for result in failed:
        print(f"\n{result.target.name} fails on {result.failing!r:.500}")
        print("\n".join(f"  {line:.200}" for line in result.failure.splitlines()))
        print(f"kept in {keep(result)}: commit it with the fix, and every run replays it")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
