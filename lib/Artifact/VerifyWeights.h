//===- VerifyWeights.h - Rules of weights and their copies ------*- C++ -*-===//
//
// The part of the semantic pass that keeps weight preparation inside its memory and its time:
// copies write and read in bounds, and do no more work than the weight has elements.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_VERIFYWEIGHTS_H
#define DSV2_LIB_ARTIFACT_VERIFYWEIGHTS_H

#include "lib/Artifact/Program.h"
#include "lib/Artifact/VerifierBase.h"

namespace dsv2 {

class WeightVerifier : public VerifierBase {
public:
  /// The first rule that one weight breaks. Adds to `tensors` the checkpoint tensors that it reads.
  bool verify(const Weight &weight, uint64_t &tensors);

private:
  bool layers(const Weight &weight);
  bool scales(const WeightSource &source);
  bool source(const Weight &weight, const WeightSource &source, int64_t &elements);
  bool copy(const Weight &weight, const WeightCopy &copy, int64_t sourceElements, int64_t &written);
};

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_VERIFYWEIGHTS_H
