//===- StepCase.h - whole steps of a compiled model -------------*- C++ -*-===//
//
// A program of an artifact as one case for each of its GPU variants: every
// launch with the memory that it would find, generic kernels included.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TOOLS_GPU_PACK_STEPCASE_H
#define DSV2_TOOLS_GPU_PACK_STEPCASE_H

#include "tools/gpu-pack/Pack.h"

namespace dsv2::pack {

/// A decode step as a measurement (G8), on weights of noise: a pack has no room for a checkpoint.
std::optional<Error> addDecodeSteps(Pack &pack, const std::string &artifact,
                                    const std::vector<std::string> &targets);

/// The prefill of a golden's tokens as a check: its weights, and its logits as the result.
std::optional<Error> addGoldenSteps(Pack &pack, const std::string &artifact,
                                    const std::string &golden,
                                    const std::vector<std::string> &targets);

} // namespace dsv2::pack

#endif // DSV2_TOOLS_GPU_PACK_STEPCASE_H
