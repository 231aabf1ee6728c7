/* Ebb: automatic differentiation in C. Includes every public header. */
#ifndef EBB_EBB_H
#define EBB_EBB_H

#include <ebb/base.h>
#include <ebb/tensor.h>
#include <ebb/opdef.h>
#include <ebb/call.h>
#include <ebb/ops.h>
#include <ebb/subscript.h>
#include <ebb/autograd.h>
#include <ebb/checkpoint.h>
#include <ebb/debug.h>
#include <ebb/autocast.h>
#include <ebb/transforms.h>
#include <ebb/nn.h>
#include <ebb/optim.h>
#include <ebb/data.h>
#include <ebb/dlpack.h>
#include <ebb/io.h>
#include <ebb/graph.h>

#endif
