/* Saved tensors in half the bytes or less: floating-point values rounded to bfloat16. */
#include "autograd/packers.h"
#include "record/call.h"

static size_t bytes(const ebb_tensor *t) {
    bool wide = t->dtype == EBB_F32 || t->dtype == EBB_F64;
    size_t bytes = wide ? (size_t)t->numel * ebb__dtype_sizes[EBB_BF16] : 0;
    return bytes < t->storage->bytes ? bytes : 0; /* an expanded tensor has fewer elements in memory */
}

static ebb_status put(void *context, ebb_tensor *t, struct ebb__store *ret_stored) {
    (void)context;
    ebb_tensor *rounded = ebb__cast(t, EBB_BF16);
    ret_stored->word[0] = (uintptr_t)rounded;
    return rounded ? EBB_OK : ebb_error_status();
}

static ebb_tensor *rounded_of(const struct ebb__store *stored) { return (ebb_tensor *)(uintptr_t)stored->word[0]; }

static ebb_status get(void *context, const struct ebb__store *stored, ebb_tensor *into) {
    (void)context;
    return ebb__copy_into(into, rounded_of(stored));
}

static void discard(void *context, const struct ebb__store *stored) {
    (void)context;
    ebb__unref(rounded_of(stored));
}

ebb_saved_hooks(ebb_saved_to_bf16)(void) {
    static const struct ebb__packer packer = {
        .bytes = bytes, .in_memory = true, .put = put, .get = get, .discard = discard};
    return ebb__packer_hooks(&packer, NULL);
}
