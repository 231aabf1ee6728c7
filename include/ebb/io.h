/* Files of tensors: safetensors, which PyTorch's users exchange weights in. */
#ifndef EBB_IO_H
#define EBB_IO_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- safetensors ----
 * The header's length (64 bits, little-endian), a header in JSON that gives each tensor's name, dtype, shape and place,
 * then the elements, row-major and little-endian, bit for bit: github.com/huggingface/safetensors, "Format". All
 * functions give EBB_ERR_UNSUPPORTED in a build without jansson. */

/* Write tensors under names, which must be distinct. The file appears complete or not at all: it is written beside its
 * place and then renamed. EBB_ERR_IO when that fails, with the file that was there untouched.
 *     const char *names[] = {"weight", "bias"};
 *     ebb_safetensors_save("model.safetensors", names, EBB_LIST(w, b)); */
EBB_API ebb_status ebb_safetensors_save(const char *path, const char *const *names, ebb_list tensors);
#define ebb_safetensors_save(...) ((void)EBB_HERE, ebb_safetensors_save(__VA_ARGS__))

/* Fill tensors that are there with the file's values, found by their names; shapes and dtypes must be the same, and the
 * tensors contiguous. Other entries of the file do not matter. Nothing is written unless all fit. EBB_ERR_NAME for a
 * name that the file lacks, EBB_ERR_SHAPE, EBB_ERR_DTYPE, and what ebb_safetensors_open() gives.
 * model.load_state_dict(load_file) */
EBB_API ebb_status ebb_safetensors_load(const char *path, const char *const *names, ebb_list tensors);
#define ebb_safetensors_load(...) ((void)EBB_HERE, ebb_safetensors_load(__VA_ARGS__))

typedef struct ebb_safetensors ebb_safetensors; /* an open file */

/* Open a file: its header is read and checked. EBB_ERR_IO when it cannot be read; EBB_ERR_FORMAT when it is damaged,
 * cut off, or says what cannot be.
 *     ebb_safetensors *file;
 *     if (ebb_safetensors_open("model.safetensors", &file)) return ebb_perror("model");
 *     ebb_tensor *w = ebb_safetensors_get(file, "weight");
 *     file = ebb_safetensors_close(file); */
EBB_API ebb_status ebb_safetensors_open(const char *path, ebb_safetensors **ret_file);
#define ebb_safetensors_open(...) ((void)EBB_HERE, ebb_safetensors_open(__VA_ARGS__))

/* The same from memory, which must stay until it is closed; `name` stands for the file in errors. */
EBB_API ebb_status ebb_safetensors_open_memory(const void *bytes, size_t size, const char *name,
                                               ebb_safetensors **ret_file);
#define ebb_safetensors_open_memory(...) ((void)EBB_HERE, ebb_safetensors_open_memory(__VA_ARGS__))

/* Entries, in the order of their data; names live until the file is closed. "" and EBB_DTYPE_NONE out of range; the
 * latter also for element types that Ebb does not have, such as BF16. */
EBB_API int64_t ebb_safetensors_count(const ebb_safetensors *file);
EBB_API const char *ebb_safetensors_name(const ebb_safetensors *file, int64_t i);
EBB_API ebb_dtype ebb_safetensors_dtype(const ebb_safetensors *file, int64_t i);
EBB_API ebb_dims ebb_safetensors_shape(const ebb_safetensors *file, int64_t i);

/* The number of a name, or -1 (no error is set). */
EBB_API int64_t ebb_safetensors_find(const ebb_safetensors *file, const char *name);

/* A new tensor with the entry's elements. EBB_ERR_NAME when there is none, EBB_ERR_UNSUPPORTED for element types that
 * Ebb does not have. */
EBB_API ebb_tensor *ebb_safetensors_get(ebb_safetensors *file, const char *name);
#define ebb_safetensors_get(...) ((void)EBB_HERE, ebb_safetensors_get(__VA_ARGS__))

/* Accepts NULL; returns NULL. */
EBB_API ebb_safetensors *ebb_safetensors_close(ebb_safetensors *file);

#ifdef __cplusplus
}
#endif
#endif
