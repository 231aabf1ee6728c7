"""Arrays exchanged with NumPy by .npy and .npz files, in both directions, bit for bit."""
import io
import itertools
import os
import tempfile
import zipfile

import ebb
import numpy as np

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

OWN = {"bool": "b1", "uint8": "u1", "int32": "i4", "int64": "i8", "float16": "f2", "float32": "f4", "float64": "f8"}
WIDENED = {"i1": "int32", "i2": "int32", "u2": "int32", "u4": "int64"}
SHAPES = [(), (0,), (1,), (5,), (2, 3), (3, 0, 2), (4, 1), (2, 3, 4), (1, 2, 1, 2, 1, 2, 1, 2)]
random = np.random.default_rng(1)


def array(code, shape):
    """Any bits: NaNs of all kinds, negative zeros, the largest numbers."""
    dtype = np.dtype(code)
    n = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    return np.frombuffer(random.bytes(n * dtype.itemsize), dtype).reshape(shape).copy()


def to_ebb(a, dtype):
    """An Ebb tensor over an array of the machine's order of bytes."""
    assert all(s % a.itemsize == 0 and s >= 0 for s in a.strides)
    return ebb.over_memory(a.ctypes.data, dtype, a.shape, [s // a.itemsize for s in a.strides])


def same(t, a, dtype):
    a = np.array(a, order="C")
    native = a if a.dtype.isnative else a.byteswap().view(a.dtype.newbyteorder())
    want = native if native.itemsize == np.dtype(OWN.get(dtype, "V2")).itemsize else native.astype(dtype)
    got = ebb.content(ebb.good(t))
    assert got == (dtype, a.shape, want.tobytes()), (got, dtype, a.dtype, a.shape, want.tobytes())


def npy_from_numpy(path):
    count = 0
    cases = [(dtype, code) for dtype, code in OWN.items()] + [(dtype, code) for code, dtype in WIDENED.items()]
    for (dtype, code), shape, order, fortran, version in itertools.product(
        cases, SHAPES, "<>", [False, True], [(1, 0), (2, 0), (3, 0)]
    ):
        a = array(order + code, shape)
        with open(path, "wb") as f:
            np.lib.format.write_array(f, np.array(a, order="F" if fortran else "C"), version=version)
        with ebb.scope():
            same(ebb.lib.ebb_npy_load(path.encode()), a, dtype)
        count += 1
    if ml_dtypes:
        a = array("u2", (3, 4)).view(ml_dtypes.bfloat16)
        np.save(path, a)
        with ebb.scope():
            same(ebb.lib.ebb_npy_load(path.encode()), a.view("V2"), "bfloat16")
    for a, text in [
        (np.array([1], "u8"), "'<u8'"),
        (np.array([1j]), "'<c16'"),
        (np.array(["text"]), "'<U4'"),
        (np.array([1], "M8[s]"), "'<M8[s]'"),
        (np.zeros(2, [("a", "i4"), ("b", "f4", 2)]), "'[('a', '<i4')"),
        (np.array([None]), "'|O'"),
        (np.zeros((1,) * 9), "9 dimensions"),
    ]:
        np.save(path, a)
        assert ebb.lib.ebb_npy_load(path.encode()) is None and text in ebb.error(), a.dtype
    return count


def views(a):
    """The array, and others over its memory."""
    yield a
    if a.ndim >= 2:
        yield a.swapaxes(0, -1)
        yield a[..., ::2]
        yield a[1:, ...]
    yield np.broadcast_to(a, (2,) + a.shape) if a.ndim < 8 else a


def npy_to_numpy(path):
    count = 0
    for (dtype, code), shape in itertools.product([*OWN.items(), ("bfloat16", "V2")], SHAPES):
        for a in views(array(code, shape)):
            with ebb.scope():
                ebb.good(ebb.lib.ebb_npy_save(path.encode(), to_ebb(a, dtype)))
            b = np.load(path)
            assert b.dtype == a.dtype and b.shape == a.shape and b.tobytes() == a.tobytes(), (dtype, a.shape)
            if dtype != "bfloat16":  # the same bytes as NumPy's own
                own = io.BytesIO()
                np.save(own, np.array(a, order="C"))
                with open(path, "rb") as f:
                    assert f.read() == own.getvalue(), (dtype, a.shape)
            elif ml_dtypes:
                assert b.view(ml_dtypes.bfloat16).shape == a.shape
            count += 1
    return count


def npz(path):
    arrays = {f"{dtype}/{len(shape)} é": array(code, shape) for dtype, code in OWN.items() for shape in SHAPES}
    arrays["large"] = np.arange(300000, dtype="f4")
    arrays["fortran"] = np.asfortranarray(array(">i8", (4, 5)))
    names = {name: name.split("/")[0] for name in arrays} | {"large": "float32", "fortran": "int64"}
    for save in [np.savez, np.savez_compressed]:
        save(path, **arrays)
        with ebb.scope(), ebb.reader("npz", path) as file:
            assert file.names() == list(arrays)
            for name, a in arrays.items():
                same(file.get(name), a, names[name])
    arrays["fortran"] = np.ascontiguousarray(arrays["fortran"].astype("i8"))
    for compressed, save in [(False, np.savez), (True, np.savez_compressed)]:
        with ebb.scope():
            tensors = {name: to_ebb(a, names[name]) for name, a in arrays.items()}
            ebb.save("npz", path, tensors, ebb.NpzOptions(compressed, 0))
        with np.load(path) as loaded:
            assert loaded.files == list(arrays)
            for name, a in arrays.items():
                assert loaded[name].dtype == a.dtype and loaded[name].shape == a.shape
                assert loaded[name].tobytes() == a.tobytes(), name
        with open(path, "rb") as f:
            ours = f.read()
        save(path, **arrays)
        with open(path, "rb") as f:
            assert compressed or f.read() == ours  # deflate's bytes depend on zlib's version
    return len(arrays)


def many(path):
    """More members than 16 bits count: zip64, in both directions."""
    n = 66000
    one = np.array(7, "i4")
    with ebb.scope():
        t = to_ebb(one, "int32")
        ebb.save("npz", path, {f"a{i}": t for i in range(n)}, ebb.NpzOptions(False, 0))
    with np.load(path) as file:
        assert len(file.files) == n and file["a65999"] == 7
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
    np.savez(path, **{f"b{i}": one for i in range(n)})
    with ebb.scope(), ebb.reader("npz", path) as file:
        assert len(file.names()) == n
        same(file.get("b65999"), one, "int32")
    return n


def run():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.npy")
        read, written = npy_from_numpy(path), npy_to_numpy(path)
        print(f".npy: {read} arrays from NumPy {np.__version__}, {written} to it", end="")
        print("" if ml_dtypes else " (bfloat16 as bare bytes: skipped ml_dtypes, which is not there)")
        path = os.path.join(folder, "a.npz")
        print(f".npz: {npz(path)} arrays stored and deflated, from NumPy and to it; {many(path)} in one file")
        assert os.listdir(folder) == ["a.npy", "a.npz"] or sorted(os.listdir(folder)) == ["a.npy", "a.npz"]
