//===- Describe.h - an artifact in words --------------------------------------===//
//
// What `dsv2-translate --describe` prints: targets, entry points, memory at the caps, kernels,
// weights.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_TRANSLATION_DESCRIBE_H
#define DSV2_LIB_TRANSLATION_DESCRIBE_H

#include "lib/Artifact/Artifact.h"

#include <string>

namespace mlir::dsv2 {

/// For people: aligned lines, sizes in bytes.
std::string describeArtifact(const ::dsv2::Artifact &artifact);

/// For programs: one JSON object {hash, bytes, model, variants: [{name, driver, tier, compute,
/// caps, memory, image, entries, kernels, weights}]}; every size is an exact integer of bytes.
std::string describeArtifactAsJson(const ::dsv2::Artifact &artifact);

} // namespace mlir::dsv2

#endif // DSV2_LIB_TRANSLATION_DESCRIBE_H
