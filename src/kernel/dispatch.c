/* Which instruction set's code the tables hold: chosen by the CPU once, at load. */
#include "kernel/isa.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

ebb__isa_table ebb__isa;

#define CALL(fn) fn();
static void fill_baseline(void) { EBB__ISA_FILES(CALL, baseline) EBB__ISA_NARROW_FILES(CALL, baseline) }
static bool always(void) { return true; }
#if defined(EBB_HAVE_ISA_AVX2)
static void fill_avx2(void) { EBB__ISA_FILES(CALL, avx2) EBB__ISA_NARROW_FILES(CALL, avx2) }
static bool have_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#if defined(EBB_HAVE_ISA_AVX512)
static void fill_avx512(void) { EBB__ISA_FILES(CALL, avx512) }
static bool have_avx512(void) {
    return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#endif
#if defined(EBB_HAVE_ISA_AVX512BF16)
static void fill_avx512bf16(void) {
    fill_avx512();
    ebb__init_gemm_bf16_avx512bf16();
}
static bool have_avx512bf16(void) { return have_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif

/* Best last: what one does not have, it takes over from those before it. */
static const struct isa {
    const char *name;
    bool (*available)(void);
    void (*fill)(void);
} isas[] = {
    {"baseline", always, fill_baseline},
#if defined(EBB_HAVE_ISA_AVX2)
    {"avx2", have_avx2, fill_avx2},
#endif
#if defined(EBB_HAVE_ISA_AVX512)
    {"avx512", have_avx512, fill_avx512},
#endif
#if defined(EBB_HAVE_ISA_AVX512BF16)
    {"avx512bf16", have_avx512bf16, fill_avx512bf16},
#endif
};
enum { N_ISAS = sizeof isas / sizeof isas[0] };

static const struct isa *current = &isas[0];
static atomic_bool ready;

void ebb__loops_take(const ebb__loop_row *rows, int n) {
    for (const ebb__loop_row *row = rows; row < rows + n; row++)
        for (int dtype = 0; dtype < EBB_DTYPE_COUNT; dtype++)
            if (row->loops[dtype]) row->table[dtype] = row->loops[dtype];
}

bool ebb__kernel_use(const char *name) {
    for (int i = 0; i < N_ISAS; i++) {
        if (strcmp(isas[i].name, name) != 0 || !isas[i].available()) continue;
        for (int j = 0; j <= i; j++) isas[j].fill();
        current = &isas[i];
        return true;
    }
    return false;
}

const char *ebb__kernel_isa(void) { return current->name; }

#if defined(__GNUC__)
__attribute__((constructor(200)))
#endif
void ebb__kernel_init(void) {
    if (atomic_exchange(&ready, true)) return;
#if defined(EBB_HAVE_ISA_AVX2) || defined(EBB_HAVE_ISA_AVX512)
    __builtin_cpu_init();
#endif
    const char *wish = getenv("EBB_ISA");
    if (wish && ebb__kernel_use(wish)) return;
    int best = N_ISAS - 1;
    while (!isas[best].available()) best--;
    (void)ebb__kernel_use(isas[best].name);
}
