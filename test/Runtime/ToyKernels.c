//===- ToyKernels.c - The toy model's kernels as machine code -------------===//
//
// Compiled once for each KERNEL to a flat image: one function, no constants in
// memory (hence integers where a float constant would do), no calls.
//
//===----------------------------------------------------------------------===//
typedef unsigned long uint64;
typedef long int64;

enum { kVocab = 31, kPage = 8 };

void kernel(const uint64 *slots, int64 begin, int64 end, void *scratch) {
#if KERNEL == 0 // clear
  float *x = (float *)slots[0];
  for (int64 row = begin; row < end; ++row) {
    *(volatile int *)(x + row) = 0;
  }
#elif KERNEL == 1 // append
  for (int64 row = begin; row < end; ++row) {
    float *cached = (float *)slots[3] + ((int64 *)slots[1])[row] * 2;
    cached[0] = ((float *)slots[2])[((int *)slots[0])[row]];
    ((volatile int *)cached)[1] = 0x3f800000; // 1.0f
  }
#elif KERNEL == 2 // attend
  for (int64 row = begin; row < end; ++row) {
    const int *blocks = (int *)slots[2] + ((int *)slots[4])[row] * 8;
    int64 sum = 0;
    for (int64 place = 0; place < ((int *)slots[3])[row]; ++place) {
      const float *cached = (float *)slots[1] + (blocks[place / kPage] * kPage + place % kPage) * 2;
      sum += (int64)(cached[0] * cached[1]) * (place + 1) / 2;
    }
    ((float *)slots[0])[row] += (float)sum;
  }
#else             // head
  for (int64 item = begin; item < end; ++item) {
    int64 wanted = item / kVocab, id = item % kVocab;
    int64 best = (int64)((float *)slots[0])[((int *)slots[1])[wanted]] % kVocab;
    ((float *)slots[2])[item] = (float)(id < best ? id - best : best - id);
  }
#endif
}
