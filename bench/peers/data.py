"""The data of the benchmark: each element follows from the name of its array and its place, as in bench/support.c."""
import numpy as np


def _mixed(x):  # the finalizer of MurmurHash3
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def _words(name, n):
    seed = 2166136261  # FNV-1a
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    return _mixed(np.arange(n, dtype=np.uint32) + np.uint32(seed))


def uniform(name, shape, scale, dtype=np.float32, offset=0.0):
    """Uniform in [-scale, scale), rounded from double precision; an offset is added after that."""
    n = int(np.prod(shape, dtype=np.int64))
    v = ((_words(name, n) >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1.0) * scale
    v = v.astype(dtype).reshape(shape)
    return v if offset == 0 else v + dtype(offset)


def indices(name, bound, shape):
    n = int(np.prod(shape, dtype=np.int64))
    return (_words(name, n).astype(np.int64) % bound).reshape(shape)


def norm_and_signs(v):
    """Two numbers that stand for an array: its norm, and its product with a vector of signs."""
    v = np.asarray(v, dtype=np.float64).reshape(-1)
    signs = np.where(_mixed(np.arange(v.size, dtype=np.uint32)) & np.uint32(1), 1.0, -1.0)
    return [float(np.sqrt(np.dot(v, v))), float(np.dot(v, signs))]
