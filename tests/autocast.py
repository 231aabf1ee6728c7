"""The dtypes of PyTorch's results under torch.autocast("cpu", torch.bfloat16). Usage: autocast.py [--write]

The calls are those of names.txt that have floating-point tensors. Each is made with all of these of float32, with all of
bfloat16, and with the first of bfloat16 and the others of float32; autocast.txt has the dtypes of the results, or "-"
where PyTorch refuses. Without --write what is there is compared. Exit status 77, which means skipped, where Python has no
torch."""
import sys

import names
import torch

PATH = names.PATH.with_name("autocast.txt")
HEADER = f"""# Dtypes of results under torch.autocast("cpu", torch.bfloat16), torch {torch.__version__.split("+")[0]}; written by autocast.py:
#     CALL -> all float32 | all bfloat16 | the first bfloat16, the others float32; - is an error
"""
LOW, HIGH = torch.bfloat16, torch.float32
make_tensor = names.tensor


def result(path, words, dtypes):
    """`dtypes` of the floating-point tensors: the first one's, and the others'."""
    seen = []

    def tensor(kind, shape):
        t = make_tensor(kind, shape)
        if t.is_floating_point():
            t = t.to(dtypes[bool(seen)])
            seen.append(t)
        return t

    names.tensor = tensor
    try:
        arguments = {n: v if n == "reduction" else names.value(v) for n, v in (w.split("=", 1) for w in words)}
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16):
            results = names.call(path, arguments)
        return " ".join(d.split("(")[0] for d in names.described(results).split()), len(seen)
    except Exception:
        return "-", len(seen)


def main():
    lines = []
    for line in names.PATH.read_text().splitlines():
        head = line.split(" -> ")[0]
        if not line or line.startswith("#"):
            continue
        path, *words = head.split()
        if words[:1] == ["as"]:
            words = words[2:]
        every, n = result(path, words, (HIGH, HIGH))
        if n:
            lower, mixed = result(path, words, (LOW, LOW))[0], result(path, words, (LOW, HIGH))[0]
            lines.append(f"{head} -> {every} | {lower} | {mixed}")
    text = HEADER + "\n".join(lines) + "\n"
    if "--write" in sys.argv:
        PATH.write_text(text)
        return 0
    different = set(text.splitlines()) ^ set(PATH.read_text().splitlines())
    print("\n".join(sorted(different)))
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
