"""A sample of PyTorch's tests as one call: the function that is called outermost, with its arguments by name."""
import inspect
from functools import partial

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

# What Python code around a call looks at, and is not the call.
LOOKS = {"__get__", "size", "dim", "numel", "is_floating_point", "is_complex", "tensor", "clone", "contiguous", "item",
         "result_type", "stride", "detach", "requires_grad_"}
NUMPY_NAMES = {"input": "self", "axis": "dim", "keepdims": "keepdim"}


class Refused(Exception):
    """The sample cannot be written down; the text says why."""


class Capture(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.calls, self.looks = [], []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "?")
        (self.looks if name in LOOKS else self.calls).append((function, args, kwargs or {}))
        return function(*args, **(kwargs or {}))


def capture(thunk, last=False):
    """The one call that `thunk` makes, or its last one, and the exception that it ended with, if any; a partial is its own."""
    mode, error = Capture(), None
    try:
        with mode:
            thunk()
    except Exception as e:  # what PyTorch refuses is a sample of its own kind
        error = e
    if isinstance(thunk, partial):
        return (thunk.func, thunk.args, thunk.keywords), error
    calls = mode.calls or mode.looks
    if not calls or len(calls) > 1 and not last:
        raise Refused("not one call")
    return calls[-1], error


# ---- names of arguments ----


def fits(kind, value):
    """Whether a Python value is one of a schema's type, as PyTorch's own parser has it."""
    kind = kind.replace("SymInt", "int")
    if kind.startswith("Optional["):
        return value is None or fits(kind[9:-1], value)
    if kind.startswith("List["):
        return isinstance(value, (list, tuple, torch.Size)) and all(fits(kind[5:-1], v) for v in value)
    if kind == "Tensor":
        return isinstance(value, torch.Tensor)
    if kind in ("number", "Scalar"):
        return isinstance(value, (int, float, bool))
    if kind == "ScalarType":
        return isinstance(value, torch.dtype)
    if kind == "Device":
        return value is not None
    types = {"int": int, "float": (int, float), "bool": bool, "str": str}.get(kind)
    if types is None:
        return value is not None
    return isinstance(value, types) and (kind in ("bool", "str") or not isinstance(value, bool))


def bind_schema(schema, args, kwargs):
    named, rest = {}, dict(kwargs)
    extra = {name: rest.pop(name) for name in ("requires_grad", "as_tuple") if name in rest}
    positional = [a for a in schema.arguments if not a.kwarg_only]
    if len(args) > len(positional) or any(a.is_out for a in schema.arguments):
        return None
    for a, value in zip(positional, args):
        named[a.name] = value
    names = {a.name for a in schema.arguments}
    for name, value in rest.items():
        name = name if name in names else NUMPY_NAMES.get(name, name)
        if name not in names or name in named:
            return None
        named[name] = value
    for a in schema.arguments:
        if a.name not in named:
            if not a.has_default_value():
                return None
            continue
        kind = str(a.real_type)
        one = a.N is not None and fits(kind.replace("Optional[", "", 1).replace("List[", "", 1).split("]")[0], named[a.name])
        if not fits(kind, named[a.name]) and not one:
            return None
    given = {a.name: named[a.name] for a in schema.arguments if a.name in named} | extra
    absent = {a.name for a in schema.arguments if a.has_default_value() and a.default_value is None}
    return {name: value for name, value in given.items() if value is not None or name not in absent}


def names_of_schemas(function):
    if isinstance(function, torch._ops.OpOverload):
        return [function._schema]
    schemas = torch._C._jit_get_schemas_for_operator("aten::" + function.__name__)
    return [s for s in schemas if not s.arguments or s.arguments[0].name != "a"]  # those are TorchScript's, of numbers


def by_name(function, args, kwargs):
    """The arguments that were given, by PyTorch's names, in PyTorch's order."""
    # max_pool2d and unique take anything, and hand it to one of several functions
    called = getattr(function, "__name__", "?")
    function = getattr(torch.nn.functional, called + "_with_indices", function)
    function = getattr(torch.functional, f"_{called}_impl", function)
    if inspect.isfunction(function):
        try:
            bound = inspect.signature(function).bind(*args, **kwargs).arguments
        except TypeError:
            raise Refused("arguments do not fit") from None
        named = {}
        defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()}
        for name, value in bound.items():
            if value is not None or defaults[name] is not None:
                named.update(value) if name == "kwargs" else named.update({name: value})
        if function is torch.einsum:
            equation, *operands = named.pop("args")
            if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
                operands = list(operands[0])
            named = {"equation": equation, "tensors": operands, **named}
        for p in inspect.signature(function).parameters.values():
            if p.kind == p.VAR_POSITIONAL and p.name in named:  # one list or each for itself
                value = named.pop(p.name)
                if "pool" in function.__name__:  # PyTorch hands these on without their signature
                    size = "output_size" if "adaptive" in function.__name__ else "kernel_size"
                    named = dict(zip(("input", size), value)) | named
                    continue
                one = len(value) == 1 and isinstance(value[0], (list, tuple))
                named = {"tensors": list(value[0]) if one else list(value), **named}
        if isinstance(named.get("tensors"), tuple):
            named["tensors"] = list(named["tensors"])
        return named
    attempts = [args]
    for i in range(len(args)):  # x.view(2, 3)
        if all(isinstance(a, int) and not isinstance(a, bool) for a in args[i:]):
            attempts.append((*args[:i], tuple(args[i:])))
            break
    for attempt in attempts:
        for schema in names_of_schemas(function):
            named = bind_schema(schema, attempt, kwargs)
            if named is not None:
                return named
    raise Refused(f"no schema of {function.__name__} fits")


# ---- values that need few bytes ----


def rounded(t):
    """A leaf with t's strides; of floating-point values 10 significant bits are kept, so that they compress."""
    dtype = t.dtype
    if dtype.is_complex or dtype in (torch.bfloat16, torch.float16):
        raise Refused("dtype " + str(dtype))
    if t.ndim > 8 or t.layout != torch.strided:
        raise Refused("more than 8 dimensions, or not dense")
    flat = t.detach().clone(memory_format=torch.contiguous_format)
    if dtype.is_floating_point:
        mantissa, exponent = np.frexp(flat.numpy())
        flat = torch.from_numpy(np.asarray(np.ldexp(np.round(mantissa * 1024) / 1024, exponent))).to(dtype)
        flat = flat.reshape(t.shape)
    r = restrided(flat, t.stride())
    return r.requires_grad_(t.requires_grad)


def restrided(values, strides):
    size = 1 + sum((n - 1) * s for n, s in zip(values.shape, strides)) if values.numel() else 0
    r = torch.zeros(size, dtype=values.dtype).as_strided(values.shape, strides)
    r.untyped_storage()  # the values of overlapping elements are the same
    if values.numel():
        index = np.lib.stride_tricks.as_strided(r.numpy(), r.shape, [s * r.element_size() for s in r.stride()])
        np.copyto(index, values.numpy())
    return r.detach()


def spread(t, how):
    """The same values with gaps between them, or with the dimensions in the opposite order in memory."""
    if not isinstance(t, torch.Tensor) or t.numel() < 2:
        return t
    order = list(range(t.ndim)) if how == "transposed" else list(range(t.ndim))[::-1]
    strides, step = [0] * t.ndim, 1 if how == "transposed" else 2
    for d in order:
        strides[d] = step
        step *= max(1, t.shape[d])
    return restrided(t.detach().contiguous(), strides).requires_grad_(t.requires_grad)


def map_tensors(change, args, kwargs):
    seen = lambda v: change(v) if isinstance(v, torch.Tensor) else v  # noqa: E731
    return tree_map(seen, tuple(args)), tree_map(seen, dict(kwargs))
