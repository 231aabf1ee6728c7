/* Signs and names in LaTeX: Greek letters, and a stem with its number below the line. */
#include "explain/typeset.h"

#include <string.h>

static const struct {
    const char *name, *sign;
} signs[] = {
    /* five that are no letters at the end */
    {"alpha", "α"},     {"beta", "β"},   {"gamma", "γ"}, {"delta", "δ"}, {"epsilon", "ε"}, {"zeta", "ζ"},
    {"eta", "η"},       {"theta", "θ"},  {"iota", "ι"},  {"kappa", "κ"}, {"lambda", "λ"},  {"mu", "μ"},
    {"nu", "ν"},        {"xi", "ξ"},     {"pi", "π"},    {"rho", "ρ"},   {"sigma", "σ"},   {"tau", "τ"},
    {"phi", "φ"},       {"chi", "χ"},    {"psi", "ψ"},   {"omega", "ω"}, {"Gamma", "Γ"},   {"Delta", "Δ"},
    {"Theta", "Θ"},     {"Lambda", "Λ"}, {"Xi", "Ξ"},    {"Pi", "Π"},    {"Sigma", "Σ"},   {"Phi", "Φ"},
    {"Psi", "Ψ"},       {"Omega", "Ω"},  {"to", "→"},    {"times", "×"}, {"odot", "⊙"},    {"cdot", "·"},
    {"leftarrow", "←"},
};
enum { SIGNS = sizeof signs / sizeof *signs, LETTERS = SIGNS - 5 };

const char *ebb__latex_sign(const char *text, size_t *ret_n) {
    for (size_t i = 0; i < SIGNS; i++)
        if (strncmp(text, signs[i].sign, strlen(signs[i].sign)) == 0) {
            *ret_n = strlen(signs[i].sign);
            return signs[i].name;
        }
    return NULL;
}

bool ebb__latex_has(const char *text) {
    for (size_t n; *text; text += n) {
        unsigned char c = (unsigned char)*text;
        n = 1;
        if (c < 0x80 || ebb__latex_sign(text, &n)) continue;
        if (strncmp(text, "–", n = 3) == 0 || strncmp(text, "…", n) == 0) continue;
        n = 2;
        if (c < 0xc2 || c > 0xc5) return false; /* from U+00A0 to U+017F: letters of Latin */
    }
    return true;
}

/* A stem without its index: a letter, a Greek one, or a word. */
static const char *stem(struct ebb__arena *a, const char *name, size_t n) {
    struct ebb__text text = {0};
    bool ascii = true;
    for (size_t i = 0; i < LETTERS; i++) {
        bool word = strlen(signs[i].name) == n && strncmp(signs[i].name, name, n) == 0;
        if (word || (strlen(signs[i].sign) == n && strncmp(signs[i].sign, name, n) == 0))
            return ebb__arena_print(a, "\\%s", signs[i].name);
    }
    if (n == 1) return ebb__arena_copy(a, name, 1);
    for (size_t i = 0; i < n; i++) {
        ascii = ascii && (unsigned char)name[i] < 0x80;
        if (name[i] == '_') ebb__text_put(&text, "\\_");
        else ebb__text_add(&text, name + i, 1);
    }
    const char *shown = ebb__arena_print(a, ascii ? "\\mathit{%s}" : "\\text{%s}", ebb__text_of(&text));
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
