"""Tensors exchanged with the Python library safetensors by its files, in both directions, bit for bit."""
import os
import tempfile

import ebb
import numpy as np
import safetensors
import safetensors.numpy
from exchange_numpy import OWN, SHAPES, array, to_ebb, views

try:
    import safetensors.torch
    import torch
except ImportError:
    torch = None

METADATA = {"format": "pt", "é": 'any "text"\n', "": ""}


def metadata_of(file):
    keys = [ebb.lib.ebb_safetensors_metadata_key(file, i) for i in range(ebb.lib.ebb_safetensors_metadata_count(file))]
    return {key.decode(): ebb.lib.ebb_safetensors_metadata(file, key).decode() for key in keys}


def read(path, contents):
    """Ebb reads the file: dtype, shape and bytes of every entry, and the metadata."""
    with ebb.scope(), ebb.reader("safetensors", path) as file:
        assert sorted(file.names()) == sorted(contents)
        for name, want in contents.items():
            assert ebb.content(ebb.good(file.get(name))) == want, name
        assert metadata_of(file.file) == METADATA


def write(path, tensors):
    texts = (ebb.S * (2 * len(METADATA)))(*[t.encode() for pair in METADATA.items() for t in pair])
    ebb.save("safetensors", path, tensors, ebb.SafetensorsOptions(ebb.Metadata(len(METADATA), texts), 0))
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == METADATA


def with_numpy(path):
    arrays = {f'{dtype} "{i}" é': array(code, shape) for dtype, code in OWN.items() for i, shape in enumerate(SHAPES)}
    arrays["float32 large"] = np.arange(300000, dtype="f4")  # is mapped
    dtypes = {name: name.split()[0] for name in arrays}
    safetensors.numpy.save_file(arrays, path, metadata=METADATA)
    read(path, {name: (dtypes[name], a.shape, a.tobytes()) for name, a in arrays.items()})
    some = {f"{name} {i}": v for name, a in arrays.items() for i, v in enumerate(views(a))}
    with ebb.scope():
        write(path, {name: to_ebb(a, name.split()[0]) for name, a in some.items()})
    loaded = safetensors.numpy.load_file(path)
    assert sorted(loaded) == sorted(some)
    for name, a in some.items():
        assert loaded[name].dtype == a.dtype and loaded[name].shape == a.shape, name
        assert loaded[name].tobytes() == a.tobytes(), name
    return len(arrays), len(some)


def with_torch(path):
    names = [n for n in ebb.DTYPES if n != "none"]
    bits = {n: torch.from_numpy(array("u1", (40000,))) for n in names}
    bits["bool"] %= 2
    tensors = {n: bits[n].view(getattr(torch, n)).reshape(-1, 4) for n in names}
    tensors["scalar"] = torch.tensor(1.5, dtype=torch.bfloat16)
    contents = {n: (str(t.dtype)[6:], tuple(t.shape), t.reshape(-1).view(torch.uint8).numpy().tobytes()) for n, t in tensors.items()}
    safetensors.torch.save_file(tensors, path, metadata=METADATA)
    read(path, contents)
    with ebb.scope():
        write(path, {n: ebb.over_memory(t.data_ptr(), str(t.dtype)[6:], t.shape, t.stride()) for n, t in tensors.items()})
    loaded = safetensors.torch.load_file(path)
    for n, t in tensors.items():
        assert loaded[n].dtype == t.dtype and loaded[n].shape == t.shape
        assert torch.equal(loaded[n].reshape(-1).view(torch.uint8), t.reshape(-1).view(torch.uint8)), n
    return len(tensors)


def run():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.safetensors")
        read_, written = with_numpy(path)
        print(f"safetensors {safetensors.__version__}: {read_} arrays from it, {written} to it, with metadata")
        if torch:
            print(f"safetensors of PyTorch: {with_torch(path)} tensors from it and to it, all dtypes")
        else:
            print("skipped: safetensors of PyTorch, which is not there")
        assert os.listdir(folder) == ["a.safetensors"]
