"""Exports the newest version of each dataset as MEDS, lets the standard's own package judge it, and
counts its numbers again in the lake.

Usage: meds_export.py SITE ALMONER
"""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

import meds
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from folder import Faults, argument, commits, failed, opened, passed

PSEUDONYM = re.compile(r"[0-9a-f]{32}")


def released(site, version):
    """The people of a version, and how many numbers it has and what they come to."""
    people, count, total = set(), 0, 0.0
    for table in version["tables"]:
        numbers = [
            column["name"]
            for column in table["columns"]
            if column["role"] in ("quasi", "sensitive", "measure")
            and column["type"] in ("Int64", "Float64")
            and "code_system" not in column
        ]
        for segment in table["segments"]:
            rows = pq.read_table(site / "lake" / segment["path"])
            people.update(rows["person"].to_pylist())
            for name in numbers:
                cells = rows[name].drop_null().cast(pa.float64())
                count += len(cells)
                total += pc.sum(cells).as_py() or 0.0
    return people, count, total


def check(faults, name, folder, site, version):
    people, count, total = released(site, version)
    splits = pq.read_table(folder / meds.subject_splits_filepath)
    meds.SubjectSplitSchema.validate(splits)
    split_of = dict(zip(splits["subject_id"].to_pylist(), splits["split"].to_pylist()))
    faults.expect(len(split_of) == len(people), f"{name}: {len(split_of)} of {len(people)} people")
    codes = pq.read_table(folder / meds.code_metadata_filepath)
    meds.CodeMetadataSchema.validate(codes)
    known = codes["code"].to_pylist()
    faults.expect(len(set(known)) == len(known), f"{name}: a code is listed twice")
    faults.expect(not any(PSEUDONYM.search(code) for code in known), f"{name}: a pseudonym is a code")
    about = json.loads((folder / meds.dataset_metadata_filepath).read_text())
    meds.DatasetMetadataSchema.validate(about)
    events, seen, found, summed = 0, set(), 0, 0.0
    for shard in sorted((folder / meds.data_subdirectory).rglob("*.parquet")):
        data = pq.read_table(shard)
        meds.DataSchema.validate(data)
        split = shard.relative_to(folder / meds.data_subdirectory).parts[0]
        subjects, times = data["subject_id"].to_pylist(), data["time"].cast(pa.int64()).to_pylist()
        keys = [(s, -math.inf if t is None else t) for s, t in zip(subjects, times)]
        faults.expect(keys == sorted(keys), f"{name}: {shard.name} of {split} is out of order")
        own = set(subjects)
        faults.expect(not own & seen, f"{name}: a subject lies in two shards")
        faults.expect(all(split_of.get(s) == split for s in own), f"{name}: a subject lies in {split}")
        faults.expect(set(data["code"].to_pylist()) <= set(known), f"{name}: a code is not listed")
        values = data["numeric_value"].drop_null().cast(pa.float64())
        found, summed = found + len(values), summed + (pc.sum(values).as_py() or 0.0)
        events, seen = events + data.num_rows, seen | own
    faults.expect(seen == set(split_of), f"{name}: {len(split_of) - len(seen)} people have no event")
    faults.expect(found == count, f"{name}: {found} numbers of {count}")
    faults.expect(math.isclose(summed, total, rel_tol=1e-4), f"{name}: they sum to {summed}, not {total}")
    return events


def main():
    site, almoner = argument("SITE ALMONER"), sys.argv[2]
    inside = opened(site, almoner)
    newest = {version["dataset"]: version for _, version in commits(inside, "lake/commits")}
    faults, events = Faults(), 0
    for dataset, version in newest.items():
        with tempfile.TemporaryDirectory() as folder:
            export = ["dataset", "export", dataset, "--as", "meds", "--out", folder]
            subprocess.run([almoner, "--quiet", "--site", site, *export], check=True, stdout=subprocess.DEVNULL)
            events += check(faults, dataset, pathlib.Path(folder), inside, version)
    if faults or not events:
        failed(faults or ["nothing was exported"])
    passed(f"{events:,} events of {len(newest)} datasets, as MEDS {meds.__version__} wants them")


main()
