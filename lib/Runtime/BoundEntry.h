//===- BoundEntry.h - An entry with every address filled in -----*- C++ -*-===//
//
// Loops over layers are unrolled and pointers resolved once, when a session
// begins. For a step only the launch symbols are patched in, so that a driver
// gets a flat list of calls.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_BOUNDENTRY_H
#define DSV2_LIB_RUNTIME_BOUNDENTRY_H

#include "lib/Runtime/Driver.h"
#include "lib/Runtime/WeightLayout.h"

#include <vector>

namespace dsv2 {

/// Device addresses of everything that an argument can name.
struct BindAddresses {
  struct CachePlace {
    uint64_t address = 0;
    uint64_t layerStride = 0; ///< bytes
  };
  std::vector<uint64_t> buffers; ///< of each buffer of the variant
  uint64_t weights = 0;          ///< of the whole range
  const WeightLayout *layout = nullptr;
  std::vector<CachePlace> caches; ///< of each cache of the variant
};

class BoundEntry {
public:
  /// InvalidFile for an argument or kernel that is not there. `variant` must
  /// outlive the object.
  static Expected<BoundEntry> bind(const Variant &variant, const Entry &entry,
                                   const BindAddresses &addresses);

  /// Whether the guard holds.
  bool accepts(const SymbolValues &symbols) const;

  /// Makes the list of calls for a step. Does not allocate unless it fails.
  std::optional<Error> prepare(const SymbolValues &symbols);

  /// The calls of the last prepare(); those without items are left out.
  const std::vector<KernelCall> &calls() const { return active; }
  const Entry &entry() const { return *source; }

private:
  struct Call {
    uint32_t kernel;
    uint32_t dispatch; ///< index into dispatches
    uint64_t firstSlot;
  };
  struct Patch {
    uint64_t slot;
    uint32_t symbol;
  };

  std::optional<Error> bindDispatch(const Dispatch &dispatch, int64_t layer,
                                    const BindAddresses &addresses);

  const Variant *variant = nullptr;
  const Entry *source = nullptr;
  std::vector<const Dispatch *> dispatches;
  std::vector<int64_t> items; ///< of each dispatch, for the current symbols
  std::vector<Call> all;
  std::vector<uint64_t> slots;
  std::vector<Patch> patches;
  std::vector<KernelCall> active;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_BOUNDENTRY_H
