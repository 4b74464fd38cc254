"""What a site's folder holds, read without any of Almoner's code.

Every check ends through `passed`, `failed` or `skipped`, so that `tests/run` can count it.
"""

import atexit
import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def passed(words):
    print(words)
    sys.exit(0)


def failed(faults):
    for fault in faults[:50]:
        print(fault)
    print(f"{len(faults)} faults")
    sys.exit(1)


def skipped(why):
    print(why)
    sys.exit(77)


class Faults(list):
    def expect(self, is_so, words):
        if not is_so:
            self.append(words)
        return is_so


def unpacked(path):
    """Returns the content of a zstd file."""
    try:
        import pyarrow
    except ImportError as error:
        skipped(f"pyarrow is not installed: {error}")
    with pyarrow.input_stream(str(path), compression="zstd") as stream:
        return stream.read()


def sha3(data):
    return hashlib.sha3_256(data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def opened(site, almoner=None, keys=None):
    """A sealed site with vault and lake in the open, as its steward can have it; gone when the check ends.

    What seals it is opened by Almoner, and so are the bytes; that others open a segment with its key alone
    is another check (sealed.py)."""
    site = pathlib.Path(site)
    if not (site / "vault" / "keyring").is_dir():
        return site
    folder = pathlib.Path(tempfile.mkdtemp(prefix="opened-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [almoner or os.environ["ALMONER"], "--quiet", "--site", site]
    command += ["--keys", keys] if keys else []
    subprocess.run([*command, "keys", "copy", folder / "site"], check=True, stdout=subprocess.DEVNULL)
    return folder / "site"


def commits(site, sequence):
    """The commits of a sequence such as `lake/commits`, ascending: (number, value)."""
    folder = pathlib.Path(site) / sequence
    found = sorted(folder.glob("[0-9]" * 12 + ".json"))
    numbers = [int(path.stem) for path in found]
    if numbers != list(range(1, len(numbers) + 1)):
        failed([f"{sequence} has holes: {numbers}"])
    return [(int(path.stem), json.loads(path.read_bytes())) for path in found]


def statement(entry):
    """The in-toto statement of an entry's text (a DSSE envelope)."""
    return json.loads(base64.b64decode(json.loads(entry)["payload"]))


def predicate(entry):
    return statement(entry)["predicate"]


def argument(usage):
    if len(sys.argv) < 2:
        print(f"usage: {sys.argv[0]} {usage}", file=sys.stderr)
        sys.exit(2)
    site = pathlib.Path(sys.argv[1])
    if not (site / "site.json").is_file():
        failed([f"there is no site at {site}"])
    return site
