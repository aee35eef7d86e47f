//===- Fences.cpp - which barriers a kernel needs -------------------------===//
//
// The function becomes a tree of accesses, barriers, loops and branches. From one end and from the
// other the accesses are carried to each barrier that reach it without another between; a fence
// stays where one of each side touch the same bytes and one of them writes.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/Fences.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseSet.h"

#include <limits>

using namespace mlir;

namespace dsv2 {
namespace {

/// Bytes of workgroup memory that an operation touches.
struct Access {
  int64_t begin = 0, end = std::numeric_limits<int64_t>::max();
  bool write = false;
  unsigned owner = 0; ///< 0: any thread may touch any byte

  bool operator==(const Access &o) const {
    return begin == o.begin && end == o.end && write == o.write && owner == o.owner;
  }
  bool overlaps(const Access &o) const { return begin < o.end && o.begin < end; }
  bool conflicts(const Access &o) const {
    return overlaps(o) && (write || o.write) && (owner == 0 || owner != o.owner);
  }
};

struct Node {
  enum Kind { Touch, Barrier, Sequence, Loop, Branch };
  Kind kind = Sequence;
  unsigned access = 0; ///< of Touch
  Operation *barrier = nullptr;
  bool runs = false;          ///< of Loop: at least once
  std::vector<Node> children; ///< Loop: one; Branch: each way
};

/// What leaves a node: its own accesses, and whether those before it pass.
struct Flow {
  llvm::BitVector own;
  bool passes = true;
};

class FenceAnalysis {
public:
  FenceAnalysis(func::FuncOp function, ArrayRef<Operation *> fences,
                const llvm::DenseMap<Operation *, unsigned> &owners)
      : owners(owners) {
    for (Operation *fence : fences) {
      barriers.insert(fence->getName());
    }
    root = sequence(function.getBody().front());
  }

  bool needs(Operation *fence);
  void drop(Operation *fence) { dropped.insert(fence); }

private:
  Node sequence(Block &block);
  void addAccesses(Operation &op, std::vector<Node> &to);
  unsigned numberOf(const Access &access);
  Flow flowOf(const Node &node, bool forward) const;
  /// Carries `state` through the node; where that meets `wanted`, keeps it in `found`.
  llvm::BitVector carry(const Node &node, llvm::BitVector state, bool forward);

  const llvm::DenseMap<Operation *, unsigned> &owners;
  llvm::DenseSet<OperationName> barriers; ///< of the threads that work on tiles
  std::vector<Access> accesses;           ///< each once
  std::vector<Access> escaped;            ///< whose address is taken: touched at any time
  llvm::DenseSet<Operation *> dropped;
  Operation *wanted = nullptr;
  llvm::BitVector found;
  Node root;
};

/// The bytes of a view of the workgroup's memory; all where they are not known.
Access bytesOf(Value memory) {
  Access out;
  auto view = memory.getDefiningOp<memref::ViewOp>();
  llvm::APInt shift;
  if (view && view.getSource().getDefiningOp<gpu::DynamicSharedMemoryOp>() &&
      view.getType().hasStaticShape() && matchPattern(view.getByteShift(), m_ConstantInt(&shift))) {
    MemRefType type = view.getType();
    out.begin = shift.getSExtValue();
    out.end = out.begin + type.getNumElements() * type.getElementTypeBitWidth() / 8;
  }
  return out;
}

bool isWorkgroupMemory(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return type && gpu::GPUDialect::hasWorkgroupMemoryAddressSpace(type);
}

bool runsAtLeastOnce(scf::ForOp loop) {
  llvm::APInt begin, end;
  return matchPattern(loop.getLowerBound(), m_ConstantInt(&begin)) &&
         matchPattern(loop.getUpperBound(), m_ConstantInt(&end)) && begin.slt(end);
}

} // namespace

unsigned FenceAnalysis::numberOf(const Access &access) {
  auto found = llvm::find(accesses, access);
  unsigned number = found - accesses.begin();
  if (found == accesses.end()) {
    accesses.push_back(access);
  }
  return number;
}

void FenceAnalysis::addAccesses(Operation &op, std::vector<Node> &to) {
  for (Value operand : op.getOperands()) {
    if (!isWorkgroupMemory(operand) || isa<memref::ViewOp>(op)) {
      continue;
    }
    Access access = bytesOf(operand);
    access.owner = owners.lookup(&op);
    auto effects = dyn_cast<MemoryEffectOpInterface>(op);
    if (!effects || isa<memref::ExtractAlignedPointerAsIndexOp>(op)) {
      if (!operand.getDefiningOp<gpu::DynamicSharedMemoryOp>()) {
        escaped.push_back(access);
      }
      continue;
    }
    SmallVector<MemoryEffects::EffectInstance> onOperand;
    effects.getEffectsOnValue(operand, onOperand);
    for (const MemoryEffects::EffectInstance &effect : onOperand) {
      access.write = !isa<MemoryEffects::Read>(effect.getEffect());
      Node touch;
      touch.kind = Node::Touch;
      touch.access = numberOf(access);
      to.push_back(std::move(touch));
    }
  }
}

Node FenceAnalysis::sequence(Block &block) {
  Node out;
  for (Operation &op : block) {
    if (isa<gpu::BarrierOp>(op) || barriers.contains(op.getName())) {
      Node barrier;
      barrier.kind = Node::Barrier;
      barrier.barrier = &op;
      out.children.push_back(std::move(barrier));
      continue;
    }
    addAccesses(op, out.children);
    if (op.getNumRegions() == 0) {
      continue;
    }
    // What is neither a loop nor a branch may run any number of times.
    auto loop = dyn_cast<scf::ForOp>(op);
    Node inside;
    inside.kind = isa<scf::IfOp>(op) ? Node::Branch : Node::Loop;
    inside.runs = loop && runsAtLeastOnce(loop);
    Node ways;
    for (Region &region : op.getRegions()) {
      Node way;
      for (Block &inner : region) {
        way.children.push_back(sequence(inner));
      }
      ways.children.push_back(std::move(way));
    }
    if (inside.kind == Node::Branch) {
      inside.children = std::move(ways.children);
    } else {
      inside.children.push_back(std::move(ways));
    }
    out.children.push_back(std::move(inside));
  }
  return out;
}

Flow FenceAnalysis::flowOf(const Node &node, bool forward) const {
  Flow out;
  out.own.resize(accesses.size());
  switch (node.kind) {
  case Node::Touch:
    out.own.set(node.access);
    break;
  case Node::Barrier:
    out.passes = dropped.contains(node.barrier);
    break;
  case Node::Sequence: {
    auto follow = [&](const Node &child) {
      Flow next = flowOf(child, forward);
      if (!next.passes) {
        out.own.reset();
      }
      out.own |= next.own;
      out.passes &= next.passes;
    };
    if (forward) {
      llvm::for_each(node.children, follow);
    } else {
      llvm::for_each(llvm::reverse(node.children), follow);
    }
    break;
  }
  case Node::Loop:
    out = flowOf(node.children.front(), forward);
    out.passes |= !node.runs;
    break;
  case Node::Branch:
    out.passes = false;
    for (const Node &way : node.children) {
      Flow next = flowOf(way, forward);
      out.own |= next.own;
      out.passes |= next.passes;
    }
    break;
  }
  return out;
}

llvm::BitVector FenceAnalysis::carry(const Node &node, llvm::BitVector state, bool forward) {
  switch (node.kind) {
  case Node::Touch:
    state.set(node.access);
    return state;
  case Node::Barrier:
    if (node.barrier == wanted) {
      found |= state;
    }
    if (!dropped.contains(node.barrier)) {
      state.reset();
    }
    return state;
  case Node::Sequence:
    if (forward) {
      for (const Node &child : node.children) {
        state = carry(child, std::move(state), forward);
      }
    } else {
      for (const Node &child : llvm::reverse(node.children)) {
        state = carry(child, std::move(state), forward);
      }
    }
    return state;
  case Node::Loop: {
    llvm::BitVector inside = state;
    inside |= flowOf(node.children.front(), forward).own;
    llvm::BitVector out = carry(node.children.front(), std::move(inside), forward);
    if (!node.runs) {
      out |= state;
    }
    return out;
  }
  case Node::Branch: {
    llvm::BitVector out(accesses.size());
    for (const Node &way : node.children) {
      out |= carry(way, state, forward);
    }
    return out;
  }
  }
  llvm_unreachable("no such node");
}

bool FenceAnalysis::needs(Operation *fence) {
  wanted = fence;
  llvm::BitVector sides[2];
  for (bool forward : {false, true}) {
    found = llvm::BitVector(accesses.size());
    carry(root, llvm::BitVector(accesses.size()), forward);
    sides[forward] = found;
  }
  for (unsigned before : sides[true].set_bits()) {
    for (unsigned after : sides[false].set_bits()) {
      if (accesses[before].conflicts(accesses[after])) {
        return true;
      }
    }
  }
  // Whoever has the address may touch the bytes on the other side.
  sides[true] |= sides[false];
  return llvm::any_of(sides[true].set_bits(), [&](unsigned number) {
    return llvm::any_of(escaped,
                        [&](const Access &other) { return other.overlaps(accesses[number]); });
  });
}

void dropNeedlessFences(func::FuncOp function, ArrayRef<Operation *> fences,
                        const llvm::DenseMap<Operation *, unsigned> &owners) {
  if (fences.empty()) {
    return;
  }
  FenceAnalysis analysis(function, fences, owners);
  SmallVector<Operation *> needless;
  for (Operation *fence : fences) {
    if (!analysis.needs(fence)) {
      analysis.drop(fence);
      needless.push_back(fence);
    }
  }
  for (Operation *fence : needless) {
    fence->erase();
  }
}

} // namespace dsv2
