//===- GateExtension.h - Gate methods of other dialects ---------*- C++ -*-===//
//
// A gate's method is an attribute with an interface, so another dialect may bring
// one. That dialect tells the oracle what it computes by attaching this interface;
// without it the oracle would take the method for one of DeepSeek's.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_GATEEXTENSION_H
#define DSV2_LIB_REFERENCE_GATEEXTENSION_H

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Reference/Ops/Routing.h"

#include "mlir/IR/DialectInterface.h"

namespace dsv2 {

/// What gate methods of a dialect compute: registered by `addInterfaces` of it.
class GateExtension : public mlir::DialectInterface::Base<GateExtension> {
public:
  explicit GateExtension(mlir::Dialect *dialect) : Base(dialect) {}
  /// `x` [T,H] and `w` [E,H] as `gate` takes them; `spec` holds what the op says.
  virtual GateResult run(mlir::dsv2::GateMethodInterface method, const Tensor &x, const Tensor &w,
                         const GateSpec &spec) const = 0;
};

} // namespace dsv2

MLIR_DECLARE_EXPLICIT_TYPE_ID(::dsv2::GateExtension)

#endif // DSV2_LIB_REFERENCE_GATEEXTENSION_H
