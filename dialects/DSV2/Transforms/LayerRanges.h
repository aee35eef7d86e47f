//===- LayerRanges.h - a loop over layers, cut --------------------------------===//
//
// Passes that treat some layers of a loop apart (a device's share, a prefetch before the first, a
// dense layer at the end) cut the loop first. This is the one place that does it: numbers, carried
// values and the linear cache stay right.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_TRANSFORMS_LAYERRANGES_H
#define DIALECTS_DSV2_TRANSFORMS_LAYERRANGES_H

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/IR/PatternMatch.h"

#include <utility>

namespace mlir::dsv2 {

/// The two loops that stand for one; the second takes what the first yields.
struct LayerSplit {
  LayersOp first;
  LayersOp second;
};

/// Cuts a loop before number `at`, which must be a number of its range but not the first:
///
///   %y = dsv2.layers %l = 0 to 6 carry(%h = %x)            { body }
///   // splitLayers(loop, 2)
///   %a = dsv2.layers %l = 0 to 2 carry(%h = %x)            { body }
///   %y = dsv2.layers %l = 2 to 6 carry(%h = %a)            { body }
///
/// Fails, and changes nothing, for any other number.
FailureOr<LayerSplit> splitLayers(RewriterBase &rewriter, LayersOp loop, int64_t at);

/// Takes the first or the last layer out of a loop of at least two: a loop of one, then the rest,
/// or the rest, then a loop of one. Fails, and changes nothing, for a loop of one.
FailureOr<LayerSplit> peelFirstLayer(RewriterBase &rewriter, LayersOp loop);
FailureOr<LayerSplit> peelLastLayer(RewriterBase &rewriter, LayersOp loop);

/// Puts the body of a loop of one layer in its place; the layer's number becomes a constant. Fails,
/// and changes nothing, for a longer loop.
LogicalResult inlineOneLayer(RewriterBase &rewriter, LayersOp loop);

} // namespace mlir::dsv2

#endif // DIALECTS_DSV2_TRANSFORMS_LAYERRANGES_H
