//===- Run.h - What dsv2-run does -------------------------------*- C++ -*-===//
//
// The two jobs of the tool.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TOOLS_DSV2_RUN_RUN_H
#define DSV2_TOOLS_DSV2_RUN_RUN_H

#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Runtime/Model.h"
#include "tools/dsv2-run/CommandLine.h"

#include <memory>

namespace dsv2 {

/// Runs the given tokens: text, ids, logits or perplexity.
std::optional<Error> run(const CommandLine &line);

/// Measures prefill and decode.
std::optional<Error> runBench(const CommandLine &line);

/// Opens the artifact as the flags say.
Expected<std::unique_ptr<Model>> openModel(const CommandLine &line, const Checkpoint &checkpoint);

} // namespace dsv2

#endif // DSV2_TOOLS_DSV2_RUN_RUN_H
