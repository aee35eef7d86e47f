//===- Session.h - Sequences and the steps that extend them -----*- C++ -*-===//
//
// A session holds the memory of a running model: arena, step tables and cache
// pages. Its sequences grow by steps; a step runs rows of several sequences
// together, so that they share each matmul. What a sequence computes does not
// depend on the others in the step.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_SESSION_H
#define DSV2_LIB_RUNTIME_SESSION_H

#include "lib/Runtime/BoundEntry.h"
#include "lib/Runtime/MemoryPlan.h"
#include "lib/Runtime/Model.h"
#include "lib/Runtime/PagedCache.h"
#include "lib/Runtime/StepTables.h"

#include <memory>
#include <vector>

namespace dsv2 {

/// Caps of a session; 0 is the compiled maximum. They set its memory.
struct SessionOptions {
  int64_t maxSequences = 0;
  int64_t maxContext = 0; ///< cached tokens of a sequence
  int64_t maxWanted = 0;  ///< rows of a step that give logits
  /// Bytes for cache pages; 0: enough for maxSequences of maxContext tokens, or
  /// half of the free memory if that is less, which must hold one such sequence.
  uint64_t cacheBytes = 0;
  /// For tests: not 0 shuffles the order of pages.
  uint64_t pageSeed = 0;
  /// For tests: fills the unused cache with NaN.
  bool poisonCache = false;
};

/// Not safe for calls from several threads at once; several sessions of one
/// model are.
class Session {
public:
  /// `model` must outlive the session. Limit for memory, Usage for caps past the
  /// compiled ones.
  static Expected<std::unique_ptr<Session>> create(const Model &model,
                                                   const SessionOptions &options);

  /// A new empty sequence; Limit when maxSequences are open.
  Expected<int32_t> open();
  /// Gives the sequence's pages back. An unknown number is ignored.
  void close(int32_t sequence);
  /// Shortens the context to `tokens` (drafts that were refused).
  std::optional<Error> shorten(int32_t sequence, int64_t tokens);
  /// Cached tokens; 0 for an unknown number.
  int64_t length(int32_t sequence) const;

  /// Runs one step. Parts name different sequences; together they have at most
  /// maxStepTokens() rows. After an error nothing has changed: Usage for a bad
  /// argument (a token outside the vocabulary, ...), Limit when the context or
  /// the cache is full.
  std::optional<Error> step(const StepPart *parts, size_t count);

  /// Of the last step: f32 [wanted rows, vocab], parts in order; valid until the
  /// next one. Null when the program has no such output.
  const float *logits() const { return logitsData; }
  int64_t wantedRows() const { return wantedCount; }

  const Model &model() const { return owner; }
  int64_t maxStepTokens() const { return owner.variant().maxStepTokens; }
  int64_t maxSequences() const { return limits.maxSequences; }
  int64_t maxContext() const { return limits.maxContext; }
  int64_t maxWanted() const { return limits.maxWanted; }
  int64_t pageTokens() const { return tokensPerPage; }
  int64_t pages() const { return pool.count(); }
  int64_t freePages() const { return pool.free(); }
  /// Bytes of arena, tables and outputs.
  uint64_t workingBytes() const { return plan.bytes; }

private:
  struct Sequence {
    bool isOpen = false;
    bool inStep = false;
    int64_t nextPosition = 0;
    PagedSequence cached;
  };

  Session(const Model &model) : owner(model), pool(0) {}
  std::optional<Error> setLimits(const SessionOptions &options);
  std::optional<Error> allocateCache(const SessionOptions &options);
  std::optional<Error> allocateBuffers();
  std::optional<Error> bindEntries();
  std::optional<Error> checkParts(const StepPart *parts, size_t count, SymbolValues &symbols);
  std::optional<Error> checkPart(const StepPart &part) const;
  /// Copies the part of a buffer that these symbols use, to the device or back.
  std::optional<Error> transfer(BufferKind kind, const SymbolValues &symbols);

  const Model &owner;
  SessionOptions limits;
  int64_t tokensPerPage = 64;
  PagePool pool;
  std::vector<Sequence> sequences;
  MemoryPlan plan;
  std::unique_ptr<DeviceMemory> buffers;
  std::vector<std::unique_ptr<DeviceMemory>> caches;
  /// Tables and outputs for the host where it cannot reach the device's.
  std::vector<char> mirror;
  char *hostTables = nullptr;
  std::vector<uint64_t> offsets;
  std::unique_ptr<StepTables> tables;
  BindAddresses addresses;
  std::vector<BoundEntry> entries;
  std::vector<PlacedPart> placed;
  const float *logitsData = nullptr;
  int64_t wantedCount = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_SESSION_H
