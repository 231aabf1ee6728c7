"""Tensors handed to PyTorch by DLPack and back, without a copy. Run with the shared library's path; exit status 77, which
means skipped, where Python has no torch."""
import ctypes
import sys

try:
    import torch
    from torch.utils.dlpack import from_dlpack, to_dlpack
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

MAX_NDIM = 8


class Dims(ctypes.Structure):
    _fields_ = [("n", ctypes.c_int32), ("d", ctypes.c_int64 * MAX_NDIM)]



ebb = ctypes.CDLL(sys.argv[1])
ebb.ebb_from_data.restype = ebb.ebb_from_dlpack.restype = ebb.ebb_tensor_data.restype = ctypes.c_void_p
ebb.ebb_dtype_from_name.argtypes = [ctypes.c_char_p]
ebb.ebb_tensor_strides.restype = Dims
python = ctypes.pythonapi
python.PyCapsule_New.restype = ctypes.py_object
python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
python.PyCapsule_GetPointer.restype = ctypes.c_void_p
python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
python.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]

for name in ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]:
    # PyTorch's tensor, transposed, taken by Ebb: the same memory, and its strides
    x = torch.arange(6).reshape(2, 3).to(getattr(torch, name)).t()
    capsule = to_dlpack(x)
    t = ebb.ebb_from_dlpack(ctypes.c_void_p(python.PyCapsule_GetPointer(capsule, b"dltensor")))
    assert t, name
    python.PyCapsule_SetName(capsule, b"used_dltensor")
    assert ebb.ebb_tensor_data(ctypes.c_void_p(t)) == x.data_ptr(), name
    strides = ebb.ebb_tensor_strides(ctypes.c_void_p(t))
    assert tuple(strides.d[: strides.n]) == x.stride(), name
    # ... and back again: still the same memory
    managed = ctypes.c_void_p()
    assert ebb.ebb_to_dlpack(ctypes.c_void_p(t), ctypes.byref(managed)) == 0, name
    y = from_dlpack(python.PyCapsule_New(managed, b"dltensor", None))
    assert y.data_ptr() == x.data_ptr() and y.dtype == x.dtype and y.stride() == x.stride() and torch.equal(x, y), name
    x[1, 1] = 1
    assert torch.equal(x, y), name
print(f"8 dtypes to PyTorch {torch.__version__} and back without a copy")
