"""The libraries that take a side: what the workloads need of each of them, under the same names."""
import os
import resource

import numpy as np
import time

import data

# Of the wall, or of this process's work: see --cpu.
clock = time.process_time if os.environ.get("EBB_BENCH_CLOCK") == "cpu" else time.perf_counter


class Numpy:
    kind, compiled, tuned = "numpy", False, False

    def __init__(self, name, threads):
        self.name, self.threads = name, threads
        self.version = f"numpy {np.__version__}"

    def array(self, v):
        return v

    def numpy(self, v):
        return np.asarray(v)

    def call(self, f, *inputs):  # once(): computes f(*inputs), to its end
        return lambda: f(*inputs)


class Torch:
    kind = "torch"

    def __init__(self, name, threads):
        import torch

        self.name, self.threads, self.torch = name, threads, torch
        self.compiled, self.tuned = name == "torch-compile", name != "torch"
        torch.set_num_threads(threads)
        self.version = f"torch {torch.__version__}"

    def array(self, v):
        return self.torch.from_numpy(np.ascontiguousarray(v))

    def numpy(self, v):
        return (v.detach().float() if v.dtype == self.torch.bfloat16 else v.detach()).numpy()

    def call(self, f, *inputs):
        f = self.torch.compile(f) if self.compiled else f
        return lambda: f(*inputs)


class Jax:
    kind, compiled, tuned = "jax", True, True

    def __init__(self, name, threads):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:threads])  # XLA makes as many threads as there are cores
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.block_until_ready(jax.jit(lambda x: x + 1)(np.ones(3)))
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), cores)
        self.name, self.threads, self.jax = name, threads, jax
        self.version = f"jax {jax.__version__}"

    def array(self, v):
        return self.jax.numpy.asarray(v)

    def numpy(self, v):
        return np.asarray(v)

    def call(self, f, *inputs):
        f = self.jax.jit(f)
        return lambda: self.jax.block_until_ready(f(*inputs))


def make(name, threads):
    kind = {"torch": Torch, "torch-tuned": Torch, "torch-compile": Torch, "jax": Jax, "numpy": Numpy}[name]
    return kind(name, threads)


class Work:
    """A case that is set up. once(): one iteration; or timed(): one iteration, giving the figure of what counts.
    results: numbers to compare."""

    def __init__(self, once=None, timed=None, results=()):
        self.once, self.timed, self.results = once, timed, list(results)


def work(side, once):
    """Of a computation whose one result is compared."""
    return Work(once, results=data.norm_and_signs(side.numpy(once())))


FAMILIES = {}


def family(name, *kinds):
    """A family of cases for the kinds of sides that have it. The function gets the side and the case's arguments, and
    returns Work, or None for a case that the side does not have."""

    def register(function):
        FAMILIES[name] = (kinds, function)
        return function

    return register


def sizes(text):
    return [int(n) for n in text.split("x")]


def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_reset():
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass
