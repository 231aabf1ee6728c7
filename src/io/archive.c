/* Files of named tensors, whatever their format: finding an entry, and filling tensors that are there. */
#include "io/archive.h"
#include <stdlib.h>
#include <string.h>

static ebb_status set_name(struct ebb__archive *a, const char *name) {
    size_t bytes = strlen(name) + 1;
    *a = (struct ebb__archive){.name = ebb_alloc(bytes), .name_bytes = bytes};
    if (!a->name) return ebb_error_status();
    memcpy(a->name, name, bytes);
    return EBB_OK;
}

ebb_status ebb__archive_open(struct ebb__archive *a, const char *path) {
    ebb_status status = set_name(a, path);
    return status ? status : ebb__input_open(&a->input, a->name);
}

ebb_status ebb__archive_open_memory(struct ebb__archive *a, const void *bytes, size_t size, const char *name) {
    ebb_status status = set_name(a, name);
    if (!status) ebb__input_open_memory(&a->input, bytes, size, a->name);
    return status;
}

ebb_status ebb__archive_make_room(struct ebb__archive *a, int64_t n) {
    if (n == 0) return EBB_OK;
    a->entries = ebb_alloc((size_t)n * sizeof *a->entries);
    a->by_name = a->entries ? ebb_alloc((size_t)n * sizeof *a->by_name) : NULL;
    a->room = n;
    return a->by_name ? EBB_OK : ebb_error_status();
}

static int compare_names(const void *a, const void *b) {
    const struct ebb__entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

ebb_status ebb__archive_index(struct ebb__archive *a) {
    for (int64_t i = 0; i < a->n; i++) a->by_name[i] = &a->entries[i];
    if (a->n) qsort(a->by_name, (size_t)a->n, sizeof *a->by_name, compare_names);
    for (int64_t i = 1; i < a->n; i++)
        if (strcmp(a->by_name[i - 1]->name, a->by_name[i]->name) == 0)
            return ebb_fail(EBB_ERR_FORMAT, "%s: the name \"%.64s\" is there twice", a->name, a->by_name[i]->name);
    return EBB_OK;
}

void ebb__archive_close(struct ebb__archive *a) {
    ebb__input_close(&a->input);
    if (a->entries) ebb_free(a->entries, (size_t)a->room * sizeof *a->entries);
    if (a->by_name) ebb_free(a->by_name, (size_t)a->room * sizeof *a->by_name);
    ebb_free(a->name, a->name_bytes);
    *a = (struct ebb__archive){0};
}

const struct ebb__entry *ebb__archive_entry(const struct ebb__archive *a, int64_t i) {
    return a && i >= 0 && i < a->n ? &a->entries[i] : NULL;
}

static int compare_name(const void *name, const void *entry) {
    const struct ebb__entry *const *e = entry;
    return strcmp(name, (*e)->name);
}

const struct ebb__entry *ebb__archive_find(const struct ebb__archive *a, const char *name) {
    if (!a || !name || !a->n) return NULL;
    const struct ebb__entry *const *found = bsearch(name, a->by_name, (size_t)a->n, sizeof *a->by_name, compare_name);
    return found ? *found : NULL;
}

static const struct ebb__entry *find(const struct ebb__archive *a, const char *name) {
    const struct ebb__entry *e = ebb__archive_find(a, name);
    if (!e) ebb_fail(EBB_ERR_NAME, "%s: has no entry \"%.64s\"", a->name, name);
    return e;
}

ebb_tensor *ebb__archive_get(const struct ebb__archive *a, const char *name) {
    const struct ebb__entry *e = find(a, name);
    ebb_tensor *t = NULL;
    ebb_scope scope = ebb_scope_open(); /* what was made before an error is released at once */
    if (e && (t = a->get(a, e))) t = ebb_scope_hand(t);
    ebb_scope_close(&scope);
    return t;
}

/* ---- filling tensors ---- */

enum { SHAPE_TEXT = 200 };

static void shape_text(char *ret_text, ebb_dims shape) {
    int at = snprintf(ret_text, SHAPE_TEXT, "[");
    for (int i = 0; i < shape.n; i++)
        at += snprintf(ret_text + at, (size_t)(SHAPE_TEXT - at), "%s%lld", i ? ", " : "", (long long)shape.d[i]);
    (void)snprintf(ret_text + at, (size_t)(SHAPE_TEXT - at), "]");
}

static ebb_status check_fits(const struct ebb__archive *a, const char *name, const ebb_tensor *t) {
    const struct ebb__entry *e = find(a, name);
    if (!e) return EBB_ERR_NAME;
    ebb_dims want = ebb_tensor_shape(t);
    bool same = e->shape.n == want.n;
    for (int d = 0; same && d < want.n; d++) same = e->shape.d[d] == want.d[d];
    if (!same) {
        char texts[2][SHAPE_TEXT];
        shape_text(texts[0], e->shape);
        shape_text(texts[1], want);
        return ebb_fail(EBB_ERR_SHAPE, "%s: \"%.64s\" has shape %s, the tensor to be filled %s", a->name, name,
                        texts[0], texts[1]);
    }
    if (e->dtype != ebb_tensor_dtype(t))
        return ebb_fail(EBB_ERR_DTYPE, "%s: \"%.64s\" is %s, the tensor to be filled %s", a->name, name,
                        ebb_dtype_name(e->dtype), ebb_dtype_name(ebb_tensor_dtype(t)));
    if (!ebb_tensor_is_contiguous(t))
        return ebb_fail(EBB_ERR_ARGUMENT, "%s: the tensor to be filled from \"%.64s\" is not contiguous", a->name,
                        name);
    return EBB_OK;
}

/* All values are there before the first is written. */
static ebb_status fill(const struct ebb__archive *a, const char *const *names, ebb_list tensors, ebb_tensor **values) {
    for (int64_t i = 0; i < tensors.n; i++) {
        ebb_status status = check_fits(a, names[i], tensors.t[i]);
        if (status) return status;
    }
    for (int64_t i = 0; i < tensors.n; i++)
        if (!(values[i] = ebb__archive_get(a, names[i]))) return ebb_error_status();
    for (int64_t i = 0; i < tensors.n; i++) {
        size_t bytes = (size_t)ebb_tensor_numel(values[i]) * ebb_dtype_size(ebb_tensor_dtype(values[i]));
        if (bytes) memcpy(ebb_tensor_data(tensors.t[i]), ebb_tensor_data(values[i]), bytes);
        ebb_increment_version(tensors.t[i]);
    }
    return EBB_OK;
}

ebb_status ebb__archive_load(const struct ebb__archive *a, const char *const *names, ebb_list tensors) {
    if (tensors.n == 0) return EBB_OK;
    size_t bytes = (size_t)tensors.n * sizeof(ebb_tensor *);
    ebb_tensor **values = ebb_alloc(bytes);
    if (!values) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    ebb_status status = fill(a, names, tensors, values);
    ebb_scope_close(&scope);
    ebb_free(values, bytes);
    return status;
}

ebb_status ebb__archive_check(const char *function, const char *path, const char *const *names, ebb_list tensors) {
    if (!path) return ebb__null(function, "path");
    if (tensors.n < 0) return ebb_fail(EBB_ERR_ARGUMENT, "%s: %lld tensors", function, (long long)tensors.n);
    if (tensors.n > 0 && (!names || !tensors.t)) return ebb__null(function, names ? "the list of tensors" : "names");
    for (int64_t i = 0; i < tensors.n; i++)
        if (!names[i] || !tensors.t[i]) return ebb__null(function, names[i] ? "a tensor" : "a name");
    return EBB_OK;
}
