"""Who a cover pays, by another program: makes a small site whose two hospitals send FHIR, lets it pay
under pipelines/cover-gestational-diabetes.toml in two runs, and works out in SQL, from the very files
that went in, who had to be paid and what had to be flagged.

The people are made so that every rule is met and missed: thresholds in both units, weeks too early and
too late, enrolment after the test, no consent, consent to research alone, of another hospital, of other
data or withdrawn, one event at both hospitals, a diagnosis alone, one not confirmed, a record taken back.

Usage: cover.py FOLDER ALMONER     FOLDER/site is left for other checks
"""

import csv
import datetime
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import duckdb

from folder import Faults, commits, failed, opened, passed, predicate

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY = "gestational-diabetes-2026"
PEOPLE = 160
RUNS = [("q2", "2026-07-01T08:00:00Z"), ("q3", "2026-09-01T08:00:00Z")]
WITHDRAWN = "2026-06-01T08:00:00Z"
SUM = 50_000

# LOINC code, what is measured in, and values: some below the threshold, at it, and above.
TESTS = [
    ("1518-0", "mg/dL", ["152.9", "153", "180"]),
    ("1507-3", "mg/dL", ["179.99", "180", "220.5"]),
    ("1518-0", "mmol/L", ["8.49", "8.5", "9.1"]),
    ("1558-6", "mg/dL", ["91.9", "92", "101"]),
    ("14771-0", "mmol/L", ["5.0", "5.1", "5.6"]),
    ("1507-3", "mg", ["200"]),
    ("2339-0", "mg/dL", ["300"]),
]


def days(date, count):
    return date + datetime.timedelta(days=count)


class Made:
    """The files of one folder."""

    def __init__(self, folder, seed):
        self.folder, self.chance = folder, random.Random(seed)
        self.rows = {}

    def observation(self, hospital, number, who, code, unit, value, day, status):
        self.rows.setdefault((hospital, "Observation"), []).append({
            "resourceType": "Observation", "id": number, "status": status,
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": f"Patient/{who}"},
            "effectiveDateTime": f"{day}T09:30:00Z",
            "valueQuantity": {"value": float(value), "unit": unit, "code": unit,
                              "system": "http://unitsofmeasure.org"}})

    def condition(self, hospital, number, who, day, verification, code="11687002"):
        self.rows.setdefault((hospital, "Condition"), []).append({
            "resourceType": "Condition", "id": number,
            "verificationStatus": {"coding": [{"code": verification}]},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
            "subject": {"reference": f"Patient/{who}"},
            "onsetDateTime": f"{day}T00:00:00Z"})

    def write(self):
        for hospital in ("east", "west"):
            for kind in ("Patient", "Observation", "Condition"):
                file = self.folder / hospital / f"{kind}.ndjson"
                file.parent.mkdir(parents=True, exist_ok=True)
                rows = self.rows.get((hospital, kind), [])
                if kind == "Patient":
                    rows = [{"resourceType": "Patient", "id": f"w{n:03}"} for n in range(PEOPLE)]
                text = "".join(json.dumps(row) + "\n" for row in rows)
                file.write_text(text, encoding="utf-8")


def make(work):
    """Writes enrolments, consents and the rows of both runs."""
    chance = random.Random(20261126)
    enrolled, grants, withdrawals = [], [], []
    first, second = Made(work / "q2", 1), Made(work / "q3", 2)
    for at in range(PEOPLE):
        who, due = f"w{at:03}", datetime.date(2026, 8, 1) + datetime.timedelta(days=at % 20)
        begin = days(due, -280)
        joined = max(days(begin, chance.choice([70, 100, 140])), datetime.date(2026, 1, 1))
        if at % 17 != 0:
            enrolled.append((who, joined.isoformat(), due.isoformat()))
        purpose = "DUO:0000042" if at % 13 == 0 else "HL7:HPAYMT"
        place = "west" if at % 11 == 0 else "*"
        data = "conditions" if at % 19 == 0 else "*"
        if at % 23 != 0:
            grants.append((who, "grant", purpose, place, data, "2026-01-01", "", "2026-01-01T09:00:00Z"))
        if at % 29 == 0:
            withdrawals.append((who, "withdraw", "*", "*", "*", "", "", WITHDRAWN))
        week = chance.choice([23, 24, 24, 25, 26, 27, 28, 29])
        day = days(begin, 7 * week + chance.randrange(7))
        code, unit, values = chance.choice(TESTS)
        status = chance.choice(["final", "final", "amended", "preliminary"])
        hospital = chance.choice(["east", "west"])
        made = second if at % 5 == 4 else first
        value = chance.choice(values)
        made.observation(hospital, f"o{at}", who, code, unit, value, day, status)
        if at % 4 == 1:
            other = "west" if hospital == "east" else "east"
            made.observation(other, f"o{at}", who, code, unit, value, days(day, 1), "final")
        if at % 6 == 2:
            made.condition("east", f"c{at}", who, days(day, chance.choice([0, 9])),
                           chance.choice(["confirmed", "provisional"]))
        if at % 3 == 0 and made is first:
            second.observation(hospital, f"o{at}", who, code, unit, value, day, "entered-in-error")
        if at % 9 == 0 and made is first:
            second.observation("west", f"late{at}", who, "1518-0", "mg/dL", "190", day, "final")
    for made in (first, second):
        for hospital in ("east", "west"):
            # High blood pressure, for which this policy pays nobody.
            made.condition(hospital, "other", "w001", "2026-05-01", "confirmed", "38341003")
        made.write()
    columns = ["contributor", "action", "purposes", "institutions", "categories", "valid_from",
               "valid_until", "decided_at"]
    for name, head, rows in [("enrolled.csv", ["contributor", "enrolled", "due"], enrolled),
                             ("grants.csv", columns, grants),
                             ("withdrawals.csv", columns, withdrawals)]:
        with open(work / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows])
    (work / "payees.csv").write_text("contributor,person,verified,country,name,iban,bic\n" + "".join(
        f"w{at:03},,,DE,Holder {at},DE89370400440532013000,\n" for at in range(PEOPLE)),
        encoding="utf-8")
    (work / "debtor.toml").write_text("name = 'Insurer'\niban = 'DE89370400440532013000'\n",
                                      encoding="utf-8")
    sources = "".join(
        f"\n[[source]]\ntable  = \"{table}\"\nschema = \"{ROOT}/schemas/fhir/{table}.toml\"\n"
        f"view   = \"{ROOT}/schemas/fhir/{view}.json\"\nformat = \"fhir-ndjson\"\n"
        f"path   = \"{{institution}}/{kind}.ndjson\"\n"
        for table, view, kind in [("patients", "patient", "Patient"),
                                  ("observations", "observation", "Observation"),
                                  ("conditions", "condition", "Condition")])
    (work / "pipeline.toml").write_text(
        "name = \"mothers\"\ndataset = \"mothers\"\npurpose = [\"DUO:0000006\"]\n" + sources +
        "\n[deid]\nprofile = \"expert\"\nk = 5\nsuppress_limit = 0.5\nshift_days_max = 182\n"
        "\n[quality]\nrejects_max = 0.5\n\n[lake]\nrows_per_segment = 100000\n", encoding="utf-8")


def act(work, almoner):
    """Lets the site do all of it."""
    environment = dict(os.environ, ALMONER_SITE=str(work / "site"), ALMONER_KEYS=str(work / "keys"))

    def almoner_at(now, *arguments):
        command = [str(almoner), *map(str, arguments), "--now", now]
        said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if said.returncode != 0:
            failed([" ".join(command), said.stdout, said.stderr])
        return said.stdout

    begin = "2026-01-01T10:00:00Z"
    almoner_at(begin, "init", work / "site")
    almoner_at(begin, "cover", "open", ROOT / "pipelines/cover-gestational-diabetes.toml")
    almoner_at(begin, "cover", "fund", POLICY, "100000.00", "--sponsor", "vitana", "--reference", "wire-1")
    almoner_at(begin, "consent", "import", work / "grants.csv")
    almoner_at("2026-05-31T08:00:00Z", "cover", "enrol", POLICY, work / "enrolled.csv",
               "--rejects-max-ppm", "1000000")
    almoner_at(WITHDRAWN, "consent", "import", work / "withdrawals.csv")
    for folder, now in RUNS:
        almoner_at(now, "cover", "run", work / "pipeline.toml", "--input", work / folder, "--policy", POLICY)
    end = "2026-10-01T08:00:00Z"
    almoner_at(end, "payee", "import", work / "payees.csv")
    almoner_at(end, "payout", "export", POLICY, "2026-Q3", "--debtor", work / "debtor.toml")
    almoner_at(end, "audit", "--no-publish")


def expected(work):
    """Works out with DuckDB who is paid in each run, and who is flagged in the second."""
    db = duckdb.connect()
    db.execute(f"""
        create table enrolled as select contributor, enrolled::date enrolled, due::date due
            from read_csv('{work}/enrolled.csv', all_varchar=true)
            -- the policy's own window: in the term, by the 20th week
            where enrolled::date >= date '2026-01-01' and enrolled::date < date '2027-01-01'
              and floor((date_diff('day', due::date, enrolled::date) + 280) / 7) <= 20;
        create table grants as select * from read_csv('{work}/grants.csv', all_varchar=true);
        create table withdrawals as select * from read_csv('{work}/withdrawals.csv', all_varchar=true);
        create table rows(run integer, place text, kind text, id text, who text, code text,
            unit text, value decimal(18, 6), day date, status text)""")
    for run, (folder, _) in enumerate(RUNS, 1):
        for place in ("east", "west"):
            db.execute(f"""
                insert into rows select {run}, '{place}', 'observations', id,
                    replace(subject.reference, 'Patient/', ''), code.coding[1].code,
                    valueQuantity.unit, valueQuantity.value::decimal(18, 6),
                    effectiveDateTime[:10]::date, status
                from read_json('{work}/{folder}/{place}/Observation.ndjson', format='newline_delimited',
                    columns={{id: 'VARCHAR', status: 'VARCHAR', effectiveDateTime: 'VARCHAR',
                        subject: 'STRUCT(reference VARCHAR)',
                        code: 'STRUCT(coding STRUCT(code VARCHAR)[])',
                        valueQuantity: 'STRUCT("value" DOUBLE, unit VARCHAR)'}})""")
            db.execute(f"""
                insert into rows select {run}, '{place}', 'conditions', id,
                    replace(subject.reference, 'Patient/', ''), code.coding[1].code, null, null,
                    onsetDateTime[:10]::date, verificationStatus.coding[1].code
                from read_json('{work}/{folder}/{place}/Condition.ndjson', format='newline_delimited',
                    columns={{id: 'VARCHAR', onsetDateTime: 'VARCHAR',
                        verificationStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])',
                        subject: 'STRUCT(reference VARCHAR)',
                        code: 'STRUCT(coding STRUCT(code VARCHAR)[])'}})""")
    # 1 mmol/L of glucose is 18.0156 mg/dL; the fasting trigger in mmol/L has a threshold of its own.
    db.execute("""
        create view good as select distinct r.* from rows r join enrolled e
            on e.contributor = r.who and e.enrolled <= r.day,
            lateral (select floor((date_diff('day', e.due, r.day) + 280) / 7) as week)
        where r.day >= date '2026-01-01' and r.day < date '2027-01-01'
          and case r.kind when 'conditions'
              then r.status = 'confirmed' and week between 20 and 41 and r.code = '11687002'
              else r.status in ('final', 'amended', 'corrected') and week between 24 and 28 and
                case r.code || ' ' || r.unit
                  when '1518-0 mg/dL' then r.value >= 153
                  when '1518-0 mmol/L' then r.value * 18.0156 >= 153
                  when '1507-3 mg/dL' then r.value >= 180
                  when '1507-3 mmol/L' then r.value * 18.0156 >= 180
                  when '1558-6 mg/dL' then r.value >= 92
                  when '1558-6 mmol/L' then r.value * 18.0156 >= 92
                  when '14771-0 mmol/L' then r.value >= 5.1
                  when '14771-0 mg/dL' then r.value >= 5.1 * 18.0156
                  else false end end
          and exists (select 1 from grants g where g.contributor = r.who
              and list_contains(string_split(g.purposes, '|'), 'HL7:HPAYMT')
              and g.institutions in ('*', r.place) and g.categories in ('*', r.kind)
              and g.valid_from::date <= r.day)
          and not exists (select 1 from withdrawals w where w.contributor = r.who)""")
    db.execute("""
        create view back as select distinct place, kind, id, who from rows
            where run = 2 and status in ('entered-in-error', 'cancelled', 'refuted')""")

    def people(sql):
        return {who for who, in db.execute(sql).fetchall()}

    first = people("select distinct who from good where run = 1")
    standing = people("""
        select distinct who from good g where not exists
            (select 1 from back b where (b.place, b.kind, b.id) = (g.place, g.kind, g.id))""")
    consented_back = people("select distinct who from back")
    flagged = {who for who in first if who not in standing and who in consented_back}
    new = standing - first
    return [(first, set()), (new, flagged)], db.execute("select count(*) from good").fetchone()[0]


def main():
    if len(sys.argv) < 3:
        print("usage: cover.py FOLDER ALMONER", file=sys.stderr)
        sys.exit(2)
    work, almoner = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    make(work)
    act(work, almoner)
    faults = Faults()
    runs, rows = expected(work)
    inside = opened(work / "site", almoner, work / "keys")
    found = [act for _, act in commits(inside, "vault/covers/commits")
             if act["act"]["kind"] == "evaluated"]
    faults.expect(len(found) == 2, f"{len(found)} evaluations, not 2")
    total = 0
    for (paid, flagged), commit in zip(runs, found):
        lines = (inside / "vault" / commit["act"]["lines"]["path"]).read_text(encoding="utf-8")
        lines = [json.loads(line) for line in lines.splitlines()]
        own = {line["contributor"]: line for line in lines if line["outcome"] == "paid"}
        back = {line["contributor"] for line in lines if line["outcome"] == "flagged"}
        name = f"evaluation {commit['act']['run']}"
        faults.expect(set(own) == paid, f"{name}: other people were paid: {len(set(own) ^ paid)}")
        faults.expect(back == flagged, f"{name}: others were flagged: {len(back ^ flagged)}")
        faults.expect(all(line["paid_minor"] == SUM for line in own.values()),
                      f"{name}: somebody was paid another sum")
        twice = [line for line in lines if line["outcome"] not in ("paid", "flagged", "known", "taken-back")]
        faults.expect(not twice, f"{name}: a line is of another outcome")
        total += SUM * len(own)
        said = predicate(commit["entry"])
        if len(own) >= 10:
            faults.expect(int(said["total"]["amount"]) == SUM * len(own), f"{name}: its entry's total")
    order = [act for _, act in commits(inside, "vault/payouts/commits")][0]["act"]
    faults.expect(int(order["total"]["amount"]) == total, "the bank was told to pay another sum")
    for what, count in [("paid at first", len(runs[0][0])), ("paid later", len(runs[1][0])),
                        ("flagged", len(runs[1][1]))]:
        faults.expect(count > 0, f"nobody is {what}: the check checks nothing")
    if faults:
        failed(faults)
    passed(f"{len(runs[0][0])} and {len(runs[1][0])} people paid of {rows} rows that count, "
           f"{len(runs[1][1])} flagged: the same by SQL")


main()
