"""Reads the statements that cargo's tests print, with pypdf: every figure is in the text, in both
languages, and the file claims to be PDF/UA-1 with title, language, tags and the settlement's instant.

Usage: pypdf_statement.py PAGES        (target/pages)
"""

import json
import pathlib
import re
import sys

import pypdf


def bare(text):
    """Takes out the spaces at which a page may break a figure."""
    return re.sub(r"\s", "", text)


def faults(pages, lang):
    reader = pypdf.PdfReader(pages / f"statement.{lang}.pdf")
    figures = json.loads((pages / f"statement.{lang}.figures.json").read_text())
    text = bare("".join(page.extract_text() for page in reader.pages))
    yield from (f"{lang}: the text lacks {f}" for f in figures if bare(f) not in text)
    root = reader.trailer["/Root"]
    metadata = root["/Metadata"].get_data().decode()
    if not re.search(r"pdfuaid:part>1<", metadata):
        yield f"{lang}: the metadata does not claim PDF/UA-1"
    if root.get("/Lang") != lang:
        yield f"{lang}: the language is {root.get('/Lang')}"
    if "/StructTreeRoot" not in root or not root["/MarkInfo"]["/Marked"]:
        yield f"{lang}: it is not tagged"
    if not reader.metadata.title:
        yield f"{lang}: it has no title"
    if str(reader.metadata.creation_date) != "2027-01-02 09:30:00+00:00":
        yield f"{lang}: it says to be of {reader.metadata.creation_date}"


def main():
    pages = pathlib.Path(sys.argv[1])
    if not (pages / "statement.en.pdf").exists():
        print("the cargo tests have printed no statement")
        sys.exit(77)
    found = [fault for lang in ("en", "de") for fault in faults(pages, lang)]
    print("\n".join(found) or "two statements read by pypdf: every figure, tagged PDF/UA-1")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
