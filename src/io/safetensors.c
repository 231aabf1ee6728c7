/* safetensors: element types, and looking at what a file holds. */
#include "io/safetensors.h"
#include <string.h>

static const struct ebb__safetensors_type types[] = {
    {"BOOL", 8, EBB_BOOL},
    {"U8", 8, EBB_U8},
    {"F16", 16, EBB_F16},
    {"BF16", 16, EBB_BF16},
    {"I32", 32, EBB_I32},
    {"F32", 32, EBB_F32},
    {"I64", 64, EBB_I64},
    {"F64", 64, EBB_F64},
    /* Ebb has none of these; a file that holds some may still be read for what else it has. */
    {"I8", 8, EBB_DTYPE_NONE},
    {"I16", 16, EBB_DTYPE_NONE},
    {"U16", 16, EBB_DTYPE_NONE},
    {"U32", 32, EBB_DTYPE_NONE},
    {"U64", 64, EBB_DTYPE_NONE},
    {"C64", 64, EBB_DTYPE_NONE},
    {"F4", 4, EBB_DTYPE_NONE},
    {"F6_E2M3", 6, EBB_DTYPE_NONE},
    {"F6_E3M2", 6, EBB_DTYPE_NONE},
    {"F8_E4M3", 8, EBB_DTYPE_NONE},
    {"F8_E5M2", 8, EBB_DTYPE_NONE},
    {"F8_E8M0", 8, EBB_DTYPE_NONE},
    {"F8_E4M3FNUZ", 8, EBB_DTYPE_NONE},
    {"F8_E5M2FNUZ", 8, EBB_DTYPE_NONE},
};
enum { N_TYPES = sizeof types / sizeof *types };

const struct ebb__safetensors_type *ebb__safetensors_type_of(const char *name) {
    for (int i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

const struct ebb__safetensors_type *ebb__safetensors_type_of_dtype(ebb_dtype dtype) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype) return &types[i];
    return NULL;
}
