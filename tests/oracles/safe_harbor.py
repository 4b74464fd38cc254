"""Holds a release under safe harbour against 45 CFR 164.514(b)(2)(i), with another program than the
one that made it: pyarrow reads back what lies in the lake, Aho-Corasick searches it.

Usage: safe_harbor.py SITE DATA    DATA is ../shared/data: Synthea's tables and the census
"""

import collections
import csv
import json
import pathlib
import re
import sys

import pyarrow
import pyarrow.parquet

from folder import argument, failed, opened, passed
from leaks import Search, search_file

TABLES = ["patients", "encounters", "conditions", "medications", "procedures", "immunizations",
          "observations"]
# Whatever tells of a person, a provider, an institution or a day in the raw files.
IDENTIFYING = {"id", "birthdate", "deathdate", "ssn", "drivers", "passport", "first", "last", "maiden",
               "address", "birthplace", "city", "county", "zip", "lat", "lon", "patient", "encounter",
               "organization", "provider", "payer", "start", "stop", "date"}
DATED = re.compile(r"^\d{4}-\d{2}(-\d{2})?([T ].*)?$")


def needles(folder):
    found = {}
    for table in TABLES:
        with open(folder / f"{table}.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for column, cell in row.items():
                    if column.lower() in IDENTIFYING and len(cell) >= 3:
                        found.setdefault(cell, f"{table}.{column}")
                        if re.match(r"\d{4}-\d{2}-\d{2}T", cell):
                            found.setdefault(cell[:10], f"{table}.{column}")
    return found


def crowded(path):
    """Returns the ZIP prefixes in which more than 20,000 people live."""
    people = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for zip_code, count in (row for row in csv.reader(file) if len(row) == 2):
            people[zip_code[:3]] += int(count)
    return {prefix for prefix, count in people.items() if count > 20_000}


def main():
    site = opened(argument("SITE DATA"))
    data = pathlib.Path(sys.argv[2])
    faults, cells, codes = [], 0, set()
    prefixes = crowded(data / "zip" / "zcta_population_2020.csv")
    commits = sorted((site / "lake" / "commits").rglob("*.json"))
    version = json.loads(commits[-1].read_text())
    oldest = int(version["time"][:4]) - 89
    for table in version["tables"]:
        for segment in table["segments"]:
            rows = pyarrow.parquet.read_table(site / "lake" / segment["path"])
            for name, column in zip(rows.column_names, rows.columns):
                where = f"{table['table']}.{name}"
                if pyarrow.types.is_temporal(column.type):
                    faults.append(f"{where} is of a type of dates (C)")
                texts = [t for t in column.cast(pyarrow.string()).to_pylist() if t]
                cells += len(texts)
                if any(DATED.match(text) for text in texts):
                    faults.append(f"{where} holds dates (C)")
                if name == "zip3" and not set(texts) <= prefixes | {"000"}:
                    faults.append(f"{where} holds a prefix of 20,000 people or fewer (B)")
                if name == "birth_years" or name in ("died", "year", "end_year"):
                    if any(not oldest <= int(t[:4]) <= oldest + 89 for t in texts):
                        faults.append(f"{where} tells an age over 89 (C)")
                if name == "person":
                    codes |= set(texts)
    if len(codes) < 20 or any(not re.fullmatch(r"[0-9a-f]{32}", code) for code in codes):
        faults.append("people have no codes of 32 hex digits")
    table = next((p for p in version["papers"] if p["path"].endswith("/codes.tsv")), None)
    if table is None:
        faults.append("the version names no code table")
    else:
        lines = (site / "vault" / table["path"]).read_text().splitlines()[1:]
        drawn = {line.split("\t")[0] for line in lines}
        if not codes <= drawn:
            faults.append("a person's code was not drawn")
        if len(drawn) != len(lines):
            faults.append("two people have one code")
    found = needles(data / "synthea-csv-27")
    search, files = Search(found), 0
    for zone in ("lake", "ledger", "public"):
        for path in sorted((site / zone).rglob("*")):
            if path.is_file():
                files += 1
                search_file(search, path, str(path.relative_to(site)))
    faults += search.hits
    if faults:
        failed(faults)
    passed(f"{cells:,} cells, {len(codes)} people; {len(found):,} identifiers in {files} files: none")


if __name__ == "__main__":
    main()
