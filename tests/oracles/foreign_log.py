"""Reads the log of 70,000 entries that tests/foreign_log.rs leaves, by pymerkle and cryptography.

    python tests/oracles/foreign_log.py target/tmp/foreign_log

It shares no code with the engine. pymerkle hashes every entry and gives the root at every published
size, and proofs between them; cryptography verifies the log's signature and the witness's
cosignature. Then bits are flipped, one file at a time, and each must be refused.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

import pymerkle
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """What was read is not as the signatures say."""


def demand(holds, reason):
    if not holds:
        raise Refused(reason)


def tile_path(row, index, width):
    number = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        number = f"x{index % 1000:03}/{number}"
    return f"tile/{row}/{number}" + (f".p/{width}" if width < 256 else "")


class Key:
    def __init__(self, vkey):
        self.name, given, key = vkey.split("+", 2)
        key = base64.b64decode(key, validate=True)
        self.id = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        demand(self.id.hex() == given, f"the id of {self.name} is another key's")
        self.cosigns = key[0] == 4
        self.key = Ed25519PublicKey.from_public_bytes(key[1:])

    def verify(self, text, signature):
        if self.cosigns:
            (time,) = struct.unpack(">Q", signature[:8])
            text = f"cosignature/v1\ntime {time}\n".encode() + text
            signature = signature[8:]
        self.key.verify(signature, text)


def opened(name, note, origin, keys):
    """The size and root of a checkpoint that each of the keys signed."""
    text, cut, lines = note.rpartition(b"\n\n")
    demand(cut, f"{name} bears no signature")
    text += b"\n"
    signed = set()
    for line in lines.decode("utf-8").splitlines():
        dash, signer, signature = line.split(" ")
        demand(dash == "\u2014", f"{name}: a line is no signature")
        signature = base64.b64decode(signature, validate=True)
        for key in keys:
            if (key.name, key.id) == (signer, signature[:4]):
                key.verify(text, signature[4:])
                signed.add(key.id)
    demand(len(signed) == len(keys), f"{name} bears {len(signed)} of {len(keys)} signatures")
    first, size, root = text.decode("utf-8").splitlines()
    demand(first == origin, f"{name} is of another log")
    return int(size), base64.b64decode(root, validate=True)


def entries_of(bundle, width):
    entries = []
    while bundle:
        (length,) = struct.unpack(">H", bundle[:2])
        demand(len(bundle) >= 2 + length, "a bundle ends within an entry")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    demand(len(entries) == width, "a bundle holds another number of entries")
    return entries


def checkpoints(read, names, about):
    keys = [Key(about["log_vkey"]), Key(about["witness_vkey"])]
    found = {}
    for name in names:
        size, root = opened(name, read(name), about["origin"], keys)
        demand(name in ("checkpoint", f"checkpoints/{size}"), f"{name} is of another size")
        demand(found.setdefault(size, root) == root, f"two roots are signed at {size}")
    return found


def tree_of(read, size):
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for first in range(0, size, 256):
        width = min(256, size - first)
        for entry in entries_of(read(tile_path("entries", first // 256, width)), width):
            tree.append_entry(entry)
        hashes = b"".join(tree.get_leaf(n + 1) for n in range(first, first + width))
        demand(
            read(tile_path(0, first // 256, width)) == hashes,
            f"tile {first // 256} of the leaves is not what the entries give",
        )
    return tree


def upper_tiles(read, tree, size):
    """The tiles above the leaves, from pymerkle's leaves alone."""
    row = [tree.get_leaf(n + 1) for n in range(size)]
    level = 0
    while len(row) >= 256:
        above = []
        for first in range(0, len(row) - 255, 256):
            part = pymerkle.InmemoryTree(algorithm="sha256")
            hashes = row[first : first + 256]
            while len(hashes) > 1:
                hashes = [part.hash_pair(*hashes[n : n + 2]) for n in range(0, len(hashes), 2)]
            above.append(hashes[0])
        row, level = above, level + 1
        for first in range(0, len(row), 256):
            hashes = row[first : first + 256]
            demand(
                read(tile_path(level, first // 256, len(hashes))) == b"".join(hashes),
                f"tile {first // 256} of level {level} is not what the entries give",
            )


def check(read, names, about):
    signed = checkpoints(read, names, about)
    newest = max(signed)
    tree = tree_of(read, newest)
    upper_tiles(read, tree, newest)
    for size, root in signed.items():
        demand(tree.get_root(size) == root, f"the entries give another root at {size}")
    return signed, tree


def proofs(signed, tree):
    newest = max(signed)
    for size, root in signed.items():
        proof = tree.prove_consistency(size, newest)
        pymerkle.verify_consistency(root, signed[newest], proof)
    count = 0
    for index in range(0, newest, 997):
        proof = tree.prove_inclusion(index + 1, newest)
        pymerkle.verify_inclusion(tree.get_leaf(index + 1), signed[newest], proof)
        count += 1
    return count


def main(folder):
    about = json.loads((folder / "site.json").read_text())
    ledger = folder / "ledger"
    names = ["checkpoint"] + [f"checkpoints/{p.name}" for p in (ledger / "checkpoints").iterdir()]
    kept = {}

    def read(name):
        if name not in kept:
            kept[name] = (ledger / name).read_bytes()
        return kept[name]

    signed, tree = check(read, names, about)
    included = proofs(signed, tree)
    entries = max(signed)

    # A tree of 70,000 takes pymerkle seconds: of the tiles and bundles every 60th is flipped.
    leaves = sorted(n for n in kept if n.startswith(("tile/0/", "tile/entries/")))
    flips = [n for n in sorted(kept) if n not in set(leaves)] + leaves[::60]
    for at, name in enumerate(flips):
        good = kept[name]
        bad = bytearray(good)
        bad[at * 7919 % len(bad)] ^= 1 << at % 7
        kept[name] = bytes(bad)
        try:
            check(read, names, about)
        except (Refused, InvalidSignature, ValueError, struct.error):
            pass
        else:
            raise SystemExit(f"a bit of {name} was flipped and nobody minded")
        kept[name] = good
    print(
        f"{entries} entries, {len(signed)} cosigned checkpoints, {included} inclusion proofs;"
        f" a flipped bit refused in each of {len(flips)} files"
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
