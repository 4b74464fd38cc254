"""Checks every entry of the log by itself: canonical JSON, the steward's signature, no float, no
small count, and that the entries' own tree has the root of the signed checkpoint.

Usage: entries.py SITE
"""

import base64
import hashlib
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from duckdb_settlement import root
from folder import Faults, argument, failed, passed

BUNDLE = 256


def key(vkey):
    """A C2SP vkey: name+hash+base64(0x01 || public key)."""
    data = base64.b64decode(vkey.split("+", 2)[2])
    assert data[0] == 1, "not an Ed25519 key"
    return Ed25519PublicKey.from_public_bytes(data[1:])


def bundles(site, size):
    """The entries, bundle by bundle: each a big-endian 16-bit length and the bytes."""
    for index in range((size + BUNDLE - 1) // BUNDLE):
        width = min(BUNDLE, size - index * BUNDLE)
        parts = [f"{index % 1000:03}"]
        rest = index // 1000
        while rest:
            parts.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        path = site / "ledger" / "tile" / "entries" / "/".join(parts)
        if width < BUNDLE:
            path = path.with_name(path.name + ".p") / str(width)
        data, at, found = path.read_bytes(), 0, 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : at + 2 + length]
            at, found = at + 2 + length, found + 1
        assert found == width, f"{path} holds {found} entries, not {width}"


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def floats(value):
    if isinstance(value, dict):
        return any(floats(v) for v in value.values())
    if isinstance(value, list):
        return any(floats(v) for v in value)
    return isinstance(value, float)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def main():
    site = argument("SITE")
    about = json.loads((site / "site.json").read_bytes())
    steward, log = key(about["steward_vkey"]), key(about["log_vkey"])
    note = (site / "ledger" / "checkpoint").read_text(encoding="utf-8")
    body, _, signatures = note.partition("\n\n")
    origin, size, head = body.split("\n")[:3]
    faults = Faults()
    faults.expect(origin == about["origin"], "the checkpoint is of another log")
    signed = [base64.b64decode(line.split(" ")[2])[4:] for line in signatures.splitlines()]
    faults.expect(any(verifies(log, s, (body + "\n").encode()) for s in signed),
                  "the checkpoint is not signed by the log's key")
    entries, kinds = list(bundles(site, int(size))), {}
    for index, entry in enumerate(entries):
        envelope = json.loads(entry)
        faults.expect(canonical(envelope) == entry, f"entry {index} is not canonical")
        payload = base64.b64decode(envelope["payload"])
        statement = json.loads(payload)
        faults.expect(canonical(statement) == payload, f"statement {index} is not canonical")
        faults.expect(not floats(statement), f"entry {index} holds a float")
        told = pae(envelope["payloadType"], payload)
        faults.expect(
            any(verifies(steward, base64.b64decode(s["sig"]), told) for s in envelope["signatures"]),
            f"entry {index} is not signed by the steward")
        kind = statement["predicateType"].split("/")[-2]
        kinds[kind] = kinds.get(kind, 0) + 1
        count = statement["predicate"].get("count")
        if kind in ("consent-batch", "withdrawal-batch", "payout-computed"):
            faults.expect(count == "<10" or count >= 10, f"entry {index} counts fewer than ten")
    tree = root(entries)
    faults.expect(tree == base64.b64decode(head), "the entries have another root")
    if faults:
        failed(faults)
    told = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    passed(f"{len(entries)} entries, all signed and canonical: {told}")


def verifies(public, signature, message):
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


if __name__ == "__main__":
    main()
