/* NumPy's .npy: one array a file. */
#include "io/npy.h"
#include "io/output.h"
#include <ebb/io.h>
#include <ebb/ops.h>

/* Whether column-major order is another order for a shape: only when two sizes are more than 1. */
static bool order_matters(const ebb_dims *shape, uint64_t count) {
    int longer = 0;
    for (int i = 0; i < shape->n; i++) longer += shape->d[i] != 1;
    return longer > 1 && count > 0;
}

static ebb_dims reversed(const ebb_dims *d) {
    ebb_dims r = {.n = d->n};
    for (int i = 0; i < d->n; i++) r.d[i] = d->d[d->n - 1 - i];
    return r;
}

/* A row-major tensor from one whose elements are those of its reverse. */
static ebb_tensor *turn(ebb_tensor *t) {
    ebb_dims order = {.n = ebb_tensor_ndim(t)};
    for (int i = 0; i < order.n; i++) order.d[i] = order.n - 1 - i;
    return ebb__plain(ebb_permute(t, order));
}

ebb_tensor *ebb__npy_read(struct ebb__source *s) {
    struct ebb__npy npy;
    if (ebb__npy_read_header(s, &npy)) return NULL;
    ebb_status status = EBB_OK;
    if (npy.foreign) status = ebb_fail(EBB_ERR_FORMAT, "%s: is no array of NumPy's", s->name);
    else if (npy.problem[0]) status = ebb_fail(EBB_ERR_UNSUPPORTED, "%s: %s", s->name, npy.problem);
    else if (npy.count > ebb__source_most(s) / npy.element.size)
        status = ebb_fail(EBB_ERR_FORMAT, "%s: says it has more elements than the file can hold", s->name);
    if (status) return NULL;
    bool turned = npy.fortran && order_matters(&npy.shape, npy.count);
    ebb_tensor *t = ebb_empty(turned ? reversed(&npy.shape) : npy.shape, .dtype = ebb__element_dtype(npy.element));
    if (!t || ebb__source_read(s, ebb_tensor_data(t), (size_t)npy.count * npy.element.size, "elements") ||
        ebb__source_finish(s))
        return NULL;
    ebb__elements_convert(ebb_tensor_data(t), npy.count, npy.element);
    return turned ? turn(t) : t;
}

static ebb_tensor *read_input(const struct ebb__input *in) {
    struct ebb__source s = {.name = in->name, .input = in, .end = in->size};
    ebb_scope scope = ebb_scope_open(); /* what was made before an error is released at once */
    ebb_tensor *t = ebb__npy_read(&s);
    if (t) t = ebb_scope_hand(t);
    ebb_scope_close(&scope);
    return t;
}

ebb_tensor *(ebb_npy_load)(const char *path) {
    struct ebb__input in;
    if (!path) return (void)ebb__null("npy_load", "path"), NULL;
    if (ebb__input_open(&in, path)) return NULL;
    ebb_tensor *t = read_input(&in);
    ebb__input_close(&in);
    return t;
}

ebb_tensor *(ebb_npy_decode)(const void *bytes, size_t size, const char *name) {
    struct ebb__input in;
    if (!name || (size && !bytes)) return (void)ebb__null("npy_decode", name ? "bytes" : "name"), NULL;
    ebb__input_open_memory(&in, bytes, size, name);
    return read_input(&in);
}

static ebb_status write_array(struct ebb__output *o, ebb_tensor *t) {
    char header[EBB__NPY_HEADER_MAX];
    ebb_status status = ebb__output_write(o, header, ebb__npy_header(t, header));
    if (status) return status;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *plain = ebb__plain(t);
    if (!plain) status = ebb_error_status();
    else
        status = ebb__output_write(o, ebb_tensor_data(plain),
                                   (size_t)ebb_tensor_numel(t) * ebb_dtype_size(ebb_tensor_dtype(t)));
    ebb_scope_close(&scope);
    return status;
}

ebb_status(ebb_npy_save)(const char *path, ebb_tensor *t) {
    struct ebb__output o;
    if (!path || !t) return ebb__null("npy_save", path ? "the tensor" : "path");
    ebb_status status = ebb__output_open(&o, path);
    return status ? status : ebb__output_close(&o, write_array(&o, t));
}
