"""Reads every segment of every version with DuckDB and compares it with its commit and its entry.

Usage: duckdb_segments.py SITE
"""

import re

import duckdb

from folder import Faults, argument, commits, failed, opened, passed, predicate, sha3, sha256

# Arrow's names of types and DuckDB's for the same Parquet columns.
TYPES = {
    "Utf8": {"VARCHAR"}, "LargeUtf8": {"VARCHAR"}, "Utf8View": {"VARCHAR"},
    "Int64": {"BIGINT"}, "Int32": {"INTEGER"}, "Int16": {"SMALLINT"}, "UInt32": {"UINTEGER"},
    "Float64": {"DOUBLE"}, "Boolean": {"BOOLEAN"}, "Date32": {"DATE"},
}


def type_fits(arrow, duck):
    if arrow.startswith("Timestamp"):
        return duck.startswith("TIMESTAMP")
    if arrow.startswith("Decimal"):
        return duck.startswith("DECIMAL")
    if arrow.startswith("Dictionary"):
        return duck == "VARCHAR"
    return duck in TYPES.get(arrow, {duck})


def main():
    site = opened(argument("SITE"))
    db = duckdb.connect()
    faults, segments, rows_all, versions = Faults(), 0, 0, 0
    newest = {}
    for number, version in commits(site, "lake/commits"):
        versions += 1
        name = f"{version['dataset']}@{version['version']}"
        before = newest.get(version["dataset"], 0)
        faults.expect(version["version"] == before + 1, f"commit {number}: {name} follows {before}")
        newest[version["dataset"]] = version["version"]
        booked = {t["table"]: t for t in predicate(version["entry"])["tables"]}
        faults.expect(
            set(booked) == {t["table"] for t in version["tables"]},
            f"{name}: the entry names other tables than the commit",
        )
        people = set()
        for table in version["tables"]:
            where = f"{name} {table['table']}"
            rows_table = 0
            in_entry = booked.get(table["table"], {"segments": [], "rows": None})
            faults.expect(
                [(s["path"], s["rows"], s["sha3"]) for s in table["segments"]]
                == [(s["path"], s["rows"], s["sha3"]) for s in in_entry["segments"]],
                f"{where}: the entry names other segments than the commit",
            )
            faults.expect(in_entry["rows"] == table["rows"], f"{where}: rows in the entry")
            for segment in table["segments"]:
                segments += 1
                path = site / "lake" / segment["path"]
                if not faults.expect(path.is_file(), f"{where}: {segment['path']} is absent"):
                    continue
                data = path.read_bytes()
                faults.expect(len(data) == segment["bytes"], f"{where}: {path.name}: its size")
                faults.expect(sha3(data) == segment["sha3"], f"{where}: {path.name}: SHA3-256")
                faults.expect(sha256(data) == segment["sha256"], f"{where}: {path.name}: SHA-256")
                faults.expect(path.stem == segment["sha3"], f"{where}: {path.name}: its name")
                source = f"read_parquet({sql_text(path)})"
                described = db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
                declared = [(c["name"], c["type"]) for c in table["columns"]]
                faults.expect(
                    [d[0] for d in described] == [d[0] for d in declared],
                    f"{where}: columns {[d[0] for d in described]} for {declared}",
                )
                for (column, arrow), found in zip(declared, described):
                    faults.expect(
                        type_fits(arrow, found[1]),
                        f"{where}.{column}: declared {arrow}, DuckDB reads {found[1]}",
                    )
                rows, odd = db.execute(
                    f"SELECT count(*), count(*) FILTER (NOT regexp_full_match(person, "
                    f"'[0-9a-f]{{32}}') OR person IS NULL) FROM {source}"
                ).fetchone()
                faults.expect(rows == segment["rows"], f"{where}: {path.name}: {rows} rows")
                faults.expect(odd == 0, f"{where}: {path.name}: {odd} rows without a pseudonym")
                # Every column is decoded, not just counted.
                db.execute(f"SELECT {', '.join(f'max(hash({quoted(d[0])}))' for d in described)} "
                           f"FROM {source}").fetchone()
                people.update(p for (p,) in db.execute(
                    f"SELECT DISTINCT person FROM {source}").fetchall())
                rows_table += rows
            faults.expect(rows_table == table["rows"], f"{where}: {rows_table} rows in segments")
            rows_all += rows_table
        counts = version["counts"]
        faults.expect(
            counts["released"] == sum(t["rows"] for t in version["tables"]),
            f"{name}: released rows and the tables' rows differ",
        )
        faults.expect(
            counts["read"] == counts["rejected"] + counts["refused"] + counts["admitted"]
            and counts["admitted"] == counts["suppressed"] + counts["released"],
            f"{name}: the counts do not add up: {counts}",
        )
        faults.expect(counts["people"] == len(people), f"{name}: {len(people)} people in segments")
        faults.expect(version["record"]["count"] == len(people), f"{name}: leaves and people")
        check_roster(db, site, version, people, name, faults)
    faults.expect(versions > 0, "there is no version of any dataset")
    if faults:
        failed(faults)
    passed(f"{versions} versions, {segments} segments, {rows_all:,} rows agree")


def check_roster(db, site, version, people, name, faults):
    """The private roster names exactly the people of the version, each once an institution."""
    path = site / "vault" / version["roster"]["path"]
    if not faults.expect(path.is_file(), f"{name}: the roster is absent"):
        return
    faults.expect(sha3(path.read_bytes()) == version["roster"]["digest"], f"{name}: roster digest")
    source = f"read_parquet({sql_text(path)})"
    roster = {p for (p,) in db.execute(f"SELECT DISTINCT pseudonym FROM {source}").fetchall()}
    faults.expect(roster == people, f"{name}: the roster names {len(roster)}, not {len(people)}")
    rows, lines, pairs, contributors = db.execute(
        f"SELECT sum(rows), count(*), count(DISTINCT (contributor, institution)), "
        f"count(DISTINCT contributor) FROM {source}").fetchone()
    faults.expect(lines == pairs, f"{name}: a person stands twice in the roster of an institution")
    faults.expect(contributors == len(roster), f"{name}: a person has two pseudonyms")
    faults.expect(
        rows == sum(t["rows"] for t in version["tables"]), f"{name}: the roster has {rows} rows")


def quoted(column):
    assert re.fullmatch(r"[^\x00]+", column)
    return '"' + column.replace('"', '""') + '"'


def sql_text(path):
    return "'" + str(path).replace("'", "''") + "'"


if __name__ == "__main__":
    main()
