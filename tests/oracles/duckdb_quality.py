"""Counts again with DuckDB what rules of quality found, straight from the input's CSV files.

Usage: duckdb_quality.py FINDINGS.json SYNTHEA-FOLDER
FINDINGS.json is what `almoner quality run pipelines/synthea.toml --format json` writes.
"""

import json
import pathlib
import sys

import duckdb

from folder import Faults, failed, passed

# For each rule: the rows it looks at and those that fail, as SQL over the raw files.
RULES = {
    "patient-born-before-death": (
        "patients", "true", "CAST(BIRTHDATE AS DATE) > CAST(DEATHDATE AS DATE)"),
    "patient-zip-form": ("patients", "true", "NOT regexp_full_match(ZIP, '[0-9]{5}')"),
    "patient-zip-there": ("patients", "true", "ZIP IS NULL"),
    "patient-covered-at-most-what-was-spent": (
        "patients", "true",
        "CAST(HEALTHCARE_COVERAGE AS DOUBLE) > CAST(HEALTHCARE_EXPENSES AS DOUBLE)"),
    "encounter-ends-after-it-begins": (
        "encounters", "true", "CAST(START AS TIMESTAMP) > CAST(STOP AS TIMESTAMP)"),
    "encounter-at-most-90-days": (
        "encounters", "coalesce(ENCOUNTERCLASS, '') NOT IN ('snf', 'hospice', 'home')",
        "CAST(STOP AS TIMESTAMP) - CAST(START AS TIMESTAMP) > INTERVAL 90 DAY"),
    "encounter-paid-at-most-what-was-claimed": (
        "encounters", "true",
        "CAST(PAYER_COVERAGE AS DOUBLE) > CAST(TOTAL_CLAIM_COST AS DOUBLE)"),
    "encounter-base-at-most-total": (
        "encounters", "true",
        "CAST(BASE_ENCOUNTER_COST AS DOUBLE) > CAST(TOTAL_CLAIM_COST AS DOUBLE)"),
    "encounter-reason-told": (
        "encounters", "true", "(REASONCODE IS NULL) <> (REASONDESCRIPTION IS NULL)"),
    "encounter-during-life": (
        "encounters", "true", """EXISTS (SELECT 1 FROM patients p WHERE p.Id = t.PATIENT AND (
            CAST(t.START AS DATE) < CAST(p.BIRTHDATE AS DATE) - 1
            OR CAST(t.START AS DATE) > CAST(p.DEATHDATE AS DATE) + 1))"""),
    "prenatal-visits-of-women": (
        "encounters", "true", """CODE IN ('424619006', '424441002', '169762003')
            AND EXISTS (SELECT 1 FROM patients p WHERE p.Id = t.PATIENT AND p.GENDER <> 'F')"""),
    "condition-begins-in-its-encounter": (
        "conditions", "true", """EXISTS (SELECT 1 FROM encounters e WHERE e.Id = t.ENCOUNTER AND (
            CAST(t.START AS DATE) < CAST(e.START AS DATE) - 1
            OR CAST(t.START AS DATE) > CAST(e.STOP AS DATE) + 1))"""),
    "condition-code-form": (
        "conditions", "true", "NOT regexp_full_match(CODE, '[0-9]{6,18}')"),
    "condition-twice": (
        "conditions", "true",
        "n > min(n) OVER (PARTITION BY PATIENT, START, CODE)"),
    "observation-tied-to-an-encounter": ("observations", "true", "ENCOUNTER IS NULL"),
    "observation-of-a-category": ("observations", "true", "CATEGORY IS NULL"),
    "observation-before-death": (
        "observations", "true", """EXISTS (SELECT 1 FROM patients p WHERE p.Id = t.PATIENT
            AND CAST(t.DATE AS DATE) > CAST(p.DEATHDATE AS DATE) + 1)"""),
    "medication-dispensed": (
        "medications", "true",
        "CAST(DISPENSES AS BIGINT) < 1 OR CAST(DISPENSES AS BIGINT) > 2000"),
    "medication-base-at-most-total": (
        "medications", "true", "CAST(BASE_COST AS DOUBLE) > CAST(TOTALCOST AS DOUBLE)"),
    "medication-ends-after-it-begins": (
        "medications", "true", "CAST(START AS TIMESTAMP) > CAST(STOP AS TIMESTAMP)"),
}


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    findings = json.loads(pathlib.Path(sys.argv[1]).read_bytes())["findings"]
    folder = pathlib.Path(sys.argv[2])
    by_rule = {}
    for finding in findings:
        rows, failing = by_rule.get(finding["rule"], (0, 0))
        by_rule[finding["rule"]] = (rows + finding["rows"], failing + finding["failing"])
    db = duckdb.connect()
    for table in ("patients", "encounters", "conditions", "observations", "medications"):
        path = str(folder / f"{table}.csv").replace("'", "''")
        db.execute(f"CREATE TABLE {table} AS SELECT row_number() OVER () AS n, * FROM "
                   f"read_csv('{path}', all_varchar = true, header = true)")
    faults, fail_some = Faults(), 0
    for rule, (table, scope, fails) in RULES.items():
        if not faults.expect(rule in by_rule, f"{rule}: no finding"):
            continue
        wanted = db.execute(
            f"SELECT count(*), coalesce(sum(CASE WHEN bad THEN 1 ELSE 0 END), 0) FROM "
            f"(SELECT coalesce({fails}, false) AS bad FROM {table} t WHERE {scope})").fetchone()
        faults.expect(
            by_rule[rule] == (wanted[0], int(wanted[1])),
            f"{rule}: rows and failures are {by_rule[rule]}, DuckDB counts {wanted}")
        fail_some += by_rule[rule][1] > 0
    faults.expect(fail_some >= 3, "hardly a rule fails: the comparison would prove little")
    if faults:
        failed(faults)
    passed(f"{len(RULES)} rules agree, {fail_some} of them with failing rows")


if __name__ == "__main__":
    main()
