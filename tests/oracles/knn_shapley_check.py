"""Values training records again: by pyDVL, and for eight records by all coalitions in exact rationals.

Ours are whole parts of 10^15 and cut at each division, so that a value may fall short by less than a
part for each record. Distances of a case differ, so that no order is left to chance.

Usage: knn_shapley_check.py CASES.json (tests/whole/kernels.rs writes it)
"""

import itertools
import json
import math
import sys
from fractions import Fraction

import numpy
from pydvl.valuation.dataset import Dataset
from pydvl.valuation.methods.knn_shapley import KNNShapleyValuation
from sklearn.neighbors import KNeighborsClassifier

SCALE = 10**15


def by_all_coalitions(k, matches):
    """Shapley's definition: the mean gain over all orders of joining."""
    count = len(matches)

    def utility(coalition):
        return Fraction(sum(matches[at] for at in sorted(coalition)[:k]), k)

    values = []
    for at in range(count):
        others = [other for other in range(count) if other != at]
        value = Fraction(0)
        for size in range(count):
            orders = math.factorial(size) * math.factorial(count - size - 1)
            for coalition in itertools.combinations(others, size):
                gain = utility((*coalition, at)) - utility(coalition)
                value += gain * Fraction(orders, math.factorial(count))
        values.append(value)
    return values


def by_pydvl(k, distances, matches):
    """One test record at 0 with label 1, the training records on a line."""
    train = Dataset(numpy.array(distances, dtype=float).reshape(-1, 1),
                    numpy.array(matches, dtype=int))
    test = Dataset(numpy.array([[0.0]]), numpy.array([1]))
    model = KNeighborsClassifier(n_neighbors=k)
    valuation = KNNShapleyValuation(model, test, progress=False).fit(train)
    result = valuation.result
    return [float(value) for _, value in sorted(zip(result.indices, result.values))]


def main():
    with open(sys.argv[1], encoding="utf-8") as opened:
        cases = json.load(opened)["shapley"]
    faults = exact = compared = 0
    widest = 0.0
    for number, case in enumerate(cases):
        distances = [row[0] for row in case["rows"]]
        matches = [bool(row[1]) for row in case["rows"]]
        ours = [row[2] for row in case["rows"]]
        if len(ours) == 8:
            for own, value in zip(ours, by_all_coalitions(case["k"], matches)):
                faults += abs(own - value * SCALE) > len(ours)
                exact += 1
        for own, value in zip(ours, by_pydvl(case["k"], distances, matches)):
            off = abs(own / SCALE - value)
            widest = max(widest, off)
            faults += off > 1e-12
            compared += 1
        if faults:
            print(f"case {number}: k = {case['k']}, ours {ours}")
            break
    if exact == 0 or compared == 0:
        print("there are no cases")
        faults += 1
    print(f"{compared} values within {widest:.1e} of pyDVL, {exact} of them exact by all coalitions")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
