//===- Metadata.h - The FlatBuffer of an artifact ---------------*- C++ -*-===//
//
// Between Program.h and the bytes of the metadata section. The encoding of a program is unique:
// children before parents, in the order of the schema, nothing shared.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_METADATA_H
#define DSV2_LIB_ARTIFACT_METADATA_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <cstdint>
#include <vector>

namespace dsv2 {

/// Encodes everything but the images; `images` gives each variant's image section.
std::vector<uint8_t> encodeMetadata(const Program &program, const std::vector<uint32_t> &images);

/// A decoded program whose images are still missing (textBytes is set), and each variant's image
/// section.
struct DecodedMetadata {
  Program program;
  std::vector<uint32_t> images;
};

/// Decodes after the FlatBuffers verifier; memory is bounded by a multiple of `bytes`. Values are
/// taken as they are: verifyProgram judges them.
Expected<DecodedMetadata> decodeMetadata(const std::vector<uint8_t> &bytes);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_METADATA_H
