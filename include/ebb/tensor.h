/* Tensors: element types, shapes, views of shared storage, reading and printing. No arithmetic here (ops.h). */
#ifndef EBB_TENSOR_H
#define EBB_TENSOR_H

#include <ebb/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element types, in the order in which they promote. Zero means "not given": PyTorch's default applies. */
typedef enum ebb_dtype {
    EBB_DTYPE_NONE = 0,
    EBB_BOOL = 1, /* one byte, 0 or 1 */
    EBB_U8 = 2,
    EBB_I32 = 3,
    EBB_I64 = 4,
    EBB_F16 = 5,  /* IEEE 754 binary16; computed through float32 */
    EBB_BF16 = 6, /* bfloat16, the upper half of a float32; computed through float32. With float16: float32 */
    EBB_F32 = 7,
    EBB_F64 = 8
} ebb_dtype;
#define EBB_DTYPE_COUNT 9

#define EBB_MAX_NDIM 8

/* A list of up to 8 sizes, dimensions, strides or indices. All zero: the empty list. The entries come first, so that a
 * number without EBB_DIMS, as in .dim = 1 or {2, 2}, is a list of no entries that has some all the same, which is an
 * error; for a bare 0 there is the compiler's -Wmissing-braces. */
typedef struct ebb_dims {
    int64_t d[EBB_MAX_NDIM];
    int32_t n;
} ebb_dims;

/* EBB_DIMS(2, 3): a list of two. Lists of more than 8 do not compile. EBB_NO_DIMS is the empty list, the shape of a 0-d
 * tensor. */
#define EBB_DIMS(...) \
    EBB_LITERAL(ebb_dims, {__VA_ARGS__}, (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
#ifdef __cplusplus
#undef EBB_DIMS
} /* extern "C" */
template <class... T> inline ebb_dims ebb__dims(T... d) {
    static_assert(sizeof...(d) <= EBB_MAX_NDIM, "at most 8 dimensions");
    return ebb_dims{{(int64_t)d...}, (int32_t)sizeof...(d)};
}
#define EBB_DIMS(...) ebb__dims(__VA_ARGS__)
extern "C" {
#endif
#define EBB_NO_DIMS EBB_LITERAL(ebb_dims, {0}, 0)

/* The end of a dimension, however long: ebb_slice(x, 0, 1, EBB_END) is x[1:]. */
#define EBB_END INT64_MAX

/* ---- dtypes ---- */

/* "float32", "int64", "bool", …: PyTorch's name; "none" for what is no dtype. */
EBB_API const char *ebb_dtype_name(ebb_dtype dtype);

/* The dtype of a name: "float32" and its short form "f32"; EBB_DTYPE_NONE when unknown (no error is set). */
EBB_API ebb_dtype ebb_dtype_from_name(const char *name);

/* Bytes of one element; 0 for EBB_DTYPE_NONE. */
EBB_API size_t ebb_dtype_size(ebb_dtype dtype);

/* Whether elements are floating point, and so can carry gradients. */
EBB_API bool ebb_dtype_is_floating(ebb_dtype dtype);

/* The dtype in which tensors of dtypes a and b meet. torch.promote_types. */
EBB_API ebb_dtype ebb_promote_types(ebb_dtype a, ebb_dtype b);

/* The dtype of new floating-point tensors in this thread, float32 at start. torch.set_default_dtype; only EBB_F32 and
 * EBB_F64 are accepted (EBB_ERR_DTYPE otherwise). */
EBB_API ebb_status ebb_set_default_dtype(ebb_dtype dtype);
#define ebb_set_default_dtype(...) ((void)EBB_HERE, ebb_set_default_dtype(__VA_ARGS__))
EBB_API ebb_dtype ebb_default_dtype(void);

/* ---- what a tensor is ---- Given NULL these return 0, false, an empty list or NULL. */

EBB_API ebb_dtype ebb_tensor_dtype(const ebb_tensor *t);       /* t.dtype; EBB_DTYPE_NONE for NULL */
EBB_API int ebb_tensor_ndim(const ebb_tensor *t);              /* dimensions: 0 for a scalar. t.ndim */
EBB_API ebb_dims ebb_tensor_shape(const ebb_tensor *t);        /* the size of each dimension. t.shape */
EBB_API ebb_dims ebb_tensor_strides(const ebb_tensor *t);      /* in elements */
EBB_API int64_t ebb_tensor_size(const ebb_tensor *t, int dim); /* dim < 0 counts from the end; EBB_ERR_INDEX and -1 */
#define ebb_tensor_size(...) ((void)EBB_HERE, ebb_tensor_size(__VA_ARGS__))
EBB_API int64_t ebb_tensor_numel(const ebb_tensor *t);          /* elements: the product of the sizes. t.numel() */
EBB_API int64_t ebb_tensor_storage_offset(const ebb_tensor *t); /* in elements, from the start of the storage */
EBB_API bool ebb_tensor_is_contiguous(const ebb_tensor *t);     /* row-major without gaps */
/* Whether writing to one may change the other: a view and its base, two views of one base. */
EBB_API bool ebb_tensor_shares_storage(const ebb_tensor *a, const ebb_tensor *b);
/* After writing through ebb_tensor_data: autograd then knows that, and on which line, the values are others.
 * torch.autograd.graph.increment_version */
EBB_API void ebb_increment_version(ebb_tensor *t);
#define ebb_increment_version(...) ((void)EBB_HERE, ebb_increment_version(__VA_ARGS__))
EBB_API uint32_t ebb_tensor_version(const ebb_tensor *t); /* how often the storage was written in place. t._version */
EBB_API bool ebb_tensor_requires_grad(const ebb_tensor *t);
EBB_API bool ebb_tensor_is_leaf(const ebb_tensor *t);
EBB_API bool ebb_tensor_is_view(const ebb_tensor *t);

/* The first element's address. Elements lie at data + sum(index[i] * stride[i]) * size. Writing through it is not seen
 * by version counters. NULL for a NULL tensor. t.data_ptr() */
EBB_API void *ebb_tensor_data(const ebb_tensor *t);

/* Give a tensor a name that errors, graphs and reports show; copied, at most 63 bytes. Returns t. */
EBB_API ebb_tensor *ebb_name(ebb_tensor *t, const char *name);
#define ebb_name(...) ((void)EBB_HERE, ebb_name(__VA_ARGS__))
EBB_API const char *ebb_tensor_name(const ebb_tensor *t); /* "" when it has none */

/* ---- values out and in ---- */

/* The one value of a tensor of one element, as a double (NaN and EBB_ERR_SHAPE otherwise). t.item() */
EBB_API double ebb_item(const ebb_tensor *t);
#define ebb_item(...) ((void)EBB_HERE, ebb_item(__VA_ARGS__))
EBB_API int64_t ebb_item_i64(const ebb_tensor *t);
#define ebb_item_i64(...) ((void)EBB_HERE, ebb_item_i64(__VA_ARGS__))

/* The element at an index, one number a dimension, negative ones counting from the end.
 *     double v = ebb_at_index(w, EBB_DIMS(2, -1)); */
EBB_API double ebb_at_index(const ebb_tensor *t, ebb_dims index);
#define ebb_at_index(...) ((void)EBB_HERE, ebb_at_index(__VA_ARGS__))

/* Copy all elements, in row-major order, converted to `dtype`, to `ret_data` (numel * size bytes). */
EBB_API ebb_status ebb_tensor_read(const ebb_tensor *t, ebb_dtype dtype, void *ret_data);
#define ebb_tensor_read(...) ((void)EBB_HERE, ebb_tensor_read(__VA_ARGS__))

/* A new tensor with the given shape and dtype, its elements copied from `data` in row-major order. torch.tensor.
 *     float v[] = {1, 2, 3, 4, 5, 6};
 *     ebb_tensor *m = ebb_from_data(v, EBB_F32, EBB_DIMS(2, 3)); */
EBB_API ebb_tensor *ebb_from_data(const void *data, ebb_dtype dtype, ebb_dims shape);
#define ebb_from_data(...) ((void)EBB_HERE, ebb_from_data(__VA_ARGS__))

/* A tensor over memory that the caller owns, without a copy; `release(context)` is called when the last tensor over it
 * is gone (not when this call fails). `strides` in elements; the empty list for row-major. torch.from_blob. */
EBB_API ebb_tensor *ebb_from_memory(void *data, ebb_dtype dtype, ebb_dims shape, ebb_dims strides,
                                    void (*release)(void *context), void *context);
#define ebb_from_memory(...) ((void)EBB_HERE, ebb_from_memory(__VA_ARGS__))

/* A 0-d tensor that takes part in promotion as a Python number would: it never widens a dtype of its own kind.
 * What ebb_add(x, 2.0) makes of 2.0. */
EBB_API ebb_tensor *ebb_number_f64(double value);
EBB_API ebb_tensor *ebb_number_i64(int64_t value);
EBB_API ebb_tensor *ebb_number_bool(bool value); /* True and False: true in C is the integer 1 */
EBB_API bool ebb_tensor_is_number(const ebb_tensor *t);

/* ---- printing ---- */

typedef struct ebb_print_options {
    int precision; /* digits after the point; 0 means 4 */
    int threshold; /* elements above which the middle is left out; 0 means 1000 */
    int edgeitems; /* elements shown at each edge then; 0 means 3 */
    int linewidth; /* characters a line; 0 means 80 */
} ebb_print_options;

/* Print as PyTorch does, "tensor([[1., 2.]], grad_fn=<MulBackward0>)", and a newline, on stdout. */
EBB_API ebb_status ebb_print(const ebb_tensor *t);
#define ebb_print(...) ((void)EBB_HERE, ebb_print(__VA_ARGS__))

/* The same text, without the newline, in `ret_text` (room for `size` bytes, cut off at that). Returns the length of the
 * whole text, as snprintf does; options may be NULL. */
EBB_API size_t ebb_format(char *ret_text, size_t size, const ebb_tensor *t, const ebb_print_options *options);

#ifdef __cplusplus
}
#endif

/* Tensor-or-number arguments: EBB_NUM(x) is x for a tensor, and ebb_number_*(x) for a number; notes the caller's
 * line. */
#ifdef __cplusplus
inline ebb_tensor *ebb__num(ebb_tensor *t) { return t; }
inline ebb_tensor *ebb__num(double v) { return ebb_number_f64(v); }
inline ebb_tensor *ebb__num(float v) { return ebb_number_f64((double)v); }
inline ebb_tensor *ebb__num(long double v) { return ebb_number_f64((double)v); }
inline ebb_tensor *ebb__num(bool v) { return ebb_number_bool(v); }
inline ebb_tensor *ebb__num(int v) { return ebb_number_i64(v); }
inline ebb_tensor *ebb__num(long v) { return ebb_number_i64(v); }
inline ebb_tensor *ebb__num(long long v) { return ebb_number_i64((int64_t)v); }
inline ebb_tensor *ebb__num(unsigned v) { return ebb_number_i64((int64_t)v); }
inline ebb_tensor *ebb__num(unsigned long v) { return ebb_number_i64((int64_t)v); }
inline ebb_tensor *ebb__num(unsigned long long v) { return ebb_number_i64((int64_t)v); }
#define EBB_NUM(x) EBB_AT(ebb__num(x))
#else
static inline ebb_tensor *ebb__num_tensor(ebb_tensor *t) { return t; }
static inline ebb_tensor *ebb__num_long(long double v) { return ebb_number_f64((double)v); }
/* clang-format off */
#define EBB_NUM(x) \
    EBB_AT(_Generic((x), ebb_tensor *: ebb__num_tensor, void *: ebb__num_tensor, double: ebb_number_f64, \
                    float: ebb_number_f64, long double: ebb__num_long, bool: ebb_number_bool, \
                    default: ebb_number_i64)(x))
/* clang-format on */
#endif

#endif
