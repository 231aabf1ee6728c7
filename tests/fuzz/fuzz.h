/* What fuzz targets share. */
#ifndef EBB_TESTS_FUZZ_H
#define EBB_TESTS_FUZZ_H

#include <ebb/base.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_EXPECT(condition) \
    do { \
        if (!(condition)) { \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

/* At the end of an input: no error stays, no memory. */
static inline int fuzz_done(void) {
    ebb_thread_release();
    FUZZ_EXPECT(ebb_memory().live == 0);
    return 0;
}

#endif
