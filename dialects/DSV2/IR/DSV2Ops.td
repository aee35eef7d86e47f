//===- DSV2Ops.td - all of the dsv2 dialect --------------------*- tablegen -*-===//
//
// The umbrella: the ops stand in one file for each theme.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_OPS_TD
#define DSV2_OPS_TD

include "dialects/DSV2/IR/DSV2Dialect.td"
include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"
include "dialects/DSV2/IR/WeightOps.td"
include "dialects/DSV2/IR/QuantizeOps.td"
include "dialects/DSV2/IR/StructureOps.td"
include "dialects/DSV2/IR/LinearOps.td"
include "dialects/DSV2/IR/HeadOps.td"
include "dialects/DSV2/IR/CacheOps.td"
include "dialects/DSV2/IR/AttentionOps.td"
include "dialects/DSV2/IR/MoEOps.td"

#endif // DSV2_OPS_TD
