//===- TargetBackend.h - what a target is to the rest of the compiler -----===//
//
// One small interface per target, and the registry that holds them. Nothing outside a target's
// folder names the target: pipelines look a name up and ask for packing, an emitter, objects and an
// image.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_TARGETBACKEND_H
#define DSV2_LIB_TARGET_TARGETBACKEND_H

#include "lib/Codegen/AttentionTile.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dsv2 {

class TileEmitter;
struct DeviceForm;

/// Order of a packed contraction weight [N, K]: [ceil(N/panel)][ceil(K/pair)][panel][pair], zero
/// padded.
struct PackedLayout {
  int64_t panel = 0;
  int64_t pair = 0;
};

/// Numbers that decisions read instead of names. Rates are nominal and per core.
struct TargetCapabilities {
  int64_t vectorBits = 0;         ///< width of a register
  bool nativeBf16Dot = false;     ///< has an instruction for a bf16 dot product
  bool roundsToBf16 = false;      ///< has an instruction that rounds f32 to bf16
  double f32FlopsPerCycle = 0.0;  ///< 2 per multiply-add
  double bf16FlopsPerCycle = 0.0; ///< of a bf16 contraction with f32 accumulation
  int64_t lanes = 32;             ///< threads that run in step, where kernels are workgroups
  /// Elements of a piece of a row in generic kernels; smaller pieces are multiples of the second.
  int64_t genericTile = 64, genericLanes = 16;
  /// Rows of one item of a matmul, as the emitter says; 0: all.
  int64_t rowsOfItem = 0;
  /// Threads that the pieces of a row go round.
  int64_t genericThreads = 1;
};

struct CompileOptions {
  bool assembly = false;  ///< also keep the assembly text, for tests and reports
  bool binaries = false;  ///< beside text, also code for exactly this target where a tool makes it
  bool resources = false; ///< also ask what the kernel takes, where that needs a tool of its own
};

/// What a workgroup of a kernel takes of its processor; -1 where nobody said.
struct KernelResources {
  int64_t registers = -1;  ///< of a thread
  int64_t spillBytes = -1; ///< stored to the stack by a thread
  int64_t workgroups = -1; ///< that fit a processor at once
};

/// A kernel's relocatable object, not yet part of an image.
struct CompiledKernel {
  std::string name;
  std::vector<char> object;
  std::vector<char> binary = {}; ///< the same for exactly this target, where `object` is text
  std::string assembly;          ///< empty unless asked for
  /// Threads of a workgroup, and bytes of its memory that the launch must give.
  int64_t threads = 1, sharedBytes = 0;
  KernelResources resources = {};
};

/// Where a kernel's code begins in the image, and its size, both in bytes.
struct KernelSymbol {
  std::string name;
  uint64_t offset = 0, size = 0;
  uint64_t binaryOffset = 0, binarySize = 0; ///< of its binary; size 0: none
};

/// How an image is loaded.
enum class CodeFormat { Flat, Ptx, Cubin, Hsaco };

/// "flat", "ptx", "cubin", "hsaco": the word of dsv2_exec.image.
llvm::StringRef codeFormatName(CodeFormat format);

/// Code of all kernels of a variant without imports. Flat: no relocations either, [0, textBytes) is
/// executable, the rest constants, both whole pages. Other formats are a module for each kernel,
/// which a symbol's offset and size find.
struct KernelImage {
  uint64_t textBytes = 0;
  std::vector<uint8_t> bytes;
  std::vector<KernelSymbol> symbols; ///< ascending offsets
  CodeFormat format = CodeFormat::Flat;
};

/// An image of modules: each object as it is, at multiples of 64 bytes, in the given order, then
/// the binaries alike; whole pages.
KernelImage joinModules(llvm::ArrayRef<CompiledKernel> kernels, CodeFormat format);

class TargetBackend {
public:
  virtual ~TargetBackend();

  /// The variant's name: what `targets=` says, with ":emulated" where special instructions are
  /// plain arithmetic.
  virtual llvm::StringRef getName() const = 0;
  /// The runtime driver that runs its programs: "cpu".
  virtual llvm::StringRef getDriver() const = 0;
  /// The tier of instructions that the code needs ("x86-64-v3" for every emulated variant).
  virtual llvm::StringRef getTier() const = 0;
  virtual TargetCapabilities getCapabilities() const = 0;
  /// True where kernels run as workgroups: compileKernel goes through the device form
  /// (lib/Codegen/Gpu/DeviceForm.h) of what the emitter wrote.
  virtual bool hasDeviceForm() const { return false; }
  /// The vendor's part of the way: the device form in the LLVM dialect (`form.kernel` is null
  /// then). An error where there is no device form.
  virtual mlir::LogicalResult convertDevice(DeviceForm &form) const;
  /// Packed order of a contraction weight of this element type (f32 or bf16).
  virtual PackedLayout getPacking(mlir::Type element) const = 0;
  /// How attention over a cache of this element type is cut, as the emitter says.
  virtual AttentionTile getAttentionTile(mlir::Type element) const;
  /// A fresh emitter for one kernel. The context must hold the dialects of registerKernelDialects.
  virtual std::unique_ptr<TileEmitter> createEmitter(mlir::MLIRContext *context) const = 0;
  /// Compiles one function of the kernel form: memref arguments (static shapes, identity layout),
  /// index symbols, then %begin, %end : index and %scratch : memref<Nxi8>. The function is left as
  /// it was. Every failure, the code generator's own included, is a diagnostic at the function that
  /// names it.
  virtual mlir::FailureOr<CompiledKernel> compileKernel(mlir::func::FuncOp kernel,
                                                        const CompileOptions &options) const = 0;
  /// Joins objects, in the given order, to one image; same objects, same bytes. An import, an
  /// absolute address or writable data is an error at `loc` that names function and symbol.
  virtual mlir::FailureOr<KernelImage> serialize(llvm::ArrayRef<CompiledKernel> kernels,
                                                 mlir::Location loc) const = 0;
};

/// A target with a device form, its kernels compiled for checked runs on the CPU: "NAME:simt".
/// `gpu` must outlive it.
std::unique_ptr<TargetBackend> makeSimtBackend(const TargetBackend &gpu);

/// Every target of this build, by name. An explicit object: tools make one with registerAllTargets.
class TargetRegistry {
public:
  /// Adds a target; false when the name is taken.
  bool add(std::unique_ptr<TargetBackend> backend);
  /// Adds the checked form of every target that has a device form.
  void addSimtTargets();
  /// Says which target `host` means on this machine.
  void setHost(llvm::StringRef name) { host = name.str(); }
  /// The target of this name, or of `host`; null when there is none.
  const TargetBackend *lookup(llvm::StringRef name) const;
  /// Names in order of registration, without `host`.
  std::vector<std::string> getNames() const;

private:
  std::vector<std::unique_ptr<TargetBackend>> backends;
  std::string host;
};

/// Fills the registry from the list that lib/Target/CMakeLists.txt holds.
void registerAllTargets(TargetRegistry &registry);

/// Dialects and translations that kernels are built and compiled with. Call it before threads
/// start.
void registerKernelDialects(mlir::DialectRegistry &registry);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_TARGETBACKEND_H
