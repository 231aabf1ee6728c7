/* What an operator is: one constant struct. The built-in operators are defined with it (src/ops), and so are a user's
 * own; neither has privileges. See CONTRIBUTING.md, "Add an operator", for a complete file. */
#ifndef EBB_OPDEF_H
#define EBB_OPDEF_H

#include <ebb/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EBB_OP_MAX_IN 8 /* named inputs; one of them may be a list of any number of tensors */
#define EBB_OP_MAX_OUT 4
#define EBB_OUT_LIST (-1) /* the n_out of an operator whose results are a list: "-> Tensors" */

/* A list of tensors as one argument. EBB_LIST(a, b, c) */
typedef struct ebb_list {
    int64_t n;
    ebb_tensor *const *t;
} ebb_list;
#ifdef __cplusplus
} /* extern "C" */
#include <initializer_list>
inline ebb_list ebb__list(std::initializer_list<ebb_tensor *> t) { return ebb_list{(int64_t)t.size(), t.begin()}; }
#define EBB_LIST(...) ebb__list({__VA_ARGS__})
extern "C" {
#else
#define EBB_LIST(...) \
    EBB_LITERAL(ebb_list, (int64_t)(sizeof((ebb_tensor *[]){__VA_ARGS__}) / sizeof(ebb_tensor *)), \
                (ebb_tensor *[]){__VA_ARGS__})
#endif

/* A list as an argument that notes the caller's line, as EBB_AT does for a tensor. */
static inline ebb_list ebb__at_list(ebb_list list, const char *file, int line) {
    (void)ebb_at(file, line);
    return list;
}
#ifdef EBB_NO_CALL_SITES
#define EBB_AT_LIST(list) (list)
#else
#define EBB_AT_LIST(list) ebb__at_list((list), __FILE__, __LINE__)
#endif

/* A number as an argument, of the kind it has in C; whole ones are exact. As an option, where 0 is a value like any
 * other: all zero is "not given". EBB_SET(0.5), EBB_SET(3) */
typedef struct ebb_setting {
    double value;
    int64_t whole;   /* the value, unless it is floating: then 0 */
    ebb_dtype dtype; /* EBB_BOOL, EBB_I64 or EBB_F64 */
    bool given;
} ebb_setting;
#ifdef __cplusplus
} /* extern "C" */
inline ebb_setting ebb__set(bool x) { return ebb_setting{(double)x, x, EBB_BOOL, true}; }
inline ebb_setting ebb__set(float x) { return ebb_setting{(double)x, 0, EBB_F64, true}; }
inline ebb_setting ebb__set(double x) { return ebb_setting{x, 0, EBB_F64, true}; }
inline ebb_setting ebb__set(long double x) { return ebb_setting{(double)x, 0, EBB_F64, true}; }
template <class T> inline ebb_setting ebb__set(T x) { return ebb_setting{(double)x, (int64_t)x, EBB_I64, true}; }
inline ebb_setting ebb__set(ebb_setting x) { return x; }
#define EBB_SET(x) ebb__set(x)
extern "C" {
#else
/* clang-format off */
#define EBB_SET(x) \
    EBB_LITERAL(ebb_setting, (double)(x), \
                _Generic((x), float: 0, double: 0, long double: 0, default: (int64_t)(x)), \
                _Generic((x), bool: EBB_BOOL, float: EBB_F64, double: EBB_F64, long double: EBB_F64, \
                         default: EBB_I64), \
                true)
/* clang-format on */
#endif

/* Lists of any length as arguments; what they point to is read during the call. EBB_INTS(2, 3), EBB_FLOATS(0.5, 2) */
typedef struct ebb_ints {
    int64_t n;
    const int64_t *d;
} ebb_ints;
typedef struct ebb_floats {
    int64_t n;
    const double *d;
} ebb_floats;
#ifdef __cplusplus
} /* extern "C" */
inline ebb_ints ebb__ints(std::initializer_list<int64_t> d) { return ebb_ints{(int64_t)d.size(), d.begin()}; }
inline ebb_floats ebb__floats(std::initializer_list<double> d) { return ebb_floats{(int64_t)d.size(), d.begin()}; }
#define EBB_INTS(...) ebb__ints({__VA_ARGS__})
#define EBB_FLOATS(...) ebb__floats({__VA_ARGS__})
extern "C" {
#else
#define EBB__COUNTED(list, type, ...) \
    EBB_LITERAL(list, (int64_t)(sizeof((const type[]){__VA_ARGS__}) / sizeof(type)), (const type[]){__VA_ARGS__})
#define EBB_INTS(...) EBB__COUNTED(ebb_ints, int64_t, __VA_ARGS__)
#define EBB_FLOATS(...) EBB__COUNTED(ebb_floats, double, __VA_ARGS__)
#endif

/* What scatter_reduce makes of the elements that meet in one. */
enum ebb_scatter_reduction {
    EBB_SCATTER_SUM = 0,
    EBB_SCATTER_PROD,
    EBB_SCATTER_MEAN,
    EBB_SCATTER_AMAX,
    EBB_SCATTER_AMIN
};

enum ebb_reduction { EBB_REDUCTION_MEAN = 0, EBB_REDUCTION_SUM, EBB_REDUCTION_NONE };
enum ebb_rounding { EBB_ROUNDING_NONE = 0, EBB_ROUNDING_TRUNC, EBB_ROUNDING_FLOOR };
enum ebb_pad_mode { EBB_PAD_CONSTANT = 0, EBB_PAD_REFLECT, EBB_PAD_REPLICATE, EBB_PAD_CIRCULAR };

/* The modes of interpolate, by PyTorch's words. */
enum ebb_interpolation {
    EBB_NEAREST = 0,
    EBB_NEAREST_EXACT,
    EBB_LINEAR,
    EBB_BILINEAR,
    EBB_TRILINEAR,
    EBB_BICUBIC,
    EBB_AREA
};

/* The padding of conv1d to conv3d by a word: what `padding` lists, PyTorch's padding="valid", and padding="same". */
enum ebb_auto_padding { EBB_PADDING_LISTED = 0, EBB_PADDING_VALID, EBB_PADDING_SAME };

/* ---- the parts of a definition ---- */

enum ebb_input_kind {
    EBB_INPUT_TENSOR = 0,
    EBB_INPUT_NUMBER,         /* a tensor or a number */
    EBB_INPUT_OPTIONAL,       /* may be NULL */
    EBB_INPUT_LIST,           /* any number of tensors; an operator has one list at most */
    EBB_INPUT_OPTIONAL_LIST,  /* the same, where any entry may be NULL */
    EBB_INPUT_OPTIONAL_NUMBER /* a tensor, a number (EBB_NUM(0.5)), or NULL */
};

struct ebb_op_input {
    const char *name; /* PyTorch's */
    enum ebb_input_kind kind;
};
#define EBB_INPUTS(...) ((const struct ebb_op_input[]){__VA_ARGS__}) /* in C; elsewhere an array of one's own */

struct ebb_op_output {
    const char *name; /* NULL: none */
    /* Optional: the bool attribute by which a call by name asks for it, "return_indices"; without it, such a call
     * leaves it out. "" of one that is for the rule, and never given by name. NULL: it is always given. */
    const char *asked;
};
#define EBB_OUTPUTS(...) ((const struct ebb_op_output[]){__VA_ARGS__})

/* A gradient's formula for each input, in order; NULL, or nothing after the last, where there is none. */
#define EBB_FORMULAS(...) ((const char *const[EBB_OP_MAX_IN]){__VA_ARGS__})

enum ebb_attr_kind {
    EBB_ATTR_BOOL,    /* bool */
    EBB_ATTR_INT,     /* int64_t */
    EBB_ATTR_FLOAT,   /* double */
    EBB_ATTR_DIM,     /* int64_t; a dimension of input 0: rules see it counted from the front, checked */
    EBB_ATTR_NEWDIM,  /* the same, of an output with one dimension more */
    EBB_ATTR_DIMS,    /* ebb_dims; dimensions of input 0, distinct, counted from the front */
    EBB_ATTR_SHAPE,   /* ebb_dims; sizes or plain integers */
    EBB_ATTR_DTYPE,   /* ebb_dtype */
    EBB_ATTR_ENUM,    /* int; `values` names them, "mean,sum,none" */
    EBB_ATTR_SETTING, /* ebb_setting, any number; where it is not given rules see `fallback` */
    EBB_ATTR_COUNT,   /* the same, whole numbers only */
    EBB_ATTR_STRING,  /* const char *, NULL for the default; borrowed for the call: for compositions without a vjp */
    EBB_ATTR_INTS,    /* ebb_ints; a node keeps a copy */
    EBB_ATTR_FLOATS   /* ebb_floats; likewise */
};

struct ebb_attr {
    const char *name;
    enum ebb_attr_kind kind;
    uint16_t offset;      /* in the operator's attribute struct */
    bool required;        /* positional in C; otherwise an option whose zero is PyTorch's default */
    const char *values;   /* of an enum; "none" of a shape whose entries may be none by name, which is -1 */
    ebb_setting fallback; /* of a setting that is not given */
    /* What it is when it is not given, as a person reads it: "all", "0.01". Of a required one: what calls by name take,
     * which may leave it out then. NULL: nothing. */
    const char *otherwise;
    /* Optional: another name for it in calls by name. Several arguments may have it: a value goes to the first that
     * takes one of its kind, as conv2d's padding="same" does not go to the list of numbers; the lists of a list go to
     * one each, as tensordot's dims=((0),(1)). */
    const char *also;
};

/* How the inputs' dtypes become the one that is computed in (PyTorch's promotion rules). Inputs are cast before
 * forward() sees them, gradients are cast back; rules never do either. */
enum ebb_promotion {
    EBB_PROMOTE_NONE = 0, /* inputs as they are; the output has input 0's dtype unless infer() says otherwise */
    EBB_PROMOTE_COMMON,   /* torch.result_type of all inputs */
    EBB_PROMOTE_FLOAT,    /* the same, with integers and bool becoming the default dtype */
    EBB_PROMOTE_NUMERIC,  /* the same as COMMON, with bool becoming int64 */
    EBB_PROMOTE_COMPARE,  /* COMMON for the inputs, bool out */
    EBB_PROMOTE_FIRST,    /* input 0's dtype; the others are cast to it */
    EBB_PROMOTE_TRUTH     /* bool: of each input, where it is not 0 */
};

/* What becomes of floating-point inputs while autocast is on (autocast.h); not of float64 ones, and not in place. */
enum ebb_autocast_policy {
    EBB_AUTOCAST_NONE = 0, /* they stay as they are */
    EBB_AUTOCAST_LOW,      /* cast to the lower precision */
    EBB_AUTOCAST_F32,      /* cast to float32 */
    EBB_AUTOCAST_WIDEST    /* cast to float32 if one of them is float32, else to the lower precision */
};

/* What the gradient of one input reads; the union over the inputs that need gradients is saved. Inputs are counted as
 * they are declared, a list as one: its bit stands for all its entries. */
#define EBB_IN(i) (1u << (i))          /* input i */
#define EBB_OUT(i) (1u << (8 + (i)))   /* output i */
#define EBB_META(i) (1u << (16 + (i))) /* input i's shape and dtype, even where that input needs no gradient */

/* Sets of dtypes. */
#define EBB_DTYPES(d) (1u << (d))
#define EBB_FLOATING (EBB_DTYPES(EBB_F16) | EBB_DTYPES(EBB_BF16) | EBB_DTYPES(EBB_F32) | EBB_DTYPES(EBB_F64))
#define EBB_INTEGRAL (EBB_DTYPES(EBB_U8) | EBB_DTYPES(EBB_I32) | EBB_DTYPES(EBB_I64))
#define EBB_NUMERIC (EBB_FLOATING | EBB_INTEGRAL)
#define EBB_ANY_DTYPE 0u

struct ebb_op;

/* A tensor's outside, without its data. */
typedef struct ebb_meta {
    ebb_dtype dtype;
    ebb_dims shape;
    ebb_dims strides; /* views only, in elements */
    int64_t offset;   /* views only, in elements from input 0's first element */
} ebb_meta;

struct ebb_infer {
    const struct ebb_op *op;
    const void *attrs;
    int64_t n_in;
    const ebb_meta *in; /* an absent optional input has dtype EBB_DTYPE_NONE */
    ebb_dtype dtype;    /* the promoted dtype */
    ebb_meta *out;      /* [n_out]; dtype is preset by the promotion rule */
    int64_t n_out;
};

struct ebb_forward {
    const struct ebb_op *op;
    const void *attrs;
    int64_t n_in;
    ebb_tensor *const *in;  /* cast by the promotion rule; NULL for an absent optional input */
    ebb_tensor *const *out; /* allocated, contiguous, as infer() said */
    int64_t n_out;
    ebb_tensor *const *given; /* [n_in] the inputs as they were given */
    bool recorded, followed;  /* grad mode was on at the call; derivatives by all inputs may be needed */
};

/* Whether a derivative by input i may be asked for later: otherwise what only its rule would read need not be computed.
 * False where nothing is recorded (PyTorch tells what it would be there, too), but true of all inside an open level of
 * forward mode or ebb_vmap, and when the operator is called again for what it saved. ctx.needs_input_grad in forward
 *     if (ebb_forward_needs(f, 0)) ...                     compute the output that is saved for the rule */
EBB_API bool ebb_forward_needs(const struct ebb_forward *f, int64_t i);

/* One call of a vector-Jacobian product. Saved inputs and outputs that the rule did not declare are NULL. */
struct ebb_vjp_call {
    const struct ebb_op *op;
    const void *attrs;
    int64_t n_in;
    /* [n_out] upstream gradients; zeros where nothing flowed, unless the op takes undefined ones */
    ebb_tensor *const *grad;
    ebb_tensor *const *in;  /* [n_in] */
    ebb_tensor *const *out; /* [n_out] */
    int64_t n_out;
    const bool *needs;  /* [n_in] which gradients are wanted; giving others is ignored */
    ebb_tensor **given; /* [n_in] what ebb_vjp_give() stores */
    const ebb_node *node;
    bool may_add; /* whether ebb_vjp_sum may have a sum to offer */
};

/* Give the gradient of input i (borrowed). It may have the broadcast shape and the promoted dtype: both are undone
 * centrally. Not giving one means zero; giving NULL is the error that made it NULL. */
EBB_API void ebb_vjp_give(struct ebb_vjp_call *v, int64_t i, ebb_tensor *gradient);

/* The shape and dtype of input i, which must need its gradient. */
EBB_API ebb_dims ebb_vjp_shape(const struct ebb_vjp_call *v, int64_t i);
EBB_API ebb_dtype ebb_vjp_dtype(const struct ebb_vjp_call *v, int64_t i);

/* What the rules that ran before gave for input i, added up, of the shape and dtype of that input, when this rule may
 * add to it in place: it then gives nothing for this input. So a sum of many gradients, of a weight that is used again
 * and again or of a tensor's slices, needs no memory of its own. A product's rule
 *     ebb_tensor *sum = ebb_vjp_sum(v, 1);
 *     if (sum) ebb_addmm_(sum, a, b);                        written only, and with nothing but the gradient
 *     else ebb_vjp_give(v, 1, ebb_mm(a, b));                 which has to be right: it is all that runs elsewhere
 * NULL, without an error, where there is nothing yet, where the input needs no gradient, and wherever anybody would
 * notice: when somebody else holds the sum, or elements of it share memory; while the pass is recorded (create_graph),
 * looked at (EBB_DETECT_ANOMALY, post-hooks of this node), or calls rules again (EBB_STRONG_ZEROS); inside ebb_jvp,
 * ebb_vmap and what is made of them, and where the rule itself records (EBB_ENABLE_GRAD) or opens a level; and outside
 * of a pass.
 * Ownership: the pass has the sum, and may hand it to the next rule or to .grad: borrowed, for this call of the rule.
 * Errors: EBB_ERR_MEMORY, with NULL; then what the rule gives is ignored, as after any failure.
 * PyTorch has no counterpart: rules return their gradients there, and the engine adds them up. */
EBB_API ebb_tensor *ebb_vjp_sum(const struct ebb_vjp_call *v, int64_t i);

/* Whether input i is a matrix that ebb_t has transposed: then its gradient had better lie in memory by columns, so that
 * it lies by rows where it is gathered. */
EBB_API bool ebb_vjp_transposed(const struct ebb_vjp_call *v, int64_t i);

/* One call of a forward rule: the tangents of the outputs, J t, from those of the inputs. */
struct ebb_jvp_call {
    const struct ebb_op *op;
    const void *attrs;
    int64_t n_in, n_out;
    ebb_tensor *const *in;  /* [n_in] */
    ebb_tensor **tangent;   /* [n_in] NULL where an input has none */
    ebb_tensor *const *out; /* [n_out] */
    ebb_tensor **given;     /* [n_out] what ebb_jvp_give() stores */
};

/* Add to the tangent of output k (borrowed). Shape and dtype become the output's; an output that gets none has a zero
 * tangent. */
EBB_API void ebb_jvp_give(struct ebb_jvp_call *j, int64_t k, ebb_tensor *tangent);

/* Ready-made forward rules, for .jvp: the Jacobian is symmetric, so that the vjp gives J t too (softmax; elementwise
 * operators have it without saying so); the operator is linear in all its floating inputs together (cat; views have it
 * without saying so); it is linear in each of its inputs (matmul). */
EBB_API void ebb_jvp_symmetric(struct ebb_jvp_call *j);
EBB_API void ebb_jvp_linear(struct ebb_jvp_call *j);
EBB_API void ebb_jvp_multilinear(struct ebb_jvp_call *j);

/* One call on a batch: of an input that differs between samples all of them at once. Inside ebb_vmap an operator is
 * called with such inputs as it would be with one sample; this is how the call is made for all. */
struct ebb_batch_call {
    const struct ebb_op *op;
    const void *attrs; /* as for one sample */
    int64_t n_in;
    ebb_tensor *const *in; /* [n_in] a batched one has the samples along a dimension 0 more; others are as always */
    const bool *batched;   /* [n_in] */
    int64_t size;          /* how many samples */
    bool same;             /* random draws are to be the same for all */
    int64_t n_out;
    ebb_tensor **given; /* [n_out] what ebb_batch_give() stores */
};

/* Give output k (borrowed): the samples' results along dimension 0. Its other dimensions may be laid out in any way
 * that has their elements in order: they are given the shape that one call has. */
EBB_API void ebb_batch_give(struct ebb_batch_call *b, int64_t k, ebb_tensor *samples);

/* Ready-made rules, for .batch. Elementwise: inputs are aligned below the batch, and broadcast as always (elementwise
 * operators have it without saying so). Dims: every attribute that names a dimension of one sample is moved on by one,
 * an empty list that means all dimensions becomes the list of them, sizes that are called size or input_size(s) get the
 * batch in front; all tensors are batched (reductions, gather, cat along a `dim`). Leading: the operator takes any
 * number of dimensions in front, and works on each matrix or vector apart. Fold: it takes each entry of dimension 0
 * apart, and the batch is merged with that. Loop: one call a sample, what operators without a rule get; it is always
 * right. Random: a draw, treated as ebb_vmap was told. Refuse: EBB_ERR_ARGUMENT, since the result's shape depends on
 * values. */
EBB_API void ebb_batch_elementwise(struct ebb_batch_call *b);
EBB_API void ebb_batch_dims(struct ebb_batch_call *b);
EBB_API void ebb_batch_leading(struct ebb_batch_call *b);
EBB_API void ebb_batch_fold(struct ebb_batch_call *b);
EBB_API void ebb_batch_loop(struct ebb_batch_call *b);
EBB_API void ebb_batch_random(struct ebb_batch_call *b);
EBB_API void ebb_batch_refuse(struct ebb_batch_call *b);

/* The inner loop of an elementwise operator: p[0] is written, p[1] … are read; strides in bytes, 0 for a broadcast
 * one. */
typedef void (*ebb_loop)(int64_t n, char *const *p, const int64_t *stride, const void *attrs);

/* The definition. Name, inputs, attributes and outputs of a built-in operator come from EBB_SIGNATURE
 * (src/ops/signatures.h). */
struct ebb_op {
    const char *name; /* PyTorch's */
    /* What is written about it. Of built-in operators the library ebb-explain has signature, doc, torch, formula, parts
     * and samples, ebb_op_text(op), and here they are NULL. */
    const char *signature; /* "Tensor self, dims dim=all, bool keepdim=false -> Tensor": as a person reads it */
    const char *doc;       /* what it computes, with the formula, in a few sentences */
    const char *torch;     /* its counterpart, "torch.sum" */
    const char *family;    /* Optional: what it is listed under, "Reductions" */
    /* Optional: the name it is an overload of, as PyTorch's max(dim) is of max: a call by that name whose arguments
     * only this one has is a call of this one. */
    const char *overload;
    /* Optional: the order of its arguments in PyTorch's call, "self, dim, index", where that is not the signature's:
     * for languages that have arguments without names. */
    const char *order;
    const char *node; /* the name of its node, "SumBackward0"; NULL: that of the operator */
    /* Optional: another node name for some arguments, as PyTorch's overloads have ("SumBackward1"). */
    const char *(*node_variant)(const void *attrs, ebb_tensor *const *in);
    const struct ebb_op_input *in; /* [n_in] EBB_INPUTS({"self", EBB_INPUT_TENSOR}) */
    int n_in;
    int n_out;                       /* 0 means 1; EBB_OUT_LIST: as many as count() says */
    const struct ebb_op_output *out; /* optional, [n_out] EBB_OUTPUTS({.name = "values"}, …); C returns the first */
    const char *const *also;         /* optional, [n_in]: another name for an input, as ebb_attr has */
    const char *const *otherwise;    /* optional, [n_in]: the number that calls by name take where it is left out */
    const struct ebb_attr *attrs;
    int n_attrs;
    uint32_t attrs_size;

    enum ebb_promotion promote;
    uint32_t dtypes; /* accepted for the promoted dtype; 0 is any */
    uint32_t keeps;  /* EBB_IN(i) for inputs that promotion leaves as they are: where's condition */
    enum ebb_autocast_policy autocast;

    /* Shapes and dtypes of the outputs. NULL: all inputs broadcast together. Errors by ebb_fail(). */
    ebb_status (*infer)(struct ebb_infer *f);
    /* Of an operator that gives a list: how many tensors; -1 after ebb_fail(). (f->out is not there yet.) */
    int64_t (*count)(struct ebb_infer *f);

    /* How it is computed: one of the three. A composition with a vjp is recorded as one node, without a vjp as its
     * parts. */
    const ebb_loop *loops; /* elementwise: inner loops by the promoted dtype */
    /* Optional, with loops: refuse what a loop cannot, as integers divided by 0. dtype is the one computed in. */
    ebb_status (*check)(const void *attrs, ebb_tensor *const *in, int64_t n_in, ebb_dtype dtype);
    ebb_status (*forward)(struct ebb_forward *f);    /* fills f->out */
    ebb_tensor *(*compose)(struct ebb_forward *f);   /* written with public operators; f->out is not there */
    ebb_list (*compose_list)(struct ebb_forward *f); /* the same for a list or several outputs; no tensors are a
                                                        failure when an error is set */

    bool halves;     /* forward() knows float16 and bfloat16; otherwise it sees float32 in their place */
    bool contiguous; /* forward() wants contiguous inputs: others are copied first */
    /* with forward(): the dimensions of outputs lie in memory in the order of the inputs', as with loops */
    bool ordered;
    bool view;    /* the output shares input 0's storage as infer() describes; there is no kernel */
    bool inplace; /* has a form that writes its result into input 0: name with a trailing underscore */
    /* With infer and forward: in place, input 0 itself, of any strides, is given to forward() as its output too, so
     * that it writes only what changes. */
    bool updates;

    /* Its derivative. NULL is an error when the operator is recorded, unless it has none by nature. */
    void (*vjp)(struct ebb_vjp_call *v);
    /* Forward mode, written with public operators as the vjp is. NULL: derived from the vjp, which always works and
     * costs about three times the call. */
    void (*jvp)(struct ebb_jvp_call *j);
    /* How it is called on a batch, inside ebb_vmap, written with public operators. NULL: elementwise operators are
     * aligned, views are views of all samples, compositions without a vjp run their parts; any other is called sample
     * by sample. */
    void (*batch)(struct ebb_batch_call *b);
    /* Zero by nature: comparisons, argmax, … Calls are not recorded, unless there is a vjp: then they are, and it gives
     * zeros, as of random draws in PyTorch. */
    bool no_derivative;
    bool undefined_grads; /* vjp accepts NULL for upstream gradients that nothing flowed into */
    /* The rule is not written with operators throughout, so what it gives cannot be differentiated: under create_graph
     * a second derivative is an error, and so is forward mode without a jvp. */
    bool once_differentiable;
    /* EBB_OUT(k) of outputs that are never differentiated: indices, statistics kept for the vjp */
    uint32_t constant_outs;
    /* Of attributes that hold more than numbers, a context of the user's: a node that keeps a copy of them calls
     * keep_attrs on it, and drop_attrs when it goes. */
    void (*keep_attrs)(void *attrs);
    void (*drop_attrs)(void *attrs);
    uint32_t saves[EBB_OP_MAX_IN];
    /* The gradient of each input, in the names of the signature; g is the upstream gradient: EBB_FORMULAS("g * y"). */
    const char *const *formula;
    /* What a composition without a rule is made of, in the names of the signature; its gradient is that of these parts.
     * Like a formula an expression (docs/expressions.md), or words: a string in quotes. */
    const char *parts;

    /* Inputs and attributes it is tested, documented, fuzzed and timed with: see "samples" below. NULL: none. */
    const char *const *samples; /* NULL after the last: EBB_SAMPLES("(3,4)", "()") */
    double domain[2];           /* the samples' values lie between these; both 0: −2 to 2 */
};

/* The name of output k, from 0; NULL where it has none. */
static inline const char *ebb_op_output_name(const struct ebb_op *op, int64_t k) {
    return op->out && k >= 0 && k < (op->n_out ? op->n_out : 1) ? op->out[k].name : NULL;
}

/* ---- calling ---- */

/* Call an operator by its definition: inputs in order (for a list its tensors, and what follows it after them), `attrs`
 * its attribute struct or NULL when it has none or all may be left out. Results are stored in `ret_out` [n_out]. Every
 * public operator is this call. */
EBB_API ebb_status ebb_call_op(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs,
                               ebb_tensor **ret_out);

/* The same for any operator, with as many results as there are. The array belongs to the innermost scope, as the
 * tensors do. No tensors and an error on failure; an operator may give no tensors without one. */
EBB_API ebb_list ebb_call_op_list(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs);

/* Room for a list of n tensors, for compose_list: it belongs to the innermost scope. NULL and an error when out of
 * memory. */
EBB_API ebb_tensor **ebb_list_room(int64_t n);

/* ebb_call_op for the first output only; NULL on failure. */
EBB_API ebb_tensor *ebb_call_op1(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs);

/* Write the result of an operator that has an in-place form into in[0]; returns in[0]. */
EBB_API ebb_tensor *ebb_call_op_inplace(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in,
                                        const void *attrs);

/* The built-in operators, in order of their names. */
EBB_API int ebb_op_count(void);
EBB_API const struct ebb_op *ebb_op_get(int i);

/* The operator of a name, or NULL (no error is set). */
EBB_API const struct ebb_op *ebb_op_find(const char *name);

/* ---- samples ----
 * A sample is one call of an operator as text, its words separated by blanks:
 *
 *     sample    = ["!"] word ...             "!" begins one that must fail
 *     word      = input | list | attribute   inputs in order; attributes in any order, after them or between
 *     input     = shape                      "(3,4)", "()" a 0-d tensor, "(0,3)" an empty one, of the dtype asked for
 *               | "i" N shape                "i5(4)": int64, from 0 to N - 1
 *               | "b" shape                  "b(2,2)": bool
 *               | dtype shape                "float32(3)": of this dtype whatever is asked for
 *               | matrix shape               matrices in the last two dimensions, far from singular and from double
 *                                            singular values: "wc(2,3,4)" well-conditioned, "sym(3,3)" symmetric,
 *                                            "spd(3,3)" symmetric and positive definite
 *               | number                     "2.5", "-1": for a tensor-or-number input, promoted as a number
 *               | "none"                     an optional input that is absent; those at the end may be left out
 *     list      = "[" input ... "]"          "[(2,3) (1,3)]": the tensors of a list input; "[none i3(2)]"
 *     attribute = name "=" value             "keepdim=true", "dim=-1", "eps=1e-5", "dim=(0,1)", "dtype=float64",
 *                                            "reduction=sum"; all of those without a default must be there
 *
 * Values lie inside the operator's domain, differ within a tensor and stay away from 0, so that kinks, ties and poles
 * are met only by samples that mean to; integers are never 0 unless the domain leaves nothing else. They depend on the
 * text and the seed only, and are the same numbers in float32 and float64. A symmetric input means a function of
 * symmetric matrices: what varies it varies an element together with its mirror image. */
#define EBB_SAMPLES(...) ((const char *const[]){__VA_ARGS__, 0})

struct ebb_sample {
    const struct ebb_op *op;
    bool must_fail;
    int64_t n_in;
    ebb_tensor **in;              /* [n_in] references of the sample; NULL where an optional input is absent */
    void *attrs;                  /* the attribute struct, NULL when the operator has none */
    uint32_t matrices, symmetric; /* EBB_IN(i): input i was made as a matrix, as a symmetric one */
    char *text;                   /* a copy, which attributes that are text or lists point into */
    size_t text_bytes;
};

/* Make a sample's inputs and attributes: the dtype is for inputs that name none. The tensors belong to the sample,
 * until ebb_sample_release().
 *     struct ebb_sample s;
 *     if (ebb_sample_make(op, "(3,4) dim=1", EBB_F64, 1, &s)) return ebb_perror("sample");
 *     ebb_tensor *y = ebb_call_op1(op, s.in, s.n_in, s.attrs);
 *     ebb_sample_release(&s);
 * Errors: EBB_ERR_FORMAT for text that is not a sample of this operator, naming the word that is wrong; EBB_ERR_NAME
 * for an attribute it does not have; EBB_ERR_ARGUMENT for an attribute's value; EBB_ERR_MEMORY. */
EBB_API ebb_status ebb_sample_make(const struct ebb_op *op, const char *text, ebb_dtype dtype, uint64_t seed,
                                   struct ebb_sample *ret_sample);

/* Release what ebb_sample_make() made; does nothing for one that is all zero. */
EBB_API void ebb_sample_release(struct ebb_sample *sample);

#ifdef __cplusplus
}
#endif
#endif
