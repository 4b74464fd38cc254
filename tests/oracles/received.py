#!/usr/bin/env python3
"""Reads what came out of a transfer with two foreign programs: DuckDB counts the resources of each
file, fhir.resources validates each resource against FHIR R4B.

Counts, bytes and RFC 6962 roots must be those of the manifest in `transfer.json`. Each line must be a
line of the sender's, byte for byte, and the validator must say of it what it says of the sender's: what
the sender writes wrongly is no fault of the transfer's, and is counted.

Usage: received.py RECEIVED SOURCE
  RECEIVED  a folder with a transfer.json, or one that holds such folders
  SOURCE    the sender's folder of FHIR NDJSON (plain, gzip, zstd)
"""

import gzip
import json
import pathlib
import re
import sys

from folder import Faults, failed, passed, sha256, skipped, unpacked


def load():
    try:
        import duckdb
        from fhir.resources.R4B import get_fhir_model_class
    except ImportError as error:
        skipped(f"duckdb or fhir.resources is not installed: {error}")
    return duckdb, get_fhir_model_class


def content(path):
    head = path.read_bytes()[:4]
    if head[:2] == b"\x1f\x8b":
        return gzip.decompress(path.read_bytes())
    return unpacked(path) if head == b"\x28\xb5\x2f\xfd" else path.read_bytes()


def root(lines):
    """The root of RFC 6962 over lines, as hex."""
    level = [bytes.fromhex(sha256(b"\0" + line)) for line in lines]
    if not level:
        return sha256(b"")
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2])
        above = [bytes.fromhex(sha256(b"\1" + left + right)) for left, right in pairs]
        level = above + level[len(level) - len(level) % 2 :]
    return level[0].hex()


class Source:
    """The sender's lines by type and id, read when a type is first asked for."""

    def __init__(self, folder):
        self.files = {}
        for path in sorted(folder.iterdir()):
            kind = re.match("[A-Za-z]*", path.name)[0]
            if ".ndjson" in path.name:
                self.files.setdefault(kind, []).append(path)
        self.lines = {}

    def line(self, kind, id_):
        if kind not in self.lines:
            found = self.lines[kind] = {}
            for path in self.files.get(kind, []):
                for line in content(path).split(b"\n"):
                    try:
                        found[json.loads(line).get("id")] = line.rstrip()
                    except ValueError:  # What the sender wrote half is nobody's resource.
                        continue
        return self.lines[kind].get(id_)


def verdict(model, line):
    """Whether the validator takes a resource."""
    try:
        model.model_validate_json(line)
        return True
    except ValueError:
        return False


def transfer(folder, source, duckdb, model_of, faults):
    """Checks one received folder; returns how many resources are valid here and at the sender's."""
    manifest = json.loads((folder / "transfer.json").read_bytes())["manifest"]
    db, every, here, there = duckdb.connect(), [], 0, 0
    names = sorted(path.name for path in folder.iterdir())
    wanted = sorted([entry["name"] for entry in manifest["files"]] + ["transfer.json"])
    faults.expect(names == wanted, f"{folder}: it holds {names}, the manifest says {wanted}")
    for entry in manifest["files"]:
        path, kind = folder / entry["name"], entry["name"].removesuffix(".ndjson")
        data = path.read_bytes()
        lines = data.split(b"\n")[:-1]
        every += lines
        counted = db.execute(
            "SELECT count(*), count(DISTINCT id), min(resourceType), max(resourceType)"
            " FROM read_json(?, format = 'newline_delimited', maximum_object_size = 67108864)",
            [str(path)],
        ).fetchone()
        faults.expect(
            counted[0] == entry["resources"] and counted[2:] == (kind, kind),
            f"{path}: DuckDB reads {counted}, the manifest says {entry['resources']} of {kind}",
        )
        faults.expect(len(data) == entry["bytes"], f"{path}: {len(data)} bytes")
        faults.expect(root(lines) == entry["root"], f"{path}: its root is another")
        model = model_of(kind)
        for at, line in enumerate(lines, 1):
            own = source.line(kind, json.loads(line)["id"])
            if not faults.expect(own == line, f"{path}:{at}: it is no line of the sender's"):
                continue
            is_valid, was_valid = verdict(model, line), verdict(model, own)
            here, there = here + is_valid, there + was_valid
            faults.expect(is_valid == was_valid, f"{path}:{at}: it became valid, or no longer is")
    faults.expect(root(every) == manifest["root"], f"{folder}: the root over all is another")
    faults.expect(len(every) == manifest["resources"], f"{folder}: {len(every)} resources")
    return len(every), here, there


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    received, source = map(pathlib.Path, sys.argv[1:])
    duckdb, model_of = load()
    folders = [path.parent for path in sorted([*received.glob("transfer.json"), *received.glob("*/transfer.json")])]
    folders = [folder for folder in folders if not folder.name.startswith(".")]
    if not folders or not source.is_dir():
        failed([f"no transfer.json in {received}, or no folder {source}"])
    faults, counts, lines = Faults(), [0, 0, 0], Source(source)
    for folder in folders:
        found = transfer(folder, lines, duckdb, model_of, faults)
        counts = [sum(pair) for pair in zip(counts, found)]
    if faults:
        failed(faults)
    every, here, there = counts
    passed(
        f"{len(folders)} transfers, {every} resources: DuckDB counts the same, each line is the sender's;"
        f" R4B takes {here} here and {there} of the same at the sender's"
    )


if __name__ == "__main__":
    main()
