/* Arguments that PyTorch's functions have and the operators here do not: what there is instead of them, and which of
 * their values ask for nothing, so that calls by name may have them. */
#include "record/call.h"
#include <string.h>

/* What asks for nothing, besides None. */
enum nothing { ONLY_NONE, IS_FALSE, IS_CPU, IS_STRIDED, IS_CONTIGUOUS };

static const struct {
    const char *name;
    const char *of; /* operators, families, or arguments that theirs have; NULL for all */
    enum nothing nothing;
    const char *instead;
} foreign[] = {
    {"inplace",
     "relu relu6 celu elu selu silu mish hardswish hardsigmoid hardtanh leaky_relu threshold dropout alpha_dropout "
     "feature_dropout feature_alpha_dropout",
     IS_FALSE, NULL},
    {"size_average", "reduction", ONLY_NONE, "use reduction"},
    {"reduce", "reduction", ONLY_NONE, "use reduction"},
    {"sparse", "embedding embedding_max_norm", IS_FALSE, "gradients are dense"},
    {"sparse_grad", "gather", IS_FALSE, "gradients are dense"},
    {"device", "requires_grad normal", IS_CPU, "tensors are in the memory of the CPU"},
    {"pin_memory", "requires_grad normal", IS_FALSE, "tensors are in the memory of the CPU"},
    {"non_blocking", "copy to", IS_FALSE, "tensors are in the memory of the CPU"},
    {"layout", "requires_grad normal", IS_STRIDED, "tensors are dense"},
    {"memory_format", "requires_grad clone to", ONLY_NONE, "there is one memory format"},
    {"memory_format", "contiguous", IS_CONTIGUOUS, "there is one memory format"},
    {"generator", "Random", ONLY_NONE, "numbers come from the thread's generator"},
    {"out", NULL, ONLY_NONE, "results are returned"},
};

/* Whether a list of words has the operator's name, its family, or one of its arguments. */
static bool has_operator(const char *words, const struct ebb_op *op) {
    for (const char *at = words; at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        const char *names[] = {op->name, op->family ? op->family : ""};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strlen(names[i]) == n && strncmp(names[i], at, n) == 0) return true;
        for (int i = 0; i < op->n_attrs; i++)
            if (strlen(op->attrs[i].name) == n && strncmp(op->attrs[i].name, at, n) == 0) return true;
        at += n;
    }
    return !words;
}

static bool asks_for_nothing(enum nothing nothing, const ebb_arg *arg) {
    static const char *const words[] = {[ONLY_NONE] = "none",
                                        [IS_FALSE] = "false",
                                        [IS_CPU] = "cpu",
                                        [IS_STRIDED] = "strided",
                                        [IS_CONTIGUOUS] = "contiguous_format"};
    switch (arg->kind) {
    case EBB_VALUE_NONE: return true;
    case EBB_VALUE_BOOL:
    case EBB_VALUE_INT: return nothing == IS_FALSE && !arg->value.i; /* C's false is an int */
    case EBB_VALUE_STRING:
    case EBB_VALUE_TEXT:
        return !arg->value.text || strcmp(arg->value.text, words[nothing]) == 0 ||
               (arg->kind == EBB_VALUE_TEXT && strcmp(arg->value.text, "none") == 0);
    case EBB_VALUE_TENSOR: return !arg->value.tensor;
    default: return false;
    }
}

bool ebb_op_instead(const struct ebb_op *op, const ebb_arg *arg, char *text, size_t size, bool *ret_idle) {
    for (size_t i = 0; arg->name && i < sizeof foreign / sizeof *foreign; i++) {
        if (strcmp(foreign[i].name, arg->name) != 0 || !has_operator(foreign[i].of, op)) continue;
        if (foreign[i].instead) (void)snprintf(text, size, "%s", foreign[i].instead);
        else (void)snprintf(text, size, op->inplace ? "use %s_" : "%s has no in-place form", op->name);
        *ret_idle = asks_for_nothing(foreign[i].nothing, arg);
        return true;
    }
    return false;
}
