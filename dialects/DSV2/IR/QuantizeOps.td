//===- QuantizeOps.td - quantized weights and their values -----*- tablegen -*-===//
//
// Between a weight of numbers and one of few bits with a scale for each block.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_QUANTIZE_OPS_TD
#define DSV2_QUANTIZE_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"

def DSV2_DequantizeOp : DSV2_Op<"dequantize", [Pure]> {
  let summary = "the numbers that a quantized weight stands for";
  let description = [{
    stored * scale of each element, rounded once to the result's type (to nearest even).

    ```mlir
    %v = dsv2.dequantize %w : tensor<576x7168x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
        to tensor<576x7168xf32>
    ```
  }];
  let arguments = (ins DSV2_WeightScaled:$weight);
  let results = (outs DSV2_WeightFloat:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `to` type($result)";
  let hasVerifier = 1;
}

def DSV2_QuantizeOp : DSV2_Op<"quantize", [Pure]> {
  let summary = "a weight in few bits with a scale for each block";
  let description = [{
    A block's scale is amax / M rounded to the scale's type, where amax is the largest magnitude of
    the block and M the largest of the stored type (448 for f8E4M3FN, 127 for i8, 7 for i4). The
    scale of a block of zeros (or one whose amax / M rounds to 0) is 1. Each element is stored as
    w / scale, to nearest even, at most M in magnitude.

    ```mlir
    %q = dsv2.quantize %w : tensor<576x7168xf32> to tensor<576x7168x!dsv2.scaled<i8, [1, 0], f32>>
    ```
  }];
  let arguments = (ins DSV2_WeightFloat:$weight);
  let results = (outs DSV2_WeightScaled:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `to` type($result)";
  let hasVerifier = 1;
}

#endif // DSV2_QUANTIZE_OPS_TD
