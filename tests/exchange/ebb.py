"""Ebb's shared library as the exchange scripts call it, by ctypes."""
import ctypes
import sys

MAX_NDIM = 8
DTYPES = ["none", "bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]  # by Ebb's numbers


class Dims(ctypes.Structure):
    _fields_ = [("d", ctypes.c_int64 * MAX_NDIM), ("n", ctypes.c_int32)]

    @classmethod
    def of(cls, sizes):
        return cls((ctypes.c_int64 * MAX_NDIM)(*sizes), len(sizes))

    def tuple(self):
        return tuple(self.d[: self.n])


class List(ctypes.Structure):
    _fields_ = [("n", ctypes.c_int64), ("t", ctypes.POINTER(ctypes.c_void_p))]


class NpzOptions(ctypes.Structure):
    _fields_ = [("compressed", ctypes.c_bool), ("at", ctypes.c_int)]


class Metadata(ctypes.Structure):
    _fields_ = [("n", ctypes.c_int64), ("text", ctypes.POINTER(ctypes.c_char_p))]


class SafetensorsOptions(ctypes.Structure):
    _fields_ = [("metadata", Metadata), ("at", ctypes.c_int)]


class Scope(ctypes.Structure):
    _fields_ = [("mark", ctypes.c_size_t), ("open", ctypes.c_int)]


class ErrorInfo(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("op", ctypes.c_char_p), ("message", ctypes.c_char_p)]


P, S, I = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
lib = ctypes.CDLL(sys.argv[1])
for name, result, arguments in [
    ("ebb_error", ctypes.POINTER(ErrorInfo), []),
    ("ebb_scope_open", Scope, []),
    ("ebb_scope_close", None, [ctypes.POINTER(Scope)]),
    ("ebb_from_memory", P, [P, ctypes.c_int, Dims, Dims, P, P]),
    ("ebb_tensor_data", P, [P]),
    ("ebb_tensor_dtype", ctypes.c_int, [P]),
    ("ebb_tensor_shape", Dims, [P]),
    ("ebb_tensor_strides", Dims, [P]),
    ("ebb_tensor_numel", I, [P]),
    ("ebb_tensor_is_contiguous", ctypes.c_bool, [P]),
    ("ebb_to_dlpack", ctypes.c_int, [P, ctypes.POINTER(P)]),
    ("ebb_to_dlpack_versioned", ctypes.c_int, [P, ctypes.POINTER(P)]),
    ("ebb_from_dlpack", P, [P]),
    ("ebb_from_dlpack_versioned", P, [P]),
    ("ebb_npy_load", P, [S]),
    ("ebb_npy_save", ctypes.c_int, [S, P]),
    ("ebb_npz_save", ctypes.c_int, [S, ctypes.POINTER(S), List, NpzOptions]),
    ("ebb_safetensors_save", ctypes.c_int, [S, ctypes.POINTER(S), List, SafetensorsOptions]),
    ("ebb_safetensors_metadata_count", I, [P]),
    ("ebb_safetensors_metadata_key", S, [P, I]),
    ("ebb_safetensors_metadata", S, [P, S]),
] + [
    (f"ebb_{kind}_{name}", result, arguments)
    for kind in ["npz", "safetensors"]
    for name, result, arguments in [
        ("open", ctypes.c_int, [S, ctypes.POINTER(P)]),
        ("count", I, [P]),
        ("name", S, [P, I]),
        ("dtype", ctypes.c_int, [P, I]),
        ("shape", Dims, [P, I]),
        ("get", P, [P, S]),
        ("close", P, [P]),
    ]
]:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments


def error():
    """The pending error's text, which is cleared; None when there is none."""
    e = lib.ebb_error()
    text = e.contents.message.decode() if e else None
    lib.ebb_clear_error()
    return text


class Missing(Exception):
    """What this build of the library is without."""


def good(value):
    """A tensor that is there, or a status that is 0."""
    text = error()
    if text and "this build is without" in text:
        raise Missing(text[text.index("this build"):])
    assert text is None, text
    return value


class scope:
    def __enter__(self):
        self.scope = lib.ebb_scope_open()

    def __exit__(self, *_):
        lib.ebb_scope_close(ctypes.byref(self.scope))


def over_memory(address, dtype, shape, strides):
    """An Ebb tensor over memory that stays; strides in elements."""
    return good(lib.ebb_from_memory(address, DTYPES.index(dtype), Dims.of(shape), Dims.of(strides), None, None))


def content(t):
    """dtype, shape and bytes of an Ebb tensor, which must be contiguous."""
    dtype, shape = DTYPES[lib.ebb_tensor_dtype(t)], lib.ebb_tensor_shape(t).tuple()
    assert lib.ebb_tensor_is_contiguous(t)
    size = {"bool": 1, "uint8": 1, "int32": 4, "int64": 8}.get(dtype) or {"16": 2, "32": 4, "64": 8}[dtype[-2:]]
    return dtype, shape, ctypes.string_at(lib.ebb_tensor_data(t), lib.ebb_tensor_numel(t) * size)


def save(kind, path, tensors, options):
    """Save a dictionary of Ebb tensors."""
    names = (S * len(tensors))(*[name.encode() for name in tensors])
    values = (P * len(tensors))(*tensors.values())
    good(getattr(lib, f"ebb_{kind}_save")(path.encode(), names, List(len(tensors), values), options))


class reader:
    """An open file of named tensors; kind is "npz" or "safetensors"."""

    def __init__(self, kind, path):
        self.kind, self.file = kind, P()
        good(self.call("open", path.encode(), ctypes.byref(self.file)))

    def call(self, name, *arguments):
        return getattr(lib, f"ebb_{self.kind}_{name}")(*arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("close", self.file)

    def names(self):
        return [self.call("name", self.file, i).decode() for i in range(self.call("count", self.file))]

    def get(self, name):
        return self.call("get", self.file, name.encode())
