/* Fuzzing the .npy reader: whatever the bytes, a tensor or an error, and nothing leaks. */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    EBB_SCOPE {
        ebb_tensor *t = ebb_npy_decode(data, size, "input");
        FUZZ_EXPECT((t != NULL) == (ebb_error() == NULL));
        if (t) FUZZ_EXPECT(ebb_tensor_is_contiguous(t) && (ebb_tensor_numel(t) == 0 || ebb_tensor_data(t) != NULL));
    }
    return fuzz_done();
}
