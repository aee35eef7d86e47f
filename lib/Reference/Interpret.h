//===- Interpret.h - The tool dsv2-interpret --------------------*- C++ -*-===//
#ifndef DSV2_LIB_REFERENCE_INTERPRET_H
#define DSV2_LIB_REFERENCE_INTERPRET_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace dsv2 {

/// Runs the tool with its command line; returns the exit status. Results go to
/// stdout, messages to stderr. `registry` has every dialect that a module may
/// hold, also those that the oracle refuses.
int interpretMain(int argc, const char *const *argv, const mlir::DialectRegistry &registry);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_INTERPRET_H
