//===- SimtAbi.h - Between kernels compiled for Simt and their driver -----===//
//
// A GPU kernel that runs on a CPU is one function that every thread of the grid
// runs on a stack of its own. What a CPU has no instruction for (barriers,
// shuffles, matrix operations, asynchronous copies) and every check is a call
// through the table that the thread brings along: the code has no imports.
// Every call ends in `where`, a text in the image's constants that says which
// operation calls ("matmul_0 gpu.barrier #12 m.mlir:3:1").
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_SIMTABI_H
#define DSV2_LIB_SUPPORT_SIMTABI_H

#include <cstdint>

namespace dsv2 {

struct SimtCalls;

/// What a kernel sees of the thread that runs it.
struct SimtThread {
  const SimtCalls *calls;
  int64_t thread;     ///< number in the workgroup
  int64_t workgroup;  ///< number in the grid
  int64_t threads;    ///< of a workgroup
  int64_t workgroups; ///< of the grid
  uint8_t *shared;    ///< the workgroup's memory; the low 18 bits of an address are the offset
};

/// Runs one thread of a kernel: the workgroup processes its share of `items`.
/// `scratch` is the base of the scratch memory of all workgroups.
using SimtEntry = void (*)(const uint64_t *slots, SimtThread *self, int64_t items,
                           int64_t workgroups, void *scratch);

/// Types of the elements of matrix fragments.
enum SimtElement : uint8_t { SimtF32 = 1, SimtBF16 = 2, SimtF16 = 3 };

/// Where the elements of a matrix lie in the registers of a group of lanes:
/// element (row, column) = the sum of the bases of the bits that are set in the
/// number of the lane and in the number of the element within the lane.
struct SimtFragment {
  uint8_t elementBits;   ///< log2 of the elements of a lane
  uint8_t laneBits;      ///< log2 of the lanes
  uint8_t element[6][2]; ///< row and column of each bit
  uint8_t lane[6][2];
};

/// D[rows, columns] = C + A[rows, depth] B[depth, columns], over all lanes.
struct SimtMatrixOp {
  uint8_t rows, columns, depth;
  uint8_t lanes;
  uint8_t factorType; ///< SimtElement of A and B
  uint8_t sumType;    ///< SimtElement of C and D
  SimtFragment a, b, c;
};

/// D[64, columns] = (zero ? 0 : D) + A[64, 16] B[16, columns] of bf16, by 128 threads, with A and B
/// in workgroup memory, swizzled by 128 bytes. Where element (row, column) of D lies is told as in
/// SimtFragment; a thread has columns / 2 elements of f32.
struct SimtGroupMatrixOp {
  uint16_t columns;       ///< 8 to 256, by 8
  uint8_t zero;           ///< D was not read
  uint8_t columnsOutside; ///< columns of B are neighbours in memory, else k are
  uint8_t element[7][2];  ///< row and column of each bit
  uint8_t lane[7][2];
};

/// What the caller knows of the registers of D.
enum SimtAccumulators : int32_t {
  SimtChained = 0, ///< the multiplication before left them: nobody has touched them since
  SimtFresh = 1,   ///< they come from elsewhere
  SimtTouched = 2  ///< they were written after the last fence
};

/// How a shuffle finds the lane it reads from.
enum SimtShuffle : int32_t {
  SimtShuffleXor = 0,
  SimtShuffleUp = 1,
  SimtShuffleDown = 2,
  SimtShuffleIndex = 3
};

/// Functions that x86 has no instruction for, computed in f32.
enum SimtMath : int32_t {
  SimtExp = 0,
  SimtExp2 = 1,
  SimtLog = 2,
  SimtLog2 = 3,
  SimtSin = 4,
  SimtCos = 5,
  SimtTanh = 6,
  SimtErf = 7
};

/// A matrix in global memory as a bulk copy sees it: a box of it goes to workgroup memory, row
/// after row, and is zero where it leaves the matrix. A kernel's argument for it is this struct's
/// address.
struct SimtTensorMap {
  const uint8_t *address;
  uint64_t columns;  ///< elements of a row that exist
  uint64_t rowBytes; ///< from one row to the next: a multiple of 16
  uint64_t rows;
  uint32_t elementBytes;
  uint32_t boxColumns, boxRows;
  uint32_t swizzleBytes; ///< 128: the 16 bytes at a go to a ^ (a / 128 % 8 * 16); 0: none
};

/// The order is the ABI: append only.
struct SimtCalls {
  /// A read (0) or write (1) of `bytes` bytes that follows at once.
  void (*access)(SimtThread *self, const void *address, int32_t bytes, int32_t write,
                 const char *where);
  /// The same for the elements whose bit in `mask` is set.
  void (*maskedAccess)(SimtThread *self, const void *address, int32_t elementBytes, int64_t mask,
                       int32_t write, const char *where);
  /// An index that leaves its dimension; does not return.
  void (*outOfRange)(SimtThread *self, int64_t index, int64_t length, int64_t extent,
                     int32_t dimension, const char *where);
  /// Barrier `id` of `threads` threads; 0: all of the workgroup.
  void (*barrier)(SimtThread *self, int32_t id, int32_t threads, const char *where);
  /// Orders the memory accesses of `lanes` neighbours.
  void (*warpBarrier)(SimtThread *self, int32_t lanes, const char *where);
  /// Result: the other lane's value; bit 32 says whether there is such a lane.
  int64_t (*shuffle)(SimtThread *self, int32_t lanes, int32_t mode, int32_t value, int32_t offset,
                     int32_t width, const char *where);
  /// a, b, c, d: the lane's elements in memory.
  void (*matrixMultiply)(SimtThread *self, const SimtMatrixOp *op, const void *a, const void *b,
                         const void *c, void *d, const char *where);
  /// Loads `tiles` matrices of 8 rows of 16 bytes: lane 8 i + r brings the
  /// address of row r of matrix i; lane l gets elements 2 (l % 4) and the next
  /// of row l / 4 (of column l / 4 when `transpose`).
  void (*matrixLoad)(SimtThread *self, const void *row, int32_t tiles, int32_t transpose,
                     void *result, const char *where);
  /// Copies sourceBytes bytes and fills up with zeros to `bytes`, some time
  /// before a wait returns.
  void (*asyncCopy)(SimtThread *self, void *to, const void *from, int32_t bytes,
                    int32_t sourceBytes, const char *where);
  /// Ends a group of copies.
  void (*asyncCommit)(SimtThread *self, const char *where);
  /// Waits until at most `pending` groups of this thread are under way.
  void (*asyncWait)(SimtThread *self, int32_t pending, const char *where);
  /// A SimtMath.
  float (*math)(SimtThread *self, int32_t function, float value);

  /// An mbarrier: 8 bytes of workgroup memory. A phase ends when `count` threads have arrived and
  /// as many bytes have come as were expected.
  void (*mbarrierInit)(SimtThread *self, void *mbarrier, int32_t count, const char *where);
  /// Makes mbarriers that this thread has made known to asynchronous accesses.
  void (*mbarrierInitFence)(SimtThread *self, const char *where);
  /// Expects so many bytes more in this phase, then arrives.
  void (*mbarrierArrive)(SimtThread *self, void *mbarrier, int32_t bytes, const char *where);
  /// Waits for the end of the phase of this parity.
  void (*mbarrierWait)(SimtThread *self, void *mbarrier, int32_t parity, const char *where);
  /// Copies the box whose first element is (row, column) to workgroup memory, some time before the
  /// phase of the mbarrier ends, which counts its bytes.
  void (*boxCopy)(SimtThread *self, void *to, const SimtTensorMap *map, int32_t column, int32_t row,
                  void *mbarrier, const char *where);
  /// Makes plain accesses that are known so far known to asynchronous ones.
  void (*proxyFence)(SimtThread *self, const char *where);
  /// 1 for one thread of the lanes, 0 for the others.
  int32_t (*elect)(SimtThread *self, int32_t lanes, const char *where);
  /// The warpgroup's registers a thread from here on.
  void (*setRegisters)(SimtThread *self, int32_t count, const char *where);
  /// Orders accesses of registers before multiplications of the warpgroup.
  void (*groupFence)(SimtThread *self, const char *where);
  /// Operands are read, and `sums` written (NaN until then), some time before a wait returns.
  /// a, b: matrix descriptors. `accumulators`: a SimtAccumulators.
  void (*groupMultiply)(SimtThread *self, const SimtGroupMatrixOp *op, int64_t a, int64_t b,
                        float *sums, int32_t accumulators, const char *where);
  /// Ends a group of multiplications.
  void (*groupCommit)(SimtThread *self, const char *where);
  /// Waits until at most `pending` groups are under way.
  void (*groupWait)(SimtThread *self, int32_t pending, const char *where);
  /// A use of `sums`, as left by a multiplication, follows.
  void (*groupResult)(SimtThread *self, const float *sums, const char *where);
};

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_SIMTABI_H
