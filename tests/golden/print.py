#!/usr/bin/env python3
"""Writes print.h: tensors and what PyTorch prints for them. Usage: print.py > print.h"""
import inspect
import math
import textwrap

import torch
from torch import float32 as f32, float64 as f64, int32 as i32, int64 as i64, uint8 as u8, bool as b1

# Ebb names dtypes without "torch.", which also changes where lines break: PyTorch's own code, made to do the same.
SOURCE = inspect.getsource(torch._tensor_str).replace("str(self.dtype)", "str(self.dtype)[6:]")
exec(SOURCE, torch._tensor_str.__dict__)

DTYPES = {f32: "EBB_F32", f64: "EBB_F64", i64: "EBB_I64", i32: "EBB_I32", u8: "EBB_U8", b1: "EBB_BOOL"}
OPTIONS = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}
nan, inf = math.nan, math.inf
cases = []


def case(dtype, shape, values=None, ramp=None, grad=False, flip=False, **options):
    """Elements are `values`, or ramp[0] + i * ramp[1]; flip reverses the dimensions, so that it is not contiguous."""
    cases.append((dtype, shape, values, ramp, grad, flip, options))


for v in [1.0, 0.0, -0.0, 1.5, -2.25, 0.1, 1e-5, 1e8, 1.0001e8, 123456789.0, nan, inf, -inf, 1 / 3, 9999.5, 99999.96875]:
    case(f32, (), [v])
for v in [1 / 3, 1e300, 5e-324, -1e-3]:
    case(f64, (), [v])
for dtype, v in [(i64, 7), (i64, -(2**63)), (b1, 1), (u8, 255), (i32, -5)]:
    case(dtype, (), [v])
for v in [[1, 2, 3], [1, 2, -3], [1, 2.5, 3], [1, nan, 3], [1, inf, -inf, nan], [0.5, inf, -inf], [0, 0, 0], [-0.0, 0.0],
          [1000, 1, 0.5], [1001, 1, 0.5], [1, 1000, 1001], [1e-4, 1e-3, 0], [9e-5, 1e-4, 0], [1e9, 2e9], [nan, inf, 1e-10],
          [nan, -inf], [1e38, 1e-38], [99999.5, 123], [0.99995, 0.99994, -1.00005]]:
    case(f32, (len(v),), v)
case(f64, (2,), [1e-300, 1e300])
case(f64, (3,), [1, 2, 3])
case(i64, (4,), [1, -20, 300, 0])
case(i32, (3,), [1, 2, 3])
case(u8, (2, 2), [1, 20, 3, 255])
case(b1, (2, 3), [1, 0, 1, 0, 0, 1])
case(b1, (1,), [0])
for dtype, shape in [(f32, (0,)), (f32, (0, 3)), (f32, (2, 0, 3)), (i64, (0,)), (b1, (3, 0)), (f64, (0,)), (f32, (0, 2000))]:
    case(dtype, shape, [])
case(f32, (0,), [], grad=True)
case(f64, (0, 2), [], grad=True)
case(f32, (2, 2), [1, 2, 3, 4], grad=True)
case(f64, (2, 2), [1, 2.5, 3, 4], grad=True)
case(f32, (1, 1, 1), [3.25])
case(f32, (1,) * 8, [2.0])
for dtype, shape, ramp in [
        (f32, (2, 3), (0, 0.1)), (f32, (2, 2, 2), (-3, 1)), (f32, (2, 1, 3, 2), (0.25, 0.25)), (f32, (30,), (0, 1)),
        (f32, (25,), (0, 0.37)), (i64, (40,), (-20, 1)), (b1, (20,), (-3, 1)), (f64, (14,), (1e-6, 1e-3)),
        (f32, (2, 15), (0, 0.5)), (u8, (1000,), (0, 0)), (f32, (1001,), (0, 1)), (i64, (1200,), (0, 7)),
        (f32, (40, 30), (0, 1)), (f32, (10, 12, 11), (0, 1)), (f32, (2, 5, 120), (0, 1)), (f32, (1, 2, 600), (0, 1)),
        (b1, (2000,), (0, 1)), (f32, (2, 7, 2, 40), (0, 1)), (f32, (2000, 1), (0, 0.001))]:
    case(dtype, shape, ramp=ramp)
case(f32, (3, 2), ramp=(0, 1), flip=True)
case(f32, (2, 3, 4), ramp=(0, 1.5), flip=True)
case(f32, (30, 40), ramp=(0, 1.5), flip=True)
case(f32, (2, 2, 14), ramp=(100, 0.5), grad=True)
case(f32, (1001,), ramp=(0, 0.125), grad=True)
case(f64, (40, 30), ramp=(0, 0.01), grad=True)
case(f32, (3,), [math.pi] * 3, precision=8)
case(f64, (3,), [math.pi, 1, 2], precision=1)
case(f32, (12,), ramp=(0, 1), threshold=10, edgeitems=2)
case(f32, (5, 6), ramp=(0, 1), threshold=10, edgeitems=1)
case(f32, (5,), ramp=(0, 1), threshold=4)
case(f32, (12,), ramp=(0, 1.25), linewidth=40)
case(f32, (4,), ramp=(0, 1.25), linewidth=5)
case(i64, (6,), [1, -2, 3, 4, 5, 6], threshold=5, edgeitems=1, linewidth=20)
for width in [33, 34, 39, 40, 41, 42, *range(46, 53), *range(66, 73)]:  # where suffixes come near the end of the line
    case(f64, (3,), ramp=(0.5, 1), grad=True, linewidth=width)


def number(v, dtype):
    if dtype in (f32, f64):
        if math.isnan(v):
            return "NAN"
        if math.isinf(v):
            return "INFINITY" if v > 0 else "-INFINITY"
        return repr(float(v))
    return repr(float(v)) if abs(v) > 2**53 else str(int(v))


def tensor(dtype, shape, values, ramp, grad, flip):
    if ramp:
        t = torch.arange(math.prod(shape), dtype=f64) * ramp[1] + ramp[0]
    else:
        t = torch.tensor(values, dtype=dtype if dtype in (i64, f64) else f64)
    t = t.to(dtype).reshape(shape)
    if flip:
        t = t.permute(*reversed(range(len(shape))))
    return t.requires_grad_() if grad else t


def entry(dtype, shape, values, ramp, grad, flip, options):
    torch.set_printoptions(**{**OPTIONS, **options})
    lines = str(tensor(dtype, shape, values, ramp, grad, flip)).split("\n")
    fields = [".dtype = " + DTYPES[dtype]]
    if shape:
        fields.append(".shape = {{%s}, %d}" % (", ".join(map(str, shape)), len(shape)))
    if ramp:
        fields.append(".first = %r, .step = %r" % (float(ramp[0]), float(ramp[1])))
    elif values:
        fields.append(".values = {%s}" % ", ".join(number(v, dtype) for v in values))
    fields += [".grad = true"] * grad + [".flip = true"] * flip
    if options:
        fields.append(".options = {%s}" % ", ".join(".%s = %d" % o for o in options.items()))
    text = '\\n"\n         "'.join(lines)
    head = "\n     ".join(textwrap.wrap(", ".join(fields), 110))
    return '    {%s,\n     .text =\n         "%s"},' % (head, text)


version = torch.__version__.split("+")[0]
print("/* Generated by print.py with PyTorch %s: tensors and what it prints for them, dtypes without \"torch.\". */" % version)
print("/* clang-format off */")
print("static const struct print_case print_cases[] = {")
for one in cases:
    print(entry(*one))
print("};")
