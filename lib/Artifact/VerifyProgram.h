//===- VerifyProgram.h - The semantic pass over a program -------*- C++ -*-===//
//
// Everything that the bytes of an artifact could get wrong and that its consumers rely on. Runs on
// every read and every write; there is no way around it.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_VERIFYPROGRAM_H
#define DSV2_LIB_ARTIFACT_VERIFYPROGRAM_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <optional>

namespace dsv2 {

/// The first rule of docs/artifact.md that `program` breaks: InvalidFile, or Limit past a written
/// limit. The message names variant, item, field and value.
///
/// After it passes: every index is in range and every enum known; expressions evaluate at the
/// variant's caps without overflow; copies stay inside their sources and their weight; layers of
/// weights and caches exist for every iteration; buffer offsets lie inside the buffer at the caps;
/// an arena buffer is touched only by dispatches in its live interval of one entry; step tables
/// hold what the runtime writes; kernels lie in the text.
std::optional<Error> verifyProgram(const Program &program);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_VERIFYPROGRAM_H
