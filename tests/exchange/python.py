"""Which Python runs a script that needs modules: $EBB_PYTHON where it is set, else the one that was asked if it has them all,
else of $VIRTUAL_ENV and of folders "venv" and ".venv" beside this project or above it the first that has most of them."""
import importlib.util
import os
import pathlib
import subprocess
import sys


def count(python, modules):
    """How many of the modules a Python has; -1 for one that does not run."""
    code = "import importlib.util, sys; print(sum(importlib.util.find_spec(m) is not None for m in sys.argv[1:]))"
    try:
        return int(subprocess.run([python, "-c", code, *modules], capture_output=True, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return -1


def take_over(modules):
    """Run this by another Python, where one is asked for, or has more of the modules."""
    mine = sum(importlib.util.find_spec(m) is not None for m in modules)
    best = os.environ.get("EBB_PYTHON")
    if os.environ.get("EBB_TOOK_OVER") or (not best and mine == len(modules)):
        return
    if not best:
        folders = [pathlib.Path(os.environ["VIRTUAL_ENV"])] if os.environ.get("VIRTUAL_ENV") else []
        folders += [above / name for above in pathlib.Path(__file__).resolve().parents for name in ["venv", ".venv"]]
        for python in [str(folder / "bin" / "python") for folder in folders]:
            if os.access(python, os.X_OK) and (n := count(python, modules)) > mine:
                best, mine = python, n
    if best:
        os.environ["EBB_TOOK_OVER"] = "1"
        os.execv(best, [best] + getattr(sys, "orig_argv", [None] + sys.argv)[1:])
