"""Apportions again with PyPI `apportionment`, in its exact mode, what our kernels apportioned.

3,000 cases by largest remainders (Hamilton) and 400 by highest averages (Sainte-Laguë). Where a tie
decides, the two programs may rightly differ in whom they favour: there only the sum and the number
of units are compared.

Usage: apportionment_check.py CASES.json (tests/whole/kernels.rs writes it)
"""

import json
import sys

from apportionment import methods


def again(method, weights, units):
    """Returns the other program's shares, and whether a tie decided."""
    arguments = {"fractions": True, "parties": [str(n) for n in range(len(weights))]}
    try:
        return methods.compute(method, weights, units, tiesallowed=False, **arguments), False
    except methods.TiesException:
        return methods.compute(method, weights, units, tiesallowed=True, **arguments), True


def main():
    with open(sys.argv[1], encoding="utf-8") as opened:
        cases = json.load(opened)
    kinds = (("hamilton", "largest_remainder", "amount", "shares", 3_000),
             ("sainte_lague", "saintelague", "house", "units", 400))
    faults, told = 0, []
    for kind, method, total, given, least in kinds:
        tied = 0
        for number, case in enumerate(cases[kind]):
            weights = [int(weight) for weight in case["weights"]]
            ours = [int(share) for share in case[given]]
            theirs, tie = again(method, weights, int(case[total]))
            theirs = [int(share) for share in theirs]
            near = all(abs(a - b) <= 1 for a, b in zip(ours, theirs))
            if sum(ours) != int(case[total]) or not (ours == theirs or (tie and near)):
                print(f"{kind} case {number}: ours {ours}, theirs {theirs}")
                faults += 1
            tied += tie
        if len(cases[kind]) < least:
            print(f"{kind}: {len(cases[kind])} cases are fewer than {least}")
            faults += 1
        told.append(f"{kind}: {len(cases[kind]) - tied} cases without a tie, {tied} with one")
    print(f"{faults} differ; " + "; ".join(told))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
