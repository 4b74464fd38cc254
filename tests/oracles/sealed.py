"""Opens sealed segments with the key that `almoner keys export` gives, by DuckDB and pyarrow, and holds their
rows against the same segments in the open; without the key, or with another, nothing opens.

Usage: sealed.py SITE ALMONER
"""

import base64
import json
import secrets
import subprocess
import sys

import duckdb
import pyarrow
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from folder import Faults, argument, commits, failed, opened, passed


def by_pyarrow(path, key):
    properties = pe.create_decryption_properties(footer_key=key)
    return pq.ParquetFile(path, decryption_properties=properties).read()


def by_duckdb(path, key):
    db = duckdb.connect()
    db.execute(f"PRAGMA add_parquet_key('segment', '{base64.b64encode(key).decode()}')")
    scan = f"read_parquet('{path}', encryption_config = {{footer_key: 'segment'}})"
    return db.execute(f"SELECT * FROM {scan}").to_arrow_table()


def refuses(read, *arguments):
    try:
        read(*arguments)
    except Exception as error:  # each program has errors of its own
        return bool(str(error))
    return False


def main():
    site, almoner = argument("SITE ALMONER"), sys.argv[2]
    inside = opened(site, almoner)
    faults, segments, rows = Faults(), 0, 0
    for _, version in commits(site, "lake/commits"):
        name = f"{version['dataset']}@{version['version']}"
        command = [almoner, "--quiet", "--site", site, "keys", "export", name, "--format", "json"]
        key = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        key, other = bytes.fromhex(key["hex"]), secrets.token_bytes(32)
        for segment in (s for table in version["tables"] for s in table["segments"]):
            path = site / "lake" / segment["path"]
            where = f"{name} {path.name[:12]}"
            faults.expect(path.read_bytes()[-4:] == b"PARE", f"{where}: it lies in the open")
            wanted = pq.read_table(inside / "lake" / segment["path"])
            rows, segments = rows + wanted.num_rows, segments + 1
            for program, read in (("pyarrow", by_pyarrow), ("DuckDB", by_duckdb)):
                try:
                    table = read(path, key)
                except Exception as error:
                    faults.expect(False, f"{where}: {program} with the key: {error}")
                    continue
                same = table.num_rows == wanted.num_rows and all(
                    table[c].cast(pyarrow.string()).to_pylist() == wanted[c].cast(pyarrow.string()).to_pylist()
                    for c in wanted.column_names
                )
                faults.expect(same, f"{where}: {program} reads other rows")
                faults.expect(refuses(read, path, other), f"{where}: {program} opens it with another key")
            faults.expect(refuses(pq.read_table, path), f"{where}: pyarrow opens it without a key")
    sealed = [p for p in (site / "vault").rglob("*") if p.is_file() and "keyring" not in p.parts]
    for path in sealed:
        faults.expect(path.read_bytes()[:8] == b"ALMSEAL1", f"{path.relative_to(site)} lies in the open")
    if faults or not segments or not sealed:
        failed(faults or ["nothing was sealed"])
    passed(f"{segments} segments, {rows:,} rows by pyarrow and DuckDB; {len(sealed)} objects of the vault sealed")


main()
