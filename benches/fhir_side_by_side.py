#!/usr/bin/env python3
"""Times `almoner view run` beside DuckDB and pysof: one 8-column view of Observations, NDJSON to
Parquet with zstd.

Almoner also makes the SHA-256 of each resource and checks its type, id and JSON; DuckDB reads the
same columns by `read_json` with their types given; pysof, which writes no Parquet, writes NDJSON of a
sample of the lines. The programs take turns, so that a busy moment of the machine meets all. Each run
is a process of its own; CPU time, wall time and peak resident memory are the operating system's, start
of the program included. Prints a Markdown table of medians and the ratio to DuckDB.

Usage: benches/fhir_side_by_side.py [--copies 4] [--runs 5] [--almoner target/release/almoner]
Needs ../shared/data/synthea-r4-multi, zstd, DuckDB's Python package, and pysof's where it is to run too.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench" / "fhir"
DATA = [ROOT / up / "shared/data/synthea-r4-multi" for up in ("..", "../..")]
COLUMNS = [
    ("id", "getResourceKey()", "id"),
    ("patient", "subject.getReferenceKey(Patient)", "string"),
    ("encounter", "encounter.getReferenceKey(Encounter)", "string"),
    ("status", "status", "code"),
    ("code", "code.coding.first().code", "code"),
    ("effective", "effective.ofType(dateTime)", "dateTime"),
    ("value", "value.ofType(Quantity).value", "decimal"),
    ("unit", "value.ofType(Quantity).unit", "string"),
]
VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [{"column": [{"name": n, "path": p, "type": t} for n, p, t in COLUMNS]}],
}
DUCKDB = """
import sys, duckdb
ndjson, out, threads = sys.argv[1:4]
db = duckdb.connect()
db.execute(f"SET threads = {threads}")
db.execute(f'''COPY (SELECT id, split_part(subject.reference, '/', 2) AS patient,
        split_part(encounter.reference, '/', 2) AS encounter, status, code.coding[1].code AS code,
        effectiveDateTime AS effective, valueQuantity.value AS value, valueQuantity.unit AS unit
    FROM read_json('{ndjson}', format = 'newline_delimited', columns = {{
        'id': 'VARCHAR', 'subject': 'STRUCT(reference VARCHAR)',
        'encounter': 'STRUCT(reference VARCHAR)', 'status': 'VARCHAR',
        'code': 'STRUCT(coding STRUCT(code VARCHAR)[])', 'effectiveDateTime': 'VARCHAR',
        'valueQuantity': 'STRUCT(value DOUBLE, unit VARCHAR)'}}))
    TO '{out}' (FORMAT parquet, COMPRESSION zstd)''')
"""
PYSOF = """
import sys, pysof
ndjson, out, view = sys.argv[1:4]
pysof.process_ndjson_to_file(open(view).read(), ndjson, out, 'ndjson')
"""


def run(command):
    """Runs a process; returns its CPU seconds, wall seconds and peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status != 0:
        sys.exit(f"failed: {command}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def same(ours, theirs):
    """Returns how many rows of two Parquet files differ."""
    import duckdb

    columns = ", ".join(name for name, _, _ in COLUMNS)
    sides = [f"(SELECT {columns} FROM '{path}')" for path in (ours, theirs)]
    count = "SELECT count(*) FROM ({} EXCEPT ALL {})"
    db = duckdb.connect()
    return sum(
        db.execute(count.format(a, b)).fetchone()[0] for a, b in (sides, reversed(sides))
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=4, help="of the 74 MB of Observations")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--almoner", default=str(ROOT / "target/release/almoner"))
    args = parser.parse_args()
    folder = next((path for path in DATA if path.is_dir()), None)
    if folder is None:
        sys.exit("../shared/data/synthea-r4-multi is absent")
    WORK.mkdir(parents=True, exist_ok=True)
    packed = folder / "Observation.ndjson.zst"
    ndjson, sample, view = WORK / "o.ndjson", WORK / "sample.ndjson", WORK / "view.json"
    # Nothing large is held here: a child's peak memory begins at its parent's.
    with open(ndjson, "wb") as file:
        for _ in range(args.copies):
            subprocess.run(["zstd", "-qdc", str(packed)], stdout=file, check=True)
    resources = 0
    with open(ndjson, "rb") as file, open(sample, "wb") as some:
        for line in file:
            resources += 1
            if resources <= 5000:
                some.write(line)
    view.write_text(json.dumps(VIEW))
    ours, theirs, csv = WORK / "ours.parquet", WORK / "duckdb.parquet", WORK / "pysof.ndjson"

    contenders = {}
    for threads in (1, 2):
        contenders[f"almoner, {threads} threads"] = (ndjson, [
            args.almoner, "--quiet", "view", "run", str(view), str(ndjson), "--out", str(ours),
            "--digest", "--threads", str(threads),
        ])
        contenders[f"DuckDB, {threads} threads"] = (ndjson, [
            sys.executable, "-c", DUCKDB, str(ndjson), str(theirs), str(threads),
        ])
    try:
        import pysof._pysof  # noqa: F401

        contenders["pysof (NDJSON, a sample)"] = (sample, [
            sys.executable, "-c", PYSOF, str(sample), str(csv), str(view),
        ])
    except ImportError as error:
        print(f"pysof is left out: {error}", file=sys.stderr)

    times = {name: [] for name in contenders}
    for turn in range(args.runs + 1):
        for name, (_, command) in contenders.items():
            taken = run(command)
            if turn > 0:  # the first turn warms the page cache
                times[name].append(taken)
    differing = same(ours, theirs)

    base = {}
    print("| program | CPU s | MB per CPU s | wall s | MB per s | peak MiB | CPU to DuckDB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    rows = []
    for name, (source, _) in contenders.items():
        cpu, wall, peak = (statistics.median(column) for column in zip(*times[name]))
        megabytes = source.stat().st_size / 1e6
        rows.append((name, cpu, megabytes / cpu, wall, megabytes / wall, peak))
        if name.startswith("DuckDB"):
            base[name.split(", ")[1]] = megabytes / cpu
    for name, cpu, per_cpu, wall, per_wall, peak in rows:
        against = base.get(name.split(", ")[-1], base["1 threads"])
        print(
            f"| {name} | {cpu:.3f} | {per_cpu:.0f} | {wall:.3f} | {per_wall:.0f} | {peak:.0f} |"
            f" {per_cpu / against:.2f} |"
        )
    print(f"\n{ndjson.stat().st_size / 1e6:.0f} MB, {resources}"
          f" resources; rows that differ between Almoner and DuckDB: {differing}")


if __name__ == "__main__":
    main()
