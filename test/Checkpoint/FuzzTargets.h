//===- FuzzTargets.h - What is fuzzed, and what must hold -------*- C++ -*-===//
//
// Readers of files that come from anywhere. Whatever the input, a reader accepts
// it or gives one error that begins with the file's name; what it accepts keeps
// what its type promises. The test runs a share, dsv2-fuzz-checkpoint all of it.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CHECKPOINT_FUZZTARGETS_H
#define DSV2_TEST_CHECKPOINT_FUZZTARGETS_H

#include "test/Checkpoint/Mutation.h"

#include <memory>
#include <string>
#include <vector>

namespace dsv2 {

class FuzzTarget {
public:
  virtual ~FuzzTarget() = default;
  virtual std::string name() const = 0;
  /// Makes one input from `random` and reads it. Gives what was wrong with the
  /// answer, "" if nothing; `input` becomes the text that was read.
  virtual std::string run(FuzzRandom &random, std::string &input) = 0;

  /// Inputs that were accepted so far: with none, mutations never get past the first
  /// check.
  uint64_t accepted = 0;
};

/// config.json of every model type: seeds are the goldens' and those of the tests.
std::unique_ptr<FuzzTarget> fuzzConfigs();
/// Headers of safetensors files, grown at random and then damaged.
std::unique_ptr<FuzzTarget> fuzzHeaders();
/// Model directories on disk: shards, index, configs, lengths and truncations.
std::unique_ptr<FuzzTarget> fuzzDirectories();
/// tokenizer.json.
std::unique_ptr<FuzzTarget> fuzzTokenizers();

} // namespace dsv2

#endif // DSV2_TEST_CHECKPOINT_FUZZTARGETS_H
