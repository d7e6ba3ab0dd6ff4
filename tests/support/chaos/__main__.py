"""`make chaos`: kills and faults by a schedule, against runs whose pods end as scripts say; all drawn from one seed.

python -m tests.support.chaos --seed 1 --minutes 5 --runs 200
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from hack.bench.preprocess import machine_name
from tests.support.chaos.play import play


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    one = play(options.seed, options.minutes, options.runs, folder)
    command = f"make chaos SEED={options.seed} MINUTES={options.minutes:g} RUNS={options.runs}"
    print(f"\n{machine_name()}; `{command}`.\n\n{one.table()}")
    for sentence in one.broken:
        print(f"BROKEN: {sentence}")
    if one.broken:
        sys.exit(f"{len(one.broken)} invariants did not hold; again: {command}")


if __name__ == "__main__":
    main()
