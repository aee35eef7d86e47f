//===- SemanticsCheck.cpp - Did a pass keep what the module means? --------===//
//
// A pass instrumentation. It keeps the results of the module as the last pass left
// it, and runs the module again whenever its fingerprint has changed.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/SemanticsCheck.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Reference/Session.h"
#include "lib/Reference/Trace.h"

#include "mlir/Pass/PassInstrumentation.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

namespace dsv2 {

namespace ir = mlir::dsv2;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

const char *const semanticsCheckHelp =
    "sub-options, between blanks or commas: seed=N (tokens and weights, default 1), "
    "tolerance=X (relative, default 1e-9), tokens=N (default 48), position=N (of the first token, "
    "default 4352), weights=DIR (default: made up from the seed)";

FailureOr<SemanticsCheckOptions> parseSemanticsCheckOptions(llvm::StringRef text) {
  SemanticsCheckOptions options;
  llvm::SmallVector<llvm::StringRef> entries;
  llvm::SplitString(text, entries, " ,");
  for (llvm::StringRef entry : entries) {
    auto [name, value] = entry.split('=');
    bool bad;
    if (name == "seed") {
      bad = value.getAsInteger(10, options.seed);
    } else if (name == "tolerance") {
      bad = value.getAsDouble(options.tolerance) || !(options.tolerance >= 0);
    } else if (name == "tokens") {
      bad = value.getAsInteger(10, options.tokens) || options.tokens < 1;
    } else if (name == "position") {
      bad = value.getAsInteger(10, options.position) || options.position < 0;
    } else if (name == "weights") {
      options.weights = value.str();
      bad = value.empty();
    } else {
      llvm::errs() << "error: --dsv2-check-semantics: unknown sub-option '" << name
                   << "'; expected " << semanticsCheckHelp << "\n";
      return failure();
    }
    if (bad) {
      llvm::errs() << "error: --dsv2-check-semantics: bad value '" << value << "' of '" << name
                   << "'; expected " << semanticsCheckHelp << "\n";
      return failure();
    }
  }
  return options;
}

//===----------------------------------------------------------------------===//
// Running a module
//===----------------------------------------------------------------------===//

namespace {
/// What a module computes.
struct ModuleResult {
  /// Of the model, and of its block of multi-token prediction where there is one
  /// (null tensors: no row of it could run yet).
  std::vector<StepResult> steps, mtpSteps;
  Trace trace, mtpTrace;
};

/// Random ids for two sequences in three steps: a prompt of each, a chunk on top,
/// one more token of each. So chunks, contexts and a ragged batch all take part.
class TokenPlan {
public:
  TokenPlan(const SemanticsCheckOptions &options, int64_t vocab) {
    RandomBits bits(options.seed);
    int64_t rest = options.tokens;
    auto take = [&](int64_t sequence, int64_t count) {
      SequenceFeed feed;
      for (int64_t i = 0; i < std::min(count, rest); ++i) {
        feed.tokens.push_back(int32_t(bits.next() % uint64_t(vocab)));
        feed.positions.push_back(positions[sequence]);
        // Steps of 1 to 8: far positions and unequal distances.
        positions[sequence] += 1 + int64_t(bits.next() % 8);
      }
      rest -= int64_t(feed.tokens.size());
      return feed;
    };
    positions = {options.position, options.position + 159'000};
    // One token each at the end, a fifth before that, the rest at first.
    int64_t prompts = options.tokens - 2 - options.tokens / 5;
    int64_t longer = std::max<int64_t>(1, prompts * 3 / 5);
    std::vector<SequenceFeed> first = {take(0, longer),
                                       take(1, std::max<int64_t>(1, prompts - longer))};
    std::vector<SequenceFeed> second = {{}, take(1, options.tokens / 5)};
    std::vector<SequenceFeed> third = {take(0, 1), take(1, 1)};
    for (std::vector<SequenceFeed> *step : {&first, &second, &third}) {
      if (!(*step)[0].tokens.empty() || !(*step)[1].tokens.empty()) {
        steps.push_back(std::move(*step));
      }
    }
  }

  std::vector<std::vector<SequenceFeed>> steps;

private:
  std::vector<int64_t> positions;
};

FailureOr<ModuleResult> runModule(mlir::ModuleOp module, WeightProvider &weights,
                                  const SemanticsCheckOptions &options) {
  FailureOr<mlir::func::FuncOp> step = findStepFunction(module);
  if (failed(step)) {
    return failure();
  }
  FailureOr<mlir::func::FuncOp> mtpFunction = findMtpFunction(*step);
  if (failed(mtpFunction)) {
    return failure();
  }
  auto logits = mlir::cast<mlir::RankedTensorType>(step->getFunctionType().getResult(0));
  TokenPlan plan(options, logits.getDimSize(1));
  Interpreter model(*step, weights), mtp(*mtpFunction, weights);
  ModuleResult result;
  auto observe = [&](Trace &into) {
    return [&](mlir::Operation *op, unsigned index, int64_t layer, const Tensor &value) {
      into.add(op, index, layer, int64_t(result.steps.size()), value);
    };
  };
  model.observer = observe(result.trace);
  mtp.observer = observe(result.mtpTrace);
  Session session(model, *mtpFunction ? &mtp : nullptr, 2);
  for (const std::vector<SequenceFeed> &feeds : plan.steps) {
    FailureOr<StepResult> values = session.feed(feeds, {0, 0});
    if (failed(values)) {
      return failure();
    }
    result.steps.push_back(std::move(*values));
    result.mtpSteps.push_back(session.mtpResult());
  }
  return result;
}

/// Adds the checkpoint names behind a weight, through a prepare function if it is
/// a prepared one, to `names`.
void addTensorNames(mlir::Value weight, std::set<std::string> &names) {
  auto use = weight.getDefiningOp<ir::WeightOp>();
  if (!use) {
    return;
  }
  mlir::Operation *family =
      mlir::SymbolTable::lookupNearestSymbolFrom(use, use.getFamilyAttr().getAttr());
  if (auto weights = mlir::dyn_cast_or_null<ir::WeightsOp>(family)) {
    ir::RangeAttr layers = weights.getLayersAttr();
    for (int64_t l = layers ? layers.getBegin() : 0, end = layers ? layers.getEnd() : 1; l < end;
         l += layers ? layers.getStep() : 1) {
      names.insert(weights.getTensorName(l, 0));
    }
  } else if (family) {
    family->walk([&](ir::WeightOp inner) { addTensorNames(inner.getResult(), names); });
  }
}

/// The tensors of `module` for which ordinary random numbers would hide mistakes.
WeightRoles findRoles(mlir::ModuleOp module) {
  WeightRoles roles;
  module.walk([&](ir::GateOp gate) {
    addTensorNames(gate.getWeight(), roles.gates);
    if (gate.getBias()) {
      addTensorNames(gate.getBias(), roles.corrections);
    }
  });
  return roles;
}

/// Whether the module still says what a model computes: no stage past `model`, and
/// nothing of the next dialect in it.
bool isChecked(mlir::ModuleOp module) {
  auto stage = module->getAttrOfType<mlir::StringAttr>(ir::DSV2Dialect::kStageAttr);
  if (stage && stage.getValue() != "import" && stage.getValue() != "model") {
    return false;
  }
  return !module
              .walk([](mlir::Operation *op) {
                return op->getName().getDialectNamespace() == "dsv2_exec"
                           ? mlir::WalkResult::interrupt()
                           : mlir::WalkResult::advance();
              })
              .wasInterrupted();
}

//===----------------------------------------------------------------------===//
// Instrumentation
//===----------------------------------------------------------------------===//

/// What the instrumentation and the verdict share.
struct CheckState {
  SemanticsCheckOptions options;
  bool failed = false;
};

class SemanticsCheck : public mlir::PassInstrumentation {
public:
  explicit SemanticsCheck(std::shared_ptr<CheckState> state) : state(std::move(state)) {}

  void runBeforePass(mlir::Pass *, mlir::Operation *op) override {
    mlir::ModuleOp module = rootOf(op);
    if (module && !isDone && !last) {
      last = runIfChanged(module);
    }
  }

  void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override {
    mlir::ModuleOp module = rootOf(op);
    if (!module || isDone || !last) {
      return;
    }
    std::optional<ModuleResult> now = runIfChanged(module);
    if (!now) {
      return;
    }
    report(pass, module, *now);
    last = std::move(now);
  }

private:
  static mlir::ModuleOp rootOf(mlir::Operation *op) {
    while (op->getParentOp()) {
      op = op->getParentOp();
    }
    return mlir::dyn_cast<mlir::ModuleOp>(op);
  }

  /// Runs the module if it differs from the last one that was run.
  std::optional<ModuleResult> runIfChanged(mlir::ModuleOp module) {
    mlir::OperationFingerPrint print(module);
    if (fingerprint && *fingerprint == print) {
      return std::nullopt;
    }
    fingerprint = print;
    if (!isChecked(module)) {
      isDone = true;
      return std::nullopt;
    }
    FailureOr<ModuleResult> result = failure();
    if (WeightProvider *provider = weights(module)) {
      result = runModule(module, *provider, state->options);
    }
    if (failed(result)) {
      isDone = state->failed = true;
      return std::nullopt;
    }
    return std::move(*result);
  }

  WeightProvider *weights(mlir::ModuleOp module) {
    if (provider) {
      return provider.get();
    }
    if (state->options.weights.empty()) {
      provider = std::make_unique<RandomWeights>(state->options.seed, findRoles(module));
      return provider.get();
    }
    Expected<Checkpoint> checkpoint =
        Checkpoint::open(state->options.weights, WeightData::Required);
    if (!checkpoint) {
      mlir::emitError(module.getLoc(), checkpoint.error().message());
      return nullptr;
    }
    provider = std::make_unique<CheckpointWeights>(std::move(*checkpoint));
    return provider.get();
  }

  /// Compares the results of the module with the last ones; on the first that
  /// moved, says all about it and stops checking.
  void report(mlir::Pass *pass, mlir::ModuleOp module, const ModuleResult &now) {
    for (size_t s = 0; s < now.steps.size(); ++s) {
      const StepResult &old = last->steps[s], &result = now.steps[s];
      const StepResult &oldMtp = last->mtpSteps[s], &mtp = now.mtpSteps[s];
      for (auto [name, trace, expected, actual] :
           {std::tuple("logits", &ModuleResult::trace, old.logits, result.logits),
            std::tuple("hidden", &ModuleResult::trace, old.hidden, result.hidden),
            std::tuple("logits of @mtp", &ModuleResult::mtpTrace, oldMtp.logits, mtp.logits),
            std::tuple("hidden of @mtp", &ModuleResult::mtpTrace, oldMtp.hidden, mtp.hidden)}) {
        // Without the block there is nothing to compare; leaving it out is a pass's
        // right (only multi-token prediction goes with it).
        if (!expected || !actual) {
          continue;
        }
        if (expected->shape != actual->shape) {
          mlir::emitError(module.getLoc(), "pass '")
              << passName(pass) << "' changed the shape of the " << name;
          isDone = state->failed = true;
          return;
        }
        Difference difference = compare(*expected, *actual);
        if (difference.relative > state->options.tolerance) {
          Divergence where = findDivergence((*last).*trace, now.*trace, state->options.tolerance);
          emit(pass, module, where, name, s, difference);
          isDone = state->failed = true;
          return;
        }
      }
    }
  }

  static std::string passName(mlir::Pass *pass) {
    llvm::StringRef argument = pass->getArgument();
    return argument.empty() ? pass->getName().str() : argument.str();
  }

  static std::string differenceText(const Difference &difference) {
    return llvm::formatv("element {0}: expected {1}, actual {2} (off by {3} of the largest)",
                         elementText(difference.element), number(difference.expected),
                         number(difference.actual), number(difference.relative));
  }

  static std::string number(double value) {
    llvm::SmallString<32> text;
    llvm::APFloat(value).toString(text, 10);
    return text.str().str();
  }

  void emit(mlir::Pass *pass, mlir::ModuleOp module, const Divergence &where, llvm::StringRef name,
            size_t step, const Difference &difference) {
    mlir::Location location = where.value ? where.value->location : module.getLoc();
    mlir::InFlightDiagnostic error = mlir::emitError(location);
    error << "pass '" << passName(pass) << "' changed what the module computes";
    if (where.value) {
      error << ": result " << where.value->result << " of '" << where.value->op << "'";
      if (where.value->layer >= 0) {
        error << " in layer " << where.value->layer;
      }
      if (where.hasCounterpart) {
        error << ", " << differenceText(where.difference);
      } else {
        error << " is the first value that the module before the pass had not";
      }
    }
    if (where.vanished) {
      error.attachNote(where.vanished->location)
          << "result " << where.vanished->result << " of '" << where.vanished->op
          << "', which the module before the pass computed, is gone";
    }
    if (where.reshaped) {
      error.attachNote(where.reshaped->location)
          << "result " << where.reshaped->result << " of '" << where.reshaped->op
          << "' has another shape: expected " << elementText(where.original->value.shape)
          << ", actual " << elementText(where.reshaped->value.shape);
    }
    error.attachNote(module.getLoc())
        << name << " of step " << step << ", " << differenceText(difference);
  }

  std::shared_ptr<CheckState> state;
  std::unique_ptr<WeightProvider> provider;
  std::optional<mlir::OperationFingerPrint> fingerprint;
  std::optional<ModuleResult> last;
  /// Nothing more to check: past the stage, or something was reported.
  bool isDone = false;
};

/// Fails the pipeline at its end: an instrumentation cannot.
class SemanticsVerdictPass
    : public mlir::PassWrapper<SemanticsVerdictPass, mlir::OperationPass<mlir::ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SemanticsVerdictPass)

  explicit SemanticsVerdictPass(std::shared_ptr<CheckState> state) : state(std::move(state)) {}
  llvm::StringRef getName() const override { return "SemanticsVerdictPass"; }
  void runOnOperation() override {
    if (state->failed) {
      signalPassFailure();
    }
  }

private:
  std::shared_ptr<CheckState> state;
};
} // namespace

void checkSemantics(mlir::PassManager &manager, const SemanticsCheckOptions &options) {
  // The module must stand still while it is run.
  manager.getContext()->disableMultithreading();
  auto state = std::make_shared<CheckState>();
  state->options = options;
  manager.addPass(std::make_unique<SemanticsVerdictPass>(state));
  manager.addInstrumentation(std::make_unique<SemanticsCheck>(state));
}

} // namespace dsv2
