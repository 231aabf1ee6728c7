/* Fuzzing the safetensors reader: whatever the bytes, entries that can be read or an error, and nothing leaks. */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ebb_safetensors *file = NULL;
    ebb_status status = ebb_safetensors_open_memory(data, size, "input", &file);
    FUZZ_EXPECT((status == EBB_OK) == (file != NULL));
    for (int64_t i = 0; i < ebb_safetensors_count(file); i++) EBB_SCOPE {
            ebb_tensor *t = ebb_safetensors_get(file, ebb_safetensors_name(file, i));
            FUZZ_EXPECT((t != NULL) == (ebb_error() == NULL));
            ebb_clear_error();
        }
    ebb_safetensors_close(file);
    return fuzz_done();
}
