"""What PyTorch makes of the calls in names.txt. Usage: names.py [--write]

Each line is made a call of PyTorch, and what stands behind its arrow is compared with the results; with --write it is
written there. Every argument that PyTorch documents for a function of the list must be in one of its lines, or in
LEFT_OUT with the reason. Exit status 77, which means skipped, where Python has no torch."""
import inspect
import math
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).with_name("exchange")))
sys.dont_write_bytecode = True
from python import take_over

take_over(["torch"])
try:
    import torch
    import torch.nn.functional as F
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

PATH = pathlib.Path(__file__).with_name("names.txt")

# PyTorch's arguments that Ebb does not have, by intention.
LEFT_OUT = {
    "names": "no named dimensions",
    "as_tuple": "nonzero_tuple is an operator of its own",
    "driver": "one driver", "out_dtype": "accelerators only", "_stacklevel": "the caller's line is known",
    "scale": "of elu: selu's constants", "input_scale": "of elu: selu's constants", "path": "of einsum: the order of products",
    "implicit": "of expand: internal",
}
# In-place forms of PyTorch's tensors that are in no line.
NOT_IN_PLACE = {
    "another name": """absolute arccos arccosh arcsin arcsinh arctan arctan2 arctanh clip divide fix greater greater_equal less
        less_equal multiply negative not_equal subtract true_divide swapaxes swapdims""",
    "changes the shape of a tensor, not its elements": "as_strided resize resize_as squeeze t transpose unsqueeze",
    "no operator: ebb_detach, ebb_requires_grad_, storage": "detach requires_grad set share_memory",
    "sparse": "resize_as_sparse sparse_resize sparse_resize_and_clear",
    "Python functions on elements": "apply map map2",
    "complex numbers": "conj_physical",
    "of operators that Ebb does not have": """deg2rad fill_diagonal gcd heaviside i0 igamma igammac lcm ldexp mvlgamma nextafter
        rad2deg renorm sgn""",
}
WORDS = {"none": None, "strided": torch.strided, "contiguous_format": torch.contiguous_format, "true": True, "false": False, "float32": torch.float32, "float64": torch.float64,
         "int64": torch.int64, "inf": math.inf, "-inf": -math.inf}


# ---- values ----


def tensor(kind, shape):
    n = math.prod(shape)
    if kind == "spd":
        return (torch.eye(shape[-1], dtype=torch.float64) * 3 + 0.5).expand(shape).clone()
    if kind.startswith("full"):
        return torch.full(shape, int(kind[4:]))
    if kind.startswith("i"):
        return (torch.arange(n) * 7 % int(kind[1:])).reshape(shape)
    values = torch.arange(n, dtype=torch.float64) * 5 % 9 / 10 + 0.1
    return {"f": values, "g": values.float(), "b": values > 0.4}[kind].reshape(shape)


def split(text):
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p for p in parts if p]


def value(text):
    if text in WORDS:
        return WORDS[text]
    if text[0] == "[":
        return [value(t) for t in split(text[1:-1])]
    if text[0] == "(":
        return tuple(value(t) for t in split(text[1:-1]))
    if match := re.fullmatch(r"([a-z]+\d*)\(([\d,]*)\)", text):
        return tensor(match[1], [int(n) for n in match[2].split(",") if n])
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


# ---- calls ----


def function(path):
    where = torch
    for part in path.split("."):
        where = F if part == "F" else getattr(where, part)
    return where


def call(path, arguments):
    """Those that PyTorch takes in order only, in order."""
    f, rest = function(path), dict(arguments)
    if path == "einsum":
        return f(rest.pop("equation"), *rest.pop("operands"))
    if path == "meshgrid":
        return f(*rest.pop("tensors"), **rest)
    if path.startswith(("Tensor.", "ops.")):
        return f(rest.pop("self"), **rest)
    return f(**rest)


def described(results):
    flat = []
    for y in results if isinstance(results, (tuple, list)) else [results]:
        flat += y if isinstance(y, (tuple, list)) else [y]
    return " ".join(f"{str(y.dtype)[6:]}({','.join(map(str, y.shape))})" for y in flat)


# ---- which arguments there are ----


def documented(path):
    """The names of a function's arguments, over all its overloads."""
    f, name = function(path), path.split(".")[-1]
    if inspect.isfunction(getattr(F, name + "_with_indices", None)) and path.startswith("F."):
        f = getattr(F, name + "_with_indices")
    if inspect.isfunction(f) and not any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in inspect.signature(f).parameters.values()):
        return set(inspect.signature(f).parameters)
    aten = ("linalg_" if path.startswith("linalg.") else "") + name
    found = set()
    for s in torch._C._jit_get_schemas_for_operator("aten::" + aten):
        first = s.arguments[0]
        if any(a.is_out or str(a.type) == "List[t]" for a in s.arguments):
            continue
        scripts = first.name in ("l", "list", "a") or first.name == "self" and str(first.type) not in ("Tensor", "number")
        if not scripts:  # TorchScript's, of Python's numbers and lists
            found |= {a.name for a in s.arguments}
    return found


SAME = {"self": "input", "x": "input", "tensors": "operands", "src": "other"}


def main():
    write, failed, lines = "--write" in sys.argv, 0, []
    given, calls = {}, 0
    for line in PATH.read_text().splitlines():
        head = line.split(" -> ")[0]
        lines.append(line)
        if not line or line.startswith("#"):
            continue
        words = head.split()
        path, words = words[0], words[1:]
        if words[:1] == ["as"]:
            words = words[2:]
        arguments = {n: v if n == "reduction" else value(v) for n, v in (w.split("=", 1) for w in words)}
        given.setdefault(path, set()).update(SAME.get(n, n) for n in arguments)
        calls += 1
        try:
            torch.manual_seed(1)
            got = f"{head} -> {described(call(path, arguments))}"
        except Exception as e:
            print(f"{head}: {str(e).splitlines()[0]}")
            failed += 1
            continue
        if write:
            lines[-1] = got
        elif got != line:
            print(f"PyTorch: {got}\nhere:    {line}")
            failed += 1
    for path, names in given.items():
        name = path.split(".")[-1]
        missing = {SAME.get(n, n) for n in documented(path)} - names
        missing -= LEFT_OUT.keys()
        if missing:
            print(f"{path}: in no line: {' '.join(sorted(missing))}")
            failed += 1
    here = {path.split(".")[-1] for path in given}
    without = {name + "_" for names in NOT_IN_PLACE.values() for name in names.split()}
    for name in (n for n in dir(torch.Tensor) if n.endswith("_") and not n.startswith("_")):
        if (name in here) == (name in without):
            print(f"Tensor.{name}: {'in a line, and said not to be' if name in here else 'in no line'}")
            failed += 1
    if write:
        PATH.write_text("\n".join(lines) + "\n")
    print(f"{calls} calls of {len(given)} functions with torch {torch.__version__}: {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
