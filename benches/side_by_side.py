#!/usr/bin/env python3
"""Times `almoner ingest` beside DuckDB and Polars doing the same columns on the same file.

All three read one CSV of seven columns, keep rows that fit their types and ranges and whose person
has a standing consent, replace the person by a keyed hash, shift dates by a number of days of the
person, bring birth dates to bands of ten years and ZIP codes to three digits, cut codes to three
characters, leave out classes of fewer than 11 people, and write Parquet with zstd. Almoner also
digests what it read and wrote (SHA3-256 and SHA-256), keeps a quarantine, a roster and a run report,
makes a record tree, syncs every write to disk and signs an entry and a checkpoint; the others stop at
the Parquet file.

The programs take turns, so that a busy moment of the machine meets all of them. Each run is a process
of its own; its wall time and peak resident memory are the operating system's. Prints a Markdown table
of medians.

Usage: benches/side_by_side.py [--rows 5000000] [--runs 5] [--almoner target/release/almoner]
Build first: cargo build --release
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"
NOW = "2026-11-22T12:00:00Z"
KEY = "0123456789abcdef0123456789abcdef"
# ZIP3 areas of 20,000 people or fewer (2020 census), as in the HIPAA rule.
RESTRICTED = ("036", "059", "102", "203", "205", "369", "556", "692", "753", "772", "821", "823",
              "878", "879", "884", "893")

DUCKDB = """
import sys, duckdb
csv, consents, out, key, restricted = sys.argv[1:6]
db = duckdb.connect()
db.execute("SET preserve_insertion_order = false")
db.execute(f'''CREATE TEMP TABLE decided AS FROM read_csv('{consents}', all_varchar = true)''')
db.execute('''CREATE TEMP TABLE consented AS SELECT DISTINCT contributor FROM decided
    WHERE action = 'grant' AND (valid_until IS NULL OR valid_until > '2026-11-22')
      AND list_has_any(string_split(purposes, '|'), ['DUO:0000004', 'DUO:0000006', 'DUO:0000042'])
      AND contributor NOT IN (SELECT contributor FROM decided WHERE action = 'withdraw')''')
db.execute(f'''CREATE TEMP TABLE flat AS SELECT patient_id,
    ((year(birth_date) // 10) * 10)::VARCHAR AS birth_years,
    CASE WHEN left(zip, 3) IN ({restricted}) THEN '000' ELSE left(zip, 3) END AS zip3,
    sex, left(icd, 3) AS icd, value, event_date
    FROM read_csv('{csv}', header = true, columns = {{'patient_id': 'VARCHAR', 'birth_date': 'DATE',
        'zip': 'VARCHAR', 'sex': 'VARCHAR', 'icd': 'VARCHAR', 'value': 'DOUBLE',
        'event_date': 'DATE'}})
    SEMI JOIN consented ON patient_id = contributor
    WHERE birth_date BETWEEN '1900-01-01' AND '2026-12-31' AND sex IN ('F', 'M')
      AND value BETWEEN 0 AND 1000 AND event_date BETWEEN '2000-01-01' AND '2026-12-31' ''')
db.execute(f'''CREATE TEMP TABLE people AS SELECT patient_id, h[1:32] AS person,
    (('0x' || h[33:40])::BIGINT % 364)::INTEGER - 182 AS days
    FROM (SELECT patient_id, sha256('{key}' || patient_id) AS h
          FROM (SELECT DISTINCT patient_id FROM flat))''')
db.execute('''CREATE TEMP TABLE kept AS SELECT birth_years, zip3, sex FROM flat
    GROUP BY ALL HAVING count(DISTINCT patient_id) >= 11''')
db.execute(f'''COPY (SELECT person, birth_years, zip3, sex, icd, value,
        event_date + CASE WHEN days >= 0 THEN days + 1 ELSE days END AS event_date
    FROM flat JOIN people USING (patient_id) SEMI JOIN kept USING (birth_years, zip3, sex))
    TO '{out}' (FORMAT parquet, COMPRESSION zstd)''')
"""

# Polars has no expression for SHA-256, so it is taken once a person by hashlib: the fewest calls
# into Python that give the column.
POLARS = """
import hashlib, sys
import polars as pl
csv, consents, out, key, restricted = sys.argv[1:6]
restricted = [z.strip("'") for z in restricted.split(",")]
decided = pl.scan_csv(consents, infer_schema=False)
covering = ["DUO:0000004", "DUO:0000006", "DUO:0000042"]
granted = (decided
    .filter((pl.col("action") == "grant")
            & (pl.col("valid_until").is_null() | (pl.col("valid_until") > "2026-11-22"))
            & pl.any_horizontal(pl.col("purposes").str.split("|").list.contains(c)
                                for c in covering))
    .join(decided.filter(pl.col("action") == "withdraw"), on="contributor", how="anti")
    .select("contributor").unique())
date = lambda text: pl.lit(text).str.to_date()
schema = {"patient_id": pl.String, "birth_date": pl.Date, "zip": pl.String, "sex": pl.String,
          "icd": pl.String, "value": pl.Float64, "event_date": pl.Date}
flat = (pl.scan_csv(csv, schema=schema)
    .join(granted, left_on="patient_id", right_on="contributor", how="semi")
    .filter(pl.col("birth_date").is_between(date("1900-01-01"), date("2026-12-31"))
            & pl.col("sex").is_in(["F", "M"]) & pl.col("value").is_between(0, 1000)
            & pl.col("event_date").is_between(date("2000-01-01"), date("2026-12-31")))
    .select("patient_id", ((pl.col("birth_date").dt.year() // 10) * 10).cast(pl.String)
                .alias("birth_years"),
            pl.col("zip").str.slice(0, 3).replace(restricted, ["000"] * len(restricted))
                .alias("zip3"),
            "sex", pl.col("icd").str.slice(0, 3), "value", "event_date")
    .collect(engine="streaming"))
ids = flat.get_column("patient_id").unique()
hashes = [hashlib.sha256((key + i).encode()).hexdigest() for i in ids]
days = [int(h[32:40], 16) % 364 - 182 for h in hashes]
people = pl.LazyFrame({"patient_id": ids, "person": [h[:32] for h in hashes],
                       "days": [d + 1 if d >= 0 else d for d in days]})
kept = (flat.lazy().group_by("birth_years", "zip3", "sex")
    .agg(pl.col("patient_id").n_unique().alias("n")).filter(pl.col("n") >= 11))
(flat.lazy().join(people, on="patient_id")
    .join(kept, on=["birth_years", "zip3", "sex"], how="semi")
    .select("person", "birth_years", "zip3", "sex", "icd", "value",
            pl.col("event_date") + pl.duration(days=pl.col("days")))
    .sink_parquet(out, compression="zstd"))
"""


def run(command, environment=None):
    """Runs a command; returns its wall time in seconds and its peak resident memory in MiB."""
    with open(WORK / "said.txt", "wb") as said:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                 env=environment, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        took = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command} failed:\n{(WORK / 'said.txt').read_text(errors='replace')}")
    return took, usage.ru_maxrss / 1024


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--almoner", default=str(ROOT / "target" / "release" / "almoner"))
    options = options.parse_args()
    almoner = str(pathlib.Path(options.almoner).resolve())
    WORK.mkdir(parents=True, exist_ok=True)

    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                    ROOT / "benches" / "requirements.txt"], check=True)
    for name, text in (("duckdb_side.py", DUCKDB), ("polars_side.py", POLARS)):
        (WORK / name).write_text(text)

    csv, consents = WORK / "flat.csv", WORK / "consents.csv"
    stamp = WORK / "flat.rows"
    if not stamp.exists() or stamp.read_text() != str(options.rows):
        subprocess.run([almoner, "population", "flat", "--rows", str(options.rows), "--seed", "1",
                        "--out", csv], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([almoner, "population", "consents", "--for", csv, "--column", "patient_id",
                        "--seed", "1", "--out", consents], check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(str(options.rows))
    base = WORK / "base"
    shutil.rmtree(base, ignore_errors=True)
    environment = {**os.environ, "ALMONER_NOW": NOW}
    for arguments in (["init", base / "site"],
                      ["--site", base / "site", "consent", "import", consents]):
        subprocess.run([almoner, *map(str, arguments)], check=True, env=environment,
                       stdout=subprocess.DEVNULL)

    def ours():
        fresh = WORK / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(base, fresh)
        os.chmod(fresh / "site.keys", 0o700)
        measured = run([almoner, "--quiet", "--site", str(fresh / "site"), "ingest",
                        "pipelines/bench.toml", "--input", str(WORK)], environment)
        version = json.loads((fresh / "site/lake/commits/000000000001.json").read_bytes())
        return measured, version["counts"]["released"]

    def theirs(name):
        out = WORK / f"{name}.parquet"
        out.unlink(missing_ok=True)
        restricted = ",".join(f"'{z}'" for z in RESTRICTED)
        measured = run([str(python), str(WORK / f"{name}_side.py"), str(csv), str(consents),
                        str(out), KEY, restricted])
        rows = subprocess.run(
            [python, "-c", "import duckdb, sys; print(duckdb.execute('SELECT count(*) FROM "
             "read_parquet(?)', [sys.argv[1]]).fetchone()[0])", out],
            check=True, capture_output=True, text=True).stdout
        return measured, int(rows)

    programs = {"almoner ingest": ours, "DuckDB": lambda: theirs("duckdb"),
                "Polars": lambda: theirs("polars")}
    times = {name: [] for name in programs}
    rows = {}
    for turn in range(options.runs):
        # The order changes from turn to turn: nobody always runs after the same neighbour.
        names = list(programs)
        names = names[turn % len(names):] + names[: turn % len(names)]
        for name in names:
            measured, rows[name] = programs[name]()
            times[name].append(measured)
            print(f"turn {turn + 1}: {name}: {measured[0]:.2f} s, {measured[1]:.0f} MiB",
                  file=sys.stderr)

    wall = {n: statistics.median(t for t, _ in m) for n, m in times.items()}
    peak = {n: statistics.median(p for _, p in m) for n, m in times.items()}
    mine = "almoner ingest"
    print(f"{options.rows:,} rows, {csv.stat().st_size / 1e6:,.0f} MB of CSV; "
          f"medians of {options.runs} runs, taking turns; {machine()}.\n")
    print("| | wall | against almoner | peak memory | against almoner | rows out |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in programs:
        print(f"| {name} | {wall[name]:.2f} s | {wall[name] / wall[mine]:.2f} × | "
              f"{peak[name]:,.0f} MiB | {peak[name] / peak[mine]:.2f} × | {rows[name]:,} |")
    spread = ", ".join(
        f"{n} {min(t for t, _ in m):.2f} to {max(t for t, _ in m):.2f} s" for n, m in times.items())
    print(f"\nSpread: {spread}.")


if __name__ == "__main__":
    main()
