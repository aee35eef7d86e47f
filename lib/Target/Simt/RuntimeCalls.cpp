//===- RuntimeCalls.cpp - calls of the driver, in the LLVM dialect --------===//
//
// One table ties names, types and places in SimtCalls together.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/RuntimeCalls.h"

#include "lib/Target/Simt/Simt.h"

#include "lib/Support/SimtAbi.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

#include <cstddef>

using namespace mlir;

namespace dsv2 {
namespace {

constexpr llvm::StringLiteral kPrefix = "dsv2.simt.";

/// Types: p pointer, i i32, l i64, f f32, v none.
struct Signature {
  llvm::StringLiteral name;
  size_t offset;
  llvm::StringLiteral arguments; ///< without the thread and the place
  char result;
  bool hasPlace;
};

constexpr Signature kSignatures[] = {
    {"access", offsetof(SimtCalls, access), "pii", 'v', true},
    {"masked_access", offsetof(SimtCalls, maskedAccess), "pili", 'v', true},
    {"out_of_range", offsetof(SimtCalls, outOfRange), "llli", 'v', true},
    {"barrier", offsetof(SimtCalls, barrier), "ii", 'v', true},
    {"warp_barrier", offsetof(SimtCalls, warpBarrier), "i", 'v', true},
    {"shuffle", offsetof(SimtCalls, shuffle), "iiiii", 'l', true},
    {"matrix_multiply", offsetof(SimtCalls, matrixMultiply), "ppppp", 'v', true},
    {"matrix_load", offsetof(SimtCalls, matrixLoad), "piip", 'v', true},
    {"async_copy", offsetof(SimtCalls, asyncCopy), "ppii", 'v', true},
    {"async_commit", offsetof(SimtCalls, asyncCommit), "", 'v', true},
    {"async_wait", offsetof(SimtCalls, asyncWait), "i", 'v', true},
    {"math", offsetof(SimtCalls, math), "if", 'f', false},
    {"mbarrier_init", offsetof(SimtCalls, mbarrierInit), "pi", 'v', true},
    {"mbarrier_init_fence", offsetof(SimtCalls, mbarrierInitFence), "", 'v', true},
    {"mbarrier_arrive", offsetof(SimtCalls, mbarrierArrive), "pi", 'v', true},
    {"mbarrier_wait", offsetof(SimtCalls, mbarrierWait), "pi", 'v', true},
    {"box_copy", offsetof(SimtCalls, boxCopy), "ppiip", 'v', true},
    {"proxy_fence", offsetof(SimtCalls, proxyFence), "", 'v', true},
    {"elect", offsetof(SimtCalls, elect), "i", 'i', true},
    {"set_registers", offsetof(SimtCalls, setRegisters), "i", 'v', true},
    {"group_fence", offsetof(SimtCalls, groupFence), "", 'v', true},
    {"group_multiply", offsetof(SimtCalls, groupMultiply), "pllpi", 'v', true},
    {"group_commit", offsetof(SimtCalls, groupCommit), "", 'v', true},
    {"group_wait", offsetof(SimtCalls, groupWait), "i", 'v', true},
    {"group_result", offsetof(SimtCalls, groupResult), "p", 'v', true},
};

Type typeOf(MLIRContext *context, char code) {
  switch (code) {
  case 'p':
    return LLVM::LLVMPointerType::get(context);
  case 'i':
    return IntegerType::get(context, 32);
  case 'l':
    return IntegerType::get(context, 64);
  case 'f':
    return Float32Type::get(context);
  default:
    return LLVM::LLVMVoidType::get(context);
  }
}

} // namespace

Value RuntimeCalls::constant(OpBuilder &b, Location loc, StringRef name, StringRef bytes,
                             int64_t alignment) {
  LLVM::GlobalOp &global = constants[bytes];
  if (!global) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    Type type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
    global = LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true, LLVM::Linkage::Private,
                                    (name + "." + Twine(constants.size())).str(),
                                    b.getStringAttr(bytes), alignment);
  }
  return LLVM::AddressOfOp::create(b, loc, global);
}

Value RuntimeCalls::call(OpBuilder &b, Location loc, RuntimeCall function, Value self,
                         ValueRange arguments, Operation *where) {
  const Signature &signature = kSignatures[size_t(function)];
  MLIRContext *context = b.getContext();
  std::string name = (kPrefix + signature.name).str();
  auto declaration = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!declaration) {
    SmallVector<Type> types = {typeOf(context, 'p')};
    for (char code : signature.arguments) {
      types.push_back(typeOf(context, code));
    }
    if (signature.hasPlace) {
      types.push_back(typeOf(context, 'p'));
    }
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    declaration = LLVM::LLVMFuncOp::create(
        b, module.getLoc(), name,
        LLVM::LLVMFunctionType::get(typeOf(context, signature.result), types));
  }
  SmallVector<Value> values = {self};
  values.append(arguments.begin(), arguments.end());
  if (signature.hasPlace) {
    std::string place = placeOf(where);
    place.push_back('\0');
    values.push_back(constant(b, loc, "where", place, 1));
  }
  auto call = LLVM::CallOp::create(b, loc, declaration, values);
  return signature.result == 'v' ? Value() : call.getResult();
}

void nameOperations(Operation *kernel, StringRef name) {
  int64_t number = 0;
  kernel->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != kernel) {
      std::string text = (name + " " + op->getName().getStringRef() + " #" + Twine(number++)).str();
      op->setLoc(NameLoc::get(StringAttr::get(op->getContext(), text), op->getLoc()));
    }
  });
}

std::string placeOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  Location loc = op->getLoc();
  if (auto name = loc->findInstanceOf<NameLoc>()) {
    out << name.getName().getValue();
  } else {
    out << op->getName();
  }
  if (auto file = loc->findInstanceOf<FileLineColLoc>()) {
    out << " " << file.getFilename().getValue() << ":" << file.getLine() << ":" << file.getColumn();
  }
  return text;
}

void callThroughTable(llvm::Module &module) {
  llvm::IRBuilder<> b(module.getContext());
  auto load = [&](llvm::Value *from, size_t offset) {
    llvm::Value *place = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), from, offset);
    llvm::LoadInst *value = b.CreateAlignedLoad(b.getPtrTy(), place, llvm::Align(8));
    value->setMetadata(llvm::LLVMContext::MD_invariant_load,
                       llvm::MDNode::get(module.getContext(), {}));
    return value;
  };
  for (const Signature &signature : kSignatures) {
    llvm::Function *declaration = module.getFunction((kPrefix + signature.name).str());
    if (!declaration) {
      continue;
    }
    for (llvm::User *user : llvm::make_early_inc_range(declaration->users())) {
      auto *call = cast<llvm::CallInst>(user);
      b.SetInsertPoint(call);
      llvm::Value *table = load(call->getArgOperand(0), offsetof(SimtThread, calls));
      call->setCalledOperand(load(table, signature.offset));
    }
    declaration->eraseFromParent();
  }
}

} // namespace dsv2
