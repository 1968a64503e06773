/* SPDX-License-Identifier: Apache-2.0 */
/* The later steps of jit_flow_find; false: no memory. */
#ifndef JIT_STUB_FLOW_INTERNAL_H
#define JIT_STUB_FLOW_INTERNAL_H

#include "jit_stub/flow.h"

/* Of all live sets together; where that is not enough, everything is live. */
enum { JIT_FLOW_SETS_MAX_BYTES = 8 << 20 };

bool jit_flow_find_live(struct jit_flow *flow, struct mm_arena *arena);
bool jit_flow_find_uses(struct jit_flow *flow, struct mm_arena *arena,
                        const struct vm_method *method);

#endif
