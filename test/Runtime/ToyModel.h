//===- ToyModel.h - A model small enough to work out by hand ----*- C++ -*-===//
//
// Two layers, a paged cache of two values per token, greedy output:
//   next token = (sum over the context of weight[token] * (place + 1)) mod vocab
// where weight comes from a checkpoint. Each layer contributes half of the sum,
// read back from its own cache through the block table.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_RUNTIME_TOYMODEL_H
#define DSV2_TEST_RUNTIME_TOYMODEL_H

#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Runtime/Model.h"
#include "test/Runtime/TestDriver.h"

#include <string>
#include <vector>

namespace dsv2::test {

constexpr int64_t kToyVocab = 31;
constexpr int64_t kToyPage = 8;

/// A directory of its own that is removed at the end.
class TemporaryDirectory {
public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string path;
};

/// Writes config.json and model.safetensors: "embed" F32 [vocab] = 2 * id + 2,
/// and "layer.{0,1}" BF16 [4, 6].
void writeToyCheckpoint(const std::string &directory);

Program toyProgram();
std::vector<TestKernel> toyKernels();

/// The token that follows `context`.
int32_t toyNext(const std::vector<int32_t> &context);
/// `count` tokens after `prompt`.
std::vector<int32_t> toyGenerate(std::vector<int32_t> prompt, size_t count);

/// A postfix expression: "T", "B", ... for symbols, numbers, "+", "*", "/" (ceil).
Expr expr(const std::string &postfix);

/// A model on a TestDriver; `driver` gets the driver.
std::unique_ptr<Model> toyModel(const std::string &directory, TestDriver **driver = nullptr,
                                const ModelOptions &options = {});

} // namespace dsv2::test

#endif // DSV2_TEST_RUNTIME_TOYMODEL_H
