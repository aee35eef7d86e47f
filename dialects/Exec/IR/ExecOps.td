//===- ExecOps.td - all of the dsv2_exec dialect ----------------*- tablegen -*-===//
//
// The umbrella: the ops stand in one file for each theme.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_EXEC_OPS_TD
#define DSV2_EXEC_OPS_TD

include "dialects/Exec/IR/ExecDialect.td"
include "dialects/Exec/IR/ExecAttrs.td"
include "dialects/Exec/IR/MemoryOps.td"
include "dialects/Exec/IR/DispatchOps.td"

#endif // DSV2_EXEC_OPS_TD
