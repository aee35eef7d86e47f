//===- LowerBf16.cpp - bf16 values as 16-bit integers ---------------------===//
//
// The code generator has no bf16 registers but for a few vector shapes: elsewhere it widens every
// move, and rounds by a library call, or gives up. So after the optimizer every load, store,
// shuffle, select and phi of bf16 becomes one of i16, and conversions become integer arithmetic,
// but for those that the tier has an instruction for.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Common/HostCode.h"

#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;

namespace dsv2 {
namespace {

bool isBf16(Type *type) { return type->getScalarType()->isBFloatTy(); }

/// The type with each element replaced.
Type *withElement(Type *type, Type *element) {
  if (auto *vector = dyn_cast<VectorType>(type)) {
    return VectorType::get(element, vector->getElementCount());
  }
  return element;
}

class Rewriter {
public:
  Rewriter(Function &function, const X86Tier &tier)
      : function(function), tier(tier), b(function.getContext()) {}

  void run() {
    SmallVector<Instruction *> work;
    for (BasicBlock *block : ReversePostOrderTraversal<Function *>(&function)) {
      for (Instruction &instruction : *block) {
        work.push_back(&instruction);
      }
    }
    for (Instruction *instruction : work) {
      b.SetInsertPoint(instruction);
      rewrite(instruction);
    }
    for (PHINode *phi : phis) {
      fillPhi(phi);
    }
    for (Instruction *instruction : reverse(dead)) {
      instruction->replaceAllUsesWith(PoisonValue::get(instruction->getType()));
      instruction->eraseFromParent();
    }
    SmallVector<WeakTrackingVH> casts;
    for (Instruction &instruction : instructions(function)) {
      if (isa<BitCastInst>(instruction) && instruction.use_empty()) {
        casts.push_back(&instruction);
      }
    }
    RecursivelyDeleteTriviallyDeadInstructionsPermissive(casts);
  }

private:
  Type *words(Type *type) { return withElement(type, b.getInt16Ty()); }

  /// A bf16 value as integers; sees through a cast from them.
  Value *bits(Value *value) {
    if (auto *cast = dyn_cast<BitCastInst>(value);
        cast && cast->getSrcTy() == words(value->getType())) {
      return cast->getOperand(0);
    }
    return b.CreateBitCast(value, words(value->getType()));
  }

  /// Uses of a bf16 value get integers that were computed in its place.
  void replace(Instruction *old, Value *integers) {
    old->replaceAllUsesWith(b.CreateBitCast(integers, old->getType()));
    dead.push_back(old);
  }

  void rewrite(Instruction *instruction) {
    if (auto *store = dyn_cast<StoreInst>(instruction)) {
      if (isBf16(store->getValueOperand()->getType())) {
        store->setOperand(0, bits(store->getValueOperand()));
      }
      return;
    }
    if (auto *extract = dyn_cast<ExtractElementInst>(instruction);
        extract && isBf16(extract->getType())) {
      replace(extract, b.CreateExtractElement(bits(extract->getVectorOperand()),
                                              extract->getIndexOperand()));
      return;
    }
    if (auto *extension = dyn_cast<FPExtInst>(instruction);
        extension && isBf16(extension->getSrcTy())) {
      extension->replaceAllUsesWith(
          b.CreateFPCast(widen(extension->getOperand(0)), extension->getType()));
      dead.push_back(extension);
      return;
    }
    if (auto *compare = dyn_cast<FCmpInst>(instruction);
        compare && isBf16(compare->getOperand(0)->getType())) {
      Value *x = widen(compare->getOperand(0)), *y = widen(compare->getOperand(1));
      compare->replaceAllUsesWith(b.CreateFCmp(compare->getPredicate(), x, y));
      dead.push_back(compare);
      return;
    }
    if (!isBf16(instruction->getType())) {
      return;
    }
    Type *type = words(instruction->getType());
    if (auto *load = dyn_cast<LoadInst>(instruction)) {
      LoadInst *integers = b.CreateAlignedLoad(type, load->getPointerOperand(), load->getAlign(),
                                               load->isVolatile());
      integers->copyMetadata(*load);
      replace(load, integers);
    } else if (auto *shuffle = dyn_cast<ShuffleVectorInst>(instruction)) {
      replace(shuffle,
              b.CreateShuffleVector(bits(shuffle->getOperand(0)), bits(shuffle->getOperand(1)),
                                    shuffle->getShuffleMask()));
    } else if (auto *insert = dyn_cast<InsertElementInst>(instruction)) {
      replace(insert, b.CreateInsertElement(bits(insert->getOperand(0)),
                                            bits(insert->getOperand(1)), insert->getOperand(2)));
    } else if (auto *select = dyn_cast<SelectInst>(instruction)) {
      replace(select, b.CreateSelect(select->getCondition(), bits(select->getTrueValue()),
                                     bits(select->getFalseValue())));
    } else if (auto *freeze = dyn_cast<FreezeInst>(instruction)) {
      replace(freeze, b.CreateFreeze(bits(freeze->getOperand(0))));
    } else if (auto *phi = dyn_cast<PHINode>(instruction)) {
      PHINode *integers = b.CreatePHI(type, phi->getNumIncomingValues());
      b.SetInsertPoint(phi->getParent(), phi->getParent()->getFirstInsertionPt());
      newPhi[phi] = integers;
      phis.push_back(phi);
      replace(phi, integers);
    } else if (auto *rounding = dyn_cast<FPTruncInst>(instruction)) {
      if (rounding->getSrcTy()->getScalarType()->isFloatTy() && !isNative(rounding->getType())) {
        replace(rounding, round(rounding->getOperand(0)));
      }
    } else if (auto *operation = dyn_cast<BinaryOperator>(instruction)) {
      // The optimizer narrows f32 arithmetic between conversions, where rounding twice is harmless.
      Value *x = widen(operation->getOperand(0)), *y = widen(operation->getOperand(1));
      replace(operation, round(b.CreateBinOp(operation->getOpcode(), x, y)));
    } else if (instruction->getOpcode() == Instruction::FNeg) {
      replace(instruction,
              b.CreateXor(bits(instruction->getOperand(0)), ConstantInt::get(type, 0x8000)));
    }
  }

  /// The new phi takes integers at the ends of its predecessors; the old one keeps the incoming
  /// values until then.
  void fillPhi(PHINode *phi) {
    for (auto [value, block] : zip(phi->incoming_values(), phi->blocks())) {
      b.SetInsertPoint(block->getTerminator());
      newPhi[phi]->addIncoming(bits(value), block);
    }
  }

  /// A bf16 value as f32.
  Value *widen(Value *value) {
    Type *wide = withElement(value->getType(), b.getInt32Ty()),
         *real = withElement(value->getType(), b.getFloatTy());
    return b.CreateBitCast(b.CreateShl(b.CreateZExt(bits(value), wide), 16), real);
  }

  bool isNative(Type *type) const {
    auto *vector = dyn_cast<FixedVectorType>(type);
    return tier.bf16Dot && !tier.emulate && vector &&
           (vector->getNumElements() == 8 || vector->getNumElements() == 16);
  }

  /// The nearest bf16 as integers, ties to even; a NaN stays one, quiet.
  Value *round(Value *x) {
    Type *narrow = withElement(x->getType(), b.getBFloatTy()),
         *wide = withElement(x->getType(), b.getInt32Ty());
    if (isNative(narrow)) {
      return b.CreateBitCast(b.CreateFPTrunc(x, narrow), words(narrow));
    }
    auto word = [&](uint32_t value) { return ConstantInt::get(wide, value); };
    Value *exact = b.CreateBitCast(x, wide);
    Value *step = b.CreateAdd(b.CreateAnd(b.CreateLShr(exact, 16), word(1)), word(0x7fff));
    Value *nan = b.CreateSExt(b.CreateFCmpUNO(x, x), wide);
    Value *sum = b.CreateAdd(exact, b.CreateAnd(step, b.CreateNot(nan)));
    Value *result = b.CreateOr(sum, b.CreateAnd(nan, word(0x400000)));
    return b.CreateTrunc(b.CreateLShr(result, 16), words(narrow));
  }

  Function &function;
  const X86Tier &tier;
  IRBuilder<> b;
  SmallVector<PHINode *> phis;
  DenseMap<PHINode *, PHINode *> newPhi;
  SmallVector<Instruction *> dead;
};

} // namespace

void lowerBf16(Module &module, const X86Tier &tier) {
  for (Function &function : module) {
    if (!function.isDeclaration()) {
      Rewriter(function, tier).run();
    }
  }
}

} // namespace dsv2
