"""make bench-operator                                        1,000 runs: minutes
make bench-operator BENCH='--runs 5000'                     a quarter of an hour
make bench-operator BENCH='--before FOLDER'                 another checkout's operator folder, measured first

What is requested does not depend on other load; CPU and wall times do.
"""

import argparse
import os
import sys
from pathlib import Path

from hack.bench import figures
from hack.bench.operator.goals import CPUS, tables
from hack.bench.operator.sequence import measure
from hack.bench.preprocess import ROOT, machine_name, say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="how many are active at a time; more than 200")
    parser.add_argument("--rest-s", type=float, default=60.0, help="how long the runs are watched at rest")
    parser.add_argument("--before", type=Path, help="the operator folder of another checkout, measured first")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    ways = {"before": options.before, "this checkout": ROOT / "operator"}
    parts = []
    for title, code in ways.items():
        if code is None:
            continue
        say(title)
        found, is_held = measure(code, runs=options.runs, rest_s=options.rest_s)
        heading = f"**{title}**\n\n" if options.before else ""
        parts.append(f"{heading}{tables(found)}")
    held = f"the operator held to {CPUS:g} CPUs" if is_held else "no cgroup could hold the operator to its share"
    command = f"make bench-operator BENCH='{' '.join(sys.argv[1:])}'"
    load = f"load average at the end {os.getloadavg()[0]:.1f}"
    text = f"{machine_name()}, {load}; {held}; `{command}`.\n\n" + "\n".join(parts)
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-operator"))


if __name__ == "__main__":
    main()
