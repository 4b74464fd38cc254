#!/usr/bin/env python3
"""Runs the six views of schemas/fhir, and one of what they do not use, over real resources twice: by
`almoner view run` and by pysof (helios-sof, another implementation of SQL on FHIR), and compares
every row and cell. Rows have no order: what a view unrolls twice may come in any.

pysof is slow, so of Observations a sample is taken: each third one, and at least 20,000.

Usage: fhir_pysof.py [--almoner target/debug/almoner]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile

from folder import failed, passed, skipped, unpacked

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = [ROOT / up / "shared/data/synthea-r4-multi" for up in ("..", "../..")]
VIEWS = {
    "schemas/fhir/patient.json": "Patient",
    "tests/oracles/fhir_features.json": "Patient",
    "schemas/fhir/encounter.json": "Encounter",
    "schemas/fhir/condition.json": "Condition",
    "schemas/fhir/observation.json": "Observation",
    "schemas/fhir/medication_request.json": "MedicationRequest",
    "schemas/fhir/procedure.json": "Procedure",
}
SAMPLE = {"Observation": 3}


def load():
    """Imports pysof. Its wheel bundles an OpenSSL that wants a newer glibc than Debian 12 has; the
    system's own, of the same ABI, takes its place where the bundled one does not load."""
    libraries = pathlib.Path(sysconfig.get_paths()["platlib"]) / "pysof.libs"
    try:
        import pysof._pysof  # noqa: F401
    except ModuleNotFoundError as error:
        skipped(f"pysof is not installed: {error}")
    except ImportError as error:
        if "GLIBC" not in str(error) or os.environ.get("PYSOF_SWAPPED"):
            skipped(f"pysof does not load: {error}")
        for stem in ("libcrypto", "libssl"):
            system = next(
                (
                    path / f"{stem}.so.3"
                    for path in map(pathlib.Path, ("/usr/lib/x86_64-linux-gnu", "/usr/lib64"))
                    if (path / f"{stem}.so.3").exists()
                ),
                None,
            )
            if system is None:
                skipped(f"pysof does not load, and there is no {stem}.so.3: {error}")
            for bundled in libraries.glob(f"{stem}-*.so.3"):
                bundled.unlink()
                bundled.symlink_to(system)
        # A failed import is remembered: begin again.
        os.environ["PYSOF_SWAPPED"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    import pysof

    return pysof


def resources(folder, kind, out):
    """Decompresses a file, or each n-th line of it."""
    step = SAMPLE.get(kind, 1)
    lines = unpacked(folder / f"{kind}.ndjson.zst").splitlines(keepends=True)[::step]
    out.write_bytes(b"".join(lines))
    return len(lines)


def rows(path):
    with open(path, encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--almoner", default=os.environ.get("ALMONER", "target/debug/almoner"))
    args = parser.parse_args()
    folder = next((path for path in DATA if path.is_dir()), None)
    if folder is None:
        skipped("../shared/data/synthea-r4-multi is absent")
    pysof = load()
    faults, count, cells = [], 0, 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for name, kind in VIEWS.items():
            view = ROOT / name
            source = work / f"{kind}.ndjson"
            lines = resources(folder, kind, source)
            ours, theirs = work / "ours.ndjson", work / "theirs.ndjson"
            subprocess.run(
                [args.almoner, "--quiet", "view", "run", str(view), str(source), "--out", str(ours)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            pysof.process_ndjson_to_file(view.read_text(), str(source), str(theirs), "ndjson")
            found, wanted = rows(ours), rows(theirs)
            if len(found) != len(wanted):
                faults.append(f"{name}: {len(found)} rows, pysof has {len(wanted)}")
            differing = 0
            for at, (one, other) in enumerate(zip(found, wanted)):
                for column in one.keys() | other.keys():
                    cells += 1
                    if one.get(column) != other.get(column):
                        differing += 1
                        if differing <= 5:
                            faults.append(
                                f"{name}, row {at}, {column}: {one.get(column)!r},"
                                f" pysof has {other.get(column)!r}"
                            )
            if differing:
                faults.append(f"{name}: {differing} cells differ")
            print(f"{name}: {lines} resources, {len(found)} rows")
            count += len(found)
    if faults:
        failed(faults)
    passed(f"{len(VIEWS)} views, {count} rows, {cells} cells: pysof has the same")


if __name__ == "__main__":
    main()
