"""Recomputes every settlement from rosters and usage with DuckDB, in exact integers.

It works out for itself which payments, versions and questions count, compares that with what the
settlement wrote down, splits the money in SQL (HUGEINT), and compares every line, every total and
the entry in the book.

Usage: duckdb_settlement.py SITE
"""

import calendar
import datetime
import hashlib
import json
import re

import duckdb

from folder import Faults, argument, commits, failed, passed, predicate, sha3

MICRO = 1_000_000
UNITS = 1_000_000_000_000


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
    def __init__(self, site, number, act, entry, acts, faults):
        self.site, self.number, self.act, self.entry = site, number, act, entry
        self.acts, self.faults = acts, faults
        self.name = f"{act['pool']} {act['period']}"
        self.inputs = json.loads(vault(site, act["inputs"], faults).read_bytes())
        self.db = duckdb.connect()
        self.institutions = 0

    def expect(self, is_so, words):
        return self.faults.expect(is_so, f"{self.name}: {words}")

    def same(self, what, ours, theirs):
        return self.expect(ours == theirs, f"{what}: {theirs} is recorded, {ours} is right")

    def before(self, kind):
        return [(n, c) for n, c in self.acts
                if n < self.number and c["act"]["kind"] == kind
                and c["act"]["pool"] == self.act["pool"]]

    def check(self):
        self.check_inputs()
        self.load()
        self.check_lines()

    # What counts: worked out from the commits, compared with what was written down.
    def check_inputs(self):
        inputs, act = self.inputs, self.act
        unseeded = {k: v for k, v in inputs.items() if k != "seed"}
        self.same("the seed", sha3(canonical(unseeded)), inputs["seed"])
        self.same("the digest of the inputs", sha3(canonical(inputs)), act["inputs"]["digest"])
        first, until = interval(act["period"])
        (_, opened), = self.before("opened")
        terms = opened["act"]["terms"]
        for term in ("fee_bps", "base_ppm", "usage_ppm", "minimum"):
            self.same(term, terms[term], inputs["rules"][term])
        # A pool that gives institutions no part does not name one.
        self.institution_ppm = terms.get("institution_ppm", 0)
        self.same("institution_ppm", self.institution_ppm,
                  inputs["rules"].get("institution_ppm", 0))
        datasets = opened["act"]["datasets"]
        self.same("the datasets", datasets, inputs["datasets"])

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
            if "institution_lines" in last["act"]:
                opening["institution_lines"] = last["act"]["institution_lines"]
        self.same("the opening balances", opening, inputs["opening"])

        queries, repeats, seen = [], [], set()
        for number, record in commits(self.site, "vault/usage/commits"):
            if record["dataset"] in datasets and first <= record["time"] < until:
                key = (record["dataset"], record["query"], record["researcher"],
                       record["time"][:10])
                if key in seen:
                    repeats.append(number)
                else:
                    seen.add(key)
                    queries.append((number, leaf(record["entry"]), record["dataset"],
                                    record["version"], record["lines_path"], record["lines"]))
        # An answer may have been given after the settlement was made: those it could not know.
        known = {q["commit"] for q in inputs["queries"]} | set(inputs["repeats"])
        newest = max(known, default=0)
        self.same("the questions", [q for q in queries if q[0] <= newest],
                  [(q["commit"], q["entry"], q["dataset"], q["version"], q["lines"]["path"],
                    q["lines"]["digest"]) for q in inputs["queries"]])
        self.same("the repeated questions", [r for r in repeats if r <= newest], inputs["repeats"])

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

    def load(self):
        db, inputs = self.db, self.inputs
        db.execute("CREATE TABLE roster(dataset VARCHAR, version BIGINT, base BOOL, "
                   "contributor VARCHAR, institution VARCHAR, pseudonym VARCHAR, weight HUGEINT)")
        for version in inputs["versions"]:
            db.execute(
                "INSERT INTO roster SELECT ?, ?, ?, contributor, institution, pseudonym, "
                "rows::HUGEINT * quality_ppm::HUGEINT FROM read_parquet(?)",
                [version["dataset"], version["version"], version["base"],
                 str(vault(self.site, version["roster"], self.faults))])
        db.execute("CREATE TABLE used(question BIGINT, dataset VARCHAR, version BIGINT, "
                   "price HUGEINT, pseudonym VARCHAR, rows HUGEINT)")
        for query in inputs["queries"]:
            path = vault(self.site, query["lines"], self.faults)
            db.execute("INSERT INTO used SELECT ?, ?, ?, ?, pseudonym, rows FROM read_parquet(?)",
                       [query["commit"], query["dataset"], query["version"], query["price"],
                        str(path)])
            self.same(
                f"people and rows of question {query['commit']}",
                db.execute("SELECT count(*), sum(rows)::BIGINT FROM used WHERE question = ?",
                           [query["commit"]]).fetchone(),
                (query["people"], query["rows"]))
        db.execute("CREATE TABLE opening(contributor VARCHAR, micro HUGEINT)")
        if inputs["opening"]:
            path = vault(self.site, inputs["opening"]["lines"], self.faults)
            db.execute("INSERT INTO opening SELECT contributor, closing_micro "
                       "FROM read_parquet(?) WHERE closing_micro <> 0", [str(path)])
        people = db.execute("SELECT contributor FROM roster UNION SELECT contributor FROM opening"
                            ).fetchall()
        # Ties go by SHA3-256(seed || contributor), which SQL cannot compute.
        seed = bytes.fromhex(inputs["seed"])
        ordered = sorted((hashlib.sha3_256(seed + p.encode()).digest(), p) for (p,) in people)
        db.execute("CREATE TABLE payee(contributor VARCHAR, tie BIGINT)")
        if ordered:
            db.executemany("INSERT INTO payee VALUES (?, ?)",
                           [(p, rank) for rank, (_, p) in enumerate(ordered)])
        strangers, = db.execute(
            "SELECT count(*) FROM used ANTI JOIN roster USING (dataset, version, pseudonym)"
        ).fetchone()
        self.same("usage of people who are in no roster", 0, strangers)

    def apportion(self, amount, table, by=""):
        """Splits `amount` over `table`(contributor, weight …) by largest remainders, for each of
        `by`: floor(amount * weight / sum), what is left one each to the largest remainders."""
        part = f"PARTITION BY {by}" if by else ""
        return f"""
            SELECT * EXCLUDE (share, remainder, whole, place),
                   share + CASE WHEN place <= {amount} - sum(share) OVER ({part})
                           THEN 1 ELSE 0 END AS share
            FROM (
                SELECT *, row_number() OVER ({part} ORDER BY remainder DESC, tie) AS place
                FROM (
                    SELECT *, ({amount}::HUGEINT * weight) // whole AS share,
                           ({amount}::HUGEINT * weight) % whole AS remainder
                    FROM (SELECT *, (sum(weight) OVER ({part}))::HUGEINT AS whole
                          FROM {table} JOIN payee USING (contributor))
                    WHERE whole > 0))"""

    def check_lines(self):
        db, act, rules = self.db, self.act, self.inputs["rules"]
        totals, booked = act["totals"], predicate(self.entry)
        received = sum(minor(f["amount"]) for f in self.inputs["funded"])
        returned = minor(self.inputs["returned"])
        fee = received * rules["fee_bps"] // 10_000
        given = received + returned - fee
        part, theirs_left = self.check_institutions(given)
        given -= part
        # Two layers: H(given, [base, usage]), a tie to the base.
        shares = [divmod(given * ppm, MICRO) for ppm in (rules["base_ppm"], rules["usage_ppm"])]
        left = given - sum(s for s, _ in shares)
        order = sorted((0, 1), key=lambda i: (-shares[i][1], i))
        base, usage = (shares[i][0] + (1 if i in order[:left] else 0) for i in (0, 1))

        db.execute("CREATE TABLE base_weight AS SELECT contributor, sum(weight)::HUGEINT AS weight "
                   "FROM roster WHERE base GROUP BY contributor")
        db.execute("CREATE TABLE behind AS SELECT DISTINCT dataset, version, pseudonym, contributor "
                   "FROM roster")
        db.execute("CREATE TABLE drawn AS SELECT question, price, contributor, "
                   "sum(rows)::HUGEINT AS weight FROM used "
                   "JOIN behind USING (dataset, version, pseudonym) "
                   "GROUP BY question, price, contributor")
        db.execute("CREATE TABLE units AS "
                   + self.apportion(f"({UNITS}::HUGEINT * price)", "drawn", "question"))
        db.execute("CREATE TABLE usage_weight AS SELECT contributor, sum(share)::HUGEINT AS weight "
                   "FROM units GROUP BY contributor")
        db.execute("CREATE TABLE base AS " + self.apportion(base * MICRO, "base_weight"))
        db.execute("CREATE TABLE usage AS " + self.apportion(usage * MICRO, "usage_weight"))
        unallocated = sum(
            pot for pot, layer in ((base, "base"), (usage, "usage"))
            if not db.execute(f"SELECT count(*) FROM {layer}").fetchone()[0])
        unallocated += theirs_left
        minimum = max(minor(rules["minimum"]), 1)
        db.execute(f"""
            CREATE TABLE line AS
            SELECT contributor, base_weight, usage_weight, base_micro, usage_micro, opening_micro,
                   balance - paid * {MICRO} AS closing_micro, paid AS paid_minor
            FROM (
                SELECT *, CASE WHEN balance // {MICRO} >= {minimum} THEN balance // {MICRO}
                          ELSE 0 END AS paid
                FROM (
                    SELECT contributor, coalesce(b.weight, 0) AS base_weight,
                           coalesce(u.weight, 0) AS usage_weight,
                           coalesce(base.share, 0) AS base_micro,
                           coalesce(usage.share, 0) AS usage_micro,
                           coalesce(o.micro, 0) AS opening_micro,
                           coalesce(base.share, 0) + coalesce(usage.share, 0)
                           + coalesce(o.micro, 0) AS balance
                    FROM payee
                    LEFT JOIN base_weight b USING (contributor)
                    LEFT JOIN usage_weight u USING (contributor)
                    LEFT JOIN base USING (contributor)
                    LEFT JOIN usage USING (contributor)
                    LEFT JOIN opening o USING (contributor)))""")
        path = vault(self.site, act["lines"], self.faults)
        db.execute("CREATE TABLE recorded AS SELECT contributor, base_weight::HUGEINT AS base_weight,"
                   " usage_weight::HUGEINT AS usage_weight, base_micro::HUGEINT AS base_micro,"
                   " usage_micro::HUGEINT AS usage_micro, opening_micro::HUGEINT AS opening_micro,"
                   " closing_micro::HUGEINT AS closing_micro, paid_minor::HUGEINT AS paid_minor"
                   " FROM read_parquet(?)", [str(path)])
        for columns in (
            ["base_weight", "usage_weight"], ["base_micro", "usage_micro"], ["opening_micro"],
            ["closing_micro", "paid_minor"],
        ):
            picked = ", ".join(f"{c}::HUGEINT" for c in columns)
            wrong, = db.execute(f"""
                SELECT count(*) FROM (
                    (SELECT contributor, {picked} FROM line EXCEPT ALL
                     SELECT contributor, {picked} FROM recorded)
                    UNION ALL
                    (SELECT contributor, {picked} FROM recorded EXCEPT ALL
                     SELECT contributor, {picked} FROM line))""").fetchone()
            self.same(f"lines with another {' or '.join(columns)}", 0, wrong)
        lines, opening, accrued, carried, paid = (int(n or 0) for n in db.execute(
            "SELECT count(*), sum(opening_micro), sum(base_micro + usage_micro), "
            "sum(closing_micro), sum(paid_minor) FROM line").fetchone())
        self.lines, self.paid = lines, paid
        for name, value in (
            ("received", received), ("returned", returned), ("fee", fee), ("base", base),
            ("usage", usage), ("unallocated", unallocated), ("opening", opening),
            ("accrued", accrued), ("carried", carried), ("paid", paid),
        ):
            self.same(f"the total `{name}`", value, minor(totals[name]))
        self.same("the number of lines", lines, act["count"])
        theirs = minor(totals["institutions"]["accrued"]) if self.institution_ppm else 0
        self.expect((received + returned - fee - unallocated) * MICRO == accrued + theirs,
                    "what came in")
        self.expect(opening + accrued == paid * MICRO + carried, "what was earned")
        for name, value in (("total", paid), ("fee", fee), ("unallocated", unallocated),
                            ("carried", carried)):
            self.same(f"`{name}` in the book", value, minor(booked[name]))
        self.same("the root in the book", act["root"], booked["root"])
        self.same("the inputs' digest in the book", act["inputs"]["digest"], booked["input_digest"])
        self.same("the count in the book", "<10" if lines < 10 else lines, booked["count"])
        self.check_leaves()

    def check_institutions(self, given):
        """What institutions are due of what remains after the fee; returns their part, and what of
        it had no institution to go to."""
        db, act, booked = self.db, self.act, predicate(self.entry)
        named = self.institution_ppm > 0
        for what, at in (("lines", "institution_lines" in act),
                         ("totals", "institutions" in act["totals"]),
                         ("sums in the book", "institutions" in booked)):
            self.same(f"whether institutions have {what}", named, at)
        if not named:
            return 0, 0
        part = given * self.institution_ppm // 1_000_000
        before = {}
        if self.inputs["opening"]:
            path = vault(self.site, self.inputs["opening"]["institution_lines"], self.faults)
            before = dict(db.execute(
                "SELECT institution, closing_micro FROM read_parquet(?) WHERE closing_micro <> 0",
                [str(path)]).fetchall())
        weights = {name: int(weight) for name, weight in db.execute(
            "SELECT institution, sum(weight)::HUGEINT FROM roster WHERE base GROUP BY institution"
        ).fetchall()}
        for name in before:
            weights.setdefault(name, 0)
        whole, seed = sum(weights.values()), bytes.fromhex(self.inputs["seed"])
        # As few as they are, they are split in Python: floors first, then the largest remainders.
        shares = {n: divmod(part * MICRO * w, whole) if whole else (0, 0)
                  for n, w in weights.items()}
        left = part * MICRO - sum(s for s, _ in shares.values()) if whole else 0
        order = sorted(weights, key=lambda n: (
            -shares[n][1], hashlib.sha3_256(seed + n.encode()).digest()))
        more = set(order[:left])
        minimum = max(minor(self.inputs["rules"]["minimum"]), 1)
        lines, sums = [], {"opening": 0, "accrued": 0, "paid": 0, "carried": 0}
        for name in sorted(weights, key=str.encode):
            accrued, opening = shares[name][0] + (name in more), before.get(name, 0)
            paid = (accrued + opening) // MICRO
            paid = paid if paid >= minimum else 0
            carried = accrued + opening - paid * MICRO
            lines.append((name, str(weights[name]), accrued, opening, carried, paid))
            for key, value in (("opening", opening), ("accrued", accrued), ("paid", paid),
                               ("carried", carried)):
                sums[key] += value
        path = vault(self.site, act["institution_lines"], self.faults)
        recorded = db.execute(
            "SELECT institution, weight, accrued_micro, opening_micro, closing_micro, paid_minor "
            "FROM read_parquet(?)", [str(path)]).fetchall()
        wrong = len(set(lines) ^ set(recorded))
        self.same("lines of institutions that differ", 0, wrong)
        self.same("the number of institutions", len(lines), len(recorded))
        totals = act["totals"]["institutions"]
        self.same("the institutions' part", part, minor(totals["part"]))
        for key, value in sums.items():
            self.same(f"the institutions' `{key}`", value, minor(totals[key]))
        self.same("the institutions' total in the book", sums["paid"],
                  minor(booked["institutions"]["total"]))
        self.same("what is carried for institutions in the book", sums["carried"],
                  minor(booked["institutions"]["carried"]))
        self.institutions += len(lines)
        return part, 0 if whole else part

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
    site = argument("SITE")
    faults, done = Faults(), []
    acts = commits(site, "vault/pools/commits")
    for number, commit in acts:
        if commit["act"]["kind"] == "settled":
            settlement = Settlement(site, number, commit["act"], commit["entry"], acts, faults)
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
