//===- Limits.h - What an artifact may hold at most -------------*- C++ -*-===//
//
// Written limits, so that a hostile file cannot ask for unbounded memory or time. docs/artifact.md
// lists them for readers; test/Artifact tests each at its edge.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_LIMITS_H
#define DSV2_LIB_ARTIFACT_LIMITS_H

#include <cstdint>

namespace dsv2::limits {

constexpr uint64_t kMetadataBytes = 64ull << 20;
/// All images of the variants together, a shared one counted for each.
constexpr uint64_t kImageBytes = 1ull << 30;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kKernelAlignment = 64;

constexpr uint64_t kVariants = 64;
constexpr uint64_t kWeights = 65536;    ///< families of a variant
constexpr uint64_t kTensors = 1u << 20; ///< checkpoint tensors that a variant's weights read
constexpr uint64_t kSources = 4096;     ///< of a weight
constexpr uint64_t kCopies = 65536;     ///< of a weight
constexpr uint64_t kBuffers = 65536;
constexpr uint64_t kCaches = 64;
constexpr uint64_t kKernels = 16384;
constexpr uint64_t kEntries = 256;
constexpr uint64_t kGuards = 64;        ///< of an entry
constexpr uint64_t kDispatches = 65536; ///< of an entry, those in a loop once
constexpr uint64_t kArgs = 64;          ///< of a dispatch
constexpr uint64_t kExprNodes = 256;
constexpr uint64_t kExprDepth = 32; ///< of the stack
constexpr uint64_t kNameBytes = 512;
constexpr uint64_t kEndTokens = 1024;

constexpr int64_t kRank = 8; ///< of a tensor and of a copy
constexpr int64_t kExperts = 4096;
constexpr int64_t kLayers = 4096;
constexpr int64_t kWeightElements = int64_t(1) << 40; ///< of one prepared weight or source
/// Of all prepared weights of a variant, all layers.
constexpr uint64_t kWeightBytes = uint64_t(16) << 40;
constexpr int64_t kBufferElements = int64_t(1) << 40; ///< at the caps
constexpr int64_t kVocab = int64_t(1) << 31;
constexpr int64_t kHidden = int64_t(1) << 24;
constexpr int64_t kRotaryPairs = 4096;
constexpr int64_t kPosition = int64_t(1) << 40;
constexpr int64_t kContext = int64_t(1) << 24;
constexpr int64_t kBatch = 65536;
constexpr int64_t kStepTokens = int64_t(1) << 20;
constexpr int64_t kWorkers = 4096;
constexpr int64_t kPageTokens = 64;
constexpr int64_t kRowElements = int64_t(1) << 20;
constexpr uint64_t kScratchBytes = 256ull << 20;
constexpr uint32_t kThreads = 1024; ///< of a workgroup
constexpr uint64_t kSharedBytes = 1u << 20;
constexpr uint64_t kTensorMaps = 16;               ///< of a kernel
constexpr int64_t kMapColumns = int64_t(1) << 31;  ///< of a tensor map
constexpr int64_t kMapRowBytes = int64_t(1) << 39; ///< of a tensor map
constexpr int64_t kMapRowAlignment = 16;           ///< of address and rows
constexpr int64_t kBoxRows = 256;

} // namespace dsv2::limits

#endif // DSV2_LIB_ARTIFACT_LIMITS_H
