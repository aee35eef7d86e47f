//===- VerifyEntry.h - Rules of an entry's program --------------*- C++ -*-===//
//
// The part of the semantic pass over guards, loops, dispatches and their slots.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_VERIFYENTRY_H
#define DSV2_LIB_ARTIFACT_VERIFYENTRY_H

#include "lib/Artifact/Program.h"
#include "lib/Artifact/VerifierBase.h"

#include <set>

namespace dsv2 {

/// Verifies one entry of a variant whose weights, buffers, caches and kernels have passed.
class EntryVerifier : public VerifierBase {
public:
  /// `bufferSizes`: the elements of the variant's buffers at the caps, since many slots ask for
  /// them.
  EntryVerifier(const Variant &variant, const std::vector<int64_t> &bufferSizes, const Entry &entry)
      : variant(variant), bufferSizes(bufferSizes), entry(entry) {}
  bool verify();

private:
  /// The layers of the loop around a dispatch; outside one a single pass with layer 0.
  struct Loop {
    bool inside = false;
    int64_t first = 0, last = 0, step = 1;
  };

  bool guards();
  bool step(const Step &step);
  bool tensorMaps(const Kernel &kernel, const std::vector<Arg> &args);
  bool dispatch(const Dispatch &dispatch, const Loop &loop);
  bool arg(const Arg &arg, const Loop &loop);
  bool bufferArg(const Arg &arg, int64_t first, int64_t last);
  bool weightArg(const Arg &arg, const Loop &loop, int64_t first, int64_t last);
  bool unused(const char *field, int64_t value);
  bool usedBuffers();

  const Variant &variant;
  const std::vector<int64_t> &bufferSizes;
  const Entry &entry;
  int64_t number = 0; ///< of the dispatch at hand
  std::set<uint32_t> arena;
};

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_VERIFYENTRY_H
