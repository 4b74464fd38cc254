"""Recomputes every settlement from the recorded inputs with DuckDB, in exact integers (HUGEINT).

It works out for itself which payments, versions, questions and decisions count, compares that with
what the settlement wrote down, and then does the whole method in SQL: layers, caps, split,
corrections, vesting, tax, institutions, the platform. Every line, every total, what is held back and
the entry in the book must be the same.

Usage: duckdb_settlement.py SITE
"""

import calendar
import datetime
import hashlib
import json
import re

import duckdb

from folder import Faults, argument, commits, failed, opened, passed, predicate, sha3

MICRO = 1_000_000
MILLION = 1_000_000
UNITS = 1_000_000_000_000
LAYERS = ("base", "usage", "new-data", "value")
PREFIX = {"base": "base", "usage": "usage", "new-data": "new", "value": "value"}
WEIGHTS = [f"{PREFIX[layer]}_weight" for layer in LAYERS]
MONEY = [f"{PREFIX[layer]}_micro" for layer in LAYERS] + [
    "gross_micro", "institution_micro", "platform_micro", "person_micro", "adjust_micro",
    "debt_micro", "held_micro", "vested_micro", "opening_micro", "closing_micro",
    "payable_minor", "tax_minor", "paid_minor"]

def minor(amount):
    """Minor units (or millionths of them) of {"amount", "scale", "currency"}."""
    return int(amount["amount"])


def canonical(value):
    """JCS of what is recorded: ASCII keys, integers, no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf(entry):
    return hashlib.sha256(b"\0" + entry.encode()).hexdigest()


def interval(period):
    """The first instant of a period and the first after it, as RFC 3339 text (which sorts)."""
    def midnight(day):
        return day.strftime("%Y-%m-%dT00:00:00Z")

    if ".." in period:
        first, last = (datetime.date.fromisoformat(d) for d in period.split(".."))
        return midnight(first), midnight(last + datetime.timedelta(days=1))
    match = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|(\d\d)))?", period)
    year, quarter, month = match.groups()
    first, months = (1, 12) if not (quarter or month) else (
        (3 * int(quarter) - 2, 3) if quarter else (int(month), 1))
    last = first + months - 1
    end = datetime.date(int(year), last, calendar.monthrange(int(year), last)[1])
    return midnight(datetime.date(int(year), first, 1)), midnight(end + datetime.timedelta(days=1))


def vault(site, at, faults):
    path = site / "vault" / at["path"]
    if faults.expect(path.is_file(), f"{at['path']} is absent"):
        faults.expect(sha3(path.read_bytes()) == at["digest"], f"{at['path']}: its digest")
    return path


class Settlement:
    def __init__(self, site, number, commit, acts, faults):
        self.site, self.number, self.faults, self.acts = site, number, faults, acts
        self.act, self.entry, self.time = commit["act"], commit["entry"], commit["time"]
        self.name = f"{self.act['pool']} {self.act['period']}"
        self.inputs = json.loads(vault(site, self.act["inputs"], faults).read_bytes())
        self.set = self.inputs["rules"]["set"]
        self.grain = MICRO if self.set["grain"] == "minor" else 1
        self.db = duckdb.connect()
        self.lines = self.paid = self.institutions = 0

    def expect(self, is_so, words):
        return self.faults.expect(is_so, f"{self.name}: {words}")

    def same(self, what, ours, theirs):
        return self.expect(ours == theirs, f"{what}: {theirs} is recorded, {ours} is right")

    def before(self, kind):
        return [(n, c) for n, c in self.acts
                if n < self.number and c["act"]["kind"] == kind
                and c["act"]["pool"] == self.act["pool"]]

    def number_of(self, sql, *values):
        value, = self.db.execute(sql, list(values)).fetchone()
        return int(value or 0)

    def check(self):
        self.check_inputs()
        self.load()
        self.weigh()
        self.give_out()
        self.share()
        self.pay()
        self.compare()

    # What counts: worked out from the commits, compared with what was written down.
    def check_inputs(self):
        inputs, act = self.inputs, self.act
        unseeded = {k: v for k, v in inputs.items() if k != "seed"}
        self.same("the seed", sha3(canonical(unseeded)), inputs["seed"])
        self.same("the digest of the inputs", sha3(canonical(inputs)), act["inputs"]["digest"])
        self.same("the method", "almoner-reward/v2", inputs["rules"]["method"])
        self.same("the units of a question", UNITS, inputs["rules"]["units_per_query"])
        first, until = interval(act["period"])
        (_, opened), = self.before("opened")
        self.same("the rule set", opened["act"]["rules"], self.set)
        for name in ("currency",):
            self.same(name, opened["act"][name], inputs["rules"][name])
        datasets = opened["act"]["datasets"]
        self.same("the datasets", datasets, inputs["datasets"])
        self.same("the purposes", opened["act"]["purposes"], inputs["purposes"])

        earlier = self.before("settled")
        used = {n for _, c in earlier for n in c["act"]["funded"]}
        funded = [{"commit": n, "entry": leaf(c["entry"]), "amount": c["act"]["amount"]}
                  for n, c in self.before("funded") if n not in used and c["time"] < until]
        self.same("the payments", funded, inputs["funded"])
        returned = minor(earlier[-1][1]["act"]["totals"]["unallocated"]) if earlier else 0
        self.same("what came back", returned, minor(inputs["returned"]))
        opening = None
        if earlier:
            number, last = earlier[-1]
            opening = {"commit": number, "lines": last["act"]["lines"]}
            for name in ("institution_lines", "held"):
                if name in last["act"]:
                    opening[name] = last["act"][name]
            if "platform_account" in last["act"]["totals"]:
                opening["platform"] = last["act"]["totals"]["platform_account"]["carried"]
        self.same("the opening balances", opening, inputs["opening"])
        since = earlier[-1][0] if earlier else 0
        overrides = [{"commit": n, "entry": leaf(c["entry"]), "act": c["act"]["change"]}
                     for n, c in self.before("overridden") if n > since]
        self.same("the decisions", overrides, inputs["overrides"])
        changes = [o["act"] for o in overrides]
        out = {c["query"] for c in changes if c["kind"] == "exclude-query"}
        prices = {c["query"]: c["price"] for c in changes if c["kind"] == "price"}

        queries, repeats, other, seen = [], [], [], {}
        for number, record in commits(self.site, "vault/usage/commits"):
            if record["dataset"] not in datasets or not first <= record["time"] < until:
                continue
            key = (record["dataset"], record["query"], record["researcher"], record["time"][:10])
            asked_first = seen.setdefault(key, number)
            if asked_first in out or number in out:
                continue
            # Which purpose covers which is the ontology's: here the recorded list is believed
            # where the pool's money is restricted, but never for a purpose that it names.
            if number in inputs["other_purpose"]:
                self.expect(inputs["purposes"] and record["purpose"] not in inputs["purposes"],
                            f"question {number} is of a purpose that the money may pay for")
                other.append(number)
            elif asked_first != number:
                repeats.append(number)
            else:
                queries.append((number, leaf(record["entry"]), record["dataset"],
                                record["version"], record["institution"],
                                prices.get(number, 1), record["lines_path"], record["lines"]))
        # An answer may have been given after the settlement was made: those it could not know.
        known = {q["commit"] for q in inputs["queries"]} | set(inputs["repeats"])
        known |= set(inputs["other_purpose"])
        newest = max(known, default=0)
        self.same("the questions", [q for q in queries if q[0] <= newest],
                  [(q["commit"], q["entry"], q["dataset"], q["version"], q["institution"],
                    q["price"], q["lines"]["path"], q["lines"]["digest"])
                   for q in inputs["queries"]])
        self.same("the repeated questions", [r for r in repeats if r <= newest], inputs["repeats"])
        self.same("the questions for another purpose", other, inputs["other_purpose"])

        newest_version, rosters = {}, {}
        for number, version in commits(self.site, "lake/commits"):
            if version["dataset"] not in datasets:
                continue
            rosters[version["dataset"], version["version"]] = (number, version)
            if version["time"] < until:
                newest_version[version["dataset"]] = version["version"]
        wanted = set(newest_version.items()) | {(q[2], q[3]) for q in queries if q[0] <= newest}
        versions = [{"commit": rosters[w][0], "entry": leaf(rosters[w][1]["entry"]),
                     "dataset": w[0], "version": w[1], "roster": rosters[w][1]["roster"],
                     "base": newest_version.get(w[0]) == w[1]} for w in sorted(wanted)]
        self.same("the versions", versions, inputs["versions"])
        relations = [(leaf(c["entry"]), c["act"]["payer"], c["act"]["institution"])
                     for _, c in commits(self.site, "vault/parties/commits")]
        for one in inputs["related"]:
            self.expect((one["entry"], one["payer"], one["institution"]) in relations,
                        "a relation that nobody recorded")

    # Tables: everything that the inputs name, by column.
    def load(self):
        db, inputs = self.db, self.inputs
        db.execute("CREATE TABLE roster(dataset VARCHAR, version BIGINT, base BOOL, "
                   "contributor VARCHAR, institution VARCHAR, pseudonym VARCHAR, "
                   "records HUGEINT, quality HUGEINT)")
        for version in inputs["versions"]:
            path = str(vault(self.site, version["roster"], self.faults))
            columns = {c for c, *_ in db.execute("DESCRIBE SELECT * FROM read_parquet(?)",
                                                 [path]).fetchall()}
            records = "records" if "records" in columns else "rows"
            db.execute(
                f"INSERT INTO roster SELECT ?, ?, ?, contributor, institution, pseudonym, {records}, "
                "quality_ppm FROM read_parquet(?)",
                [version["dataset"], version["version"], version["base"], path])
        db.execute("CREATE TABLE used(question BIGINT, dataset VARCHAR, version BIGINT, "
                   "payer VARCHAR, price HUGEINT, pseudonym VARCHAR, rows HUGEINT)")
        for query in inputs["queries"]:
            path = str(vault(self.site, query["lines"], self.faults))
            db.execute(
                "INSERT INTO used SELECT ?, ?, ?, ?, ?, pseudonym, rows FROM read_parquet(?)",
                [query["commit"], query["dataset"], query["version"], query["institution"],
                 query["price"], path])
            self.same(
                f"people and rows of question {query['commit']}",
                db.execute("SELECT count(*), sum(rows)::BIGINT FROM used WHERE question = ?",
                           [query["commit"]]).fetchone(),
                (query["people"], query["rows"]))
        opening = inputs["opening"] or {}
        value = inputs["value"] or {}
        self.table("opening", opening.get("lines"), "contributor VARCHAR, closing_micro BIGINT, "
                   "debt_micro BIGINT", "contributor, closing_micro, debt_micro")
        self.table("opening_held", opening.get("held"),
                   "contributor VARCHAR, due BIGINT, micro BIGINT", "contributor, due, micro")
        self.table("opening_institution", opening.get("institution_lines"),
                   "institution VARCHAR, closing_micro BIGINT", "institution, closing_micro")
        self.table("payee", inputs["payees"],
                   "contributor VARCHAR, person VARCHAR, verified BOOL, country VARCHAR",
                   "contributor, person, verified, country")
        self.table("new_data", inputs["new_data"],
                   "contributor VARCHAR, new HUGEINT, prior HUGEINT, quality HUGEINT, "
                   "verified HUGEINT, vested BOOL",
                   "contributor, new, prior, quality_ppm, verified, vested")
        self.table("valued", value.get("object"), "contributor VARCHAR, value HUGEINT",
                   "contributor, value::HUGEINT")
        db.execute("CREATE TABLE related(payer VARCHAR, institution VARCHAR)")
        for one in inputs["related"]:
            db.execute("INSERT INTO related VALUES (?, ?)", [one["payer"], one["institution"]])
        db.execute("CREATE TABLE excluded(contributor VARCHAR)")
        db.execute("CREATE TABLE correction(contributor VARCHAR, micro HUGEINT)")
        for change in (o["act"] for o in inputs["overrides"]):
            if change["kind"] == "exclude-contributor":
                db.execute("INSERT INTO excluded VALUES (?)", [change["contributor"]])
            elif change["kind"] == "correct":
                db.execute("INSERT INTO correction VALUES (?, ?)",
                           [change["contributor"], minor(change["amount"]) * MICRO])
        db.execute("""
            CREATE TABLE everybody AS
            SELECT contributor FROM roster UNION SELECT contributor FROM new_data
            UNION SELECT contributor FROM valued UNION SELECT contributor FROM opening_held
            UNION SELECT contributor FROM excluded UNION SELECT contributor FROM correction
            UNION SELECT contributor FROM opening WHERE closing_micro <> 0 OR debt_micro <> 0""")
        # Ties go by SHA3-256(seed || payee), which SQL cannot compute.
        names = [n for (n,) in db.execute(
            "SELECT contributor FROM everybody UNION SELECT institution FROM roster "
            "UNION SELECT institution FROM opening_institution "
            "UNION SELECT person FROM payee UNION SELECT 'unverified'").fetchall()]
        seed = bytes.fromhex(inputs["seed"])
        ordered = sorted((hashlib.sha3_256(seed + n.encode()).digest(), n) for n in names)
        db.execute("CREATE TABLE tie(who VARCHAR, place BIGINT)")
        db.executemany("INSERT INTO tie VALUES (?, ?)",
                       [(n, place) for place, (_, n) in enumerate(ordered)])
        strangers = self.number_of(
            "SELECT count(*) FROM used ANTI JOIN roster USING (dataset, version, pseudonym)")
        self.same("usage of people who are in no roster", 0, strangers)

    def table(self, name, at, shape, columns):
        self.db.execute(f"CREATE TABLE {name}({shape})")
        if at:
            path = str(vault(self.site, at, self.faults))
            self.db.execute(f"INSERT INTO {name} SELECT {columns} FROM read_parquet(?)", [path])

    def apportion(self, name, source):
        """Makes `name`(part, who, weight, share) from `source`(part, who, amount, weight, tie):
        in each part floor(amount * weight / sum) grains, and what is left one each to the largest
        remainders, ties to the smaller `tie`; nothing where nobody weighs anything."""
        self.db.execute(f"""
            CREATE OR REPLACE TABLE {name} AS
            SELECT part, who, weight, grain * (share + CASE WHEN remainder > 0
                   AND place <= amount - sum(share) OVER (PARTITION BY part) THEN 1 ELSE 0 END)
                   ::HUGEINT AS share
            FROM (
                SELECT *, row_number() OVER (PARTITION BY part ORDER BY remainder DESC, tie) AS place
                FROM (
                    SELECT part, who, weight, tie, amount, {self.grain}::HUGEINT AS grain,
                           CASE WHEN whole = 0 THEN 0 ELSE amount * weight // whole END AS share,
                           CASE WHEN whole = 0 THEN 0 ELSE amount * weight % whole END AS remainder
                    FROM (SELECT part, who, tie, weight::HUGEINT AS weight,
                                 (amount::HUGEINT // {self.grain}) AS amount,
                                 (sum(weight) OVER (PARTITION BY part))::HUGEINT AS whole
                          FROM ({source}))))""")

    def capped(self, name, source, amount, cap):
        """The same for one amount, nobody above `cap`: all whose exact share reaches it are held to
        it at once, and the rest is split anew. `source` is (who, weight, tie)."""
        db = self.db
        db.execute(f"CREATE OR REPLACE TABLE claim AS SELECT who, weight::HUGEINT AS weight, tie, "
                   f"false AS held FROM ({source})")
        left = amount
        while True:
            whole = self.number_of("SELECT sum(weight) FROM claim WHERE NOT held")
            full = [w for (w,) in db.execute(
                "SELECT who FROM claim WHERE NOT held AND weight > 0 "
                "AND ?::HUGEINT * weight >= ?::HUGEINT * ?::HUGEINT",
                [left, cap, whole]).fetchall()]
            if not full:
                break
            db.executemany("UPDATE claim SET held = true WHERE who = ?", [(w,) for w in full])
            left -= cap * len(full)
        self.apportion("open_share", f"SELECT 0 AS part, who, {left}::HUGEINT AS amount, weight, tie "
                                     "FROM claim WHERE NOT held")
        db.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT 0 AS part, who, weight, share "
                   f"FROM open_share UNION ALL SELECT 0, who, weight, {cap}::HUGEINT FROM claim "
                   "WHERE held")

    # What everyone's contribution weighs in each layer.
    def weigh(self):
        db = self.db
        rule = {layer["kind"]: layer for layer in self.set["layer"]}
        db.execute("CREATE TABLE weight(layer VARCHAR, contributor VARCHAR, weight HUGEINT)")
        if "base" in rule:
            db.execute("INSERT INTO weight SELECT 'base', contributor, sum(records * quality) "
                       "FROM roster WHERE base GROUP BY contributor")
        if "usage" in rule:
            self.weigh_usage(rule["usage"]["weigh"])
        if "new-data" in rule:
            new = rule["new-data"]
            half = new["half"]
            odd = self.number_of("SELECT count(*) FROM new_data WHERE vested <> (verified >= ?)",
                                 new["contributors_min"])
            self.same("rows of new data that count or wait against the rule", 0, odd)
            rarity = f"({MILLION}::HUGEINT * {half} // ({half} + prior))"
            each = f"(quality * {rarity} // {MILLION})" if new["quality"] else rarity
            db.execute(f"INSERT INTO weight SELECT 'new-data', contributor, sum(new * {each}) "
                       "FROM new_data WHERE vested GROUP BY contributor")
        if "value" in rule:
            db.execute("INSERT INTO weight SELECT 'value', contributor, value FROM valued")
        db.execute("DELETE FROM weight WHERE contributor IN (SELECT contributor FROM excluded)")

    def weigh_usage(self, how):
        """Rows that a question drew on, without those of the asker's own and related institutions;
        then its units, or its rows times its price."""
        db = self.db
        own = ("r.institution = q.payer OR EXISTS (SELECT 1 FROM related WHERE related.payer = q.payer "
               "AND related.institution = r.institution)")
        if not self.set["exclude_payer"]:
            own = "false"
        db.execute(f"""
            CREATE TABLE counted AS
            SELECT question, price, contributor, CASE
                   WHEN contributor IN (SELECT contributor FROM excluded) THEN 0
                   WHEN NOT there THEN rows
                   WHEN records = 0 THEN 0
                   ELSE rows * (records - theirs) // records END AS rows
            FROM (SELECT question, any_value(price) AS price, contributor, sum(rows) AS rows
                  FROM used JOIN (SELECT DISTINCT dataset, version, pseudonym, contributor FROM roster)
                  USING (dataset, version, pseudonym) GROUP BY question, contributor)
            JOIN (SELECT q.question, r.contributor, sum(r.records)::HUGEINT AS records,
                         coalesce(sum(r.records) FILTER (WHERE coalesce({own}, false)), 0)::HUGEINT
                         AS theirs, bool_or(coalesce({own}, false)) AS there
                  FROM (SELECT DISTINCT question, dataset, version, payer FROM used) q
                  JOIN roster r USING (dataset, version) GROUP BY q.question, r.contributor)
            USING (question, contributor)""")
        if how == "record":
            db.execute("INSERT INTO weight SELECT 'usage', contributor, sum(rows * price) FROM counted "
                       "GROUP BY contributor")
            return
        grain, self.grain = self.grain, 1
        self.apportion("units", f"SELECT question AS part, contributor AS who, "
                                f"{UNITS}::HUGEINT * price AS amount, rows AS weight, place AS tie "
                                "FROM counted JOIN tie ON who = contributor")
        self.grain = grain
        db.execute("INSERT INTO weight SELECT 'usage', who, sum(share) FROM units GROUP BY who")

    # Pots, layers, and the cap of a person.
    def give_out(self):
        db, rules = self.db, self.set
        received = sum(minor(f["amount"]) for f in self.inputs["funded"])
        returned = minor(self.inputs["returned"])
        fee = received * rules["fee_bps"] // 10_000
        reserve = received * rules["reserve_bps"] // 10_000
        pot = (received - fee - reserve) * MICRO + returned
        self.same("what is over when grains are given out", 0, pot % self.grain)
        layers = [(i, layer["kind"], layer["ppm"]) for i, layer in enumerate(rules["layer"])]
        db.execute("CREATE TABLE layer(place INT, kind VARCHAR, ppm HUGEINT)")
        db.executemany("INSERT INTO layer VALUES (?, ?, ?)", layers)
        self.apportion("pot", f"SELECT 0 AS part, kind AS who, {pot}::HUGEINT AS amount, "
                              "ppm AS weight, place AS tie FROM layer")
        db.execute("CREATE TABLE earned(layer VARCHAR, contributor VARCHAR, micro HUGEINT)")
        self.layers = []
        for layer in rules["layer"]:
            kind = layer["kind"]
            amount = self.number_of("SELECT share FROM pot WHERE who = ?", kind)
            claims = ("SELECT contributor AS who, weight, place AS tie FROM weight JOIN tie "
                      f"ON who = contributor WHERE layer = '{kind}'")
            cap_ppm = layer.get("cap_ppm")
            if cap_ppm is None:
                self.apportion("share", f"SELECT 0 AS part, {amount}::HUGEINT AS amount, * "
                                        f"FROM ({claims})")
            else:
                cap = amount // self.grain * cap_ppm // MILLION * self.grain
                self.capped("share", claims, amount, cap)
            db.execute("INSERT INTO earned SELECT ?, who, share FROM share", [kind])
            given = self.number_of("SELECT sum(share) FROM share")
            weight = self.number_of("SELECT sum(weight) FROM share")
            self.layers.append((kind, amount, str(weight), amount - given))
        db.execute("CREATE TABLE gross AS SELECT contributor, "
                   "coalesce((SELECT sum(micro) FROM earned e WHERE e.contributor = a.contributor), 0)"
                   "::HUGEINT AS micro FROM everybody a")
        if "cap" in rules:
            cap = pot // self.grain * rules["cap"]["person_ppm"] // MILLION * self.grain
            db.execute("""
                CREATE TABLE grouped AS
                SELECT g.contributor, g.micro, CASE WHEN p.verified AND p.person <> ''
                       THEN p.person ELSE 'unverified' END AS person
                FROM gross g LEFT JOIN payee p USING (contributor)""")
            whole = self.number_of("SELECT sum(micro) FROM gross")
            self.capped("person_share",
                        "SELECT person AS who, sum(micro) AS weight, any_value(place) AS tie "
                        "FROM grouped JOIN tie ON who = person GROUP BY person", whole, cap)
            self.apportion("member", "SELECT person AS part, contributor AS who, share AS amount, "
                                     "micro AS weight, place AS tie FROM grouped "
                                     "JOIN person_share s ON s.who = person "
                                     "JOIN tie t ON t.who = contributor")
            db.execute("CREATE OR REPLACE TABLE gross AS SELECT who AS contributor, share AS micro "
                       "FROM member")
        self.received, self.returned, self.fee, self.reserve, self.pot = (
            received, returned, fee, reserve, pot)

    # The split, and where the institutions' parts go.
    def share(self):
        db, split = self.db, self.set["split"]
        db.execute("CREATE TABLE split(place INT, name VARCHAR, bps HUGEINT)")
        db.executemany("INSERT INTO split VALUES (?, ?, ?)", [
            (i, name, split[f"{name}_bps"])
            for i, name in enumerate(("person", "institution", "platform"))])
        self.apportion("part", "SELECT contributor AS part, name AS who, micro AS amount, "
                               "bps AS weight, place AS tie FROM gross, split")
        # By base weight; where that is nothing, by records of all versions.
        db.execute("""
            CREATE TABLE held_at AS
            SELECT contributor, institution, coalesce(sum(records * quality) FILTER (WHERE base), 0)
                   ::HUGEINT AS weight, sum(records)::HUGEINT AS records
            FROM roster GROUP BY contributor, institution""")
        self.apportion("house", """
            SELECT contributor AS part, institution AS who, share AS amount,
                   CASE WHEN sum(h.weight) OVER (PARTITION BY contributor) > 0 THEN h.weight
                        ELSE records END AS weight, place AS tie
            FROM held_at h JOIN part p ON p.part = contributor AND p.who = 'institution'
            JOIN tie t ON t.who = institution""")
        theirs = self.number_of("SELECT sum(share) FROM part WHERE who = 'institution'")
        self.nowhere = theirs - self.number_of("SELECT sum(share) FROM house")

    # Corrections, vesting, tax, payment: each person's account.
    def pay(self):
        db, rules = self.db, self.set
        grain = self.grain
        first, until = interval(self.act["period"])
        last = (datetime.date.fromisoformat(until[:10]) - datetime.timedelta(days=1)).isoformat()
        bps = {t["country"]: t["bps"] for t in rules.get("tax", [])
               if t["from"] <= last <= t.get("until", "9999-12-31")}
        db.execute("CREATE TABLE tax(country VARCHAR, bps HUGEINT)")
        if bps:
            db.executemany("INSERT INTO tax VALUES (?, ?)", list(bps.items()))
        db.execute(f"""
            CREATE TABLE account AS
            SELECT *, debt - taken AS debt_micro FROM (
                SELECT *, least(debt, person) // {grain} * {grain} AS taken FROM (
                    SELECT contributor,
                           (SELECT share FROM part WHERE part = contributor AND who = 'person')
                           AS person,
                           (coalesce(o.debt_micro, 0) + coalesce((SELECT sum(micro) FROM correction c
                            WHERE c.contributor = a.contributor), 0))::HUGEINT AS debt,
                           coalesce(o.closing_micro, 0)::HUGEINT AS opening
                    FROM everybody a LEFT JOIN opening o USING (contributor)))""")
        tranches = list(enumerate(rules.get("tranches") or [1]))
        db.execute("CREATE TABLE tranche(place INT, weight HUGEINT)")
        db.executemany("INSERT INTO tranche VALUES (?, ?)", tranches)
        self.apportion("due", "SELECT contributor AS part, place AS who, person - taken AS amount, "
                              "weight, place AS tie FROM account, tranche")
        db.execute("""
            CREATE TABLE held AS
            SELECT contributor, due, sum(micro)::BIGINT AS micro FROM (
                SELECT part AS contributor, who AS due, share AS micro FROM due WHERE who > 0
                UNION ALL SELECT contributor, due - 1, micro FROM opening_held WHERE due > 1)
            GROUP BY contributor, due HAVING sum(micro) <> 0""")
        minimum = max(rules["minimum_minor"], 1)
        cells = ", ".join(
            f"coalesce(any_value(x.{what}) FILTER (WHERE x.layer = '{layer}'), 0)::{kind} "
            f"AS {PREFIX[layer]}_{name}"
            for what, name, kind in (("weight", "weight", "HUGEINT"), ("micro", "micro", "BIGINT"))
            for layer in LAYERS)
        db.execute(f"""
            CREATE TABLE layered AS SELECT a.contributor, {cells} FROM everybody a
            LEFT JOIN (SELECT layer, contributor, weight, micro FROM weight
                       JOIN earned USING (layer, contributor)) x USING (contributor)
            GROUP BY a.contributor""")
        db.execute(f"""
            CREATE TABLE line AS
            SELECT * EXCLUDE (balance, bps), balance - payable_minor * {MICRO} AS closing_micro,
                   payable_minor * bps // 10000 AS tax_minor,
                   payable_minor - payable_minor * bps // 10000 AS paid_minor
            FROM (
                SELECT *, CASE WHEN balance // {MICRO} >= {minimum} THEN balance // {MICRO} ELSE 0 END
                       AS payable_minor
                FROM (
                    SELECT l.*, g.micro AS gross_micro,
                           (SELECT share FROM part WHERE part = contributor AND who = 'institution')
                           AS institution_micro,
                           (SELECT share FROM part WHERE part = contributor AND who = 'platform')
                           AS platform_micro,
                           a.person AS person_micro, -taken AS adjust_micro, a.debt_micro,
                           coalesce(h.micro, 0) AS held_micro, coalesce(v.micro, 0) AS vested_micro,
                           opening AS opening_micro,
                           opening + a.person - taken - coalesce(h.micro, 0) + coalesce(v.micro, 0)
                           AS balance,
                           coalesce(t.bps, every.bps, 0) AS bps
                    FROM layered l JOIN gross g USING (contributor) JOIN account a USING (contributor)
                    LEFT JOIN (SELECT part AS contributor, sum(share)::HUGEINT AS micro FROM due
                               WHERE who > 0 GROUP BY part) h USING (contributor)
                    LEFT JOIN (SELECT contributor, sum(micro)::HUGEINT AS micro FROM opening_held
                               WHERE due <= 1 GROUP BY contributor) v USING (contributor)
                    LEFT JOIN payee USING (contributor)
                    LEFT JOIN tax t ON t.country = payee.country
                    LEFT JOIN tax every ON every.country = '*'))""")
        db.execute(f"""
            CREATE TABLE institution AS
            SELECT *, opening_micro + accrued_micro - paid_minor * {MICRO} AS closing_micro FROM (
                SELECT *, CASE WHEN (opening_micro + accrued_micro) // {MICRO} >= {minimum}
                       THEN (opening_micro + accrued_micro) // {MICRO} ELSE 0 END AS paid_minor
                FROM (
                    SELECT institution,
                           coalesce((SELECT sum(weight) FROM held_at h
                                     WHERE h.institution = a.institution), 0)::HUGEINT AS weight,
                           coalesce((SELECT sum(share) FROM house WHERE who = a.institution), 0)
                           ::HUGEINT AS accrued_micro,
                           coalesce((SELECT closing_micro FROM opening_institution o
                                     WHERE o.institution = a.institution), 0)::HUGEINT
                           AS opening_micro
                    FROM (SELECT institution FROM roster UNION SELECT institution
                          FROM opening_institution WHERE closing_micro <> 0) a))""")

    def differs(self, what, ours, at, columns):
        """Counts the rows in which a computed table and a recorded one differ, column by column."""
        db = self.db
        path = str(vault(self.site, at, self.faults))
        db.execute("CREATE OR REPLACE TABLE recorded AS SELECT * FROM read_parquet(?)", [path])
        key = columns[0]
        for column in columns:
            picked = key if column == key else f"{key}, {column}::HUGEINT"
            wrong = self.number_of(f"""
                SELECT count(*) FROM (
                    (SELECT {picked} FROM {ours} EXCEPT ALL SELECT {picked} FROM recorded)
                    UNION ALL
                    (SELECT {picked} FROM recorded EXCEPT ALL SELECT {picked} FROM {ours}))""")
            self.same(f"{what} with another `{column}`", 0, wrong)
        names = [n for (n,) in db.execute(f"SELECT {key} FROM recorded").fetchall()]
        self.expect(names == sorted(names, key=str.encode), f"{what} are out of order")

    def compare(self):
        db, act = self.db, self.act
        totals, booked = act["totals"], predicate(self.entry)
        self.differs("lines", "line", act["lines"], ["contributor", *WEIGHTS, *MONEY])
        sums = dict(zip(MONEY, db.execute(
            "SELECT " + ", ".join(f"coalesce(sum({c}), 0)::HUGEINT" for c in MONEY)
            + " FROM line").fetchone()))
        sums = {name: int(value) for name, value in sums.items()}
        self.lines = self.number_of("SELECT count(*) FROM line")
        self.paid = sums["paid_minor"]
        unallocated = self.pot - sums["gross_micro"] - sums["adjust_micro"] + self.nowhere
        for name, value in (
            ("received", self.received), ("returned", self.returned), ("fee", self.fee),
            ("reserve", self.reserve), ("unallocated", unallocated),
            ("opening", sums["opening_micro"]), ("gross", sums["gross_micro"]),
            ("person", sums["person_micro"]), ("institution", sums["institution_micro"]),
            ("platform", sums["platform_micro"]), ("adjusted", sums["adjust_micro"]),
            ("held", sums["held_micro"]), ("vested", sums["vested_micro"]),
            ("payable", sums["payable_minor"]), ("tax", sums["tax_minor"]),
            ("paid", sums["paid_minor"]), ("carried", sums["closing_micro"]),
        ):
            self.same(f"the total `{name}`", value, minor(totals[name]))
        self.same("the layers", self.layers, [
            (one["layer"], minor(one["pot"]), one["weight"], minor(one["unallocated"]))
            for one in totals["layers"]])
        held = self.number_of("SELECT count(*) FROM held")
        if self.same("whether something is held back", held > 0, "held" in act) and held:
            db.execute("CREATE OR REPLACE TABLE held AS SELECT contributor || '@' || due AS who, "
                       "contributor, due, micro FROM held")
            path = str(vault(self.site, act["held"], self.faults))
            wrong = self.number_of(
                "SELECT count(*) FROM ((SELECT contributor, due, micro FROM held EXCEPT ALL SELECT "
                "contributor, due, micro FROM read_parquet(?)) UNION ALL (SELECT contributor, due, "
                "micro FROM read_parquet(?) EXCEPT ALL SELECT contributor, due, micro FROM held))",
                path, path)
            self.same("what is held back otherwise", 0, wrong)
        self.compare_institutions(sums["institution_micro"])
        self.compare_platform(sums["platform_micro"])
        came = (self.received - self.fee - self.reserve) * MICRO + self.returned
        went = sums["person_micro"] + sums["adjust_micro"] + sums["platform_micro"] + unallocated
        went += sums["institution_micro"] - self.nowhere
        self.same("what came in, and what went out", came, went)
        for name, value in (("total", self.paid), ("fee", self.fee), ("unallocated", unallocated),
                            ("carried", sums["closing_micro"])):
            self.same(f"`{name}` in the book", value, minor(booked[name]))
        self.same("the rules in the book",
                  {"name": self.set["name"], "version": self.set["version"],
                   "digest": sha3(canonical(self.set))}, booked["rules"])
        self.same("the number of lines", self.lines, act["count"])
        self.same("the root in the book", act["root"], booked["root"])
        self.same("the inputs' digest in the book", act["inputs"]["digest"], booked["input_digest"])
        self.same("the count in the book", "<10" if self.lines < 10 else self.lines,
                  booked["count"])
        self.check_leaves()

    def compare_institutions(self, part):
        act, totals = self.act, self.act["totals"]
        brought = self.number_of("SELECT count(*) FROM opening_institution WHERE closing_micro <> 0")
        named = self.set["split"]["institution_bps"] > 0 or brought > 0
        for what, at in (("lines", "institution_lines" in act), ("totals", "institutions" in totals)):
            self.same(f"whether institutions have {what}", named, at)
        if not named or "institution_lines" not in act:
            return
        self.differs("lines of institutions", "institution", act["institution_lines"],
                     ["institution", "weight", "accrued_micro", "opening_micro", "closing_micro",
                      "paid_minor"])
        self.institutions = self.number_of("SELECT count(*) FROM institution")
        self.same("the institutions' `part`", part, minor(totals["institutions"]["part"]))
        for name, column in (("opening", "opening_micro"), ("accrued", "accrued_micro"),
                             ("paid", "paid_minor"), ("carried", "closing_micro")):
            self.same(f"the institutions' `{name}`",
                      self.number_of(f"SELECT sum({column}) FROM institution"),
                      minor(totals["institutions"][name]))
        booked = predicate(self.entry)["institutions"]
        self.same("the institutions' total in the book",
                  self.number_of("SELECT sum(paid_minor) FROM institution"),
                  minor(booked["total"]))

    def compare_platform(self, part):
        opening = self.inputs["opening"] or {}
        before = minor(opening["platform"]) if "platform" in opening else 0
        named = self.set["split"]["platform_bps"] > 0 or before != 0
        own = self.act["totals"].get("platform_account")
        if self.same("whether the platform has an account", named, own is not None) and named:
            paid = (before + part) // MICRO
            for name, value in (("part", part), ("opening", before), ("accrued", part),
                                ("paid", paid), ("carried", before + part - paid * MICRO)):
                self.same(f"the platform's `{name}`", value, minor(own[name]))

    def check_leaves(self):
        """The line tree: 64-byte leaves, sorted, whose RFC 6962 root is the one in the book."""
        data = vault(self.site, self.act["leaves"], self.faults).read_bytes()
        leaves = [data[i : i + 64] for i in range(0, len(data), 64)]
        self.same("the number of leaves", self.act["count"], len(leaves))
        self.expect(leaves == sorted(set(leaves)), "the leaves are not sorted, or one is twice")
        self.same("the root", root(leaves).hex(), self.act["root"])


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def main():
    site = opened(argument("SITE"))
    faults, done = Faults(), []
    acts = commits(site, "vault/pools/commits")
    for number, commit in acts:
        if commit["act"]["kind"] == "settled":
            settlement = Settlement(site, number, commit, acts, faults)
            settlement.check()
            done.append(settlement)
    if faults:
        failed(faults)
    if not done:
        failed(["nothing was settled: there is nothing to recompute"])
    lines = sum(s.lines for s in done)
    institutions = sum(s.institutions for s in done)
    passed(f"{len(done)} settlements, {lines:,} lines of people, {institutions:,} of institutions, "
           f"{sum(s.paid for s in done):,} minor units paid to people: every line and total agree")


if __name__ == "__main__":
    main()
