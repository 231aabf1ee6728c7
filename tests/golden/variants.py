"""Other forms of a call: its tensors laid out otherwise in memory, without elements, or without dimensions. PyTorch is asked
what it does with each; where it refuses, so must Ebb."""
import torch

import table
from calls import map_tensors, spread

LAYOUTS = ("transposed", "spread", "mixed", "expanded")
NUMEL = 60  # of the calls that others are derived from


def tensors_of(call):
    found = []
    map_tensors(found.append, call[1], call[2])
    return found


def changed(call, change):
    """The call with change(position, tensor) in place of its tensors."""
    function, args, kwargs = call
    position = iter(range(1000))
    return (function, *map_tensors(lambda t: change(next(position), t), args, kwargs))


def bases(calls, most):
    """Calls to derive others from: small, of full tensors, of two dimensions or more where there are such."""
    def fits(call, ndim):
        tensors = tensors_of(call)
        return tensors and tensors[0].ndim >= ndim and all(t.numel() for t in tensors) and sum(t.numel() for t in tensors) <= NUMEL

    for ndim in (2, 1, 0):
        found = [c for c in calls if fits(c, ndim)]
        if found:
            return [found[i * len(found) // most] for i in range(most)] if len(found) > most else found
    return [c for c in calls if tensors_of(c)][:1]


# ---- layouts ----


def expanded(name, t, like):
    """One entry along the first dimension, again and again. Of a matrix to be decomposed that leaves nothing."""
    if t.ndim == 0 or t.shape[0] < 2 or t.dtype != like or t.ndim == 2 and name in table.DECOMPOSED:
        return t
    return t.detach()[:1].contiguous().expand(t.shape).requires_grad_(t.requires_grad)


def arranged(name, call, how):
    """The same values with gaps between them, with the dimensions in the opposite order in memory, both and neither in turn; or
    values that are repeated by strides of 0. None where nothing changes."""
    tensors = tensors_of(call)
    if how == "expanded":
        other = changed(call, lambda _, t: expanded(name, t, tensors[0].dtype))
    elif how == "mixed":
        other = changed(call, lambda i, t: spread(t, ("transposed", "spread")[i % 3]) if i % 3 < 2 else t)
    else:
        other = changed(call, lambda _, t: spread(t, how))
    same = all(a.stride() == b.stride() for a, b in zip(tensors, tensors_of(other)))
    return None if same or name in table.STORAGE_READ else other


# ---- shapes ----


def without_elements(t, dim):
    return t.detach().narrow(dim, 0, 0).clone().requires_grad_(t.requires_grad) if t.ndim else t


def without_dimensions(t):
    return t.detach().reshape(-1)[0].clone().requires_grad_(t.requires_grad) if t.numel() else t


def shapes(call):
    """Calls with dimensions of size 0, and with tensors without dimensions."""
    tensors = tensors_of(call)
    first = tensors[0]
    for dim in (0, -1) if first.ndim > 1 else (0,) * first.ndim:
        n = first.shape[dim]
        yield changed(call, lambda _, t: without_elements(t, dim) if t.ndim and t.shape[dim] == n else t)  # noqa: B023
        yield changed(call, lambda i, t: without_elements(t, dim) if i == 0 else t)  # noqa: B023
    if len(tensors) > 1:
        yield changed(call, lambda i, t: without_elements(t, 0) if i else t)
    yield changed(call, lambda _, t: without_dimensions(t) if t.dtype == first.dtype else t)
    yield changed(call, lambda i, t: without_dimensions(t) if i == 0 else t)
    if len(tensors) > 1:
        yield changed(call, lambda i, t: without_dimensions(t) if i else t)
