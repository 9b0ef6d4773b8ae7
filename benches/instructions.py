"""Counts the instructions that an event costs in each job of benches/compare, and compares them with a baseline.

Callgrind counts them, which a busy machine does not disturb. Each job runs on the first 1,000 and the first 5,000 records of
its input: the difference is that of 4,000 events, without the start and the end of the program.
"""

import argparse
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "benches" / "instructions.txt"
FOLDER = ROOT / "target" / "compare" / "instructions"
FEW, MANY = 1000, 5000
# Of LINES in benches/inputs.rs 10,000 and of ORDERS 6,000.
SCALE = "0.002"
TOLERANCE = 0.03
INPUTS = {
    "words": "app.log",
    "services": "app.log",
    "requests": "access.log",
    "requests-pattern": "access.log",
    "orders": "orders.ndjson",
    "customers": "customers.ndjson",
    "one-rule": "app.log",
    "hundred-rules": "app.log",
}
HEAD = """\
# Instructions that an event costs, by job of benches/compare. Written by: benches/instructions.sh --update
"""


def instructions(job, records):
    """Instructions of the whole program for the first records of the job's input."""
    path = FOLDER / "first.input"
    with open(FOLDER / INPUTS[job], encoding="utf-8") as source, open(path, "w", encoding="utf-8") as target:
        target.writelines(islice(source, records))
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", ROOT / "target/release/streamgauge",
               "replay", ROOT / f"benches/compare/{job}.yaml", "--input", path]
    ran = subprocess.run(command, env={**os.environ, "INPUT": str(path)}, capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or collected is None:
        sys.exit(f"{job}: {ran.stderr}")
    return int(collected[1])


def baseline():
    lines = [line.split() for line in BASELINE.read_text().splitlines() if line and not line.startswith("#")]
    return {job: float(number) for job, number in lines}


def main():
    parser = argparse.ArgumentParser(prog="benches/instructions.sh", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--update", action="store_true", help="write the baseline")
    update = parser.parse_args().update
    if not (FOLDER / "scrape.expected").exists():
        subprocess.run(["cargo", "bench", "--locked", "--quiet", "--bench", "inputs", "--", FOLDER, SCALE],
                       cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    counted = {}
    expected = {} if update else baseline()
    off = []
    print(f"{'job':20} {'per event':>10} {'baseline':>10} {'change':>8}")
    for job in INPUTS:
        counted[job] = (instructions(job, MANY) - instructions(job, FEW)) / (MANY - FEW)
        before = expected.get(job, counted[job])
        change = counted[job] / before - 1
        print(f"{job:20} {counted[job]:10.1f} {before:10.1f} {change:+8.2%}", flush=True)
        if abs(change) > TOLERANCE or not update and job not in expected:
            off.append(job)
    if update:
        BASELINE.write_text(HEAD + "".join(f"{job} {number:.1f}\n" for job, number in counted.items()))
    if off:
        sys.exit(f"{', '.join(off)}: off the baseline by more than {TOLERANCE:.0%}. If that is meant, "
                 "benches/instructions.sh --update, and say why in the commit")


main()
