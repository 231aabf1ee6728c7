"""One side of the benchmark: python bench/peers/serve.py SIDE THREADS. Reads requests, one a line, and answers each with
a line: "ok ...", "none" for a case that this side does not have, or "error ..."."""
import ctypes
import gc
import os
import signal
import sys
import time
import traceback

import sides


def run(work, rounds):
    wall, start = time.perf_counter(), sides.clock()
    if work.timed:
        figure = sum(work.timed() for _ in range(rounds)) / rounds
    else:
        once = work.once
        for _ in range(rounds):
            once()
        figure = (sides.clock() - start) / rounds
    seconds, on_wall = sides.clock() - start, time.perf_counter() - wall
    return figure, seconds if seconds > on_wall / 5000 else on_wall


def setup(side, case):
    import arrays, convolutions, objectives, overhead, products, tape, training  # noqa: F401 they register families

    name, *args = case.split("/")
    kinds, function = sides.FAMILIES.get(name, ((), None))
    if side.name not in kinds and side.kind not in kinds:
        return None
    if side.compiled and side.kind == "torch" and side.name not in kinds:
        return None
    gc.collect()
    sides.peak_reset()
    return function(side, *args)


def serve(answer):
    side = sides.make(sys.argv[1], int(sys.argv[2]))
    work = None
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        try:
            if word == "version":
                answer(f"ok {side.version}")
            elif word == "setup":
                work = setup(side, rest)
                answer("ok " + " ".join(f"{v:.17g}" for v in work.results) if work else "none")
            elif word == "run":
                answer("ok %.9g %.9g" % run(work, int(rest)))
            elif word == "peak":
                answer(f"ok {sides.peak()}")
            elif word == "drop":
                work = None
                gc.collect()
                answer("ok")
            else:
                answer(f"error unknown request {word}")
        except Exception as e:  # the other sides go on
            traceback.print_exc()
            answer("error " + f"{type(e).__name__}: {e}".replace("\n", " ")[:300])


if __name__ == "__main__":
    if sys.platform == "linux":  # when the bench ends, however it does: stopped, it would not see the end of the requests
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    serve(lambda text: out.write(text + "\n"))
