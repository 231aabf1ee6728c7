/* Batches of examples in their own or in shuffled order. */
#include <ebb/data.h>
#include <ebb/ops.h>
#include <string.h>

struct ebb_batches {
    ebb_batches_options options;
    int64_t n, rows;       /* tensors, examples */
    ebb_tensor *order;     /* kept; NULL: rows in their own order */
    ebb_tensor *tensors[]; /* n of them, kept; then room for the n parts of a batch in the making */
};

static size_t bytes_of(int64_t n) { return sizeof(ebb_batches) + 2 * (size_t)n * sizeof(ebb_tensor *); }

static ebb_status check(ebb_list tensors, const ebb_batches_options *options) {
    if (tensors.n < 1 || !tensors.t) return ebb_fail(EBB_ERR_ARGUMENT, "batches_new: needs at least one tensor");
    if (options->batch_size < 0)
        return ebb_fail(EBB_ERR_ARGUMENT, "batches_new: batch_size must be positive, got %lld",
                        (long long)options->batch_size);
    for (int64_t i = 0; i < tensors.n; i++) {
        if (!tensors.t[i])
            return ebb_error() ? ebb_error_status()
                               : ebb_fail(EBB_ERR_ARGUMENT, "batches_new: tensor %lld is NULL", (long long)i);
        if (ebb_tensor_ndim(tensors.t[i]) == 0)
            return ebb_fail(EBB_ERR_SHAPE, "batches_new: tensor %lld is a scalar; it has no rows", (long long)i);
        int64_t rows = ebb_tensor_size(tensors.t[i], 0), first = ebb_tensor_size(tensors.t[0], 0);
        if (rows != first)
            return ebb_fail(EBB_ERR_SHAPE, "batches_new: tensor %lld has %lld rows, the first one has %lld",
                            (long long)i, (long long)rows, (long long)first);
    }
    return EBB_OK;
}

ebb_batches *(ebb_batches_new)(ebb_list tensors, ebb_batches_options options) {
    if (check(tensors, &options)) return NULL;
    ebb_batches *b = ebb_alloc(bytes_of(tensors.n));
    if (!b) return NULL;
    *b = (ebb_batches){.options = options, .n = tensors.n, .rows = ebb_tensor_size(tensors.t[0], 0)};
    if (!options.batch_size) b->options.batch_size = 1;
    for (int64_t i = 0; i < b->n; i++) b->tensors[i] = ebb_keep(tensors.t[i]);
    return b;
}

ebb_status(ebb_batches_begin)(ebb_batches *b) {
    if (!b) return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "batches_begin: batches is NULL");
    if (!b->options.shuffle) return EBB_OK;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *order = ebb_keep(ebb_randperm(b->rows));
    ebb_scope_close(&scope);
    if (!order) return ebb_error_status();
    ebb_drop(b->order);
    b->order = order;
    return EBB_OK;
}

int64_t ebb_batches_count(const ebb_batches *b) {
    if (!b) return 0;
    int64_t size = b->options.batch_size;
    return b->rows / size + (!b->options.drop_last && b->rows % size != 0);
}

ebb_status(ebb_batches_get)(ebb_batches *b, int64_t i, ebb_tensor **ret_parts) {
    if (!b || !ret_parts)
        return ebb_error() ? ebb_error_status()
                           : ebb_fail(EBB_ERR_ARGUMENT, "batches_get: %s is NULL", b ? "ret_parts" : "batches");
    if (i < 0 || i >= ebb_batches_count(b))
        return ebb_fail(EBB_ERR_INDEX, "batches_get: batch %lld is out of range; there are %lld", (long long)i,
                        (long long)ebb_batches_count(b));
    int64_t first = i * b->options.batch_size;
    int64_t last = b->rows - first > b->options.batch_size ? first + b->options.batch_size : b->rows;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *picked = b->order ? ebb_slice(b->order, 0, first, last) : NULL;
    ebb_tensor **parts = b->tensors + b->n;
    bool made = true;
    for (int64_t k = 0; made && k < b->n; k++) {
        ebb_tensor *all = b->tensors[k];
        parts[k] = b->order ? ebb_index_select(all, picked, 0) : ebb_slice(all, 0, first, last);
        made = parts[k] != NULL;
    }
    for (int64_t k = 0; made && k < b->n; k++) ret_parts[k] = ebb_scope_hand(parts[k]);
    ebb_scope_close(&scope);
    return made ? EBB_OK : ebb_error_status();
}

ebb_batches *ebb_batches_free(ebb_batches *b) {
    if (!b) return NULL;
    ebb_drop(b->order);
    for (int64_t i = 0; i < b->n; i++) ebb_drop(b->tensors[i]);
    ebb_free(b, bytes_of(b->n));
    return NULL;
}
