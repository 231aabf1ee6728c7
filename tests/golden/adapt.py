"""PyTorch's arguments as Ebb has them, and the samples that are left out for their arguments or values."""
import torch
from torch.utils._pytree import tree_leaves

import table
from calls import Refused


class Without(Refused):
    """The sample has an argument that Ebb does not have, by intention."""


def as_ebb(name, named, fails):
    """The arguments by Ebb's names, without those that say nothing."""
    if not fails:
        for argument, value in table.ALWAYS.get(name, {}).items():
            named[argument] = value if named.get(argument) is None else named[argument]
    if isinstance(named.get("unbiased"), bool):
        named["correction"] = int(named.pop("unbiased"))
    if name == "embedding" and named.get("max_norm") is None:
        named.pop("norm_type", None)
    if name == "lstm_cell":
        named = {"input": named.pop("input"), "hx": named["hx"][0], "cx": named.pop("hx")[1]} | named
    check_arguments(name, named, fails)
    result = {}
    for argument, value in named.items():
        reason = table.WITHOUT.get(argument) if (name, argument) not in table.NOT_WITHOUT else None
        if reason and value not in table.SAYS_NOTHING:
            raise Without(f"{argument}: {reason}")
        dropped = argument in table.DROPPED and (name, argument) not in table.NOT_DROPPED
        if not dropped and not reason:
            result[table.RENAMED.get((name, argument, type(value).__name__), argument)] = value
    return result


def check_arguments(name, named, fails):
    random = name in ("dropout", "alpha_dropout") and named.get("training", True) and named.get("p", 0.5) not in (0.0, 1.0)
    if random or named.get("dropout_p"):
        raise Refused("random")
    if name == "unique" and not named.get("sorted", True):
        raise Refused("in any order: unique")
    if name == "svd" and named.get("full_matrices", True) and len(set(named["A"].shape[-2:])) > 1:
        raise Refused("a basis of what is left, which is any")
    if not fails and name in ("multi_margin_loss", "multilabel_margin_loss") and named.get("reduction") != "none":
        if any(isinstance(t, torch.Tensor) and not t.numel() for t in named.values()):
            raise Refused("memory that PyTorch does not initialize")
    if name == "to" and "other" in named:
        raise Refused("the dtype of another tensor")
    for argument, value in named.items():
        if isinstance(value, torch.Tensor) and (name, argument) in table.NUMBERS:
            raise Refused(f"a number given as a tensor, {argument}")


def preparation(name, named):
    """An argument, and what it goes through; or twice None."""
    argument, how = table.PREPARED.get(name, (None, None))
    if name == "pinv" and not named.get("hermitian") or not isinstance(named.get(argument), torch.Tensor):
        return None, None
    return argument, "triu" if how == "tril" and named.get("upper") else how


def check_values(name, leaves):
    if name in table.POLES and any(((t <= 0) & (t == t.round()) | ~t.isfinite()).any() for t in leaves):
        raise Refused("at a pole")
    if name in table.NAN_FREE and any(t.isnan().any() for t in leaves):
        raise Refused("NaN, which PyTorch's vector and scalar code treat differently")


def bounds(name, named):
    """The least and the largest number that may be drawn; None where all are right."""
    low, high = named.get("low", 0), named.get("high", 0)
    if name in ("rand", "rand_like"):
        return 0, 1
    if name == "bernoulli" and named["self"].numel():
        return float(named["self"].min() == 1), float(named["self"].max() > 0)
    if name in ("randn", "randn_like"):
        return -8, 8
    if name in ("randint", "randint_like"):
        return low, high - 1
    if name == "multinomial":
        return 0, named["self"].shape[-1] - 1
    if name == "normal":
        mean, std = (torch.as_tensor(named.get(n, other), dtype=torch.float64) for n, other in (("mean", 0), ("std", 1)))
        if mean.numel() and std.numel():
            return float((mean - 8 * std).min()), float((mean + 8 * std).max())
    return None


def has_ties(named):
    tensors = [t for t in tree_leaves(list(named.values())) if isinstance(t, torch.Tensor)]
    return any(t.isnan().any() or t.unique().numel() < t.numel() for t in tensors)
