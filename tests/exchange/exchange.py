"""Tensors exchanged with Python's libraries, bit for bit: with PyTorch by DLPack, without a copy; with NumPy by .npy and .npz
files; with the library safetensors by its files; in both directions each. Run with the shared library's path.

What needs a module that is not there is skipped, and said to be; exit status 77, which means skipped, when that is all of
it. The Python that runs this may lack them: $EBB_PYTHON takes over where it is set, else the first that has NumPy of
$VIRTUAL_ENV and of folders "venv" and ".venv" beside this project or above it."""
import importlib
import importlib.util
import os
import pathlib
import subprocess
import sys

PARTS = {"dlpack": ["torch"], "numpy": ["numpy"], "safetensors": ["numpy", "safetensors"]}


def has_numpy(python):
    return os.access(python, os.X_OK) and subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0


def take_over():
    """Run this by another Python, where one is asked for, or better."""
    python = os.environ.get("EBB_PYTHON")
    if os.environ.get("EBB_EXCHANGE") or (not python and importlib.util.find_spec("numpy")):
        return
    if not python:
        folders = [pathlib.Path(os.environ["VIRTUAL_ENV"])] if os.environ.get("VIRTUAL_ENV") else []
        folders += [above / name for above in pathlib.Path(__file__).resolve().parents for name in ["venv", ".venv"]]
        python = next((p for p in [str(folder / "bin" / "python") for folder in folders] if has_numpy(p)), None)
    if python:
        os.environ["EBB_EXCHANGE"] = "1"
        os.execv(python, [python] + sys.argv)


def there(name):
    try:
        importlib.import_module(name)
        return True
    except ImportError as e:
        print(f"skipped: {e}")
        return False


if __name__ == "__main__":
    take_over()
    sys.dont_write_bytecode = True
    run = [part for part, needs in PARTS.items() if all([there(name) for name in needs])]
    for part in run:
        importlib.import_module(f"exchange_{part}").run()
    sys.exit(0 if run else 77)
