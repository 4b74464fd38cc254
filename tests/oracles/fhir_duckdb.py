#!/usr/bin/env python3
"""Runs the Observation view over all real Observations, read in parts by two threads into Parquet,
and lets DuckDB read the same resources with its own JSON reader: not one row may differ. The digest
of each row is compared with hashlib's of its line, and the compressed file must give the same table.

Usage: fhir_duckdb.py [--almoner target/debug/almoner]
"""

import argparse
import hashlib
import os
import pathlib
import subprocess
import tempfile

from folder import failed, passed, skipped, unpacked

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = [ROOT / up / "shared/data/synthea-r4-multi" for up in ("..", "../..")]
KEY = "split_part({}.reference, '/', 2)"
SAME = f"""
SELECT id, {KEY.format('subject')}, {KEY.format('encounter')}, status, category[1].coding[1].code,
    code.coding[1].code, code.coding[1].system, code.text, effectiveDateTime, valueQuantity.value,
    valueQuantity.unit, valueCodeableConcept.coding[1].code, valueCodeableConcept.text
FROM read_json('{{}}', format = 'newline_delimited', columns = {{{{
    'id': 'VARCHAR', 'subject': 'STRUCT(reference VARCHAR)',
    'encounter': 'STRUCT(reference VARCHAR)', 'status': 'VARCHAR',
    'category': 'STRUCT(coding STRUCT(code VARCHAR)[])[]',
    'code': 'STRUCT(coding STRUCT(code VARCHAR, system VARCHAR)[], text VARCHAR)',
    'effectiveDateTime': 'VARCHAR', 'valueQuantity': 'STRUCT(value DOUBLE, unit VARCHAR)',
    'valueCodeableConcept': 'STRUCT(coding STRUCT(code VARCHAR)[], text VARCHAR)'}}}})
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--almoner", default=os.environ.get("ALMONER", "target/debug/almoner"))
    args = parser.parse_args()
    folder = next((path for path in DATA if path.is_dir()), None)
    if folder is None:
        skipped("../shared/data/synthea-r4-multi is absent")
    try:
        import duckdb
    except ImportError as error:
        skipped(f"duckdb is not installed: {error}")
    packed, faults = folder / "Observation.ndjson.zst", []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        plain, parts, whole = work / "o.ndjson", work / "parts.parquet", work / "whole.parquet"
        content = unpacked(packed)
        plain.write_bytes(content)
        for source, out in ((plain, parts), (packed, whole)):
            subprocess.run(
                [args.almoner, "--quiet", "view", "run", "schemas/fhir/observation.json",
                 str(source), "--out", str(out), "--digest", "--threads", "2"],
                check=True, stdout=subprocess.DEVNULL, cwd=ROOT,
            )
        db = duckdb.connect()
        ours = f"SELECT * EXCLUDE (_sha256) FROM '{parts}'"
        theirs = SAME.format(plain)
        rows = db.execute(f"SELECT count(*) FROM ({ours})").fetchone()[0]
        for name, one, other in (
            ("rows that DuckDB has not", ours, theirs),
            ("rows of DuckDB's that are missing", theirs, ours),
            ("rows that the compressed file gives otherwise", f"FROM '{whole}'", f"FROM '{parts}'"),
        ):
            count = db.execute(f"SELECT count(*) FROM (({one}) EXCEPT ALL ({other}))").fetchone()[0]
            if count:
                faults.append(f"{count} {name}")
        digests = db.execute(f"SELECT _sha256 FROM '{parts}'").fetchall()
        lines = content.splitlines()
        if [bytes(digest) for (digest,) in digests] != [hashlib.sha256(x).digest() for x in lines]:
            faults.append("digests are not those of the lines")
    if faults:
        failed(faults)
    passed(f"{rows} Observations: DuckDB has the same rows, hashlib the same digests")


if __name__ == "__main__":
    main()
