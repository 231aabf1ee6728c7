/* Fuzzing the IDX reader: whatever the bytes, a tensor or an error, and nothing leaks. */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    EBB_SCOPE {
        ebb_tensor *t = NULL;
        ebb_status status = ebb_idx_decode(data, size, "input", &t);
        FUZZ_EXPECT((status == EBB_OK) == (t != NULL));
        FUZZ_EXPECT((status == EBB_OK) == (ebb_error() == NULL));
        if (t) FUZZ_EXPECT(ebb_tensor_numel(t) == 0 || ebb_tensor_data(t) != NULL);
    }
    return fuzz_done();
}
