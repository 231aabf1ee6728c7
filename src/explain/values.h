/* Values of tensors as a person reads them. */
#ifndef EBB_EXPLAIN_VALUES_H
#define EBB_EXPLAIN_VALUES_H

#include "explain/words.h"
#include "tool/memory.h"

/* The elements of a small tensor, a line for each row of a matrix; of a larger one its extremes and its mean. In the
 * arena; "" when out of memory. */
const char *ebb__value_text(struct ebb__arena *a, enum ebb_language lang, ebb_tensor *t);

/* "2.58385": six significant digits, no negative zero. */
const char *ebb__number_text(struct ebb__arena *a, double value);

#endif
