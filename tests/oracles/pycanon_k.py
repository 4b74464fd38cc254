"""Measures k of every released table with pycanon; it must not be below what was declared.

A class is counted in people, not rows: a person with ten rows is one person.

Usage: pycanon_k.py SITE
"""

import pandas
import pyarrow.parquet
from pycanon import anonymity

from folder import Faults, argument, commits, failed, opened, passed


def main():
    site = opened(argument("SITE"))
    faults, measured = Faults(), []
    for _, version in commits(site, "lake/commits"):
        name = f"{version['dataset']}@{version['version']}"
        for table in version["tables"]:
            quasi = [c["name"] for c in table["columns"] if c["role"] == "quasi"]
            where = f"{name} {table['table']}"
            if not quasi:
                faults.expect(table["class_min"] == 0, f"{where}: a class, but no quasi-identifier")
                continue
            frames = [
                pyarrow.parquet.read_table(
                    site / "lake" / s["path"], columns=["person", *quasi]).to_pandas()
                for s in table["segments"]
            ]
            frame = pandas.concat(frames) if frames else pandas.DataFrame()
            if frame.empty:
                continue
            # pycanon compares values; nothing stands for itself, apart from every text.
            for column in quasi:
                frame[column] = [
                    "\0none" if pandas.isna(v) else str(v) for v in frame[column].tolist()
                ]
            people = frame.drop_duplicates().reset_index(drop=True)
            k = anonymity.k_anonymity(people, quasi)
            faults.expect(k >= version["k"], f"{where}: k is {k}, declared {version['k']}")
            faults.expect(
                k == table["class_min"], f"{where}: k is {k}, recorded {table['class_min']}")
            measured.append(k)
    if faults:
        failed(faults)
    if not measured:
        failed(["no released table has a quasi-identifier: nothing was measured"])
    passed(f"{len(measured)} tables, the smallest class has {min(measured)} people")


if __name__ == "__main__":
    main()
