"""Tensors handed to PyTorch by DLPack and back, without a copy, by both structs of the standard."""
import ctypes
import gc
import weakref

import ebb
import torch
from torch.utils.dlpack import to_dlpack

python = ctypes.pythonapi
python.PyCapsule_New.restype = ctypes.py_object
python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
python.PyCapsule_GetPointer.restype = ctypes.c_void_p
python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
python.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]

KINDS = {
    "dltensor": (lambda x: to_dlpack(x), ebb.lib.ebb_from_dlpack, ebb.lib.ebb_to_dlpack),
    "dltensor_versioned": (
        lambda x: x.__dlpack__(max_version=(1, 1)),
        ebb.lib.ebb_from_dlpack_versioned,
        ebb.lib.ebb_to_dlpack_versioned,
    ),
}
USED = {"dltensor": b"used_dltensor", "dltensor_versioned": b"used_dltensor_versioned"}


class exporter:
    """An Ebb tensor as PyTorch takes it."""

    def __init__(self, t, name):
        self.t, self.name = t, name

    def __dlpack__(self, **_):
        managed = ctypes.c_void_p()
        ebb.good(KINDS[self.name][2](self.t, ctypes.byref(managed)))
        return python.PyCapsule_New(managed, self.name.encode(), None)

    def __dlpack_device__(self):
        return (1, 0)


def take(x, name):
    """PyTorch's tensor as Ebb's."""
    make, from_dlpack, _ = KINDS[name]
    capsule = make(x)
    t = ebb.good(from_dlpack(python.PyCapsule_GetPointer(capsule, name.encode())))
    python.PyCapsule_SetName(capsule, USED[name])
    return t


def there_and_back(x, name):
    with ebb.scope():
        t = take(x, name)
        assert ebb.lib.ebb_tensor_data(t) == (x.data_ptr() or None), name
        assert ebb.lib.ebb_tensor_shape(t).tuple() == tuple(x.shape)
        if x.numel() > 1:
            assert ebb.lib.ebb_tensor_strides(t).tuple() == x.stride(), name
        y = torch.from_dlpack(exporter(t, name))
    # Ebb's tensor is gone, PyTorch's keeps the memory
    assert y.data_ptr() == x.data_ptr() and y.dtype == x.dtype and y.shape == x.shape and torch.equal(x, y), name
    if x.numel():
        x.view(-1)[:1].zero_() if x.is_contiguous() else x.select(0, 0).zero_()
        assert torch.equal(x, y), name
    return y


def lifetime(name):
    """The memory lives while either side has it, and no longer."""
    x = torch.arange(1000.0)
    gone = weakref.ref(x.untyped_storage())
    with ebb.scope():
        y = torch.from_dlpack(exporter(take(x, name), name))
        del x
        gc.collect()
    assert y.sum() == 499500
    del y
    gc.collect()
    assert gone() is None, name


def run():
    names = [n for n in ebb.DTYPES if n != "none"]
    for kind in KINDS:
        for name in names:
            base = torch.arange(24).reshape(2, 3, 4).to(getattr(torch, name))
            for x in [base, base.transpose(0, 2), base[:, 1:, ::2], base[1, 2, 3], base[:0], base[:1].expand(5, 3, 4)]:
                if x.numel() and 0 in x.stride():
                    continue_with = x.clone()
                    assert torch.equal(there_and_back(continue_with, kind), continue_with)
                    with ebb.scope():
                        assert ebb.lib.ebb_tensor_strides(take(x, kind)).tuple() == x.stride()
                else:
                    there_and_back(x, kind)
        lifetime(kind)
    print(f"DLPack: {len(names)} dtypes to PyTorch {torch.__version__} and back without a copy, by {' and '.join(KINDS)}")
