#!/usr/bin/env python3
"""Make data/digits from scikit-learn's digits.csv.gz (64 pixels 0 to 16 and the label a line): two IDX files.

    apt-get download python3-sklearn && dpkg -x python3-sklearn_*.deb sklearn
    scripts/make_digits.py sklearn/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz data/digits
"""
import gzip
import struct
import sys

source, folder = sys.argv[1:3]
with gzip.open(source, "rt") as lines:
    rows = [[int(float(v)) for v in line.split(",")] for line in lines]
assert len(rows) == 1797 and all(len(r) == 65 and 0 <= min(r) and max(r[:64]) <= 16 and r[64] <= 9 for r in rows)
with open(folder + "/digits-images-idx3-ubyte", "wb") as out:
    out.write(struct.pack(">4B3I", 0, 0, 8, 3, len(rows), 8, 8) + bytes(v for r in rows for v in r[:64]))
with open(folder + "/digits-labels-idx1-ubyte", "wb") as out:
    out.write(struct.pack(">4BI", 0, 0, 8, 1, len(rows)) + bytes(r[64] for r in rows))
