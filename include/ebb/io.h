/* Files of tensors: NumPy's .npy and .npz, and safetensors, which PyTorch's users exchange weights in. */
#ifndef EBB_IO_H
#define EBB_IO_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Files are written so that they appear complete or not at all: beside their place, under a name of their own, and then
 * renamed. What was there is untouched when that fails. A pipe or a device is written as it is. */

/* ---- NumPy's .npy ---- one array a file: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * Read: versions 1.0 to 3.0, either order of bytes, row-major or column-major (Fortran). Elements keep their dtype
 * where Ebb has it; others become the dtype that holds all of their values: int8, int16 and uint16 int32, uint32 int64.
 * There is none for uint64, and none for complex numbers, dates, texts, structures and Python's objects, which are
 * refused. NumPy has no bfloat16 of its own: what the package ml_dtypes adds is saved as two bytes of any meaning,
 * 'V2', and that is what Ebb writes for bfloat16, and reads as bfloat16. After numpy.load it is
 * .view(ml_dtypes.bfloat16). Written: version 1.0, row-major, byte for byte as numpy.save does. */

/* A new tensor, contiguous, with a file's array.
 *     ebb_tensor *x = ebb_npy_load("x.npy");
 * Errors: EBB_ERR_IO for a file that cannot be read; EBB_ERR_FORMAT for one that is damaged, cut off, longer than it
 * says or says what cannot be; EBB_ERR_UNSUPPORTED for an array that Ebb has no tensor for. numpy.load */
EBB_API ebb_tensor *ebb_npy_load(const char *path);
#define ebb_npy_load(...) ((void)EBB_HERE, ebb_npy_load(__VA_ARGS__))

/* The same from memory; `name` stands for the file in errors. */
EBB_API ebb_tensor *ebb_npy_decode(const void *bytes, size_t size, const char *name);
#define ebb_npy_decode(...) ((void)EBB_HERE, ebb_npy_decode(__VA_ARGS__))

/* Write a tensor of any dtype and strides.
 *     if (ebb_npy_save("y.npy", y)) return ebb_perror("result");
 * EBB_ERR_IO. numpy.save */
EBB_API ebb_status ebb_npy_save(const char *path, ebb_tensor *t);
#define ebb_npy_save(...) ((void)EBB_HERE, ebb_npy_save(__VA_ARGS__))

/* ---- NumPy's .npz ---- arrays with names: a zip archive of .npy files, stored or deflated. All functions give
 * EBB_ERR_UNSUPPORTED in a build without zlib. */

typedef struct ebb_npz_options {
    bool compressed; /* deflated, as numpy.savez_compressed does; otherwise stored, as numpy.savez */
    int ebb__at;
} ebb_npz_options;

/* Write tensors of any dtype and strides under names, which must be distinct, and UTF-8.
 *     const char *names[] = {"x", "y"};
 *     ebb_npz_save("data.npz", names, EBB_LIST(x, y), .compressed = true);
 * Errors: EBB_ERR_ARGUMENT for names, EBB_ERR_IO. numpy.savez */
EBB_API ebb_status ebb_npz_save(const char *path, const char *const *names, ebb_list tensors,
                                ebb_npz_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_npz_save(...) ((void)EBB_HERE, ebb_npz_save(__VA_ARGS__))
#else
#define ebb_npz_save(...) ebb__npz_save_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__npz_save_(path, names, tensors, ...) ebb_npz_save(path, names, tensors, (ebb_npz_options){__VA_ARGS__})
#endif

/* Fill tensors that are there with the file's values, found by their names; shapes and dtypes must be the same, and the
 * tensors contiguous. Other entries of the file do not matter. Nothing is written unless all fit. EBB_ERR_NAME for a
 * name that the file lacks, EBB_ERR_SHAPE, EBB_ERR_DTYPE, and what ebb_npz_open() and ebb_npz_get() give. */
EBB_API ebb_status ebb_npz_load(const char *path, const char *const *names, ebb_list tensors);
#define ebb_npz_load(...) ((void)EBB_HERE, ebb_npz_load(__VA_ARGS__))

typedef struct ebb_npz ebb_npz; /* an open file */

/* Open a file: its directory and the header of each array are read and checked. EBB_ERR_IO when it cannot be read;
 * EBB_ERR_FORMAT when it is damaged, cut off, or says what cannot be. numpy.load
 *     ebb_npz *file;
 *     if (ebb_npz_open("data.npz", &file)) return ebb_perror("data");
 *     for (int64_t i = 0; i < ebb_npz_count(file); i++) ebb_print(ebb_npz_get(file, ebb_npz_name(file, i)));
 *     file = ebb_npz_close(file); */
EBB_API ebb_status ebb_npz_open(const char *path, ebb_npz **ret_file);
#define ebb_npz_open(...) ((void)EBB_HERE, ebb_npz_open(__VA_ARGS__))

/* The same from memory, which must stay until it is closed; `name` stands for the file in errors. */
EBB_API ebb_status ebb_npz_open_memory(const void *bytes, size_t size, const char *name, ebb_npz **ret_file);
#define ebb_npz_open_memory(...) ((void)EBB_HERE, ebb_npz_open_memory(__VA_ARGS__))

/* Entries, in the order of their data; names are without ".npy", and live until the file is closed. dtype and shape are
 * those of the tensor that ebb_npz_get() makes. "" and EBB_DTYPE_NONE out of range; the latter also for arrays that Ebb
 * has no tensor for, and for what is no array. */
EBB_API int64_t ebb_npz_count(const ebb_npz *file);
EBB_API const char *ebb_npz_name(const ebb_npz *file, int64_t i);
EBB_API ebb_dtype ebb_npz_dtype(const ebb_npz *file, int64_t i);
EBB_API ebb_dims ebb_npz_shape(const ebb_npz *file, int64_t i);

/* The number of a name, or -1 (no error is set). */
EBB_API int64_t ebb_npz_find(const ebb_npz *file, const char *name);

/* A new tensor, contiguous, with the entry's elements. EBB_ERR_NAME when there is none, EBB_ERR_UNSUPPORTED for an
 * array that Ebb has no tensor for, EBB_ERR_FORMAT for one that is damaged, which its checksum shows. */
EBB_API ebb_tensor *ebb_npz_get(ebb_npz *file, const char *name);
#define ebb_npz_get(...) ((void)EBB_HERE, ebb_npz_get(__VA_ARGS__))

/* Accepts NULL; returns NULL. */
EBB_API ebb_npz *ebb_npz_close(ebb_npz *file);

/* ---- safetensors ----
 * The header's length (64 bits, little-endian), a header in JSON that gives each tensor's name, dtype, shape and place,
 * then the elements, row-major and little-endian, bit for bit: github.com/huggingface/safetensors, "Format". All
 * functions give EBB_ERR_UNSUPPORTED in a build without jansson. */

/* Texts that go with tensors in a file, by keys: EBB_METADATA({"format", "pt"}, {"epoch", "3"}). */
typedef struct ebb_metadata_text {
    const char *key, *value;
} ebb_metadata_text;
typedef struct ebb_metadata {
    int64_t n;
    const ebb_metadata_text *text;
} ebb_metadata;
#ifdef __cplusplus
} /* extern "C" */
inline ebb_metadata ebb__metadata(std::initializer_list<ebb_metadata_text> texts) {
    return ebb_metadata{(int64_t)texts.size(), texts.begin()};
}
#define EBB_METADATA(...) ebb__metadata({__VA_ARGS__})
extern "C" {
#else
#define EBB_METADATA(...) \
    EBB_LITERAL(ebb_metadata, (int64_t)(sizeof((ebb_metadata_text[]){__VA_ARGS__}) / sizeof(ebb_metadata_text)), \
                (ebb_metadata_text[]){__VA_ARGS__})
#endif

typedef struct ebb_safetensors_options {
    ebb_metadata metadata; /* texts by keys; PyTorch's users expect "format": "pt" */
    int ebb__at;
} ebb_safetensors_options;

/* Write tensors of any dtype and strides under names, which must be distinct, and UTF-8.
 *     const char *names[] = {"weight", "bias"};
 *     ebb_safetensors_save("model.safetensors", names, EBB_LIST(w, b));
 *     ebb_safetensors_save("model.safetensors", names, EBB_LIST(w, b), .metadata = EBB_METADATA({"format", "pt"}));
 * Errors: EBB_ERR_ARGUMENT for names, EBB_ERR_IO. safetensors.torch.save_file */
EBB_API ebb_status ebb_safetensors_save(const char *path, const char *const *names, ebb_list tensors,
                                        ebb_safetensors_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_safetensors_save(...) ((void)EBB_HERE, ebb_safetensors_save(__VA_ARGS__))
#else
#define ebb_safetensors_save(...) ebb__safetensors_save_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__safetensors_save_(path, names, tensors, ...) \
    ebb_safetensors_save(path, names, tensors, (ebb_safetensors_options){__VA_ARGS__})
#endif

/* Fill tensors that are there with the file's values, found by their names; shapes and dtypes must be the same, and the
 * tensors contiguous. Other entries of the file do not matter. Nothing is written unless all fit. EBB_ERR_NAME for a
 * name that the file lacks, EBB_ERR_SHAPE, EBB_ERR_DTYPE, and what ebb_safetensors_open() gives.
 * model.load_state_dict(safetensors.torch.load_file(path)) */
EBB_API ebb_status ebb_safetensors_load(const char *path, const char *const *names, ebb_list tensors);
#define ebb_safetensors_load(...) ((void)EBB_HERE, ebb_safetensors_load(__VA_ARGS__))

typedef struct ebb_safetensors ebb_safetensors; /* an open file */

/* Open a file: its header is read and checked. EBB_ERR_IO when it cannot be read; EBB_ERR_FORMAT when it is damaged,
 * cut off, or says what cannot be. safetensors.safe_open
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
 * latter also for element types that Ebb does not have, such as U16. */
EBB_API int64_t ebb_safetensors_count(const ebb_safetensors *file);
EBB_API const char *ebb_safetensors_name(const ebb_safetensors *file, int64_t i);
EBB_API ebb_dtype ebb_safetensors_dtype(const ebb_safetensors *file, int64_t i);
EBB_API ebb_dims ebb_safetensors_shape(const ebb_safetensors *file, int64_t i);

/* The number of a name, or -1 (no error is set). */
EBB_API int64_t ebb_safetensors_find(const ebb_safetensors *file, const char *name);

/* The file's metadata: how many keys, the key of a number ("" out of range), and the text of a key, NULL when there is
 * none. They live until the file is closed. */
EBB_API int64_t ebb_safetensors_metadata_count(const ebb_safetensors *file);
EBB_API const char *ebb_safetensors_metadata_key(const ebb_safetensors *file, int64_t i);
EBB_API const char *ebb_safetensors_metadata(const ebb_safetensors *file, const char *key);

/* A new tensor with the entry's elements, which outlives the file. Of a file on disk, a tensor of 64 KiB or more is not
 * read but mapped: its pages come from the file when they are first touched, and writing to the tensor makes them its
 * own, so that the file never changes. It must not be overwritten by others meanwhile, nor cut short (replacing it, as
 * ebb_safetensors_save() does, is no harm); ebb_clone() gives a tensor that does not depend on it.
 * EBB_ERR_NAME when there is none, EBB_ERR_UNSUPPORTED for element types that Ebb does not have, EBB_ERR_IO. */
EBB_API ebb_tensor *ebb_safetensors_get(ebb_safetensors *file, const char *name);
#define ebb_safetensors_get(...) ((void)EBB_HERE, ebb_safetensors_get(__VA_ARGS__))

/* Accepts NULL; returns NULL. */
EBB_API ebb_safetensors *ebb_safetensors_close(ebb_safetensors *file);

#ifdef __cplusplus
}
#endif
#endif
