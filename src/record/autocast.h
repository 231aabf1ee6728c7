/* Autocast: what the call path does with inputs while it is on, and the mode as a value, for those who call something
 * again later. */
#ifndef EBB_RECORD_AUTOCAST_H
#define EBB_RECORD_AUTOCAST_H

#include "record/call.h"
#include <ebb/autocast.h>

/* The thread's mode, and another one until ebb_autocast_close(): 0 is none. */
uint32_t ebb__autocast_mode(void);
ebb_mode ebb__autocast_set(uint32_t mode);

/* The inputs of a call as its operator's policy wants them: references, NULL for what is absent; to be ended on failure
 * too. */
ebb_status ebb__autocast_inputs(struct ebb__row *row, const struct ebb_op *op, ebb_tensor *const *in, int64_t n);
void ebb__autocast_end(struct ebb__row *row);

#endif
