#!/usr/bin/env python3
"""Times `almoner deid search` beside anjana (PyPI) on the adult census, and alone on a large table.

Both read the same CSV and hierarchies and look for k = 5 with a suppression limit. anjana stops at the
first generalisation of a greedy climb; Almoner shows that none loses less. They take turns; each run is
a process of its own, start and reading counted. CPU seconds and peak memory are the operating system's.
Prints a Markdown table of medians; `loss` is ARX's, 0 to 1, of what each found.

Usage: benches/search.py ALMONER [--data ../shared/data/adult] [--large DIR] [--runs 3]
DIR is what `cargo bench --bench search -- --write DIR` wrote. It installs anjana below target/bench.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"

ANJANA = """
import glob, json, sys
import pandas as pd
from anjana.anonymity import k_anonymity
folder, supp = sys.argv[1], float(sys.argv[2])
table = pd.read_csv(f"{folder}/adult.csv", sep=";", dtype=str)
hierarchies = {}
for column in table.columns:
    file = pd.read_csv(f"{folder}/adult_hierarchy_{column}.csv", sep=";", header=None, dtype=str)
    hierarchies[column] = dict(file)
out = k_anonymity(table, [], list(table.columns), 5, supp * 100, hierarchies)
levels = []
for column in table.columns:
    values = set(out[column])
    levels.append(next(l for l, labels in hierarchies[column].items() if values <= set(labels)))
print(json.dumps({"levels": levels, "suppressed_rows": len(table) - len(out)}))
"""


def run(command):
    """Runs a command; returns its output, CPU seconds and peak MiB."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed")
    return json.loads(text.splitlines()[-1] if text.count(b"\n{") else text), (
        usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024


def loss(folder, rows, suppressed, levels):
    """The least that those levels lose: the suppressed rows' own share is taken as the mean's."""
    product, columns = 1.0, len(levels)
    for (name, values), level in zip(rows.items(), levels):
        lines = [l.split(";") for l in (folder / f"adult_hierarchy_{name}.csv").read_text().splitlines()]
        sizes = {}
        for line in lines:
            sizes[line[level]] = sizes.get(line[level], 0) + 1
        share = {line[0]: sizes[line[level]] / len(lines) for line in lines}
        kept = sum(share[v] for v in values) * (1 - suppressed / len(values)) + suppressed
        least = len(values) / len(lines)
        product *= ((kept - least) / (len(values) - least) + 1) ** (1 / columns)
    return product - 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("almoner")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "../shared/data/adult")
    parser.add_argument("--large", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    python = WORK / "anjana" / "bin" / "python"
    if not python.exists():
        venv.create(python.parent.parent, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "anjana==1.2.3"], check=True)
    lines = [l.split(";") for l in (args.data / "adult.csv").read_text().splitlines()]
    rows = {name: [l[i] for l in lines[1:]] for i, name in enumerate(lines[0])}

    def almoner(file, folder, supp):
        return [args.almoner, "deid", "search", str(file), "--hierarchies", str(folder), "--k", "5",
                "--suppress", supp, "--format", "json"]

    print("| table | suppressed at most | program | CPU s | MiB | levels | suppressed | loss |")
    print("|---|---:|---|---:|---:|---|---:|---:|")
    for supp in ("0", "0.02", "0.05"):
        programs = {
            "almoner": almoner(args.data / "adult.csv", args.data, supp),
            "anjana": [str(python), "-c", ANJANA, str(args.data), supp],
        }
        figures = {name: [] for name in programs}
        for _ in range(args.runs):
            for name, command in programs.items():
                figures[name].append(run(command))
        for name, runs in figures.items():
            found = runs[0][0]
            levels, suppressed = found["levels"], found["suppressed_rows"]
            if isinstance(levels, dict):
                levels = list(levels.values())
            lost = found.get("score", loss(args.data, rows, suppressed, levels))
            cpu, peak = (statistics.median(r[i] for r in runs) for i in (1, 2))
            print(f"| adult | {supp} | {name} | {cpu:.2f} | {peak:.0f} | {levels} | {suppressed} "
                  f"| {float(lost):.4f} |", flush=True)
    for supp in ("0", "0.02") if args.large else ():
        runs = [run(almoner(args.large / "large.csv", args.large, supp)) for _ in range(args.runs)]
        cpu, peak = (statistics.median(r[i] for r in runs) for i in (1, 2))
        found = runs[0][0]
        print(f"| 1.2 million rows | {supp} | almoner | {cpu:.2f} | {peak:.0f} | {found['levels']} "
              f"| {found['suppressed_rows']} | {float(found['score']):.4f} |", flush=True)


if __name__ == "__main__":
    main()
