#!/usr/bin/env python3
"""Times the settlement's scale kernels beside Polars and DuckDB on the same Parquet file.

All three read uses (`payee`, `weight`), sum the weights of each payee, apportion an amount exactly by
largest remainders (ties to the smaller payee), and write `payee` and `share` as Parquet with zstd.
Polars does it in Int128, DuckDB in HUGEINT, as exactness needs; both may write rows in any order.
Their programs stand in full below.

The programs take turns. Each run is a process of its own; wall time and peak resident memory are the
operating system's. The outputs are compared row by row, and ours byte by byte for 1 and 2 threads.
Prints a Markdown table of medians.

Usage: benches/settlement.py [--uses 100000000] [--payees 10000000] [--runs 3]
It builds benches/settlement (cargo, release) and installs benches/requirements.txt below target/bench.
"""

import argparse
import hashlib
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"
AMOUNT = 1_000_000_000_000_000  # 10,000,000.00 in millionths of a cent

GENERATE = """
import sys, duckdb
uses, payees, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
db = duckdb.connect()
db.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false; SET memory_limit = '4GB'")
db.execute(f'''COPY (SELECT (hash(i) % {payees})::UINTEGER AS payee,
        (1 + hash(i + {uses}) % 1000)::UBIGINT AS weight FROM range({uses}) t(i))
    TO '{out}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 1048576)''')
"""

POLARS = """
import sys
import polars as pl
uses, out, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
sums = (pl.scan_parquet(uses).group_by("payee").agg(pl.col("weight").sum().cast(pl.Int128))
    .collect(engine="streaming"))
total = pl.lit(sums["weight"].sum(), pl.Int128)
product = pl.lit(amount, pl.Int128) * pl.col("weight")
parts = sums.select("payee", (product // total).alias("share"), (product % total).alias("rest"))
left = amount - int(parts["share"].sum())
(parts.sort(["rest", "payee"], descending=[True, False])
    .select("payee", (pl.col("share") + (pl.int_range(pl.len()) < left).cast(pl.Int128))
        .cast(pl.Int64).alias("share"))
    .write_parquet(out, compression="zstd"))
"""

DUCKDB = """
import sys, duckdb
uses, out, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = duckdb.connect()
db.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
db.execute(f'''CREATE TEMP TABLE sums AS
    SELECT payee, sum(weight)::HUGEINT AS weight FROM read_parquet('{uses}') GROUP BY payee''')
db.execute(f'''CREATE TEMP TABLE parts AS
    SELECT payee, ({amount}::HUGEINT * weight) // total AS share,
        ({amount}::HUGEINT * weight) % total AS rest
    FROM sums, (SELECT sum(weight)::HUGEINT AS total FROM sums)''')
db.execute(f'''COPY (SELECT payee, (share + (place <= left_over)::HUGEINT)::BIGINT AS share
    FROM (SELECT payee, share, row_number() OVER (ORDER BY rest DESC, payee) AS place FROM parts),
        (SELECT {amount} - sum(share) AS left_over FROM parts))
    TO '{out}' (FORMAT parquet, COMPRESSION zstd)''')
"""

COMPARE = """
import sys, duckdb
ours, other = sys.argv[1:3]
duckdb.sql("SET enable_progress_bar = false")
(odd, total), = duckdb.sql(f'''SELECT
        count(*) FILTER (coalesce(a.share, 0) <> coalesce(b.share, 0)), sum(a.share)
    FROM '{ours}' a FULL JOIN '{other}' b USING (payee)''').fetchall()
print(f"{odd} of all payees differ; {total} given out")
sys.exit(odd > 0)
"""


def install():
    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
        requirements = ROOT / "benches" / "requirements.txt"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return python


def build():
    manifest = ROOT / "benches" / "settlement" / "Cargo.toml"
    target = WORK / "settlement-build"
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest,
                    "--target-dir", target], check=True)
    return target / "release" / "settlement"


def timed(command):
    began = time.monotonic()
    child = subprocess.Popen([str(part) for part in command])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return time.monotonic() - began, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


def digest(path):
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{name}, {os.cpu_count()} cores, load {load}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uses", type=int, default=100_000_000)
    parser.add_argument("--payees", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    python, settlement = install(), build()
    uses = WORK / f"uses-{options.uses}-{options.payees}.parquet"
    if not uses.exists():
        half = uses.with_suffix(".half")
        subprocess.run([python, "-c", GENERATE, str(options.uses), str(options.payees), half],
                       check=True)
        half.rename(uses)
    out = {name: WORK / f"shares-{name}.parquet" for name in ("almoner", "Polars", "DuckDB")}
    ours = [settlement, uses, out["almoner"], options.payees, AMOUNT]
    commands = {
        "almoner": [*ours, options.threads],
        "Polars": [python, "-c", POLARS, uses, out["Polars"], AMOUNT],
        "DuckDB": [python, "-c", DUCKDB, uses, out["DuckDB"], AMOUNT],
    }
    print(f"{options.uses:,} uses, {options.payees:,} payees, {uses.stat().st_size / 1e6:,.0f} MB; "
          f"{machine()}", flush=True)
    found = {name: [] for name in commands}
    for run in range(options.runs):
        for name, command in commands.items():
            found[name].append(timed(command))
            wall, memory, cpu = found[name][-1]
            print(f"run {run + 1}: {name} {wall:.2f} s wall, {cpu:.2f} s CPU, {memory:,.0f} MiB; "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)
    same = True
    for name in ("Polars", "DuckDB"):
        compared = subprocess.run([python, "-c", COMPARE, out["almoner"], out[name]],
                                  capture_output=True, text=True, check=False)
        print(f"almoner and {name}: {compared.stdout.strip()}{compared.stderr.strip()}")
        same = same and compared.returncode == 0
    alone = [digest(out["almoner"])]
    for threads in (1, 2):
        wall, memory, cpu = timed([*ours, threads])
        alone.append(digest(out["almoner"]))
        print(f"almoner, threads {threads}: {wall:.2f} s wall, {cpu:.2f} s CPU, {memory:,.0f} MiB")
    same = same and len(set(alone)) == 1
    print("the same bytes for 1 and 2 threads" if len(set(alone)) == 1 else "THE BYTES DIFFER")

    median = {name: [statistics.median(column) for column in zip(*runs)]
              for name, runs in found.items()}
    best = min(median["Polars"][0], median["DuckDB"][0])
    print("\n| | wall | against the faster of the others | CPU | peak memory |")
    print("|---|---:|---:|---:|---:|")
    for name, (wall, memory, cpu) in median.items():
        print(f"| {name} | {wall:.2f} s | {wall / best:.2f} × | {cpu:.2f} s | {memory:,.0f} MiB |")
    for path in out.values():
        path.unlink(missing_ok=True)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
