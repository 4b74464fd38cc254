"""Masks again with numpy what our kernels masked, and makes surrogates again by FF1 as NIST writes it.

- microaggregation: MDAV by a look at every row for every group, in standard deviations, each pattern
  of missing values by itself;
- top-bottom: clipped at the quantiles of the nearest rank, moved inwards to k values;
- rank-swap: the same values, none in its own row, each rank within the window;
- surrogates: FF1 (SP 800-38G, algorithm 7) with AES-256, in radix 10, 16 or 26, or in bits until the
  number fits the shape again.

Usage: masks.py MASKS.json SURROGATES.json (the tests of src/deid write them)
"""

import json
import math
import sys
from fractions import Fraction

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def mdav(points, k):
    """Returns the groups, as lists of places."""
    left, groups = list(range(len(points))), []

    def far(origin):
        return left[int(np.argmax(((points[left] - origin) ** 2).sum(axis=1)))]

    def gather(row):
        distances = ((points[left] - points[row]) ** 2).sum(axis=1)
        near = [left[at] for at in np.argsort(distances, kind="stable")[:k]]
        groups.append(near)
        left[:] = [row for row in left if row not in set(near)]

    while len(left) >= 3 * k:
        first = far(points[left].mean(axis=0))
        gather(first)
        gather(far(points[first]))
    if len(left) >= 2 * k:
        gather(far(points[left].mean(axis=0)))
    if len(left) >= k:
        groups.append(left)
    return groups


def microaggregate(given, k):
    there = ~np.isnan(given)
    scale = np.nanstd(given, axis=1)
    shown = np.full_like(given, np.nan)
    for pattern in np.unique(there, axis=1).T:
        rows = np.flatnonzero((there.T == pattern).all(axis=1))
        columns = np.flatnonzero(pattern)
        if not len(columns) or len(rows) < k:
            continue
        points = (given[columns][:, rows] / scale[columns, None]).T
        for group in mdav(points, k):
            for column in columns:
                shown[column, rows[group]] = given[column, rows[group]].mean()
    return shown


def top_bottom(column, bottom, top, k):
    values = np.sort(column[~np.isnan(column)])
    count = len(values)
    if count < 2 * k - 1:
        return np.full_like(column, np.nan)
    low = values[count - math.ceil(count * (1 - bottom))]
    high = values[math.ceil(count * top) - 1]
    return np.clip(column, max(low, values[k - 1]), min(high, values[-k]))


def rank_swap_faults(given, shown, window):
    there = np.flatnonzero(~np.isnan(given))
    if len(there) < 2:
        return 0 if np.isnan(shown).all() else 1
    values = np.sort(given[there])
    reach = max(2, math.floor(window * len(there)))
    faults = int(not np.array_equal(np.sort(shown[there]), values))
    # Of equal values nobody can tell which rank is whose: the nearest two count.
    low, high = (np.searchsorted(values, given[there], side) for side in ("left", "right"))
    to_low, to_high = (np.searchsorted(values, shown[there], side) for side in ("left", "right"))
    moved = np.maximum(to_low - high + 1, low - to_high + 1)
    stays = (low == to_low) & (high - low == 1)
    return faults + int(moved.max() > reach) + int(stays.any())


def ff1(key, radix, numerals):
    """Encrypts with an empty tweak: algorithm 7 of NIST SP 800-38G, step by step."""
    def aes(block):
        cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return cipher.update(block) + cipher.finalize()

    def prf(text):
        state = bytes(16)
        for at in range(0, len(text), 16):
            state = aes(bytes(a ^ b for a, b in zip(state, text[at:at + 16])))
        return state

    def number(digits):
        total = 0
        for digit in digits:
            total = total * radix + digit
        return total

    n = len(numerals)
    u = n // 2
    v = n - u
    a, b = numerals[:u], numerals[u:]
    size = math.ceil(math.ceil(v * math.log2(radix)) / 8)
    d = 4 * math.ceil(size / 4) + 4
    p = (bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256])
         + n.to_bytes(4, "big") + bytes(4))
    for i in range(10):
        q = bytes((-size - 1) % 16) + bytes([i]) + number(b).to_bytes(size, "big")
        r = prf(p + q)
        s = r
        j = 1
        while len(s) < d:
            s += aes(bytes(x ^ y for x, y in zip(r, j.to_bytes(16, "big"))))
            j += 1
        m = u if i % 2 == 0 else v
        c = (number(a) + int.from_bytes(s[:d], "big")) % radix ** m
        digits = []
        for _ in range(m):
            c, digit = divmod(c, radix)
            digits.insert(0, digit)
        a, b = b, digits
    return a + b


def surrogate(key, text):
    if not text.isascii():
        return None
    places = [at for at, char in enumerate(text) if char.isalnum()]
    uuid = (len(text) == 36 and [at for at, c in enumerate(text) if c == "-"] == [8, 13, 18, 23]
            and all(c in "0123456789abcdef-" for c in text))
    if uuid:
        radix = [16] * len(places)
        numerals = [int(text[at], 16) for at in places]
    else:
        radix = [10 if text[at].isdigit() else 26 for at in places]
        numerals = [int(text[at]) if text[at].isdigit() else ord(text[at].lower()) - ord("a")
                    for at in places]
    domain = math.prod(radix)
    if domain < 1_000_000 or (len(set(radix)) > 1 and domain >= 2 ** 128):
        return None
    if len(set(radix)) == 1:
        made = ff1(key, radix[0], numerals)
    else:
        number = 0
        for base, numeral in zip(radix, numerals):
            number = number * base + numeral
        bits = (domain - 1).bit_length()
        while True:
            made = ff1(key, 2, [number >> bit & 1 for bit in reversed(range(bits))])
            number = int("".join(map(str, made)), 2)
            if number < domain:
                break
        made = []
        for base in reversed(radix):
            number, numeral = divmod(number, base)
            made.insert(0, numeral)
    out = list(text)
    for at, numeral in zip(places, made):
        if uuid:
            out[at] = "0123456789abcdef"[numeral]
        elif text[at].isdigit():
            out[at] = str(numeral)
        else:
            out[at] = chr(ord("A" if text[at].isupper() else "a") + numeral)
    return "".join(out)


def table(columns):
    return np.array([[np.nan if cell is None else cell for cell in column] for column in columns])


def main():
    with open(sys.argv[1], encoding="utf-8") as opened:
        cases = json.load(opened)
    with open(sys.argv[2], encoding="utf-8") as opened:
        ids = json.load(opened)
    faults = cells = 0
    for case in cases:
        given, k = table(case["given"]), case["k"]
        cells += given.size
        again = microaggregate(given, k)
        close = np.isclose(again, table(case["microaggregate"]), rtol=1e-12, equal_nan=True)
        if not close.all():
            print(f"{given.shape}: MDAV differs in {(~close).sum()} cells")
            faults += 1
        for column, coded, swapped in zip(given, table(case["top_bottom"]), table(case["rank_swap"])):
            again = top_bottom(column, Fraction(case["bottom"]), Fraction(case["top"]), k)
            if not np.array_equal(again, coded, equal_nan=True):
                print(f"{given.shape}: coded ends differ")
                faults += 1
            if rank_swap_faults(column, swapped, case["window"]):
                print(f"{given.shape}: a swap leaves its window, or a value is lost")
                faults += 1
    key = bytes.fromhex(ids["key"])
    for place, (text, shown) in enumerate(zip(ids["ids"], ids["shown"])):
        if surrogate(key, text) != shown:
            print(f"surrogate {place} differs")
            faults += 1
    if ff1(bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"), 10,
           list(range(10))) != [6, 6, 5, 7, 6, 6, 7, 0, 0, 9]:
        print("this program's FF1 is not NIST's sample 7")
        faults += 1
    print(f"{len(cases)} tables, {cells} cells, {len(ids['ids'])} ids: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
