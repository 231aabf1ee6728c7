/* Printing, in the very words of PyTorch (torch/_tensor_str.py), except that dtypes are named without "torch.". */
#include "base/out.h"
#include "tensor/tensor.h"
#include <ebb/autograd.h>
#include <math.h>
#include <string.h>

/* ---- numbers ---- */

#define MAX_PRECISION 100
#define NUMBER_TEXT 512

struct printer {
    struct ebb__out *out;
    const ebb_tensor *t;
    int precision, edgeitems, linewidth;
    bool summarize, floating;
    bool whole;             /* every finite number is whole: "1." */
    bool scientific;        /* "1.0000e+00" */
    double least, greatest; /* magnitude of what is finite and not zero; greatest 0 when there is none */
    int width;
    int64_t column; /* where the next suffix would begin */
};

/* The decimal point of the program's locale becomes ".". */
static void fix_point(char *text) {
    char *p = text + (*text == '-');
    p += strspn(p, "0123456789");
    if (!*p || *p == '.' || *p == 'e') return;
    size_t n = strcspn(p, "0123456789");
    *p = '.';
    memmove(p + 1, p + n, strlen(p + n) + 1);
}

static void float_text(const struct printer *p, double v, char text[NUMBER_TEXT]) {
    if (isnan(v)) snprintf(text, NUMBER_TEXT, "nan");
    else if (isinf(v)) snprintf(text, NUMBER_TEXT, v < 0 ? "-inf" : "inf");
    else if (p->scientific) snprintf(text, NUMBER_TEXT, "%.*e", p->precision, v);
    else if (p->whole) snprintf(text, NUMBER_TEXT, "%.0f.", v);
    else snprintf(text, NUMBER_TEXT, "%.*f", p->precision, v);
    if (isfinite(v)) fix_point(text);
}

static void element_text(const struct printer *p, const char *at, char text[NUMBER_TEXT]) {
    ebb_dtype dtype = (ebb_dtype)p->t->dtype;
    if (p->floating) float_text(p, ebb__load(at, dtype), text);
    else if (dtype == EBB_BOOL) snprintf(text, NUMBER_TEXT, *at ? "True" : "False");
    else if (dtype == EBB_I64) snprintf(text, NUMBER_TEXT, "%lld", (long long)*(const int64_t *)(const void *)at);
    else snprintf(text, NUMBER_TEXT, "%lld", (long long)ebb__load_i64(at, dtype));
}

/* ---- the elements that are shown ---- */

/* The index after i along dim: from the first edge it leaps to the last one. */
static int64_t next(const struct printer *p, int dim, int64_t i) {
    int64_t n = p->t->dims[dim];
    bool leap = p->summarize && n > 2 * (int64_t)p->edgeitems && i + 1 == p->edgeitems;
    return leap ? n - p->edgeitems : i + 1;
}

static const char *element(const struct printer *p, int dim, const char *at, int64_t i) {
    return at + i * ebb__strides(p->t)[dim] * (int64_t)ebb__dtype_sizes[p->t->dtype];
}

static void each(struct printer *p, int dim, const char *at, void (*visit)(struct printer *p, const char *at)) {
    if (dim == p->t->ndim) {
        visit(p, at);
        return;
    }
    for (int64_t i = 0; i < p->t->dims[dim]; i = next(p, dim, i)) each(p, dim + 1, element(p, dim, at, i), visit);
}

static void find_range(struct printer *p, const char *at) {
    double v = ebb__load(at, (ebb_dtype)p->t->dtype), size = fabs(v);
    if (!isfinite(v) || size <= 0) return;
    if (v != ceil(v)) p->whole = false;
    if (p->greatest <= 0 || size < p->least) p->least = size;
    if (size > p->greatest) p->greatest = size;
}

/* Zeros, infinities and NaN do not count: they are short, and stand as wide as they are. */
static void find_width(struct printer *p, const char *at) {
    char text[NUMBER_TEXT];
    if (p->floating) {
        double v = ebb__load(at, (ebb_dtype)p->t->dtype);
        if (!isfinite(v) || fabs(v) <= 0) return;
    }
    element_text(p, at, text);
    int n = (int)strlen(text);
    if (n > p->width) p->width = n;
}

static void choose_format(struct printer *p) {
    p->whole = true;
    p->width = 1;
    if (p->floating) {
        each(p, 0, p->t->data, find_range);
        bool any = p->greatest > 0;
        p->scientific = any && (p->greatest / p->least > 1000.0 || p->greatest > 1e8 || p->least < 1e-4);
    }
    each(p, 0, p->t->data, find_width);
}

/* ---- brackets and lines ---- */

static void put_element(const struct printer *p, const char *at) {
    char text[NUMBER_TEXT];
    element_text(p, at, text);
    ebb__out_spaces(p->out, p->width - (int64_t)strlen(text));
    ebb__out_put(p->out, text);
}

static void put_vector(const struct printer *p, const char *at, int indent) {
    int dim = p->t->ndim - 1;
    int64_t per_line = (p->linewidth - indent) / (p->width + 2), on_line = 0;
    if (per_line < 1) per_line = 1;
    ebb__out_put(p->out, "[");
    for (int64_t i = 0, before = -1; i < p->t->dims[dim]; before = i, i = next(p, dim, i)) {
        bool gap = i != before + 1; /* "..." takes a place of its own */
        for (int part = gap ? 0 : 1; part < 2; part++) {
            if (on_line == per_line) {
                ebb__out_put(p->out, ",");
                ebb__out_line(p->out);
                ebb__out_spaces(p->out, indent + 1);
                on_line = 0;
            } else if (i > 0) ebb__out_put(p->out, ", ");
            if (part == 0) ebb__out_put(p->out, " ...");
            else put_element(p, element(p, dim, at, i));
            on_line++;
        }
    }
    ebb__out_put(p->out, "]");
}

static void put_separator(const struct printer *p, int dim, int indent) {
    ebb__out_put(p->out, ",");
    for (int i = dim; i < p->t->ndim - 1; i++) ebb__out_line(p->out);
    ebb__out_spaces(p->out, indent + 1);
}

static void put_nested(const struct printer *p, int dim, const char *at, int indent) {
    if (p->t->ndim == 0) put_element(p, at);
    else if (dim == p->t->ndim - 1) put_vector(p, at, indent);
    else {
        ebb__out_put(p->out, "[");
        for (int64_t i = 0, before = -1; i < p->t->dims[dim]; before = i, i = next(p, dim, i)) {
            if (i > 0) put_separator(p, dim, indent);
            if (i != before + 1) {
                ebb__out_put(p->out, "...");
                put_separator(p, dim, indent);
            }
            put_nested(p, dim + 1, element(p, dim, at, i), indent + 1);
        }
        ebb__out_put(p->out, "]");
    }
}

/* ---- what stands behind the elements ---- */

/* PyTorch takes the last line of the elements for two characters longer than it is, and lines of suffixes as they
 * are. */
static void put_suffix(struct printer *p, int indent, const char *name, const char *value, const char *end) {
    int64_t n = (int64_t)(strlen(name) + strlen(value) + strlen(end));
    if (p->column + n + 2 > p->linewidth) {
        ebb__out_put(p->out, ",");
        ebb__out_line(p->out);
        ebb__out_spaces(p->out, indent);
        p->column = indent + n;
    } else {
        ebb__out_put(p->out, ", ");
        p->column += n + 2;
    }
    ebb__out_put(p->out, name);
    ebb__out_put(p->out, value);
    ebb__out_put(p->out, end);
}

static void put_suffixes(struct printer *p, int indent) {
    const ebb_tensor *t = p->t;
    ebb_dtype dtype = (ebb_dtype)t->dtype;
    bool usual = dtype == ebb_default_dtype();
    p->column = (int64_t)(p->out->length - p->out->line) + 2;
    if (t->numel == 0 && t->ndim != 1) {
        char shape[EBB__SHAPE_TEXT];
        ebb__shape_text(shape, t->ndim, ebb__sizes(t));
        shape[strlen(shape) - 1] = 0;
        put_suffix(p, indent, "size=(", shape + 1, ")");
    }
    if (t->numel != 0 && (dtype == EBB_I64 || dtype == EBB_BOOL)) usual = true;
    if (!usual) put_suffix(p, indent, "dtype=", ebb_dtype_name(dtype), "");
    if (ebb_tensor_grad_fn(t)) put_suffix(p, indent, "grad_fn=<", ebb_node_name(ebb_tensor_grad_fn(t)), ">");
    else if (ebb_tensor_requires_grad(t)) put_suffix(p, indent, "requires_grad=True", "", "");
    ebb__out_put(p->out, ")");
}

static int option(int given, int otherwise) { return given > 0 ? given : otherwise; }

static void put_tensor(struct ebb__out *out, const ebb_tensor *t, const ebb_print_options *options) {
    const ebb_print_options none = {0}, *o = options ? options : &none;
    struct printer p = {.out = out, .t = t, .floating = ebb_dtype_is_floating((ebb_dtype)t->dtype)};
    p.precision = option(o->precision, 4);
    if (p.precision > MAX_PRECISION) p.precision = MAX_PRECISION;
    p.edgeitems = option(o->edgeitems, 3);
    p.linewidth = option(o->linewidth, 80);
    p.summarize = t->numel > option(o->threshold, 1000);
    static const char prefix[] = "tensor(";
    int indent = (int)sizeof prefix - 1;
    ebb__out_put(out, prefix);
    if (t->numel == 0) ebb__out_put(out, "[]");
    else {
        choose_format(&p);
        put_nested(&p, 0, t->data, indent);
    }
    put_suffixes(&p, indent);
}

ebb_status(ebb_print)(const ebb_tensor *t) {
    if (!t) return ebb__fail_null("print", "tensor");
    struct ebb__out out = {.file = stdout};
    put_tensor(&out, t, NULL);
    ebb__out_put(&out, "\n");
    return ebb__out_end(&out, "print");
}

size_t ebb_format(char *ret_text, size_t size, const ebb_tensor *t, const ebb_print_options *options) {
    struct ebb__out out = ebb__out_to_text(ret_text, size);
    if (!t) {
        ebb__fail_null("format", "tensor");
        return 0;
    }
    put_tensor(&out, t, options);
    return out.length;
}
