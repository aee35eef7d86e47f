//===- Registration.h - what the compiler's tools know -------------------------===//
//
// One explicit list of dialects and passes for every tool; nothing registers itself.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_PIPELINES_REGISTRATION_H
#define DSV2_LIB_PIPELINES_REGISTRATION_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace mlir::dsv2 {

/// Our dialects, and the upstream ones that our lowerings use.
void registerAllDialects(DialectRegistry &registry);

/// Our passes, each under its `--dsv2-...` flag, and the upstream ones that tests use.
void registerAllPasses();

} // namespace mlir::dsv2

#endif // DSV2_LIB_PIPELINES_REGISTRATION_H
