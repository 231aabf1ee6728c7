/* Subscripts: parts of a tensor read and written as x[0, 1:5, :, mask] in Python. */
#ifndef EBB_SUBSCRIPT_H
#define EBB_SUBSCRIPT_H

#include <ebb/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One item between the brackets. */
enum ebb_subscript_kind {
    EBB_SUBSCRIPT_INT,
    EBB_SUBSCRIPT_SLICE,
    EBB_SUBSCRIPT_NEWAXIS,
    EBB_SUBSCRIPT_ELLIPSIS,
    EBB_SUBSCRIPT_TENSOR
};
typedef struct ebb_subscript {
    enum ebb_subscript_kind kind;
    int64_t start, stop, step; /* of a slice; start is the integer of one */
    ebb_tensor *tensor;
} ebb_subscript;

#define EBB_MAX_ITEMS 12
typedef struct ebb_items {
    int32_t n;
    ebb_subscript item[EBB_MAX_ITEMS];
} ebb_items;

static inline ebb_subscript ebb__subscript(enum ebb_subscript_kind kind, int64_t start, int64_t stop, int64_t step,
                                           ebb_tensor *tensor) {
    ebb_subscript s;
    s.kind = kind;
    s.start = start;
    s.stop = stop;
    s.step = step;
    s.tensor = tensor;
    return s;
}

/* start:stop and start:stop:step, where a negative position counts from the end and EBB_END is the end; steps are
 * positive. */
#define EBB_SLICE(start, stop) ebb__subscript(EBB_SUBSCRIPT_SLICE, (start), (stop), 1, NULL)
#define EBB_STEP(start, stop, step) ebb__subscript(EBB_SUBSCRIPT_SLICE, (start), (stop), (step), NULL)
#define EBB_ALL EBB_SLICE(0, EBB_END) /* ":" */
/* None: a new dimension of size 1. "...": all dimensions that no other item stands for. */
#define EBB_NEWAXIS ebb__subscript(EBB_SUBSCRIPT_NEWAXIS, 0, 0, 0, NULL)
#define EBB_ELLIPSIS ebb__subscript(EBB_SUBSCRIPT_ELLIPSIS, 0, 0, 0, NULL)

/* x[items]: a view for integers, slices and the like; with tensors among the items, integers that index or masks
 * (bool), a copy, as ebb_index has it. A 0-d tensor of an integer is that integer. torch.Tensor.__getitem__.
 *     ebb_tensor *y = ebb_getitem(images, EBB_ITEMS(0, EBB_SLICE(1, 5), EBB_ALL, mask));
 * Errors: EBB_ERR_INDEX for indices out of range, or too many; EBB_ERR_SHAPE, EBB_ERR_DTYPE for tensors that do not
 * fit. */
EBB_API ebb_tensor *ebb_getitem(ebb_tensor *x, ebb_items items);
#define ebb_getitem(x, ...) ebb_getitem(EBB_AT(x), __VA_ARGS__)

/* x[items] = value, a tensor that broadcasts to that part of x, or a number; recorded like any write in place. Returns
 * x. torch.Tensor.__setitem__.
 *     ebb_setitem(t, EBB_ITEMS(EBB_ELLIPSIS, -1), 0.5);
 *     ebb_setitem(t, EBB_ITEMS(ebb_lt(t, 0)), 0);
 * Errors: those of ebb_getitem, and of the write: a value that does not broadcast or, where tensors index, is of
 * another dtype; a leaf that requires gradients. */
EBB_API ebb_tensor *ebb_setitem(ebb_tensor *x, ebb_items items, ebb_tensor *value);
#define ebb_setitem(x, items, value) ebb_setitem(EBB_AT(x), items, EBB_NUM(value))

#ifdef __cplusplus
} /* extern "C" */
#endif

/* EBB_ITEMS(...): 1 to 12 items, each an integer, a tensor, or one of the above. */
static inline ebb_subscript ebb__item_int(int64_t i) { return ebb__subscript(EBB_SUBSCRIPT_INT, i, 0, 0, NULL); }
static inline ebb_subscript ebb__item_tensor(ebb_tensor *t) { return ebb__subscript(EBB_SUBSCRIPT_TENSOR, 0, 0, 0, t); }
#ifdef __cplusplus
template <class T> inline ebb_subscript ebb__item(T i) { return ebb__item_int((int64_t)i); }
inline ebb_subscript ebb__item(ebb_tensor *t) { return ebb__item_tensor(t); }
inline ebb_subscript ebb__item(ebb_subscript s) { return s; }
template <class... T> inline ebb_items ebb__items(T... item) {
    static_assert(sizeof...(item) <= EBB_MAX_ITEMS, "at most 12 items");
    return ebb_items{(int32_t)sizeof...(item), {ebb__item(item)...}};
}
#define EBB_ITEMS(...) ebb__items(__VA_ARGS__)
#else
static inline ebb_subscript ebb__item_same(ebb_subscript s) { return s; }
/* clang-format off */
#define EBB__ITEM(x) \
    _Generic((x), ebb_subscript: ebb__item_same, ebb_tensor *: ebb__item_tensor, void *: ebb__item_tensor, \
             default: ebb__item_int)(x)
#define EBB__ITEMS_1(a) EBB__ITEM(a)
#define EBB__ITEMS_2(a, ...) EBB__ITEM(a), EBB__ITEMS_1(__VA_ARGS__)
#define EBB__ITEMS_3(a, ...) EBB__ITEM(a), EBB__ITEMS_2(__VA_ARGS__)
#define EBB__ITEMS_4(a, ...) EBB__ITEM(a), EBB__ITEMS_3(__VA_ARGS__)
#define EBB__ITEMS_5(a, ...) EBB__ITEM(a), EBB__ITEMS_4(__VA_ARGS__)
#define EBB__ITEMS_6(a, ...) EBB__ITEM(a), EBB__ITEMS_5(__VA_ARGS__)
#define EBB__ITEMS_7(a, ...) EBB__ITEM(a), EBB__ITEMS_6(__VA_ARGS__)
#define EBB__ITEMS_8(a, ...) EBB__ITEM(a), EBB__ITEMS_7(__VA_ARGS__)
#define EBB__ITEMS_9(a, ...) EBB__ITEM(a), EBB__ITEMS_8(__VA_ARGS__)
#define EBB__ITEMS_10(a, ...) EBB__ITEM(a), EBB__ITEMS_9(__VA_ARGS__)
#define EBB__ITEMS_11(a, ...) EBB__ITEM(a), EBB__ITEMS_10(__VA_ARGS__)
#define EBB__ITEMS_12(a, ...) EBB__ITEM(a), EBB__ITEMS_11(__VA_ARGS__)
#define EBB__ITEMS_COUNT(a, b, c, d, e, f, g, h, i, j, k, l, n, ...) n
#define EBB__ITEMS_LITERAL(n, ...) ((ebb_items){n, {EBB__ITEMS_##n(__VA_ARGS__)}})
#define EBB__ITEMS_OF(n, ...) EBB__ITEMS_LITERAL(n, __VA_ARGS__)
#define EBB_ITEMS(...) \
    EBB__ITEMS_OF(EBB__ITEMS_COUNT(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), __VA_ARGS__)
/* clang-format on */
#endif

#endif
