"""Holds licences as Almoner writes and reads them against jwcrypto, another program for JOSE, and against
the standards' own words: a board and a commons are made, credentials and status lists go both ways, and a
changed byte is refused.

W3C Verifiable Credentials 2.0, Securing them with JOSE, Bitstring Status List v1.0.

Usage: licences.py ALMONER
"""

import base64
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

from duckdb_settlement import root
from folder import Faults, failed, passed, skipped

try:
    from jwcrypto import jwk, jws
except ImportError as error:
    skipped(f"jwcrypto is not installed: {error}")

V2 = "https://www.w3.org/ns/credentials/v2"
LIST_BITS = 131_072


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def public(vkey):
    """The key of a C2SP vkey, name+hash+base64(0x01 || key), as a JWK."""
    data = base64.b64decode(vkey.split("+", 2)[2])
    assert data[0] == 1, "not an Ed25519 key"
    return jwk.JWK(kty="OKP", crv="Ed25519", x=b64(data[1:]))


def vkey(name, key):
    typed = b"\x01" + unb64(json.loads(key.export_public())["x"])
    ident = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    return f"{name}+{ident}+{base64.b64encode(typed).decode()}"


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Site:
    """A site of its own, and the program on it."""

    def __init__(self, almoner, folder, name, now):
        self.almoner, self.folder = almoner, folder
        self.site = folder / name
        self.ok(now, "init", "--origin", f"{name}.example/ledger")

    def run(self, now, *arguments):
        command = [self.almoner, "--site", self.site, "--now", now, "--format", "json", *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True)

    def ok(self, now, *arguments):
        said = self.run(now, *arguments)
        if said.returncode != 0:
            failed([f"almoner {' '.join(map(str, arguments))}: {said.returncode}", said.stderr])
        return said.stdout

    def credential(self, now, *arguments):
        return json.loads(self.ok(now, "credential", *arguments))

    def take(self, now, *tokens):
        """Imports tokens; returns the exit code and what was told."""
        file = self.folder / "tokens.jwt"
        file.write_text("\n".join(tokens), encoding="utf-8")
        said = self.run(now, "credential", "licence", "import", file)
        return said.returncode, json.loads(said.stdout) if said.stdout else {}

    def state(self, now, holder, at):
        said = self.credential(now, "status", holder, "--at", at)
        return said["standing"]["state"]


def verified(token, key):
    """The header and payload of a token, after jwcrypto has verified it."""
    signed = jws.JWS()
    signed.allowed_algs = ["EdDSA"]
    signed.deserialize(token.strip(), key)
    return signed.jose_header, json.loads(signed.payload)


def bits(encoded):
    """The bitstring of an encoded list: multibase base64url of gzip."""
    assert encoded[0] == "u" and "=" not in encoded, "not multibase base64url"
    return gzip.decompress(unb64(encoded[1:]))


def is_set(data, place):
    # Bit 0 is the leftmost of the first byte.
    return data[place // 8] >> (7 - place % 8) & 1 == 1


def ours(faults, board, key):
    """What Almoner writes, read by the other program."""
    issued = board.credential("2026-01-05", "licence", "issue", "H-1", "north-shore", "--class",
                              "hospital", "--from", "2026-01-05", "--until", "2028-01-05")
    doctor = board.credential("2026-01-06", "licence", "issue", "P-7", "npi:1234567893", "--class",
                              "physician")
    header, payload = verified(issued["credential"], key)
    issuer = f"https://{board.name}"
    ident = board.vkey.split("+")[1]
    expected = {"alg": "EdDSA", "typ": "vc+jwt", "cty": "vc", "kid": f"{issuer}#{ident}"}
    faults.expect(header == expected, f"the header is {header}")
    faults.expect(payload["@context"][0] == V2, "the first context is another")
    faults.expect(payload["type"][0] == "VerifiableCredential", "the type is another")
    faults.expect(payload["issuer"] == issuer, "the issuer is another")
    faults.expect("vc" not in payload and "vp" not in payload, "`vc` may not be present")
    faults.expect(payload["validFrom"] == "2026-01-05T00:00:00Z", "validFrom is another")
    faults.expect(payload["validUntil"] == "2028-01-05T00:00:00Z", "validUntil is another")
    subject = payload["credentialSubject"]
    faults.expect((subject["licence"], subject["institution"]) == ("H-1", "north-shore"),
                  "the subject is another")
    token = issued["credential"]
    header_part, payload_part, signature = token.split(".")
    changed = 0
    for at in range(0, len(token), 7):
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]
        try:
            verified(other, key)
            faults.append(f"jwcrypto takes the token with byte {at} changed")
        except Exception:  # Whatever it says, it is refused.
            changed += 1
    return issued, doctor, payload, changed


def our_lists(faults, board, key, payload, doctor):
    """The status lists that Almoner writes, unpacked by the standard's own steps."""
    places = {entry["statusPurpose"]: entry for entry in payload["credentialStatus"]}
    faults.expect(set(places) == {"suspension", "revocation"}, "a purpose is missing")
    _, theirs = verified(doctor["credential"], key)
    place = int(places["suspension"]["statusListIndex"])
    other = int(theirs["credentialStatus"][0]["statusListIndex"])
    faults.expect(place != other, "two licences share a bit")
    board.credential("2026-03-01", "licence", "suspend", "H-1")
    board.credential("2026-04-01", "licence", "revoke", "P-7")
    lists = {}
    for purpose, mine in [("suspension", place), ("revocation", other)]:
        token = board.ok("2026-04-02", "credential", "licence", "status-list", purpose).strip()
        header, told = verified(token, key)
        subject = told["credentialSubject"]
        data = bits(subject["encodedList"])
        faults.expect(header["typ"] == "vc+jwt", "a list is of another type")
        faults.expect("BitstringStatusListCredential" in told["type"], "no status list")
        faults.expect(subject["type"] == "BitstringStatusList", "no status list")
        faults.expect(subject["statusPurpose"] == purpose, "another purpose")
        faults.expect(told["id"] == places[purpose]["statusListCredential"], "another list")
        faults.expect(len(data) * 8 >= LIST_BITS, f"a list of {len(data) * 8} bits")
        on = [at for at in range(len(data) * 8) if is_set(data, at)]
        faults.expect(on == [mine], f"{purpose}: bits {on} are set, not {mine}")
        lists[purpose] = token
    return lists


def theirs(name, key, payload, kid=None, **header):
    """A token as the other program writes it."""
    protected = {"alg": "EdDSA", "typ": "vc+jwt", **header}
    if kid:
        protected["kid"] = kid
    signed = jws.JWS(json.dumps(payload).encode())
    signed.allowed_algs = ["EdDSA"]
    signed.add_signature(key, alg=None, protected=json.dumps(protected))
    return signed.serialize(compact=True)


def licence(name, index):
    entry = lambda purpose: {
        "id": f"https://{name}/lists/{purpose}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": f"https://{name}/lists/{purpose}",
    }
    return {
        "@context": [V2, f"https://{name}/terms/v1"],
        "id": f"https://{name}/credentials/{index}",
        "type": ["VerifiableCredential", "LicenceCredential"],
        "issuer": {"id": f"https://{name}", "name": "A board elsewhere"},
        "validFrom": "2026-02-01T00:00:00Z",
        "validUntil": "2027-02-01T00:00:00Z",
        "credentialSubject": {
            "id": "https://lake-county.example/",
            "licence": f"LC-{index}",
            "class": "clinic",
            "institution": "lake-county",
        },
        "credentialStatus": [entry("revocation"), entry("suspension")],
    }


def their_list(name, purpose, places, day, size=LIST_BITS):
    data = bytearray(size // 8)
    for place in places:
        data[place // 8] |= 1 << (7 - place % 8)
    return {
        "@context": [V2],
        "id": f"https://{name}/lists/{purpose}",
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": f"https://{name}",
        "validFrom": f"{day}T00:00:00Z",
        "credentialSubject": {
            "id": f"https://{name}/lists/{purpose}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": "u" + b64(gzip.compress(bytes(data))),
        },
    }


def foreign(faults, commons):
    """What the other program writes, read by Almoner."""
    name, key = "elsewhere.example/board", jwk.JWK.generate(kty="OKP", crv="Ed25519")
    kid = f"https://{name}#{vkey(name, key).split('+')[1]}"
    index = 94_567
    token = theirs(name, key, licence(name, index), kid, cty="vc")
    code, told = commons.take("2026-03-01", token)
    faults.expect(code == 8 and told["rejected"] == 1, "an issuer nobody trusts was believed")
    commons.ok("2026-03-01", "credential", "trust", "add", name, "--vkey", vkey(name, key))
    code, told = commons.take("2026-03-02", token)
    faults.expect((code, told["institutions"]) == (0, 1), f"a good credential was refused: {told}")
    _, again = commons.take("2026-03-03", token)
    faults.expect(again["known"] == 1 and not again["commits"], "the same was recorded twice")

    refused = 0
    bad = licence(name, index + 1)
    secret = jwk.JWK.generate(kty="oct", size=256)
    hmac = jws.JWS(json.dumps(bad).encode())
    hmac.add_signature(secret, alg=None, protected='{"alg":"HS256","typ":"vc+jwt"}')
    none = b64(b'{"alg":"none","typ":"vc+jwt"}') + "." + b64(json.dumps(bad).encode()) + "."
    stranger = jwk.JWK.generate(kty="OKP", crv="Ed25519")
    tampered = [
        ("an HMAC", hmac.serialize(compact=True)),
        ("no algorithm", none),
        ("another type", theirs(name, key, bad, typ="JWT")),
        ("another kid", theirs(name, key, bad, kid="https://elsewhere.example/board#00000000")),
        ("a stranger's key", theirs(name, stranger, bad, kid)),
        ("version 1 of the model", theirs(name, key, {
            **bad, "@context": ["https://www.w3.org/2018/credentials/v1"]})),
        ("a term that ends before it begins", theirs(name, key, {
            **bad, "validUntil": "2025-02-01T00:00:00Z"})),
        ("a list that is too short to hide anybody", theirs(name, key, their_list(
            name, "suspension", [5], "2026-03-01", LIST_BITS // 2))),
    ]
    good = theirs(name, key, bad, kid)
    for at in range(0, len(good), 5):
        tampered.append((f"byte {at} changed",
                         good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:]))
    for what, text in tampered:
        code, told = commons.take("2026-03-04", text)
        # A file whose first byte is another holds no token at all: 3; everything else is refused: 8.
        if faults.expect(code in (3, 8) and not told.get("commits"), f"taken: {what}"):
            refused += 1

    state = lambda day: commons.state("2026-11-01", "lake-county", day)
    sign = lambda payload: theirs(name, key, payload, kid)
    march = sign(their_list(name, "suspension", [5, index, 131_071], "2026-03-10"))
    _, told = commons.take("2026-03-11", march)
    faults.expect(told["institutions"] == 1, "a set bit was not taken")
    faults.expect(state("2026-03-09") == "stands", "a list spoke of the day before it")
    faults.expect(state("2026-03-10") == "suspended", "a set bit suspended nobody")
    _, told = commons.take("2026-05-02", sign(their_list(name, "suspension", [5], "2026-05-01")))
    faults.expect(told["institutions"] == 1, "a cleared bit was not taken")
    faults.expect(state("2026-05-01") == "stands", "a cleared bit reinstated nobody")
    _, told = commons.take("2026-05-03", march)
    faults.expect(not told["commits"] and state("2026-05-03") == "stands", "an old list undid May")
    commons.take("2026-06-02", sign(their_list(name, "revocation", [index], "2026-06-01")))
    faults.expect(state("2026-06-01") == "revoked", "a set bit revoked nobody")
    faults.expect(state("2026-05-31") == "stands", "a revocation undid yesterday")
    return refused


def book(faults, commons):
    """The public page's decisions under the roots that stand in the book."""
    commons.ok("2026-11-01", "publish")
    page = json.loads((commons.site / "public" / "licences.json").read_bytes())
    entries = json.loads(commons.ok("2026-11-01", "ledger", "show"))
    bodies = {entry["id"]: entry["body"] for entry in entries}
    for record in page["records"]:
        body = bodies[record["entry"]]
        leaves = [canonical(event) for event in record["decisions"]]
        faults.expect(root(leaves).hex() == record["root"] == body["root"], "another root")
        faults.expect(body["count"] == len(leaves), "another count")
    for path in (commons.site / "public").rglob("*"):
        if path.is_file():
            faults.expect(b"1234567893" not in path.read_bytes(), f"{path.name} names a person")
    return len(page["records"])


def main():
    almoner = pathlib.Path(sys.argv[1]).resolve()
    faults = Faults()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        board = Site(almoner, folder, "board", "2026-01-01")
        own = board.credential("2026-01-02", "issuer", "new")
        board.name, board.vkey = own["issuer"], own["vkey"]
        for site in (board, commons := Site(almoner, folder, "commons", "2026-01-01")):
            site.ok("2026-01-02", "credential", "trust", "add", board.name, "--vkey", board.vkey)
        key = public(board.vkey)
        issued, doctor, payload, changed = ours(faults, board, key)
        lists = our_lists(faults, board, key, payload, doctor)
        commons.take("2026-02-01", issued["credential"], doctor["credential"])
        refused = foreign(faults, commons)
        # The board's lists of April come late, and speak of April all the same.
        commons.take("2026-07-01", *lists.values())
        faults.expect(commons.state("2026-11-01", "north-shore", "2026-04-02") == "suspended",
                      "the board's list suspended nobody")
        faults.expect(commons.state("2026-11-01", "npi:1234567893", "2026-04-02") == "revoked",
                      "the board's list revoked nobody")
        faults.expect(commons.state("2026-11-01", "north-shore", "2026-04-01") == "stands",
                      "a list spoke of the day before it")
        records = book(faults, commons)
    if faults:
        failed(faults)
    passed(f"tokens and lists both ways; jwcrypto refused {changed} changed tokens, Almoner {refused}; "
           f"{records} entries have the page's roots")


if __name__ == "__main__":
    main()
