//===- Workgroup.h - The threads that run together --------------*- C++ -*-===//
//
// Runs the threads of one workgroup after the other on one CPU thread: each runs
// until it waits for others. The last to arrive carries the common operation
// out. Everything a thread can do, and every check, is a member here; the
// members stand in Workgroup.cpp (scheduling), Barriers.cpp, Mbarriers.cpp,
// WarpOps.cpp, Warpgroups.cpp, AsyncCopies.cpp, BoxCopies.cpp and Checks.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_WORKGROUP_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_WORKGROUP_H

#include "lib/Runtime/CodeImage.h"
#include "lib/Runtime/drivers/simt/Asynchronous.h"
#include "lib/Runtime/drivers/simt/Fiber.h"
#include "lib/Runtime/drivers/simt/GlobalMemory.h"
#include "lib/Runtime/drivers/simt/MatrixDescriptor.h"
#include "lib/Runtime/drivers/simt/Reports.h"
#include "lib/Support/SimtAbi.h"

#include <deque>
#include <string>

namespace dsv2::simt {

class Workgroup;

/// What a thread waits for.
enum class Wait : uint8_t {
  Nothing,
  Barrier,
  WarpBarrier,
  Shuffle,
  MatrixMultiply,
  MatrixLoad,
  Elect,
  SetRegisters,
  GroupMultiply,
  Mbarrier
};
/// "gpu.barrier", ...: as reports call it.
const char *waitName(Wait wait);

/// What fresh workgroup memory and registers under way hold: NaN in every float type.
constexpr int kPoison = 0xff;

/// What a thread brings to a common operation.
struct Operands {
  const SimtMatrixOp *matrix = nullptr;
  const SimtGroupMatrixOp *groupMatrix = nullptr;
  uint64_t descriptors[2] = {};
  const void *in[3] = {};
  void *out = nullptr;
  int32_t numbers[4] = {};
  int64_t result = 0;
};

/// One GPU thread.
struct Thread final : SimtThread {
  Workgroup *group = nullptr;
  FiberContext fiber;
  uint32_t index = 0;
  bool returned = false;
  Wait wait = Wait::Nothing;
  const char *where = nullptr;
  uint32_t lanes = 0; ///< of the warp operation that it waits for
  uint32_t barrier = 0, barrierThreads = 0;
  const Mbarrier *mbarrier = nullptr; ///< that it waits for
  Operands operands;

  ClockRef base;                      ///< what it knows of all agents
  Epoch now = 1;                      ///< its own time
  Epoch fenced = 0, fencedCopies = 0; ///< of its own and of its copies': known to asynchronous ones
  Epoch groupsCommitted = 0;          ///< of its asynchronous copies
  Epoch groupsDone = 0;
  std::vector<AsyncCopy> open;
  std::deque<std::vector<AsyncCopy>> underWay;

  Epoch multipliesCommitted = 0; ///< groups of its warpgroup's multiplications
  Epoch multipliesDone = 0;
  bool accumulatorsFenced = false; ///< a fence since the last wait
  /// Where multiplications leave its sums, and the group of the last of them.
  struct Sums {
    const float *slot;
    Epoch group;
    const char *where;
  };
  std::vector<Sums> sums;
  void noteSums(const float *slot, Epoch group, const char *at);
};

/// Where the elements of a matrix operation's fragments lie.
struct MatrixTables {
  struct Place {
    uint8_t row, column;
  };
  const SimtMatrixOp *op = nullptr;
  Place lane[3][64], element[3][64]; ///< of A, B and C; the place is both, xor-ed
};

/// A kernel as the runtime sees it.
struct KernelCode {
  SimtEntry entry = nullptr;
  std::string name;
  uint32_t threads = 1;
  uint64_t sharedBytes = 0;
  uint64_t scratchBytes = 0; ///< of each workgroup
  std::vector<TensorMap> tensorMaps = {};
};

/// One launch: the same for all workgroups.
struct Grid {
  const KernelCode *kernel;
  const uint64_t *slots;
  size_t slotCount; ///< for reports
  int64_t items;
  int64_t workgroups;
  void *scratch;
};

class Workgroup {
public:
  /// `memory`, `reports`: of the driver. Without `check` only what no program
  /// can go on after is reported (deadlocks, wrong barriers).
  Workgroup(GlobalMemory &memory, Reports &reports, bool check);
  ~Workgroup();

  /// Makes room for kernels of so many threads and bytes of workgroup memory.
  std::optional<Error> reserve(uint32_t threads, uint64_t sharedBytes);
  /// Runs workgroup `number`. False when it could not end: a report says why.
  bool run(const Grid &grid, int64_t number, uint32_t launchGeneration);

  // What kernels call (Calls.cpp).
  void access(Thread &thread, const void *address, uint32_t bytes, bool write, const char *where);
  [[noreturn]] void outOfRange(Thread &thread, int64_t index, int64_t length, int64_t extent,
                               int32_t dimension, const char *where);
  void barrier(Thread &thread, uint32_t id, uint32_t threads, const char *where);
  void warpOperation(Thread &thread, Wait kind, uint32_t lanes, const char *where);
  void matrixLoad(Thread &thread, const void *row, int32_t tiles, bool transpose, void *result,
                  const char *where);
  void asyncCopy(Thread &thread, const AsyncCopy &copy);
  void asyncCommit(Thread &thread);
  void asyncWait(Thread &thread, uint32_t pending);
  void mbarrierInit(Thread &thread, void *object, int32_t arrivals, const char *where);
  void mbarrierInitFence(Thread &thread);
  void mbarrierArrive(Thread &thread, void *object, int32_t bytes, const char *where);
  void mbarrierWait(Thread &thread, void *object, int32_t parity, const char *where);
  void boxCopy(Thread &thread, const BoxCopy &copy, void *object);
  void proxyFence(Thread &thread);
  void groupFence(Thread &thread);
  void groupMultiply(Thread &thread, const SimtGroupMatrixOp *op, int64_t a, int64_t b, float *sums,
                     int32_t accumulators, const char *where);
  void groupCommit(Thread &thread);
  void groupWait(Thread &thread, uint32_t pending);
  void groupResult(Thread &thread, const float *slot, const char *where);

private:
  // Scheduling.
  DSV2_CALLS_KERNELS static void fiberMain(void *thread);
  void threadReturned(Thread &thread);
  /// Runs others until somebody releases this thread.
  void block(Thread &thread, Wait kind, const char *where);
  void release(Thread &thread);
  void switchAway(FiberContext &from, bool last = false);
  [[noreturn]] void abandon(Thread &thread);
  void reportDeadlock();

  // Common operations, once all are there.
  void joinClocks(Thread *const *members, size_t count);
  void beginMultiplication(Thread *members, uint32_t count);
  void setRegisters(Thread *members, uint32_t count);
  void shuffleWarp(Thread *first, uint32_t count);
  void multiplyMatrices(Thread *first, uint32_t count);
  void loadMatrices(Thread *first, uint32_t count);

  // Mbarriers and what is asynchronous.
  Mbarrier &mbarrierAt(Thread &thread, const void *object, const char *where);
  void endPhase(Mbarrier &mbarrier);
  /// The thread learns what the last phase's end makes known.
  void acquire(Thread &thread, Mbarrier &mbarrier);
  static void land(const BoxCopy &copy);
  void multiply(const Multiplication &each);
  /// Where `bytes` bytes lie in workgroup memory; a report that calls them `what` if they do not.
  uint64_t sharedOffset(Thread &thread, const void *address, uint64_t bytes, const char *what,
                        const char *where);

  // Checks.
  struct Knowledge;
  struct GroupKnowledge;
  /// Adds what a thread knows of itself and of its own asynchronous accesses.
  void publish(const Thread &thread, Clock &into) const;
  bool seesThroughProxy(const Thread &thread, Agent agent, Epoch epoch) const;
  Cell *sharedBlock(uint64_t firstCell);
  template <typename Knows>
  void touchShared(Thread &thread, const Access &access, const Knows &knows);
  /// Returns how many of the bytes somebody has written before the first that nobody has; `copied`:
  /// without reporting that.
  uint64_t accessGlobal(Thread &thread, const Access &access, bool copied = false);
  void accessAs(Thread &thread, const Access &access);
  void readAsGroup(Thread &first, const std::vector<const Clock *> &clocks, const Access &access);
  void checkBoxCopy(Thread &thread, const BoxCopy &copy, const Mbarrier &mbarrier);
  void checkOperands(Thread &first, Epoch group);
  void reportCopiesLeft();
  /// `ordered`: the access comes after the other one, though it may not see it.
  void reportFinding(const Access &access, const Finding &finding, uintptr_t address, bool ordered);
  /// What would have to stand between.
  const char *missingFor(const Access &access, const Finding &finding, bool ordered) const;
  void report(std::string text);
  std::string whoIs(Agent agent) const;
  std::string whereIs(uintptr_t address) const;

  GlobalMemory &memory;
  Reports &reports;
  const bool check;
  std::unique_ptr<FiberStacks> stacks;
  std::deque<Thread> threads; ///< never moves
  uint8_t *shared = nullptr;
  uint64_t sharedCapacity = 0;
  std::vector<Cell> sharedCells;
  ReaderSets readerSets;
  MatrixTables matrixTables; ///< of the last multiplication
  Range *lastRange = nullptr;

  const Grid *grid = nullptr;
  int64_t number = 0;
  uint32_t count = 0; ///< threads of this kernel
  uint32_t generation = 0, launch = 0;
  Agents agents;
  uint32_t running = 0; ///< threads that have not returned
  uint32_t reportLanes = 32;
  bool failed = false;
  FiberContext scheduler;
  std::deque<Thread *> ready;
  std::vector<uint32_t> warpArrived, groupArrived; ///< by the first thread's number
  /// Threads at each barrier, in the order of arrival.
  std::vector<std::vector<Thread *>> atBarrier;
  std::deque<Mbarrier> mbarriers; ///< never move
  std::deque<Warpgroup> warpgroups;
  ClockRef fencedFrom, fencedTo; ///< of the last fence
};

/// Barriers of a workgroup, as NVIDIA's hardware has them.
constexpr uint32_t kBarriers = 16;
/// A count of threads is one of whole warps.
constexpr uint32_t kBarrierLanes = 32;

/// The functions that kernels call.
extern const SimtCalls kCalls;
/// The same without checks of memory accesses.
extern const SimtCalls kUncheckedCalls;

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_WORKGROUP_H
