//===- AssignLiveIntervals.cpp - When each arena buffer is live -------------------------------===//
//
// Offsets are the runtime's: sizes depend on caps that are fixed at load. Here is only which
// buffers may not share memory.
//
//===------------------------------------------------------------------------------------------===//

#include "dialects/Exec/IR/Exec.h"
#include "dialects/Exec/Transforms/Passes.h"

#include "llvm/ADT/MapVector.h"

namespace mlir::dsv2_exec {
#define GEN_PASS_DEF_ASSIGNLIVEINTERVALSPASS
#include "dialects/Exec/Transforms/Passes.h.inc"
} // namespace mlir::dsv2_exec

using namespace mlir;
using namespace mlir::dsv2_exec;

namespace {

struct Interval {
  int64_t begin = 0, end = 0;
  EntryOp entry;
  void cover(int64_t from, int64_t to) {
    begin = std::min(begin, from);
    end = std::max(end, to);
  }
};

struct AssignLiveIntervalsPass
    : public dsv2_exec::impl::AssignLiveIntervalsPassBase<AssignLiveIntervalsPass> {
  using AssignLiveIntervalsPassBase::AssignLiveIntervalsPassBase;

  void runOnOperation() override {
    for (auto variant : getOperation().getOps<VariantOp>()) {
      if (failed(assign(variant))) {
        return signalPassFailure();
      }
    }
  }

  LogicalResult assign(VariantOp variant) {
    SymbolTable symbols(variant);
    llvm::MapVector<BufferOp, Interval> intervals;
    for (auto entry : variant.getOps<EntryOp>()) {
      int64_t number = 0;
      for (Operation &op : *entry.getBody()) {
        if (auto dispatch = dyn_cast<DispatchOp>(op)) {
          if (failed(use(dispatch, entry, symbols, number, intervals))) {
            return failure();
          }
          ++number;
        } else if (auto repeat = dyn_cast<RepeatOp>(op)) {
          if (failed(assignLoop(repeat, entry, symbols, number, intervals))) {
            return failure();
          }
        }
      }
    }
    for (auto buffer : llvm::make_early_inc_range(variant.getOps<BufferOp>())) {
      auto found = intervals.find(buffer);
      if (found != intervals.end()) {
        buffer.setLiveBegin(found->second.begin);
        buffer.setLiveEnd(found->second.end);
      } else if (buffer.isArena()) {
        buffer.erase();
      }
    }
    return success();
  }

  /// Intervals of the dispatches in a loop, which take the numbers from `number` on.
  LogicalResult assignLoop(RepeatOp repeat, EntryOp entry, SymbolTable &symbols, int64_t &number,
                           llvm::MapVector<BufferOp, Interval> &intervals) {
    int64_t first = number;
    llvm::DenseSet<StringAttr> written;
    llvm::SetVector<BufferOp> carried;
    for (auto dispatch : repeat.getBody()->getOps<DispatchOp>()) {
      auto kernel = symbols.lookup<KernelOp>(dispatch.getKernel());
      auto writes = kernel->getAttrOfType<DenseI64ArrayAttr>("writes");
      if (!writes) {
        return dispatch.emitOpError()
               << "kernel '" << dispatch.getKernel() << "' does not say what it writes";
      }
      // Reads first: a slot that is written may be read too, but then its old value came from
      // outside the dispatch only if another slot (or an earlier dispatch) says so.
      for (auto [slot, attribute] : llvm::enumerate(dispatch.getArgs())) {
        auto arg = cast<ArgAttr>(attribute);
        if (!arg.isRef() || llvm::is_contained(writes.asArrayRef(), int64_t(slot))) {
          continue;
        }
        auto buffer = symbols.lookup<BufferOp>(arg.getRef().getValue());
        if (buffer && buffer.isArena() && !written.contains(buffer.getSymNameAttr())) {
          carried.insert(buffer);
        }
      }
      for (int64_t slot : writes.asArrayRef()) {
        auto arg = slot < int64_t(dispatch.getArgs().size())
                       ? cast<ArgAttr>(dispatch.getArgs()[slot])
                       : ArgAttr();
        if (!arg || !arg.isRef()) {
          return dispatch.emitOpError() << "slot " << slot << " is written but no buffer";
        }
        written.insert(arg.getRef().getAttr());
      }
      if (failed(use(dispatch, entry, symbols, number, intervals))) {
        return failure();
      }
      ++number;
    }
    for (BufferOp buffer : carried) {
      intervals[buffer].cover(first, number);
      ++numCarried;
    }
    return success();
  }

  LogicalResult use(DispatchOp dispatch, EntryOp entry, SymbolTable &symbols, int64_t number,
                    llvm::MapVector<BufferOp, Interval> &intervals) {
    for (Attribute attribute : dispatch.getArgs()) {
      auto arg = cast<ArgAttr>(attribute);
      auto buffer = arg.isRef() ? symbols.lookup<BufferOp>(arg.getRef().getValue()) : BufferOp();
      if (!buffer || !buffer.isArena()) {
        continue;
      }
      auto [at, isNew] = intervals.insert({buffer, {number, number + 1, entry}});
      if (!isNew && at->second.entry != entry) {
        return dispatch.emitOpError()
               << "arena buffer '" << buffer.getSymName() << "' belongs to another entry";
      }
      at->second.cover(number, number + 1);
    }
    return success();
  }
};

} // namespace
