#!/usr/bin/env python3
"""The classifier two-sample test of two sets of draws by scikit-learn: the accuracy of a small network that tells them apart, 0.5 if it cannot.

It is what classifier_test.hpp is held against. Needs numpy and scikit-learn only.
"""
import argparse
import pathlib
import sys

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

# When a training ends: as in the test of the package sbi, or as in sbibm 1.1.0, whose published accuracies are by it.
RULES = {
    "early": {"max_iter": 1000, "early_stopping": True, "n_iter_no_change": 50},
    "late": {"max_iter": 10000},
}


def c2st(first, second, seed=1, folds=5, rule="early"):
    """The mean accuracy over the folds; both sets are (n, d), and scaled by the mean and the standard deviation of the first."""
    mean, deviation = first.mean(0), first.std(0, ddof=1)
    data = np.concatenate([(draws - mean) / deviation for draws in (first, second)])
    target = np.repeat([0, 1], [len(first), len(second)])
    width = 10 * data.shape[1]
    classifier = MLPClassifier(activation="relu", hidden_layer_sizes=(width, width), solver="adam", random_state=seed, **RULES[rule])
    split = KFold(n_splits=folds, shuffle=True, random_state=seed)
    return cross_val_score(classifier, data, target, cv=split, scoring="accuracy").mean()


def draws_of(path):
    """The draws of a file, in double."""
    draws = np.load(path)
    if draws.ndim != 2:
        sys.exit(f"{path}: shape {draws.shape} found, (n, d) expected")
    if not np.isfinite(draws).all():
        sys.exit(f"{path}: some numbers are not finite")
    return draws.astype(np.float64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("first", type=pathlib.Path, help="an .npy file of shape (n, d), whose mean and standard deviation scale both")
    parser.add_argument("second", type=pathlib.Path, help="another one of the same shape")
    parser.add_argument("--seed", type=int, default=1, help="of the folds and the networks (default: %(default)s)")
    parser.add_argument("--rule", choices=RULES, default="early", help="end trainings early, by a held-out part, as sbi does; or late, as sbibm 1.1.0 does (default: %(default)s)")
    options = parser.parse_args()
    first, second = draws_of(options.first), draws_of(options.second)
    if first.shape != second.shape:
        sys.exit(f"{options.second}: shape {second.shape} found, {first.shape} expected, as {options.first} has it")
    print(f"{c2st(first, second, seed=options.seed, rule=options.rule):.4f}")


if __name__ == "__main__":
    main()
