// Kernels.c - the one kernel of the conformance suite, in each calling convention of flat code.
//
// For each of its items i: x[i] = 2 x[i] + step, on 64-bit integers. Slots: x, step. That the result
// depends on the order of launches, and on each item being processed once, is the point.

typedef unsigned long u64;
typedef long i64;

#if defined(ABI_cpu)

void kernel(const u64 *slots, i64 begin, i64 end, void *scratch) {
  i64 *x = (i64 *)slots[0];
  for (i64 i = begin; i < end; ++i) {
    x[i] = 2 * x[i] + (i64)slots[1];
  }
}

#else

// The head of SimtThread and of SimtCalls (lib/Support/SimtAbi.h).
struct Thread {
  void (**calls)(struct Thread *self, const void *address, int bytes, int write, const char *where);
  i64 thread, workgroup, threads, workgroups;
};

void kernel(const u64 *slots, struct Thread *self, i64 items, i64 workgroups, void *scratch) {
  i64 *x = (i64 *)slots[0];
  // No report is expected, so no text for one: flat .text holds no constants.
  const char *where = 0;
  i64 end = (self->workgroup + 1) * items / workgroups;
  for (i64 i = self->workgroup * items / workgroups + self->thread; i < end; i += self->threads) {
    self->calls[0](self, x + i, 8, 0, where);
    i64 value = x[i];
    self->calls[0](self, x + i, 8, 1, where);
    x[i] = 2 * value + (i64)slots[1];
  }
}

#endif
