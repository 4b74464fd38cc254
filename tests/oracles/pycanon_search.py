"""Measures k, l and t of tables that `almoner deid search` wrote, with pycanon.

pycanon takes the distribution of the rows that stay for the whole's, so that its t is not to the digit
the one that was asked for: it is held against the limit alone, where nearly all rows stay.

Usage: pycanon_search.py ADULT OUT ALMONER
  ADULT    the folder of adult.csv and its hierarchies
  OUT      where tables are written
"""

import json
import pathlib
import subprocess
import sys

from folder import Faults, failed, passed, skipped

SENSITIVE = "occupation"

# Arguments, and what pycanon must measure: (name, least or most).
CASES = [
    (["--k", "5", "--suppress", "0"], {"k": 5}),
    (["--k", "5", "--suppress", "0.05"], {"k": 5}),
    (["--k", "5", "--suppress", "0.05", "--recode"], {"k": 5, "rows": 30162}),
    (["--k", "5", "--suppress", "0.05", "--l-diversity", "3"], {"k": 5, "l": 3}),
    (["--k", "5", "--suppress", "0.05", "--l-diversity", "entropy:3"], {"k": 5, "entropy": 3}),
    (["--k", "5", "--suppress", "0.05", "--l-diversity", "recursive:4:3"], {"k": 5, "recursive": 3}),
    (["--k", "5", "--suppress", "0.05", "--t-closeness", "0.2"], {"k": 5, "t": 0.2}),
    (["--k", "5", "--suppress", "0", "--t-closeness", "0.2"], {"k": 5, "t": 0.2}),
]


def measure(anonymity, frame, quasi, what):
    if what == "k":
        return anonymity.k_anonymity(frame, quasi)
    if what == "l":
        return anonymity.l_diversity(frame, quasi, [SENSITIVE])
    if what == "entropy":
        return anonymity.entropy_l_diversity(frame, quasi, [SENSITIVE])
    if what == "recursive":
        return anonymity.recursive_c_l_diversity(frame, quasi, [SENSITIVE])[1]
    if what == "t":
        return anonymity.t_closeness(frame, quasi, [SENSITIVE])
    return len(frame)


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    adult, out, almoner = map(pathlib.Path, sys.argv[1:])
    try:
        import pandas
        from pycanon import anonymity
    except ImportError as error:
        skipped(f"pycanon is not installed: {error}")
    if not (adult / "adult.csv").is_file():
        skipped(f"{adult} is absent")
    out.mkdir(parents=True, exist_ok=True)
    faults = Faults()
    for number, (arguments, wanted) in enumerate(CASES):
        name, table = " ".join(arguments), out / f"{number}.csv"
        if set(wanted) & {"l", "entropy", "recursive", "t"}:
            arguments = [*arguments, "--sensitive", SENSITIVE]
        command = [almoner, "deid", "search", adult / "adult.csv", "--hierarchies", adult, *arguments]
        found = json.loads(
            subprocess.run(
                [*command, "--output", table, "--format", "json"], check=True, capture_output=True
            ).stdout
        )
        frame = pandas.read_csv(table, sep=";", dtype=str, keep_default_na=False)
        said = found["recoded"] if "recoded" in found else found
        faults.expect(
            len(frame) == found["rows"] - said["suppressed_rows"],
            f"{name}: {len(frame)} rows of {found['rows']}, {said['suppressed_rows']} suppressed")
        quasi = found["columns"]
        for what, limit in wanted.items():
            value = measure(anonymity, frame, quasi, what)
            is_so = value <= limit if what == "t" else value >= limit
            faults.expect(is_so, f"{name}: pycanon measures {what} {value}, {limit} was asked for")
        k = anonymity.k_anonymity(frame, quasi)
        faults.expect(
            k == said["smallest_class"], f"{name}: k is {k}, said is {said['smallest_class']}")
    if faults:
        failed(faults)
    passed(f"{len(CASES)} tables hold what was asked of them")


if __name__ == "__main__":
    main()
