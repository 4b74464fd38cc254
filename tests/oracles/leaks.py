"""Looks for people's identifiers in every byte of lake/, ledger/ and public/.

The bytes are searched as they lie, and decoded: Parquet by pyarrow, entries out of their envelopes
and bundles. Needles come from the inputs' own tables, CSV or FHIR NDJSON.

Usage: leaks.py SITE --csv PATIENTS.csv …    one or more patient tables
       leaks.py SITE --demo                  every table of the demo, found below SITE
"""

import base64
import csv
import json
import pathlib
import re
import sys

import ahocorasick
import pyarrow
import pyarrow.parquet

from folder import argument, failed, opened, passed

# Columns that say who somebody is. `common` are words that pages of any text may hold (a first
# name, a city): looked for in cells and JSON strings as a whole, not inside words.
IDENTIFYING = {
    "id", "ssn", "drivers", "passport", "first", "middle", "last", "maiden", "address", "city",
    "zip", "birthdate", "birth_date", "birthplace", "lat", "lon", "mrn", "phone", "email",
    "visit_id", "condition_id", "local_id", "person",
}
# What the demo draws from short lists of common words: there only the canaries are sure signs.
COMMON = {"first", "last", "city", "zip", "birth_date"}
DIGESTS = re.compile(rb"[0-9a-f]{32,}|[A-Za-z0-9+/]{43,}={0,2}")
BASE64 = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")


def needles(paths, demo):
    found = {}
    for path in paths:
        read = fhir_cells if path.suffix == ".ndjson" else csv_cells
        for name, cell in read(path):
            cell = cell.strip()
            if demo and name in COMMON and not cell.startswith("Canar"):
                continue
            if len(cell) >= 3:
                found.setdefault(cell, name)
    return found


def csv_cells(path):
    """Yields the identifying cells of a table, with their column."""
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.DictReader(file):
            for column, cell in row.items():
                name = (column or "").lower()
                if name in IDENTIFYING and isinstance(cell, str):
                    yield name, cell


def fhir_cells(path):
    """Yields what identifies somebody in FHIR resources, under the names of columns. A line that is
    no JSON was never read by anybody else either."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            resource = json.loads(line)
        except ValueError:
            continue
        cells = [("id", resource.get("id"))]
        for reference in ("subject", "patient", "encounter"):
            cells.append(("id", resource.get(reference, {}).get("reference", "").split("/")[-1]))
        if resource.get("resourceType") == "Patient":
            cells += [("ssn", i.get("value")) for i in resource.get("identifier", [])]
            for name in resource.get("name", []):
                cells.append(("last", name.get("family")))
                cells += [("first", given) for given in name.get("given", [])]
            for address in resource.get("address", []):
                cells += [("address", text) for text in address.get("line", [])]
                cells += [("city", address.get("city")), ("zip", address.get("postalCode"))]
            cells += [("phone", t.get("value")) for t in resource.get("telecom", [])]
            cells.append(("birth_date", resource.get("birthDate")))
        yield from ((name, cell) for name, cell in cells if isinstance(cell, str))


class Search:
    def __init__(self, found):
        self.automaton = ahocorasick.Automaton()
        for needle, column in found.items():
            text = needle.encode().decode("latin-1")
            self.automaton.add_word(text, (text, column))
        self.automaton.make_automaton()
        self.hits = []
        self.bytes = 0

    def text(self, where, data, whole_words=True):
        """Searches bytes that are text. Digests and envelopes are looked at by `decoded`."""
        self.bytes += len(data)
        text = data.decode("latin-1")
        for end, (needle, column) in self.automaton.iter(text):
            begin = end - len(needle) + 1
            around = text[begin - 1 : begin], text[end + 1 : end + 2]
            if whole_words and any(c.isalnum() for c in around if c):
                continue
            # The place and the kind of identifier; never the identifier.
            self.hits.append(f"{where}, byte {begin}: a value of column `{column}`")

    def raw(self, where, data):
        """Searches bytes that are not text: a needle of fewer than 5 bytes proves nothing there."""
        self.bytes += len(data)
        for end, (needle, column) in self.automaton.iter(data.decode("latin-1")):
            if len(needle) >= 5:
                self.hits.append(f"{where}, byte {end}: a value of column `{column}`")


def decoded(data):
    """Yields what base64 in a text stands for, as deep as it goes."""
    for match in BASE64.findall(data):
        try:
            inner = base64.b64decode(match, validate=True)
        except ValueError:
            continue
        yield inner
        yield from decoded(inner)


def search_file(search, path, where):
    data = path.read_bytes()
    if data[:4] == b"PAR1":
        search.raw(where, data)
        table = pyarrow.parquet.read_table(path)
        for column in table.columns:
            if pyarrow.types.is_nested(column.type):
                continue
            name = table.column_names[table.columns.index(column)]
            dated = pyarrow.types.is_temporal(column.type)
            if dated and "birth" not in name:
                continue  # a shifted date may fall on somebody's birthday
            cells = column.cast(pyarrow.string()).to_pylist()
            joined = "\n".join(sorted({c for c in cells if c is not None}))
            search.text(f"{where} column {name}", joined.encode())
        for key, value in (table.schema.metadata or {}).items():
            search.text(f"{where} metadata {key!r}", value)
        return
    try:
        data.decode("utf-8")
        is_text = b"\0" not in data
    except UnicodeDecodeError:
        is_text = False
    if is_text:
        search.text(where, DIGESTS.sub(b" ", data))
    else:
        search.raw(where, data)
    for inner in decoded(data):
        search.text(f"{where} (out of base64)", DIGESTS.sub(b" ", inner))


def main():
    site = argument("SITE --csv PATIENTS.csv … | --demo")
    demo = "--demo" in sys.argv
    if demo:
        below = site / "story" / "input"
        paths = [p for p in sorted(below.rglob("*")) if p.suffix in (".csv", ".ndjson")]
        # Who decides, pays and asks is in the book by name; what an institution is called, too.
        public = {"sponsors.csv", "researchers.csv", "Organization.ndjson"}
        paths = [p for p in paths if p.name not in public]
    else:
        paths = [pathlib.Path(p) for p in sys.argv[sys.argv.index("--csv") + 1 :]]
    if not paths:
        failed(["no patient table was found: there is nothing to look for"])
    found = needles(paths, demo)
    search, files = Search(found), 0
    site = opened(site)
    for zone in ("lake", "ledger", "public"):
        for path in sorted((site / zone).rglob("*")):
            if path.is_file():
                files += 1
                search.text(f"the name of a file in {zone}", path.name.encode())
                search_file(search, path, str(path.relative_to(site)))
    # A search that finds nothing anywhere proves nothing: the vault must hold some.
    for path in paths:
        proof = Search(found)
        proof.text("input", path.read_bytes())
        if not proof.hits:
            failed([f"none of the needles was found in an input itself: {path.name}"])
    if search.hits:
        failed(search.hits)
    passed(f"{len(found):,} identifiers, {files} files, {search.bytes:,} bytes: none found")


if __name__ == "__main__":
    main()
