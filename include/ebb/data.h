/* Data sets: reading IDX files (the MNIST family's format), and batches of examples in shuffled order. */
#ifndef EBB_DATA_H
#define EBB_DATA_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- IDX files ----
 * Two zero bytes, a type code, the number of dimensions, the sizes (32 bits, big-endian), then the elements in
 * row-major order, big-endian: LeCun, Cortes and Burges, "The MNIST database", yann.lecun.com/exdb/mnist.
 * Codes become dtypes so: 0x08 u8; 0x09 (signed byte), 0x0B (short) and 0x0C i32; 0x0D f32; 0x0E f64. */

/* Read an IDX file, plain or compressed by gzip (told apart by content, not by name), into a new tensor.
 *     ebb_tensor *images;
 *     if (ebb_idx_read("train-images-idx3-ubyte.gz", &images)) return ebb_perror("data");
 * Errors: EBB_ERR_IO for a file that cannot be read; EBB_ERR_FORMAT for one that is damaged, cut off, longer than it
 * says or says what cannot be; EBB_ERR_UNSUPPORTED for more than 8 dimensions, or gzip in a build without zlib. */
EBB_API ebb_status ebb_idx_read(const char *path, ebb_tensor **ret_tensor);
#define ebb_idx_read(...) ((void)EBB_HERE, ebb_idx_read(__VA_ARGS__))

/* The same from memory; `name` stands for the file in errors. */
EBB_API ebb_status ebb_idx_decode(const void *bytes, size_t size, const char *name, ebb_tensor **ret_tensor);
#define ebb_idx_decode(...) ((void)EBB_HERE, ebb_idx_decode(__VA_ARGS__))

/* ---- batches ---- */

typedef struct ebb_batches ebb_batches;

typedef struct ebb_batches_options {
    int64_t batch_size; /* 0 means 1, as in torch */
    bool shuffle;       /* a new order for each epoch, from the thread's random numbers (ebb_manual_seed) */
    bool drop_last;     /* leave out the last batch when it is not full */
    int ebb__at;
} ebb_batches_options;

/* Batches of examples: row i of every tensor is example i (dimension 0; all of one size). The tensors are kept until
 * ebb_batches_free(). NULL on failure. torch.utils.data.DataLoader(TensorDataset(…)).
 *     ebb_batches *batches = ebb_batches_new(EBB_LIST(images, labels), .batch_size = 32, .shuffle = true);
 *     for (int epoch = 0; epoch < 10; epoch++) {
 *         if (ebb_batches_begin(batches)) break;
 *         for (int64_t i = 0; i < ebb_batches_count(batches); i++)
 *             EBB_SCOPE {
 *                 ebb_tensor *part[2];
 *                 if (ebb_batches_get(batches, i, part)) break;
 *                 train(part[0], part[1]);
 *             }
 *     }
 *     ebb_batches_free(batches); */
EBB_API ebb_batches *ebb_batches_new(ebb_list tensors, ebb_batches_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_batches_new(...) ((void)EBB_HERE, ebb_batches_new(__VA_ARGS__))
#else
#define ebb_batches_new(...) ebb__batches_new_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__batches_new_(tensors, ...) ebb_batches_new(tensors, (ebb_batches_options){__VA_ARGS__})
#endif

/* Begin an epoch: draws its order when shuffling. Before the first call examples come in their own order. */
EBB_API ebb_status ebb_batches_begin(ebb_batches *batches);
#define ebb_batches_begin(...) ((void)EBB_HERE, ebb_batches_begin(__VA_ARGS__))

/* Batches in an epoch; 0 for NULL. */
EBB_API int64_t ebb_batches_count(const ebb_batches *batches);

/* Batch i of the epoch: for each tensor, its rows of that batch, in ret_parts [as many as tensors] and owned by the
 * innermost scope. Rows in their own order are views. EBB_ERR_INDEX for i out of range. */
EBB_API ebb_status ebb_batches_get(ebb_batches *batches, int64_t i, ebb_tensor **ret_parts);
#define ebb_batches_get(...) ((void)EBB_HERE, ebb_batches_get(__VA_ARGS__))

/* Accepts NULL; returns NULL. */
EBB_API ebb_batches *ebb_batches_free(ebb_batches *batches);

#ifdef __cplusplus
}
#endif
#endif
