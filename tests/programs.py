"""Random programs over the graph, and what PyTorch makes of them. Usage: programs.py [FIRST COUNT FILE]

Without arguments programs 1 to 300 are compared with programs.txt beside this file, or with --write written there;
otherwise COUNT of them from number FIRST on are written to FILE, which EBB_PROGRAMS names for test_programs. Exit status
77, which means skipped, where Python has no torch.

A program is a list of lines, each an instruction; what it returns are the next values, numbered from 0. One that fails ends
in "!". Numbers that hooks, rules and functions have noted by then follow in a line after ">", and at the end a line after
"=" for each value: whether it requires gradients, its version, its node, the numbers of it and of its gradient. The numbers
of a tensor are the sum of its elements, each times its place. A program that a pass has ended by failing has "..." in place
of the values. test_programs.c says what the instructions do."""
import math
import pathlib
import random
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).with_name("exchange")))
sys.dont_write_bytecode = True
from python import take_over

take_over(["torch"])
try:
    import torch
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

PATH = pathlib.Path(__file__).with_name("programs.txt")
SHAPES = [(2, 3), (2, 3), (3,), (3,), ()]
notes = []
quiet = [False]  # whether rules, functions and hooks on saved tensors note nothing


def number(t):
    flat = t.detach().reshape(-1)
    return float((flat * torch.arange(1, len(flat) + 1)).sum())


def note(*what):
    if not quiet[0] or what[0] >= 50:
        notes.extend(float(x) for x in what)


# ---- operators of one's own ----


class Two(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y, x + y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        note(20, g is not None, h is not None)
        return g * y + h, g * x + h


class TwoRaw(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        ctx.set_materialize_grads(False)
        return x * y, x + y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        note(21, g is not None, h is not None)
        dx = dy = None
        if g is not None:
            dx, dy = g * y, g * x
        if h is not None:
            dx, dy = (h, h) if dx is None else (dx + h, dy + h)
        return dx, dy


class Needs(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        note(22, *ctx.needs_input_grad)
        return (g * y if ctx.needs_input_grad[0] else None), (g * x if ctx.needs_input_grad[1] else None)


class Dirty(Function):
    @staticmethod
    def forward(ctx, x):
        x.data.mul_(3)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        note(23)
        return g * 3


class Constant(Function):
    @staticmethod
    def forward(ctx, x):
        y, z = x * 3, x * 5
        ctx.mark_non_differentiable(z)
        return y, z

    @staticmethod
    def backward(ctx, g, h):
        note(24, h is not None and bool((h == 0).all()))
        return g * 3


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        note(25)
        return g * x * 2


class Output(Function):
    @staticmethod
    def forward(ctx, x):
        y = x * x
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        note(26)
        return g * y


class Nothing(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x + y

    @staticmethod
    def backward(ctx, g):
        note(27)
        return g, None


OWN = {"two": (Two, 2), "two_raw": (TwoRaw, 2), "needs": (Needs, 2), "dirty": (Dirty, 1), "constant": (Constant, 1),
       "once": (Once, 1), "output": (Output, 1), "nothing": (Nothing, 2)}

# ---- functions that are called again ----

calls = [0]  # since the last checkpoint


def body(kind):
    def function(x, y):
        note(40 + kind)
        calls[0] += 1
        again = calls[0] > 1
        if kind == 0:
            return torch.sin(x) * y
        if kind == 1:
            return torch.exp(torch.sin(x)) * torch.tanh(y) + x
        if kind == 2:
            return checkpoint(body(0), x, y, use_reentrant=False, preserve_rng_state=False) * torch.sin(x)
        if kind == 3:
            z = x * y
            z.sin_()
            return z * x
        if kind == 4:  # fewer tensors the second time
            return x * 2 if again else torch.sin(torch.exp(torch.sin(x))) * y
        if kind == 5:  # more of them, which is not noticed
            z = torch.sin(x) * y
            return torch.exp(z) if again else z
        return torch.sin(torch.sum(x) if again else x) * torch.sum(y)  # 6: of another shape

    return function


# ---- one program ----

UNARY = ["sin", "tanh", "sigmoid", "neg", "clone", "exp", "square"]
BINARY = ["add", "sub", "mul"]


def small(t):
    return t.numel() == 0 or float(t.detach().abs().max()) < 4


class Program:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.values, self.lines, self.blocks, self.hooks = [], [], [], []
        self.failed_pass, self.gradients = False, set()
        self.views = self.random.random() < 0.5  # then hooks keep away from what views are written of
        # of rules whose gradients a pass does not want some are called by PyTorch, which so are not compared
        self.trimmed = quiet[0] = self.random.random() < 0.3

    def do(self, line, call, ends=False):
        """Run an instruction and write it down. ends: of a pass, after whose failure nothing is certain."""
        try:
            results = call()
            bad = False
        except RuntimeError as e:
            if "INTERNAL ASSERT" in str(e):  # the program ends here; PyTorch has such bugs
                self.failed_pass = True
                notes.clear()
                return
            results, bad = None, True
        self.lines.append(line + (" !" if bad else ""))
        if notes:
            self.lines.append("> " + " ".join(f"{x:.12g}" for x in notes))
            notes.clear()
        self.failed_pass = self.failed_pass or (bad and ends)
        if results is None:
            return
        results = results if isinstance(results, (tuple, list)) else [results]
        self.values += [r for r in results if isinstance(r, torch.Tensor)]

    def pick(self, fits=lambda t: True):
        """The number of some value, a late one rather than an early one."""
        places = [i for i, t in enumerate(self.values) if fits(t)]
        if not places:
            return None
        return places[max(self.random.randrange(len(places)), self.random.randrange(len(places)))]

    def leaf(self, kind):
        shape = self.random.choice(SHAPES)
        data = [round(self.random.uniform(-1.5, 1.5), 3) for _ in range(math.prod(shape))]
        t = torch.tensor(data, dtype=torch.float64).reshape(shape).clone()
        words = [kind, ",".join(map(str, shape)) or "-"] + [f"{x:g}" for x in data]
        self.do(" ".join(words), lambda: t.requires_grad_(kind == "leaf"))

    # Instructions: each returns without having done anything when there is nothing to do it to.

    def unary(self):
        name, i = self.random.choice(UNARY), self.pick(small)
        if i is not None:
            self.do(f"{name} {i}", lambda: getattr(torch, name)(self.values[i]))

    def binary(self):
        name, i, j = self.random.choice(BINARY), self.pick(small), self.pick(small)
        if i is None or j is None or not fits_together(self.values[i], self.values[j]):
            return
        self.do(f"{name} {i} {j}", lambda: getattr(torch, name)(self.values[i], self.values[j]))

    def sum(self):
        i = self.pick(lambda t: t.dim() > 0)
        if i is not None:
            self.do(f"sum {i}", lambda: torch.sum(self.values[i]))

    def view(self):
        i = self.pick(lambda t: t.dim() > 0)
        if i is None or not self.views or not torch.is_grad_enabled():
            return
        t, kind = self.values[i], self.random.choice(["select", "slice", "reshape"])
        if kind == "select":
            k = self.random.randrange(t.shape[0])
            self.do(f"select {i} {k}", lambda: t.select(0, k))
        elif kind == "slice":
            self.do(f"slice {i}", lambda: t.narrow(t.dim() - 1, 0, t.shape[-1] - 1) if t.shape[-1] > 1 else t.narrow(0, 0, 1))
        elif t.is_contiguous():
            self.do(f"flat {i}", lambda: t.view(-1))

    def write(self):
        i = self.pick(small)
        if i is None or i in self.gradients:
            return
        t, name = self.values[i], self.random.choice(["sin_", "mul_", "add_", "copy_", "zero_", "fill_", "exp_", "tanh_"])
        t.grad_fn  # a view that nobody has asked for it since its base was written PyTorch takes for a leaf
        if name in ["sin_", "exp_", "tanh_", "zero_"]:
            self.do(f"{name} {i}", lambda: [getattr(t, name)()] and None)
        elif name == "fill_":
            self.do(f"fill_ {i}", lambda: [t.fill_(0.75)] and None)
        else:
            j = self.pick(small)
            o = self.values[j]
            fits = fits_together(t, o) and torch.broadcast_shapes(t.shape, o.shape) == t.shape
            if fits and (t is o or t.untyped_storage().data_ptr() != o.untyped_storage().data_ptr()):
                self.do(f"{name} {i} {j}", lambda: [getattr(t, name)(o)] and None)

    def own(self):
        name = self.random.choice(list(OWN))
        function, n = OWN[name]
        i = self.pick(small)
        if i is None:
            return
        t = self.values[i]
        if n == 1:
            if name == "dirty":
                # where it is refused PyTorch has written it by then; and it would not retain its gradient any more
                if not t._is_view() and not (t.is_leaf and t.requires_grad) and not t.retains_grad:
                    self.do(f"dirty {i}", lambda: [function.apply(t)] and None)
            else:
                self.do(f"{name} {i}", lambda: function.apply(t))
            return
        # where nothing flows PyTorch calls rules of one's own, with zeros or None, which is not compared
        j = self.pick(lambda o: small(o) and o.shape == t.shape and (name != "nothing" or o.is_leaf))
        if j is None:
            return
        self.do(f"{name} {i} {j}", lambda: function.apply(t, self.values[j]))

    def checkpoint(self):
        i = self.pick(small)
        if i is None:
            return
        j = self.pick(lambda o: small(o) and o.shape == self.values[i].shape)
        kind = self.random.choice([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6])
        calls[0] = 0
        self.do(f"checkpoint {kind} {i} {j}", lambda: checkpoint(
            body(kind), self.values[i], self.values[j], use_reentrant=False, preserve_rng_state=False))

    def block(self):
        kind = self.random.choice(["no_grad", "count", "twice", "single"])
        if len(self.blocks) < 3:
            block = torch.no_grad() if kind == "no_grad" else saved_hooks(kind)
            block.__enter__()
            self.blocks.append(block)
            self.do(f"open {kind}", lambda: None)

    def close(self):
        if self.blocks:
            self.blocks.pop().__exit__(None, None, None)
            self.do("close", lambda: None)

    def hook(self):
        """On a tensor, or its node."""
        kind = self.random.choice(["look", "scale", "shift", "before", "after", "gathered", "retain", "retain"])
        i = self.pick(lambda t: not self.views or not (t._is_view() or t.grad_fn is None or t._version))
        if i is None:
            return
        t = self.values[i]
        if kind == "retain":
            self.do(f"retain {i}", lambda: t.retain_grad())
        elif kind == "gathered":
            self.add_hook(f"hook gathered {i}", lambda: t.register_post_accumulate_grad_hook(gathered))
        elif kind in ["before", "after"]:
            if t.grad_fn is None or self.views or (kind == "after" and not t.grad_fn.name().endswith("0")):
                return  # of operators of one's own PyTorch shows what they gave for inputs that need nothing, too
            if kind == "before":
                self.add_hook(f"hook before {i}", lambda: t.grad_fn.register_prehook(
                    lambda gs: tuple(None if g is None else g * 2 for g in gs)))
            else:
                self.add_hook(f"hook after {i}", lambda: t.grad_fn.register_hook(after))
        else:
            def call(g):
                if g is None:
                    return None
                note(50, number(g))
                return {"look": lambda: None, "scale": lambda: g * 0.5, "shift": lambda: g + 1}[kind]()
            self.add_hook(f"hook {kind} {i}", lambda: t.register_hook(call))

    def add_hook(self, line, register):
        self.do(line, lambda: self.hooks.append(register()))

    def remove(self):
        if self.hooks:
            i = self.random.randrange(len(self.hooks))
            self.do(f"remove {i}", lambda: self.hooks[i].remove())

    def clear(self):
        i = self.pick(lambda t: t.is_leaf and t.grad is not None)
        if i is not None:
            self.do(f"clear {i}", lambda: setattr(self.values[i], "grad", None))

    def backward(self):
        i = self.pick(lambda t: t.dim() == 0 and (t.requires_grad or self.random.random() < 0.02))
        if i is None:
            return
        # CopySlices can be run once only in PyTorch, though it saves nothing
        retain, create = self.views or self.random.random() < 0.6, self.random.random() < 0.15
        # rules of PyTorch's own are made of other operators, which save other tensors
        create = create and (self.trimmed or not any(isinstance(b, torch.autograd.graph.saved_tensors_hooks) for b in self.blocks))
        ins = [self.pick(lambda t: t.requires_grad) for _ in range(self.random.choice([1, 2]))]
        ins = [k for k in dict.fromkeys(ins) if k is not None]
        flags = f"{int(retain)}{int(create)}"
        t, inputs = self.values[i], [self.values[k] for k in ins]
        options = {"retain_graph": retain or create, "create_graph": create}
        kind = self.random.choice(["backward"] * 3 + ["into", "grad"] * self.trimmed)
        if kind == "grad" and any(x._backward_hooks for x in inputs):
            kind = "backward"  # of inputs that another one needs PyTorch gives what the hooks have not seen
        if kind == "into" and not all(x.is_leaf for x in inputs):
            kind = "backward"  # of others PyTorch runs the node, also where that leads to no input
        reached = nodes_below(t)
        if t.requires_grad and not any(node_of(x) in reached for x in inputs):
            kind = "backward"  # of a root that leads to no input PyTorch calls hooks, when it is the only one
        names = " ".join(map(str, ins))
        if kind == "backward" or not ins:
            self.do(f"backward {i} {flags}", lambda: t.backward(**options), True)
        elif kind == "into":
            self.do(f"into {i} {flags} {names}", lambda: t.backward(inputs=inputs, **options), True)
        else:
            before = len(self.values)
            self.do(f"grad {i} {flags} {names}", lambda: torch.autograd.grad(t, inputs, allow_unused=True, **options), True)
            self.gradients.update(range(before, len(self.values)))

    def text(self):
        if self.trimmed:
            self.do("quiet", lambda: None)
        for _ in range(3):
            self.leaf(self.random.choice(["leaf", "leaf", "data"]))
        steps = [self.unary] * 4 + [self.binary] * 6 + [self.sum] * 2 + [self.view] * 4 + [self.write] * 3
        steps += [self.own] * 5 + [self.checkpoint] * 3 + [self.block] * 2 + [self.close] * 3 + [self.hook] * 5
        steps += [self.remove, self.clear] + [self.backward] * 2
        for _ in range(self.random.randrange(10, 45)):
            self.random.choice(steps)()
            if self.failed_pass:
                break
        while self.blocks:
            self.close()
        if not self.failed_pass:
            self.sum()
            self.backward()
        if self.failed_pass:
            self.lines.append("...")
        else:
            for k, t in enumerate(self.values):
                node = t.grad_fn.name().rsplit("::")[-1] if t.grad_fn else "-"
                gradient = f"{number(t.grad):.12g}" if (t.is_leaf or t.retains_grad) and t.grad is not None else "-"
                version = -1 if k in self.gradients else t._version  # in PyTorch they may be sums, made in place
                self.lines.append(f"= {int(t.requires_grad)} {version} {node} {number(t):.12g} {gradient}")
        return "\n".join(self.lines)


def after(grad_inputs, grad_outputs):
    note(52, sum(number(g) for g in grad_inputs if g is not None))
    return tuple(None if g is None else g * 0.5 for g in grad_inputs)


def gathered(leaf):
    if leaf.grad is not None:
        note(53, number(leaf.grad))


def node_of(t):
    return torch.autograd.graph.get_gradient_edge(t).node if t.requires_grad else None


def nodes_below(t):
    seen, left = set(), [node_of(t)]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [n for n, _ in node.next_functions]
    return seen


def fits_together(a, b):
    try:
        torch.broadcast_shapes(a.shape, b.shape)
        return True
    except RuntimeError:
        return False


def saved_hooks(kind):
    def pack(t):
        note(30)
        return {"count": lambda: t.detach().clone(), "twice": lambda: t.detach() * 2,
                "single": lambda: t.detach().float()}[kind]()

    def unpack(t):
        note(31)
        return t.double() if kind == "single" else t

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


def same(have, want):
    """Words, of which numbers may differ in rounding."""

    def alike(a, b):
        try:
            return a == b or math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9)
        except ValueError:
            return False

    return len(have) == len(want) and all(map(alike, have, want))


def programs(first, count):
    return "".join(f"program {k}\n{Program(k).text()}\n" for k in range(first, first + count))


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if len(sys.argv) == 4:
        pathlib.Path(sys.argv[3]).write_text(programs(int(sys.argv[1]), int(sys.argv[2])))
        return 0
    text = f"# Random programs and what PyTorch {torch.__version__.split('+')[0]} makes of them; written by programs.py\n"
    text += programs(1, 300)
    if "--write" in sys.argv:
        PATH.write_text(text)
        return 0
    return int(not same(PATH.read_text().split(), text.split()))


if __name__ == "__main__":
    sys.exit(main())
