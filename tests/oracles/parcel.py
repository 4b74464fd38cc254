"""Opens a parcel that Almoner sealed, with another implementation of RFC 9180 (pyhpke), checks what
its head says, and checks the head's signature.

Usage: parcel.py CASE            CASE is what tests/whole/parcel.rs leaves: target/tmp/parcel.json
       parcel.py --make VECTOR   seals one, for tests/whole/parcel.rs to open
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
CHUNK, TAG, PART_CHUNKS = 1 << 20, 16, 64
TYPE = "application/vnd.almoner.transfer-parcel+json"


def sha3(data):
    return hashlib.sha3_256(data).hexdigest()


def public(pair):
    return pair.public_key.to_public_bytes()


def info(head):
    return b"almoner/transfer/v1" + b"".join(
        bytes.fromhex(head[name]) for name in ("offer", "challenge", "accept")
    )


def aad(index, last):
    return b"almoner/chunk/v1" + index.to_bytes(8, "big") + bytes([last])


def canonical(value):
    # RFC 8785 for what these files hold: ASCII, integers.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def check_signature(signed, vkey):
    name, key_hash, key = vkey.split("+", 2)
    assert signed["key"] == f"{name}+{key_hash}", "the head names another key"
    payload = canonical(signed["payload"])
    message = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
    key.verify(base64.b64decode(signed["signature"]), message)


def open_case(path):
    case = json.load(open(path))
    signed = json.loads(case["head"])
    assert canonical(signed).decode() == case["head"], "the head is not in canonical bytes"
    check_signature(signed, case["steward"])
    head = signed["payload"]
    sender = SUITE.kem.derive_key_pair(bytes.fromhex(case["sender_secret"]))
    reader = SUITE.kem.derive_key_pair(bytes.fromhex(case["reader_secret"]))
    assert public(sender).hex() == case["sender"], "the sender's key is derived otherwise"
    assert public(reader).hex() == case["reader"], "the reader's key is derived otherwise"
    enc = bytes.fromhex(head["enc"])
    context = SUITE.create_recipient_context(
        enc, reader.private_key, info=info(head), pks=sender.public_key
    )
    commitment = context.export(b"almoner/parcel-key/v1", 32)
    assert commitment.hex() == head["commitment"], "the head commits to another key"
    content, index = b"", 0
    assert len(case["parts"]) == len(head["parts"])
    for part, said in zip(case["parts"], head["parts"], strict=True):
        part = bytes.fromhex(part)
        assert len(part) == said["bytes"] <= PART_CHUNKS * (CHUNK + TAG)
        sealed = [part[at : at + CHUNK + TAG] for at in range(0, len(part), CHUNK + TAG)]
        assert sha3(b"".join(chunk[-TAG:] for chunk in sealed)) == said["digest"]
        for chunk in sealed:
            content += context.open(chunk, aad(index, index + 1 == head["chunks"]))
            index += 1
    assert index == head["chunks"] and len(content) == head["bytes"]
    assert sha3(content) == case["content_sha3"], "the content is another"
    print(f"pyhpke opens {index} chunks, {len(content)} bytes; the head's signature verifies")


def make(path):
    sender, reader = (SUITE.kem.derive_key_pair(bytes([n]) * 32) for n in (0x1A, 0x1B))
    names = {name: sha3(name.encode()) for name in ("offer", "challenge", "accept")}
    enc, context = SUITE.create_sender_context(
        reader.public_key, info=info(names), sks=sender.private_key
    )
    content = '{"resourceType":"Patient","id":"example"}\n'
    part = context.seal(content.encode(), aad(0, True))
    head = names | {
        "transfer": "01" * 16,
        "enc": enc.hex(),
        "commitment": context.export(b"almoner/parcel-key/v1", 32).hex(),
        "chunks": 1,
        "bytes": len(content),
        "parts": [{"bytes": len(part), "digest": sha3(part[-TAG:])}],
        "issued": "2026-11-26T12:00:00Z",
    }
    vector = {
        "source": "tests/oracles/parcel.py --make, with pyhpke 0.6.5; all keys are test keys",
        "sender": public(sender).hex(),
        "reader_secret": "1b" * 32,
        "head": head,
        "part": part.hex(),
        "content": content,
    }
    with open(path, "w") as file:
        json.dump(vector, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(sys.argv[2])
    else:
        open_case(sys.argv[1])
