//===- CostInterface.td - what an op costs ---------------------*- tablegen -*-===//
//
// Every op of the step function says what it computes and moves, so that no pass needs a list of
// ops to compare two forms.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_COST_INTERFACE_TD
#define DSV2_COST_INTERFACE_TD

include "mlir/IR/OpBase.td"

def DSV2_CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::mlir::dsv2";
  let description = [{
    Arithmetic and traffic of an op in a step of a given size (dialects/DSV2/IR/Cost.h says how they
    are counted).
  }];
  let methods = [
    InterfaceMethod<"the cost of one execution; inside a loop over layers, of one layer",
                    "::mlir::dsv2::Cost", "getCost", (ins "const ::mlir::dsv2::StepShape &":$shape)>,
  ];
}

#endif // DSV2_COST_INTERFACE_TD
