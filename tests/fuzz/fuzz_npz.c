/* Fuzzing the .npz reader: whatever the bytes, entries that can be read or an error, and nothing leaks. */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ebb_npz *file = NULL;
    ebb_status status = ebb_npz_open_memory(data, size, "input", &file);
    FUZZ_EXPECT((status == EBB_OK) == (file != NULL));
    for (int64_t i = 0; i < ebb_npz_count(file); i++) EBB_SCOPE {
            ebb_dims shape = ebb_npz_shape(file, i);
            ebb_tensor *t = ebb_npz_get(file, ebb_npz_name(file, i));
            FUZZ_EXPECT((t != NULL) == (ebb_error() == NULL));
            if (t && ebb_npz_find(file, ebb_npz_name(file, i)) == i)
                FUZZ_EXPECT(ebb_tensor_dtype(t) == ebb_npz_dtype(file, i) && ebb_tensor_shape(t).n == shape.n);
            ebb_clear_error();
        }
    ebb_npz_close(file);
    return fuzz_done();
}
