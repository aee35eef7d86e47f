//===- KernelBuilder.h - named builders of kernel bodies ------------------===//
//
// A builder writes the body of one dispatch from a spec (a dictionary) through a target's emitter.
// The registry maps the name in `dsv2_exec.kernel {builder = "..."}` to it; each builder's header
// says its spec, its slots and its items.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_KERNELBUILDER_H
#define DSV2_LIB_CODEGEN_KERNELBUILDER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <cstdint>
#include <string>
#include <vector>

namespace dsv2 {

class TileEmitter;

/// What to build: the function's name, the spec, and where errors point.
struct KernelRequest {
  llvm::StringRef name;
  mlir::DictionaryAttr spec;
  mlir::Location loc;
};

/// A module with one function of the kernel form (arguments in slot order, %begin, %end, %scratch).
struct BuiltKernel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  uint64_t scratchBytes = 0; ///< private to a worker, 64-byte aligned
};

/// Builds with a fresh emitter; a wrong spec is an error at the request's location that names
/// builder and field.
using KernelBuilder = mlir::FailureOr<BuiltKernel> (*)(const KernelRequest &request,
                                                       TileEmitter &emitter);

class KernelBuilderRegistry {
public:
  void add(llvm::StringRef name, KernelBuilder builder) { builders[name] = builder; }
  /// Null when there is none of this name.
  KernelBuilder lookup(llvm::StringRef name) const { return builders.lookup(name); }

private:
  llvm::StringMap<KernelBuilder> builders;
};

/// Every builder of this folder.
void registerAllKernelBuilders(KernelBuilderRegistry &registry);

/// Reads the fields of a spec. A missing, mistyped or out-of-range field is reported once, at the
/// request's location; the values read after that are harmless defaults, so a builder asks failed()
/// at the end.
class SpecReader {
public:
  SpecReader(llvm::StringRef builder, const KernelRequest &request)
      : builder(builder), request(request) {}

  /// An integer of at least `least`.
  int64_t integer(llvm::StringRef field, int64_t least = 1);
  double real(llvm::StringRef field);
  bool flag(llvm::StringRef field);
  /// The same, false where the spec has no such field.
  bool optionalFlag(llvm::StringRef field);
  /// A type attribute: f32 or bf16.
  mlir::Type element(llvm::StringRef field);
  /// A string among those listed.
  std::string choice(llvm::StringRef field, llvm::ArrayRef<llvm::StringRef> choices);
  /// An error that names the field; `why` says actual and expected.
  void fail(llvm::StringRef field, const llvm::Twine &why);
  bool failed() const { return bad; }

private:
  llvm::StringRef builder;
  const KernelRequest &request;
  bool bad = false;
};

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_KERNELBUILDER_H
