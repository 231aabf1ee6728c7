"""Tensors exchanged with Python's libraries, bit for bit: with PyTorch by DLPack, without a copy; with NumPy by .npy and .npz
files; with the library safetensors by its files; in both directions each. Run with the shared library's path.

What needs a module that is not there is skipped, and said to be; exit status 77, which means skipped, when that is all of
it. The Python that runs this may lack them: python.py says which one takes over."""
import importlib
import sys

from python import take_over

PARTS = {"dlpack": ["torch"], "numpy": ["numpy"], "safetensors": ["numpy", "safetensors"]}


def there(name):
    try:
        importlib.import_module(name)
        return True
    except ImportError as e:
        print(f"skipped: {e}")
        return False


if __name__ == "__main__":
    take_over(sorted({name for needs in PARTS.values() for name in needs} | {"ml_dtypes"}))
    sys.dont_write_bytecode = True
    run = [part for part, needs in PARTS.items() if all([there(name) for name in needs])]
    for part in run:
        module = importlib.import_module(f"exchange_{part}")
        try:
            module.run()
        except importlib.import_module("ebb").Missing as e:
            print(f"skipped: {e}")
    sys.exit(0 if run else 77)
