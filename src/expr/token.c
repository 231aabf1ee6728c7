/* Cutting a text into tokens. */
#include "expr/program.h"
#include "tool/said.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Letters beyond ASCII belong to names, as in ŷ or θ. */
static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}
static bool in_name(char c) { return starts_name(c) || is_digit(c); }

static struct ebb__token token(int kind, int32_t at, int32_t end) {
    return (struct ebb__token){.kind = kind, .place = {at, end}};
}

static struct ebb__token wrong(const struct ebb__lexer *l, int32_t at, int32_t end, const char *what) {
    (void)ebb__fail_at(l->text, (struct ebb__place){at, end}, EBB_ERR_FORMAT, "%s", ebb__said(what));
    return token(EBB__WRONG, at, end);
}

/* ---- what is easily taken for an operator ---- */

/* Signs of printed mathematics, with what to write for them; NULL for other text. */
static const char *printed_sign(const char *text, int *ret_length) {
    static const char *const signs[][2] = {
        {"·", SAID("write * for a product, @ for a product of matrices")},
        {"×", SAID("write * for a product")},
        {"⊙", SAID("write * for a product of elements")},
        {"÷", SAID("write /")},
        {"−", SAID("write - (this is the sign of printed text)")},
        {"–", SAID("write - (this is a dash)")},
        {"≤", SAID("write <=")},
        {"≥", SAID("write >=")},
        {"≠", SAID("write !=")},
        {"ᵀ", SAID("write .T, or .mT for the last two dimensions")},
        {"²", SAID("write **2")},
        {"³", SAID("write **3")},
        {"√", SAID("write sqrt(…)")},
        {"∑", SAID("write sum(…)")},
        {"“", SAID("write \" or '")},
        {"”", SAID("write \" or '")},
        {"‘", SAID("write \" or '")},
        {"’", SAID("write \" or '")},
        {"，", SAID("write a comma of ASCII: ,")},
        {"；", SAID("write a semicolon of ASCII: ;")},
        {"（", SAID("write a bracket of ASCII: (")},
        {"）", SAID("write a bracket of ASCII: )")},
        {"＝", SAID("write =")},
        {"＋", SAID("write +")},
        {"－", SAID("write -")},
        {"＊", SAID("write *")},
        {"／", SAID("write /")},
        {"［", SAID("write a bracket of ASCII: [")},
        {"］", SAID("write a bracket of ASCII: ]")},
        {"【", SAID("write a bracket of ASCII: [")},
        {"】", SAID("write a bracket of ASCII: ]")},
        {"：", SAID("write a colon of ASCII: :")},
        {"。", SAID("write a point of ASCII: .")},
    };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i][0]);
        if (strncmp(text, signs[i][0], n) != 0) continue;
        *ret_length = (int)n;
        return signs[i][1];
    }
    return NULL;
}

/* ---- numbers, names, strings, paths ---- */

static struct ebb__token number(struct ebb__lexer *l) {
    const char *start = l->text + l->at, *p = start;
    bool real = false;
    while (is_digit(*p)) p++;
    if (*p == '.' && !(p[1] == '.' && p[2] == '.')) {
        real = true;
        for (p++; is_digit(*p);) p++;
    }
    if ((*p == 'e' || *p == 'E') && (is_digit(p[1]) || ((p[1] == '+' || p[1] == '-') && is_digit(p[2])))) {
        real = true;
        for (p += 2; is_digit(*p);) p++;
    }
    int32_t at = l->at, end = at + (int32_t)(p - start);
    struct ebb__token t = token(real ? EBB__FLOAT : EBB__INT, at, end);
    l->at = end;
    if (starts_name(*p)) { /* 2x, or 2² */
        int n = 1;
        const char *sign = printed_sign(p, &n);
        if (sign) return wrong(l, end, end + n, sign);
        return wrong(l, at, end + n, "a name may not begin with a digit; write 2*x for a product");
    }
    char *stop;
    errno = 0;
    if (real) {
        t.f = strtod(start, &stop);
        return t;
    }
    t.i = strtoll(start, &stop, 10);
    return errno ? wrong(l, at, end, "this integer is too large; write it with a point to have a float") : t;
}

static struct ebb__token name(struct ebb__lexer *l) {
    int32_t at = l->at;
    while (in_name(l->text[l->at])) {
        int n = 0;
        const char *sign = printed_sign(l->text + l->at, &n);
        if (sign && l->at == at) return wrong(l, at, at + n, sign);
        if (sign) break;
        l->at++;
    }
    return token(EBB__NAME, at, l->at);
}

static struct ebb__token string(struct ebb__lexer *l) {
    int32_t at = l->at;
    char quote = l->text[at];
    int32_t end = at + 1;
    while (l->text[end] && l->text[end] != quote && l->text[end] != '\n') end++;
    if (l->text[end] != quote) return wrong(l, at, end, "this string has no end");
    l->at = end + 1;
    return token(EBB__STRING, at + 1, end);
}

struct ebb__token ebb__path_token(struct ebb__lexer *l, int32_t at) {
    char first = l->text[at + 1];
    l->at = at + 1;
    if (first == '"' || first == '\'') {
        struct ebb__token t = string(l);
        if (t.kind == EBB__STRING) t.kind = EBB__PATH;
        return t;
    }
    l->at += (int32_t)strcspn(l->text + l->at, " \t\r\n;,()[]");
    if (l->at == at + 1) return wrong(l, at, at + 1, "the path of a file must follow @, as in @weights.npy");
    return token(EBB__PATH, at + 1, l->at);
}

/* ---- the rest ---- */

static void skip_blanks(struct ebb__lexer *l) {
    for (;;) {
        const char *p = l->text + l->at;
        if (*p == ' ' || *p == '\t' || *p == '\r' || (*p == '\n' && l->brackets > 0)) l->at++;
        else if (*p == '\\' && p[1] == '\n') l->at += 2;
        else if (*p == '#') l->at += (int32_t)strcspn(p, "\n");
        else return;
    }
}

/* Operators by what they begin with: the longest that fits. */
static struct ebb__token punctuation(struct ebb__lexer *l) {
    static const struct {
        const char *text;
        int kind;
    } longer[] = {{"...", EBB__DOTS},         {"**", EBB__POWER},      {"//", EBB__FLOORDIV}, {"==", EBB__EQUAL},
                  {"!=", EBB__UNEQUAL},       {"<=", EBB__LESS_EQUAL}, {"<<", EBB__WRONG},    {">>", EBB__WRONG},
                  {">=", EBB__GREATER_EQUAL}, {"&&", EBB__WRONG},      {"||", EBB__WRONG}};
    const char *p = l->text + l->at;
    int kind = (unsigned char)*p, n = 1;
    int32_t at = l->at;
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) {
        if (strncmp(p, longer[i].text, strlen(longer[i].text)) != 0) continue;
        kind = longer[i].kind;
        n = (int)strlen(longer[i].text);
        break;
    }
    if (kind == EBB__WRONG)
        return wrong(l, at, at + n,
                     *p == '&'   ? "write `and`"
                     : *p == '|' ? "write `or`"
                                 : "there are no shifts of bits");
    for (int op = 0; op < EBB__N_OPERATORS && p[n] == '=' && p[n + 1] != '='; op++) {
        const struct ebb__operator_info *o = &ebb__operators[op];
        if (o->token != kind || o->unary || o->level == EBB__LEVEL_COMPARE) continue;
        struct ebb__token t = token(EBB__UPDATE, at, at + n + 1);
        t.op = op;
        l->at = t.place.end;
        return t;
    }
    if (!strchr("()[]{},:;.=<>+-*/%@&|^~", kind) && kind < 256)
        return wrong(l, at, at + n, kind == '!' ? "write `not`, or != to compare" : "this sign has no meaning here");
    if (kind == '(' || kind == '[') l->brackets++;
    if ((kind == ')' || kind == ']') && l->brackets > 0) l->brackets--;
    l->at += n;
    return token(kind, at, l->at);
}

struct ebb__token ebb__next_token(struct ebb__lexer *l) {
    skip_blanks(l);
    const char *p = l->text + l->at;
    if (l->at >= l->length) return token(EBB__END, l->at, l->at);
    if (*p == '\n') {
        l->at++;
        return token(EBB__NEWLINE, l->at - 1, l->at);
    }
    if (is_digit(*p) || (*p == '.' && is_digit(p[1]))) return number(l);
    if (starts_name(*p)) return name(l);
    if (*p == '"' || *p == '\'') return string(l);
    return punctuation(l);
}
