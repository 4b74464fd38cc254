"""Witnesses a second way: C2SP tlog-witness and cosignature/v1 by Python's cryptography alone.

    witness.py FOLDER ALMONER

A witness written here is asked by `almoner ledger ask` and checks every byte of the requests; almoner's
own witness is asked with requests written here, good and bad; and every signature of the checkpoint that
is shown in the end is checked. Signatures by cryptography, tree hashes and proofs by the definitions of
RFC 6962, section 2.1.
"""

import base64
import hashlib
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import threading
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folder import Faults, failed, passed

ORIGIN = "commons.example/ledger"


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def below(n):
    """The largest power of two smaller than n."""
    return 1 << ((n - 1).bit_length() - 1)


def root(leaves):
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = below(len(leaves))
    return sha(b"\x01", root(leaves[:k]), root(leaves[k:]))


def consistency(m, leaves, whole=True):
    n = len(leaves)
    if m == n:
        return [] if whole else [root(leaves)]
    k = below(n)
    if m <= k:
        return consistency(m, leaves[:k], whole) + [root(leaves[k:])]
    return consistency(m - k, leaves[k:], False) + [root(leaves[:k])]


def replay(m, n, old, proof, whole=True):
    """The roots of m and of n leaves that a proof gives, by the recursion that makes it."""
    if m == n:
        if whole:
            return old, old
        both = proof.pop()
        return both, both
    k, last = below(n), proof.pop()
    if m <= k:
        was, now = replay(m, k, old, proof, whole)
        return was, sha(b"\x01", now, last)
    was, now = replay(m - k, n - k, old, proof, False)
    return sha(b"\x01", last, was), sha(b"\x01", last, now)


def consistent(m, n, old, new, proof):
    proof = list(proof)
    try:
        return replay(m, n, old, proof) == (old, new) and not proof
    except IndexError:
        return False


class Key:
    """A key under a name; number 1 signs notes, 4 cosigns."""

    def __init__(self, name, number, public, private=None):
        self.name, self.number, self.public, self.private = name, number, public, private
        typed = bytes([number]) + public
        self.id = sha(name.encode(), b"\n", typed)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(typed).decode()}"

    @classmethod
    def parse(cls, vkey):
        name, _, typed = vkey.split("+", 2)
        typed = base64.b64decode(typed)
        key = cls(name, typed[0], typed[1:])
        assert key.vkey == vkey, f"{vkey}: its hash is another"
        return key

    @classmethod
    def own(cls, name, number, seed):
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(name, number, private.public_key().public_bytes_raw(), private)

    def line(self, blob):
        return f"\u2014 {self.name} {base64.b64encode(self.id + blob).decode()}\n"

    def sign(self, text):
        return self.line(self.private.sign(text.encode()))

    def cosign(self, text, unix):
        signed = self.private.sign(f"cosignature/v1\ntime {unix}\n{text}".encode())
        return self.line(unix.to_bytes(8, "big") + signed)

    def signed(self, note):
        """Whether this key signed a note; a line that is its own and does not hold is an error."""
        text, lines = note.rsplit("\n\n", 1)
        text += "\n"
        found = False
        for line in lines.splitlines():
            dash, name, blob = line.split(" ")
            blob = base64.b64decode(blob, validate=True)
            if (dash, name, blob[:4]) != ("\u2014", self.name, self.id):
                continue
            public, blob = Ed25519PublicKey.from_public_bytes(self.public), blob[4:]
            if self.number == 1:
                public.verify(blob, text.encode())
            else:
                unix = int.from_bytes(blob[:8], "big")
                assert unix > 1_700_000_000, "a cosignature without its time"
                public.verify(blob[8:], f"cosignature/v1\ntime {unix}\n{text}".encode())
            found = True
        return found


def checkpoint(note):
    origin, size, encoded = note.split("\n\n")[0].split("\n")
    return origin, int(size), base64.b64decode(encoded, validate=True)


def request(old, proof, note):
    lines = "".join(base64.b64encode(node).decode() + "\n" for node in proof)
    return f"old {old}\n{lines}\n{note}"


class Witness(http.server.BaseHTTPRequestHandler):
    """A witness that keeps its state in memory, for one log."""

    own = Key.own("python.example/witness", 4, bytes(range(32)))
    log, newest, asked, wrong = None, None, 0, []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, kind, text = self.answer(body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def answer(self, body):
        cls = type(self)
        cls.asked += 1
        if self.path != "/w/add-checkpoint":
            cls.wrong.append(f"asked at {self.path}")
        head, note = body.split("\n\n", 1)
        first, *proof = head.split("\n")
        proof = [base64.b64decode(line, validate=True) for line in proof]
        old = int(first.removeprefix("old "))
        if first != f"old {old}" or any(len(node) != 32 for node in proof):
            cls.wrong.append("a request of another form")
        try:
            if not cls.log.signed(note):
                cls.wrong.append("a request that the log did not sign")
        except InvalidSignature:
            cls.wrong.append("a request with a bad signature")
        origin, size, new = checkpoint(note)
        had, was = cls.newest or (0, sha())
        if origin != ORIGIN or old > size:
            cls.wrong.append("a request of another log, or of a size below its old one")
        if old != had:
            return 409, "text/x.tlog.size", f"{had}\n"
        good = not proof if old == 0 else consistent(old, size, was, new, proof)
        if not good:
            cls.wrong.append(f"a proof from {old} to {size} that does not hold")
            return 422, "text/plain", "no\n"
        cls.newest = (size, new)
        text = note.split("\n\n")[0] + "\n"
        stranger = Key.own("stranger.example/witness", 4, bytes(range(1, 33)))
        unix = int(time.time())
        return 200, "text/plain", stranger.cosign(text, unix) + cls.own.cosign(text, unix)

    def log_message(self, *_):
        pass


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: witness.py FOLDER ALMONER")
    folder, almoner = pathlib.Path(sys.argv[1]), sys.argv[2]
    faults = Faults()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    site, keys = folder / "site", folder / "keys"

    def run(*arguments, code=0, text=None):
        command = [almoner, "--site", str(site), "--keys", str(keys), *map(str, arguments)]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        if done.returncode != code:
            faults.append(f"{' '.join(map(str, arguments))}: code {done.returncode}, not {code}: {done.stderr}")
        return done.stdout

    def grow(n):
        why = ["--reason", "one owner", "--approver", "board"]
        run("party", "relate", f"clinic-{n}", "north-shore", *why)

    run("init", "--origin", ORIGIN)
    log = Key.parse(json.loads((site / "site.json").read_text())["log_vkey"])
    state = folder / "state"
    named = ["--name", "almoner.example/witness", "--log", log.vkey]
    made = run("--format", "json", "ledger", "witness", "init", state, *named)
    ours = Key.parse(json.loads(made)["witness"])

    Witness.log = log
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Witness)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/w/"
    policy = folder / "policy"
    policy.write_text(
        f"log {log.vkey}\nwitness python {Witness.own.vkey} {url}\nwitness almoner {ours.vkey}\n"
        "group both all python almoner\nquorum both\n"
    )
    run("ledger", "policy", policy)

    sizes = []
    for n in range(8):
        grow(n)
        # Ours is asked by file at every second step, theirs over HTTP at each.
        if n % 2:
            body = run("ledger", "request", "--witness", "almoner")
            answer = run("ledger", "witness", "answer", state, text=body)
            (folder / "response").write_text(answer)
            run("ledger", "cosign", folder / "response")
            run("ledger", "ask")
            note = (site / "ledger" / "checkpoint").read_text()
            sizes.append(checkpoint(note)[1])
            for key in (log, Witness.own, ours):
                if not key.signed(note):
                    faults.append(f"{key.name} did not sign the checkpoint of {sizes[-1]} entries")
            if "stranger" in note:
                faults.append("a stranger's line is shown")
        else:
            run("ledger", "ask", code=5)
    if sizes != [4, 6, 8, 10]:
        faults.append(f"the checkpoints that were shown have {sizes} entries")
    for wrong in Witness.wrong:
        faults.append(f"almoner sent {wrong}")
    if faults:
        failed(faults)

    # Our witness, asked with requests that were made here.
    signer = Key.own(ORIGIN, 1, bytes.fromhex((keys / "log.seed").read_text().strip()))
    tile = (site / "ledger" / "tile" / "0" / "000.p" / "10").read_bytes()
    leaves = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    if root(leaves) != checkpoint(note)[2]:
        faults.append("the leaves do not give the root")

    def note_of(tree, by=signer, origin=ORIGIN):
        text = f"{origin}\n{len(tree)}\n{base64.b64encode(root(tree)).decode()}\n"
        return f"{text}\n{by.sign(text)}"

    def ask(body, code):
        return run("ledger", "witness", "answer", state, code=code, text=body)

    more = leaves + [sha(b"\x00", n.to_bytes(2, "big")) for n in range(300)]
    other = leaves[:5] + [sha(b"\x00", b"other")] + more[6:]
    forger = Key.own(ORIGIN, 1, bytes(32))
    elsewhere = Key.own("elsewhere.example/ledger", 1, bytes(32))
    had = 10
    for size in (11, 16, 17, 64, 255, 256, 257, 310):
        tree, fork = more[:size], other[:size]
        good = consistency(had, tree)
        bad = [
            (request(had - 1, good, note_of(tree)), 5),
            (request(0, [], note_of(tree)), 5),
            (request(had, good, note_of(fork)), 7),
            (request(had, consistency(had, fork), note_of(fork)), 7),
            (request(had, good[:-1], note_of(tree)), 7),
            (request(had, good + [sha()], note_of(tree)), 7),
            (request(had, [], note_of(other[:had])), 7),
            (request(had, good, note_of(tree, forger)), 8),
            (request(had, good, note_of(tree, elsewhere, elsewhere.name)), 8),
            (request(size + 1, [], note_of(tree)), 3),
        ]
        for body, code in bad:
            if "almoner.example/witness" in ask(body, code):
                faults.append(f"a bad request of {size} entries was cosigned")
        whole = note_of(tree) + ask(request(had, good, note_of(tree)), 0)
        if not ours.signed(whole):
            faults.append(f"the answer at {size} entries is no cosignature")
        had = size

    server.shutdown()
    if faults:
        failed(faults)
    passed(f"{Witness.asked} requests and {len(sizes)} shown checkpoints hold, 8 of 88 of ours were cosigned")


main()
