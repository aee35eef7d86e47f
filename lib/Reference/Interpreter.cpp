//===- Interpreter.cpp - Runs a dsv2 module in f64 ------------------------===//
//
// Blocks, the loop over layers, and weights: read when an op asks for them, kept
// within a budget, prepared by running their prepare function.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Interpreter.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Reference/OpRunner.h"

namespace dsv2 {

namespace ir = mlir::dsv2;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;

//===----------------------------------------------------------------------===//
// Finding the function
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral mtpName = "mtp";

/// `@step` of one module, else its only function with a body beside `@mtp`, else
/// null.
static mlir::func::FuncOp stepOf(mlir::ModuleOp module) {
  if (auto step = module.lookupSymbol<mlir::func::FuncOp>("step")) {
    return step;
  }
  mlir::func::FuncOp only;
  for (auto function : module.getOps<mlir::func::FuncOp>()) {
    if (function.isDeclaration() || function.getSymName() == mtpName) {
      continue;
    }
    if (only) {
      return {};
    }
    only = function;
  }
  return only;
}

FailureOr<mlir::func::FuncOp> findStepFunction(mlir::ModuleOp module, llvm::StringRef tier) {
  mlir::func::FuncOp step = tier.empty() ? stepOf(module) : mlir::func::FuncOp();
  for (auto variant : module.getOps<mlir::ModuleOp>()) {
    if (!step && (tier.empty() || variant.getSymName() == tier)) {
      step = stepOf(variant);
    }
  }
  // A model that has not been cloned for targets serves every tier.
  if (!step && module.getOps<mlir::ModuleOp>().empty()) {
    step = stepOf(module);
  }
  if (!step) {
    mlir::InFlightDiagnostic error = mlir::emitError(
        module.getLoc(), "no step function to run: expected func.func @step of a module at stage "
                         "\"import\" or \"model\"");
    if (!tier.empty()) {
      error << " in the variant '" << tier << "'";
    }
    if (auto stage = module->getAttrOfType<mlir::StringAttr>(ir::DSV2Dialect::kStageAttr)) {
      error << ", but this one is at stage " << stage;
    }
    return failure();
  }
  mlir::FunctionType type = step.getFunctionType();
  bool takes = type.getNumInputs() == 3 && mlir::isa<mlir::RankedTensorType>(type.getInput(0)) &&
               mlir::isa<ir::BatchType>(type.getInput(1)) &&
               mlir::isa<ir::CacheType>(type.getInput(2));
  bool gives = type.getNumResults() == 3 && mlir::isa<mlir::RankedTensorType>(type.getResult(0)) &&
               mlir::isa<mlir::RankedTensorType>(type.getResult(1));
  if (!takes || !gives) {
    mlir::emitError(step.getLoc(),
                    "a step function takes (tokens, !dsv2.batch, !dsv2.cache) and returns (logits, "
                    "hidden, cache), got ")
        << type;
    return failure();
  }
  return step;
}

FailureOr<mlir::func::FuncOp> findMtpFunction(mlir::func::FuncOp step) {
  auto module = step->getParentOfType<mlir::ModuleOp>();
  auto mtp = module.lookupSymbol<mlir::func::FuncOp>(mtpName);
  if (!mtp || mtp.isDeclaration()) {
    return mlir::func::FuncOp();
  }
  mlir::FunctionType type = mtp.getFunctionType();
  bool takes = type.getNumInputs() == 4 && mlir::isa<mlir::RankedTensorType>(type.getInput(0)) &&
               mlir::isa<mlir::RankedTensorType>(type.getInput(1)) &&
               mlir::isa<ir::BatchType>(type.getInput(2)) &&
               mlir::isa<ir::CacheType>(type.getInput(3));
  bool gives = type.getNumResults() == 3 && mlir::isa<mlir::RankedTensorType>(type.getResult(0)) &&
               mlir::isa<mlir::RankedTensorType>(type.getResult(1));
  if (!takes || !gives) {
    mlir::emitError(mtp.getLoc(),
                    "a multi-token-prediction block takes (tokens, hidden, !dsv2.batch, "
                    "!dsv2.cache) and returns (logits, hidden, cache), got ")
        << type;
    return failure();
  }
  return mtp;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Interpreter::Interpreter(mlir::func::FuncOp function, WeightProvider &weights,
                         InterpreterOptions options)
    : function(function), provider(weights), options(options) {}

Cache Interpreter::makeCache(int64_t sequences) const {
  mlir::func::FuncOp taker = function;
  auto type = mlir::cast<ir::CacheType>(taker.getFunctionType().getInputs().back());
  Rounding element = Rounding::None;
  if (options.round) {
    element = type.getElementType().isBF16() ? Rounding::BF16 : Rounding::F32;
  }
  return Cache(type.getLayers(), sequences, type.getWidths().vec(), element);
}

FailureOr<StepResult> Interpreter::run(const IntTensor &tokens, const Step &step, Cache &cache) {
  return runFunction({std::make_shared<const IntTensor>(tokens), &step, &cache}, step);
}

FailureOr<StepResult> Interpreter::runMtp(const IntTensor &tokens, const Tensor &hidden,
                                          const Step &step, Cache &cache) {
  return runFunction({std::make_shared<const IntTensor>(tokens),
                      std::make_shared<const Tensor>(hidden), &step, &cache},
                     step);
}

FailureOr<StepResult> Interpreter::runFunction(std::vector<InterpreterValue> arguments,
                                               const Step &step) {
  currentStep = &step;
  currentLayer = -1;
  mlir::Block &body = function.getBody().front();
  Frame frame;
  for (auto [argument, value] : llvm::zip_equal(body.getArguments(), arguments)) {
    frame.values[argument] = std::move(value);
  }
  if (failed(runBlock(body, frame))) {
    return failure();
  }
  mlir::Operation *exit = body.getTerminator();
  auto result = [&](unsigned i) {
    return *std::get_if<TensorRef>(&frame.values[exit->getOperand(i)]);
  };
  return StepResult{result(0), result(1)};
}

LogicalResult Interpreter::runBlock(mlir::Block &block, Frame &frame) {
  for (mlir::Operation &op : block.without_terminator()) {
    if (failed(runOp(op, frame))) {
      return failure();
    }
  }
  return success();
}

LogicalResult Interpreter::runOp(mlir::Operation &op, Frame &frame) {
  if (mlir::isa<ir::LayersOp>(op)) {
    return runLayers(op, frame);
  }
  return OpRunner(*this, op, frame).run();
}

LogicalResult Interpreter::runLayers(mlir::Operation &op, Frame &frame) {
  auto layers = mlir::cast<ir::LayersOp>(op);
  auto find = [&](mlir::Value value, Frame *in) {
    while (!in->values.count(value)) {
      in = in->outer;
    }
    return in->values[value];
  };
  std::vector<InterpreterValue> carried;
  for (mlir::Value init : layers.getInits()) {
    carried.push_back(find(init, &frame));
  }
  ir::RangeAttr range = layers.getRange();
  int64_t outerLayer = currentLayer;
  for (int64_t l = range.getBegin(); l < range.getEnd(); l += range.getStep()) {
    currentLayer = l;
    Frame inner;
    inner.outer = &frame;
    inner.values[layers.getLayer()] = l;
    for (auto [argument, value] : llvm::zip(layers.getCarried(), carried)) {
      inner.values[argument] = value;
    }
    if (failed(runBlock(layers->getRegion(0).front(), inner))) {
      return failure();
    }
    mlir::Operation *yield = layers->getRegion(0).front().getTerminator();
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      carried[i] = find(value, &inner);
      observe(&op, unsigned(i), l, carried[i]);
    }
  }
  currentLayer = outerLayer;
  for (auto [result, value] : llvm::zip(layers.getResults(), carried)) {
    frame.values[result] = value;
  }
  return success();
}

void Interpreter::observe(mlir::Operation *op, unsigned result, int64_t layer,
                          const InterpreterValue &value) {
  // Prepare functions run through the same code but belong to no step.
  if (!observer || op->getParentOfType<ir::PrepareOp>()) {
    return;
  }
  if (const TensorRef *tensor = std::get_if<TensorRef>(&value)) {
    observer(op, result, layer, **tensor);
  } else if (const IntTensorRef *ids = std::get_if<IntTensorRef>(&value)) {
    const std::vector<int64_t> &numbers = (*ids)->values;
    observer(op, result, layer,
             Tensor((*ids)->shape, std::vector<double>(numbers.begin(), numbers.end())));
  }
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

FailureOr<TensorRef> Interpreter::weightValue(mlir::Operation &user, llvm::StringRef family,
                                              int64_t layer) {
  std::pair<std::string, int64_t> key(family.str(), layer);
  auto found = keptByKey.find(key);
  if (found != keptByKey.end()) {
    kept.splice(kept.begin(), kept, found->second);
    return kept.front().tensor;
  }
  mlir::Operation *definition = mlir::SymbolTable::lookupNearestSymbolFrom(
      &user, mlir::StringAttr::get(user.getContext(), family));
  if (!definition) {
    return mlir::emitError(user.getLoc(), "no family of weights @") << family;
  }
  FailureOr<TensorRef> loaded = loadFamily(definition, layer);
  if (failed(loaded)) {
    return failure();
  }
  // What a prepare function reads is used once: keep its result only.
  if (user.getParentOfType<ir::PrepareOp>()) {
    return loaded;
  }
  kept.push_front({key, *loaded});
  keptByKey[key] = kept.begin();
  keptBytes += (*loaded)->values.size() * sizeof(double);
  while (keptBytes > options.weightBytes && kept.size() > 1) {
    keptBytes -= kept.back().tensor->values.size() * sizeof(double);
    keptByKey.erase(kept.back().key);
    kept.pop_back();
  }
  return loaded;
}

/// The dtype of a checkpoint tensor of that element type.
static DType dtypeOf(mlir::Type element) {
  return element.isBF16() ? DType::BF16 : element.isF16() ? DType::F16 : DType::F32;
}

FailureOr<TensorRef> Interpreter::loadFamily(mlir::Operation *family, int64_t layer) {
  if (auto prepare = mlir::dyn_cast<ir::PrepareOp>(family)) {
    Frame frame;
    if (mlir::Value argument = prepare.getLayer()) {
      frame.values[argument] = layer;
    }
    if (failed(runBlock(prepare->getRegion(0).front(), frame))) {
      return failure();
    }
    return *std::get_if<TensorRef>(&frame.values[prepare.getYielded()]);
  }
  auto weights = mlir::cast<ir::WeightsOp>(family);
  mlir::RankedTensorType type = weights.getTensorType();
  auto scaled = mlir::dyn_cast<ir::ScaledType>(type.getElementType());
  auto load = [&](int64_t expert) {
    std::string name = weights.getTensorName(layer, expert);
    if (!scaled) {
      return provider.load(name, type.getShape().vec(), dtypeOf(type.getElementType()));
    }
    ScaledSource source{storedType(scaled.getStored()), scaleBlocks(scaled),
                        weights.getScalesName(layer, expert), dtypeOf(scaled.getScale())};
    return provider.loadScaled(name, type.getShape().vec(), source);
  };
  ir::RangeAttr experts = weights.getExpertsAttr();
  if (!experts) {
    Expected<Tensor> tensor = load(0);
    if (!tensor) {
      return mlir::emitError(weights.getLoc(), tensor.error().message());
    }
    return std::make_shared<const Tensor>(std::move(*tensor));
  }
  auto stack = std::make_shared<Tensor>(weights.getValueType().getShape().vec());
  auto into = stack->values.begin();
  for (int64_t e = experts.getBegin(); e < experts.getEnd(); e += experts.getStep()) {
    Expected<Tensor> tensor = load(e);
    if (!tensor) {
      return mlir::emitError(weights.getLoc(), tensor.error().message());
    }
    into = std::copy(tensor->values.begin(), tensor->values.end(), into);
  }
  return TensorRef(std::move(stack));
}

} // namespace dsv2
