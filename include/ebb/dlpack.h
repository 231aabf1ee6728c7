/* DLPack: tensors handed to and taken from other libraries in the same process, without a copy. */
#ifndef EBB_DLPACK_H
#define EBB_DLPACK_H

#include <ebb/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The two forms of the standard, github.com/dmlc/dlpack: that of version 0, and the versioned one since 1.0. They are
 * declared here by name; a program that looks inside includes dlpack.h. */
struct DLManagedTensor;
struct DLManagedTensorVersioned;

/* Hand t to another library: it shares t's memory, of any strides, and keeps it until it calls the deleter, once.
 *     struct DLManagedTensor *m;
 *     if (ebb_to_dlpack(t, &m)) return ebb_perror("export");
 * Errors: EBB_ERR_GRAPH for a tensor that requires gradients (ebb_detach it), EBB_ERR_MEMORY.
 * torch.utils.dlpack.to_dlpack, Tensor.__dlpack__ */
EBB_API ebb_status ebb_to_dlpack(ebb_tensor *t, struct DLManagedTensor **ret_managed);
EBB_API ebb_status ebb_to_dlpack_versioned(ebb_tensor *t, struct DLManagedTensorVersioned **ret_managed);
#define ebb_to_dlpack(...) ((void)EBB_HERE, ebb_to_dlpack(__VA_ARGS__))
#define ebb_to_dlpack_versioned(...) ((void)EBB_HERE, ebb_to_dlpack_versioned(__VA_ARGS__))

/* Take a tensor from another library: the result shares its memory, owned by the innermost scope, and calls the deleter
 * when the last tensor over it is gone. On failure the managed tensor stays the caller's. What may only be read is
 * copied, and deleted at once.
 * Errors: EBB_ERR_UNSUPPORTED for another device than the CPU, another major version than 1, vectors (lanes);
 * EBB_ERR_DTYPE for an element type that Ebb does not have; EBB_ERR_SHAPE for more than 8 dimensions and for negative
 * strides; EBB_ERR_ARGUMENT for data that is not aligned to its elements. torch.from_dlpack */
EBB_API ebb_tensor *ebb_from_dlpack(struct DLManagedTensor *managed);
EBB_API ebb_tensor *ebb_from_dlpack_versioned(struct DLManagedTensorVersioned *managed);
#define ebb_from_dlpack(...) ((void)EBB_HERE, ebb_from_dlpack(__VA_ARGS__))
#define ebb_from_dlpack_versioned(...) ((void)EBB_HERE, ebb_from_dlpack_versioned(__VA_ARGS__))

#ifdef __cplusplus
}
#endif
#endif
