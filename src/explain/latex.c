/* Names in LaTeX: a stem, and its number below the line. */
#include "explain/typeset.h"

#include <string.h>

static const char *const greek[] = {"alpha", "beta",   "gamma",  "delta", "epsilon", "zeta",  "eta",   "theta",
                                    "iota",  "kappa",  "lambda", "mu",    "nu",      "xi",    "pi",    "rho",
                                    "sigma", "tau",    "phi",    "chi",   "psi",     "omega", "Gamma", "Delta",
                                    "Theta", "Lambda", "Xi",     "Pi",    "Sigma",   "Phi",   "Psi",   "Omega"};

/* A stem without its index: a letter, a Greek one, or a word. */
static const char *stem(struct ebb__arena *a, const char *name, size_t n) {
    struct ebb__text text = {0};
    for (size_t i = 0; i < sizeof greek / sizeof *greek; i++)
        if (strlen(greek[i]) == n && strncmp(greek[i], name, n) == 0) return ebb__arena_print(a, "\\%s", greek[i]);
    if (n == 1) return ebb__arena_copy(a, name, 1);
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '_') ebb__text_put(&text, "\\_");
        else ebb__text_add(&text, name + i, 1);
    }
    const char *shown = ebb__arena_print(a, (unsigned char)name[0] < 0x80 ? "\\mathit{%s}" : "%s", ebb__text_of(&text));
    ebb__text_free(&text);
    return shown;
}

const char *ebb__latex_name(struct ebb__arena *a, const char *name) {
    size_t n = strlen(name), digits = n;
    if (n > 4 && strcmp(name + n - 4, "_hat") == 0) return ebb__arena_print(a, "\\hat{%s}", stem(a, name, n - 4));
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') digits--;
    size_t end = digits > 1 && digits < n && name[digits - 1] == '_' ? digits - 1 : digits;
    if (end == 0 || end == n) return stem(a, name, n);
    const char *shown = stem(a, name, end);
    return shown ? ebb__arena_print(a, "%s_{%s}", shown, name + digits) : NULL;
}
