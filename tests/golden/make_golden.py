#!/usr/bin/env python3
"""Writes FAMILY.gz: what PyTorch computes for samples of every operator. Usage: make_golden.py [--all] [NAME...]

The files were made with PyTorch 2.13.0, NumPy 2.4.6, SciPy 1.17.1, expecttest 0.3.0, pytest 9.2.0 and Python 3.11.7; each says so
itself. The same versions write the same bytes again, on every processor that has AVX2.

Samples come from PyTorch's own tests (OpInfo) at small sizes, from samples.py and from arguments.py; variants.py derives others
of them, in other layouts, of nothing and without dimensions; table.py says of which operators. Only operators that Ebb has are
written, unless --all; the names of either side without a counterpart are printed.

A file is gzip over text, a line "blob BYTES", and that many bytes. The text:

    ebb golden 1 FAMILY                      then lines beginning with # to be read by people
    op NAME [shapes] [sign] [order] ...      shapes: values are free; sign: |output| is compared; order: elements are, sorted;
                                             unchecked: PyTorch does not look at the shapes it is given
    sample DTYPE LAYOUT [each] [fails]       LAYOUT: how inputs lie in memory, to be read by people; each: relative to each
                                             element; fails: must be refused
      ARGUMENT                               in PyTorch's order, only those that are given:
        t NAME TENSOR | g NAME TENSOR        an input without, with gradients
        L NAME N, then N of t g z            a list of tensors
        i NAME 3 | f NAME 0.5 | b NAME 1 | s NAME text | d NAME float64 | l NAME 1,2 | z NAME (None)
        m NAME ((0),(1,2)) | m NAME (none,2) lists of integers, a list with None or of floats
        p NAME log_softmax                   before the call an argument above goes through log_softmax(-1), tril, triu or
                                             symmetric: (a + a.mT) / 2
      tol RTOL ATOL                          in float32, where PyTorch's tests ask for less than is usual
      in LOW HIGH                            where all elements of free values are
      y TENSOR                               each output; Y where it is differentiable, followed by
      v TENSOR                               its upstream gradient
      dx TENSOR | dx none                    the gradient of each g, in order
      w TENSOR | w none                      the gradient of each dx in the second backward pass
      ddx TENSOR | ddx none                  the second gradient of each g
      ddv TENSOR | ddv none                  and of each v

TENSOR is dtype(shape)@offset into the blob, or dtype(shape)/strides@offset: elements are stored in row-major order, without
gaps, little-endian; an input is laid out with the strides."""
import argparse
import gzip
import itertools
import os
import pathlib
import random
import re
import sys
import zlib
from importlib import metadata

# Sets are iterated over in one order, and results depend neither on where memory lies nor on what the processor can do
# beyond AVX2.
REPEATABLE = {"PYTHONHASHSEED": "0", "MKL_CBWR": "AVX2,STRICT", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
              "OMP_NUM_THREADS": "1"}
if any(os.environ.get(name) != value for name, value in REPEATABLE.items()):
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | REPEATABLE)

import numpy as np
import torch
from torch.testing._internal import common_device_type, common_methods_invocations
from torch.utils._pytree import tree_leaves

import adapt
import samples
import table
import variants
from adapt import Without
from calls import Refused, by_name, capture, map_tensors, rounded

SEED = 20
HERE = pathlib.Path(__file__).parent
DTYPES = {torch.bool: "bool", torch.uint8: "uint8", torch.int32: "int32", torch.int64: "int64", torch.float32: "float32",
          torch.float64: "float64"}
BUDGET = 100000  # bytes of float64 results an operator
MOST = {torch.float64: 40, torch.float32: 8, torch.int64: 3, torch.int32: 1, torch.uint8: 2, torch.bool: 2}
NUMEL = 300
counts = {"samples": 0, "refused": {}, "without": {}}


def count(what, why):
    counts[what][why] = counts[what].get(why, 0) + 1


def seed(text):
    n = zlib.crc32(text.encode()) + SEED
    torch.manual_seed(n)
    random.seed(n)
    np.random.seed(n % 2**32)


# ---- files ----


class File:
    def __init__(self, family):
        self.lines, self.blob, self.places = [f"ebb golden 1 {family}"], bytearray(), {}
        versions = [f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "scipy", "expecttest", "pytest")]
        self.lines.append(f"# made by make_golden.py with {', '.join(versions)}, python {sys.version.split()[0]}, seed {SEED}")
        seed("upstream")
        self.upstream = {}
        values = rounded(torch.randn(6000, dtype=torch.float64))
        for dtype in (torch.float64, torch.float32):
            self.upstream[dtype] = (len(self.blob), values.to(dtype))
            self.blob += values.to(dtype).numpy().tobytes()
        self.next = 0

    def tensor(self, t, strides=False):
        if t is None:
            return "none"
        t = t.detach()
        data = t.contiguous().numpy(force=True).tobytes()
        if data not in self.places:
            self.blob += b"\0" * (-len(self.blob) % t.element_size())
            self.places[data] = len(self.blob)
            self.blob += data
        layout = "/" + ",".join(map(str, t.stride())) if strides and not t.is_contiguous() and t.numel() else ""
        return f"{DTYPES[t.dtype]}({','.join(map(str, t.shape))}){layout}@{self.places[data]}"

    def direction(self, t):
        """Upstream gradients all come out of one list of numbers."""
        start, values = self.upstream[t.dtype]
        n = t.numel()
        if n > values.numel():
            raise Refused("too large")
        self.next = (self.next + 7) % (values.numel() - n + 1)
        place = start + self.next * values.element_size()
        v = values[self.next : self.next + n].reshape(t.shape).clone()
        return v, f"{DTYPES[t.dtype]}({','.join(map(str, t.shape))})@{place}"

    def write(self, path):
        text = "\n".join(self.lines) + f"\nblob {len(self.blob)}\n"
        with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=9) as f:
            f.write(text.encode() + bytes(self.blob))


# ---- one sample ----


def number(x):
    return repr(float(x))


def write_argument(file, name, value, lines, leaves):
    if isinstance(value, torch.Tensor):
        if value.dtype not in DTYPES:
            raise Refused("dtype " + str(value.dtype))
        lines.append(f"{'g' if value.requires_grad else 't'} {name} {file.tensor(value, True)}")
        if value.requires_grad:
            leaves.append(value)
    elif value is None:
        lines.append(f"z {name}")
    elif isinstance(value, bool):
        lines.append(f"b {name} {int(value)}")
    elif isinstance(value, int):
        lines.append(f"i {name} {value}")
    elif isinstance(value, float):
        lines.append(f"f {name} {number(value)}")
    elif isinstance(value, str):
        lines.append(f"s {name} {value}")
    elif isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise Refused("dtype " + str(value))
        lines.append(f"d {name} {DTYPES[value]}")
    elif isinstance(value, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in value):
        lines.append(f"L {name} {len(value)}")
        for i, v in enumerate(value):
            write_argument(file, str(i), v, lines, leaves)
    elif isinstance(value, (list, tuple)) and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        lines.append(f"l {name} {','.join(map(str, value))}")
    elif isinstance(value, (list, tuple)) and all(v is None or isinstance(v, (int, float)) for v in value):
        lines.append(f"m {name} ({','.join('none' if v is None else repr(v) for v in value)})")
    elif isinstance(value, (list, tuple)) and all(isinstance(v, (list, tuple)) for v in value):
        lines.append(f"m {name} ({','.join('(' + ','.join(map(str, v)) + ')' for v in value)})")
    else:
        raise Refused("an argument that is " + type(value).__name__)


def flat_outputs(result):
    outputs = [result] if isinstance(result, torch.Tensor) else list(result) if isinstance(result, (tuple, list)) else []
    flat = []
    for y in outputs:
        flat += list(y) if isinstance(y, (tuple, list)) else [y]
    if not flat or not all(isinstance(y, torch.Tensor) for y in flat):
        raise Refused("a result that is no tensor")
    if any(y.dtype not in DTYPES for y in flat):
        raise Refused("a result of another dtype")
    return flat


def gradients(outputs, inputs, upstream, again):
    pairs = [(y, v) for y, v in zip(outputs, upstream) if y is not None and y.requires_grad]
    return torch.autograd.grad([y for y, _ in pairs], inputs, [v for _, v in pairs], allow_unused=True, create_graph=again)


def write_derivatives(file, outputs, leaves, lines, second):
    ups = []
    for y in outputs:
        v, text = file.direction(y) if y.requires_grad else (None, None)
        lines.append(("Y " if y.requires_grad else "y ") + file.tensor(y))
        ups.append(v.requires_grad_(second) if v is not None else None)
        if v is not None:
            lines.append("v " + text)
    if not leaves or not any(y.requires_grad for y in outputs):
        return
    try:
        dx = gradients(outputs, leaves, ups, second)
    except RuntimeError as e:
        count("refused", "first derivative: " + str(e).split("\n")[0][:60])
        lines[:] = [("y" + line[1:]) if line[0] == "Y" else line for line in lines if not line.startswith("v ")]
        return
    lines += ["dx " + file.tensor(d) for d in dx]
    if not second or not any(d is not None and d.requires_grad for d in dx):
        return
    wanted = [d is not None and d.requires_grad for d in dx]
    directions = [file.direction(d) if use else (None, "none") for d, use in zip(dx, wanted)]
    over = leaves + [v for v in ups if v is not None]
    try:
        dd = torch.autograd.grad([d for d, use in zip(dx, wanted) if use], over, [w for w, _ in directions if w is not None],
                                 allow_unused=True)
    except RuntimeError as e:
        count("refused", "second derivative: " + str(e).split("\n")[0][:60])
        return
    lines += ["w " + text for _, text in directions]
    lines += ["ddx " + file.tensor(d) for d in dd[: len(leaves)]]
    lines += ["ddv " + file.tensor(d) for d in dd[len(leaves) :]]


PREPARE = {"log_softmax": lambda t: torch.nn.functional.log_softmax(t, -1), "symmetric": lambda t: (t + t.mT) / 2,
           "tril": torch.tril, "triu": torch.triu}


def results(name, function, args, kwargs, named):
    """What is compared of what PyTorch computes."""
    seed(name)
    argument, how = adapt.preparation(name, named)
    try:
        if how:
            args, kwargs = map_tensors(lambda t: PREPARE[how](t) if t is named[argument] else t, args, kwargs)
        outputs = flat_outputs(function(*args, **kwargs))
    except (RuntimeError, ValueError, IndexError) as e:  # a view of another layout, values that rounding took apart
        raise Refused(f"PyTorch refuses: {str(e)[:50]}") from None
    if sum(y.numel() for y in outputs) > 8 * NUMEL:
        raise Refused("too large")
    if name in table.TIED and not named.get("stable") and adapt.has_ties(named):
        if name == "argsort":
            raise Refused("which of equal elements is first")
        return [outputs[0].detach()]
    if name in table.UP_TO_ORDER:
        return [y.sort().values for y in outputs]
    return [y.abs() for y in outputs] if name in table.UP_TO_SIGN else outputs


def write_sample(file, name, call, dtype, layout, entry, each=False, fails=False):
    """The call on rounded leaves; returns how many bytes its results need."""
    function, args, kwargs = call
    if numel_of(call) > 5 * NUMEL:
        raise Refused("too large")
    args, kwargs = map_tensors(rounded, args, kwargs)
    if name in table.ZERO_FREE and dtype == torch.float64:
        args, kwargs = map_tensors(lambda t: t.detach().masked_fill_(t == 0, 0.5).requires_grad_(t.requires_grad), args, kwargs)
    named = adapt.as_ebb(name, by_name(function, args, kwargs), fails)
    lines, leaves = [], []
    for argument, value in named.items():
        write_argument(file, argument, value, lines, leaves)
    adapt.check_values(name, leaves)
    before = len(file.blob)
    if not fails:
        lines += ["p %s %s" % p for p in [adapt.preparation(name, named)] if p[1]]
        outputs = results(name, function, args, kwargs, named)
        if dtype == torch.float32 and entry:
            lines += tolerance(entry)
        if name in table.VALUES_FREE:
            lines += ["in %s %s" % tuple(map(number, b)) for b in [adapt.bounds(name, named)] if b]
            lines += [f"y {DTYPES[y.dtype]}({','.join(map(str, y.shape))})@0" for y in outputs]
        else:
            write_derivatives(file, outputs, leaves, lines, dtype == torch.float64 and (not entry or entry.supports_gradgrad))
    words = ["sample", DTYPES[dtype], layout] + ["each"] * each + ["fails"] * fails
    file.lines += [" ".join(words)] + lines
    counts["samples"] += 1
    return len(file.blob) - before


def tolerance(entry):
    """What PyTorch's tests override for float32 on the CPU."""
    rtol = atol = 0.0
    for d in [*entry.decorators, *entry.skips]:
        if getattr(d, "device_type", None) not in (None, "cpu"):
            continue
        for inner in getattr(d, "decorators", [d]):
            if isinstance(inner, common_device_type.toleranceOverride) and torch.float32 in inner.d:
                rtol, atol = max(rtol, inner.d[torch.float32].rtol), max(atol, inner.d[torch.float32].atol)
    return [f"tol {number(rtol)} {number(atol)}"] if rtol > 1.3e-6 or atol > 1e-5 else []


# ---- the samples of one operator ----


def entries_of(name):
    """The OpInfo entries of an operator."""
    entries = common_methods_invocations.op_db
    if name in table.SOURCES:
        wanted = table.SOURCES[name]
        return [e for e in entries if e.name + "." * bool(e.variant_test_name) + e.variant_test_name in wanted]
    prefixes = ["", "nn.functional.", "special."]
    prefixes.insert(0 if name in table.PREFER_LINALG else 3, "linalg.")
    if name in " ".join(table.FAMILIES[f] for f in ("layer", "loss", "activation")).split():
        prefixes = ["nn.functional.", ""]
    for prefix in prefixes:
        found = [e for e in entries if e.name == prefix + name]
        if found:
            return found
    return []


def key_of(call):
    function, args, kwargs = call
    args, kwargs = map_tensors(lambda t: (str(t.dtype), tuple(t.shape), t.stride(), t.requires_grad), args, kwargs)
    return repr((function.__name__, args, sorted(kwargs.items(), key=lambda i: i[0])))


def numel_of(call):
    total = []
    map_tensors(lambda t: total.append(t.numel()), call[1], call[2])
    return sum(total)


def calls_of(entry, dtype, small=True):
    """Different calls, from the samples of one entry, without those that are too large unless there are no others."""
    set_sizes(small)
    seed(entry.name + entry.variant_test_name + str(dtype))
    calls, seen = [], set()
    try:
        grad = dtype.is_floating_point and entry.supports_autograd
        more = entry.reference_inputs_func and entry.reference_inputs("cpu", dtype, requires_grad=grad)
        for i, s in enumerate(itertools.chain(entry.sample_inputs("cpu", dtype, requires_grad=grad), more or [])):
            if i == 150:
                break
            if sum(t.numel() for t in tree_leaves((s.input, s.args, s.kwargs)) if isinstance(t, torch.Tensor)) > 4 * NUMEL:
                if calls:
                    continue
            try:
                call, error = capture(lambda s=s: entry.op(s.input, *s.args, **s.kwargs))
            except Refused as e:
                count("refused", f"{e}: {entry.name}")
                continue
            if error or key_of(call) in seen:
                continue
            strange = [t.dtype for t in variants.tensors_of(call) if t.dtype not in DTYPES]
            if strange:
                count("refused", f"dtype {strange[0]}: {entry.name}")
                continue
            seen.add(key_of(call))
            calls.append(call)
    except (RuntimeError, ValueError, IndexError, TypeError) as e:
        if small:  # it counts on the usual sizes
            return calls_of(entry, dtype, False)
        count("refused", f"OpInfo of {entry.name}: {str(e)[:50]}")
    small = [c for c in calls if numel_of(c) <= NUMEL]
    return small or sorted(calls, key=numel_of)[:2]


def spaced(calls, most):
    """As many as wanted, over the whole list: first those of its even parts, then those between."""
    if len(calls) <= most:
        return calls
    return [calls[i * len(calls) // most] for i in range(most)]


def failing_calls(entry):
    seed(entry.name + "errors")
    set_sizes(True)
    try:
        for e in entry.error_inputs("cpu"):
            s = e.sample_input
            try:
                call, error = capture(lambda s=s: entry.op(s.input, *s.args, **s.kwargs))
            except Refused:
                continue
            if error is not None:
                yield call
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return


def attempt(file, name, call, dtype, layout, entry, **flags):
    try:
        return write_sample(file, name, call, dtype, layout, entry, **flags)
    except Without as e:
        count("without", str(e))
    except Refused as e:
        count("refused", f"{e}: {name}")
    return 0


def refused(call):
    """Whether PyTorch refuses the call; None where it is no call that could be made."""
    function, args, kwargs = call
    try:
        function(*args, **kwargs)
    except (RuntimeError, ValueError, IndexError):
        return True
    except TypeError:
        return None
    return False


def write_variants(file, name, calls, dtype, entry, seen):
    """Some of the calls in other layouts and shapes."""
    for call in variants.bases(calls, 2 if dtype == torch.float64 else 1):
        place = file.next
        for layout in variants.LAYOUTS:
            file.next = place  # the same upstream gradients, so that results can be the same bytes
            other = variants.arranged(name, call, layout)
            if other:
                attempt(file, name, other, dtype, layout, entry, fails=bool(refused(other)))
        for other in variants.shapes(call) if (dtype == torch.float64 or not entry) and name not in table.UNCHECKED else ():
            key = key_of(other)
            if key not in seen and refused(other) is not None:
                attempt(file, name, other, dtype, "contiguous", entry, fails=refused(other))
            seen.add(key)


def write_operator(file, name):
    start = len(file.lines)
    words = ["op", name] + ["shapes"] * (name in table.VALUES_FREE)
    words += ["sign"] * (name in table.UP_TO_SIGN) + ["order"] * (name in table.UP_TO_ORDER)
    words += ["unchecked"] * (name in table.UNCHECKED)
    file.lines.append(" ".join(words))
    spent, own, seen = 0, {}, set()
    for thunk, each in samples.of(name):
        call, error = capture(thunk, last=True)
        if isinstance(error, (TypeError, AttributeError)):
            print(f"samples.py, {name}: {str(error)[:200]}")
            continue
        dtypes = [t.dtype for t in variants.tensors_of(call)] or [torch.float64]
        attempt(file, name, call, dtypes[0], "contiguous", None, each=each, fails=error is not None)
        if not each and not error:
            own.setdefault(dtypes[0], []).append(call)
    for dtype, calls in own.items():
        write_variants(file, name, calls, dtype, None, seen)
    entries = entries_of(name)
    for dtype, most in MOST.items():
        for e in entries:
            if dtype not in e.dtypes:
                continue
            calls = calls_of(e, dtype)
            chosen = spaced(calls, max(2, most // len(entries)))
            for i, call in enumerate(chosen):
                if i >= 4 and spent > BUDGET:
                    break
                n = attempt(file, name, call, dtype, "contiguous", e)
                spent += n if dtype == torch.float64 else 0
                if dtype == torch.float64 and i % 3 == 0 and n < BUDGET // 8:
                    layout = ("spread", "transposed")[i // 3 % 2]
                    other = variants.arranged(name, call, layout)
                    if other:
                        attempt(file, name, other, dtype, layout, e, fails=bool(refused(other)))
            write_variants(file, name, calls, dtype, e, seen)
    for e in entries:
        for call in list(failing_calls(e)):
            attempt(file, name, call, torch.float64, "contiguous", e, fails=True)
    if len(file.lines) == start + 1:
        file.lines.pop()
        return False
    return True


# ---- all of them ----


SIZES = {"S": (5, 3), "L": (20, 6), "M": (10, 4), "XS": (3, 2)}


def set_sizes(small):
    """The sizes that PyTorch's sample functions are written with: the usual ones, or small ones."""
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.testing._internal") and getattr(module, "S", None) in SIZES["S"]:
            for size, values in SIZES.items():
                if getattr(module, size, None) in values:
                    setattr(module, size, values[small])


def names_in_ebb():
    """Operators, and the names they are overloads of."""
    names = set(re.findall(r'\.name = "(\w+)"', (HERE / "../../src/ops/signatures.h").read_text()))
    own = set(names)
    for path in sorted((HERE / "../../src/ops").glob("*.c")):
        names |= set(re.findall(r'\.overload = "(\w+)"', path.read_text()))
    return names, own


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--all", action="store_true", help="also operators that Ebb does not have")
    parser.add_argument("--out", default=HERE, type=pathlib.Path, help="folder")
    parser.add_argument("names", nargs="*", help="only these operators or families")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)  # which fills memory that is not initialized
    torch.backends.cuda.enable_flash_sdp(False)  # on the processor, too: attention by its formula can be differentiated twice
    have, own = names_in_ebb()
    without_samples, not_in_ebb, known = [], [], set()
    for family, names in table.FAMILIES.items():
        file, written = File(family), 0
        for name in names.split():
            known.add(name)
            if options.names and not {name, family} & set(options.names):
                continue
            if name not in have:
                not_in_ebb.append(name)
                if not options.all:
                    continue
            if write_operator(file, name):
                written += 1
            else:
                without_samples.append(name)
        if written:
            path = options.out / f"{family}.gz"
            file.write(path)
            print(f"{family}: {written} operators, {len(file.blob)} bytes of values, {path.stat().st_size} compressed")
    print(f"{counts['samples']} samples")
    print("without samples:", " ".join(without_samples))
    print("not in Ebb:", " ".join(not_in_ebb))
    print("in Ebb only:", " ".join(sorted(own - known)))
    for what in ("without", "refused"):
        for why, n in sorted(counts[what].items()):
            print(f"{what}: {n} {why}")


if __name__ == "__main__":
    main()
