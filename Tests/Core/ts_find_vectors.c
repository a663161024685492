/* The sieve by vectors against the one by bytes, for every length and every
 * place of a hit, with no byte read beyond what it may. */
#include <sys/mman.h>
#include <unistd.h>

#include "../../CSources/ts_search.h"
#include "test.h"

static size_t naive(const uint8_t *bytes, size_t from, size_t to) {
  for (; from < to; from++)
    if (bytes[from] == 0x47 &&
        (bytes[from + 188] == 0x47 || bytes[from + 192] == 0x47 ||
         bytes[from + 204] == 0x47))
      return from;
  return to;
}

static void check(weir__ts_find_t find, uint8_t *end, int kind,
                  uint64_t *seed) {
  for (size_t to = 0; to <= 4096; to++) {
    uint8_t *bytes = end - to - WEIR__TS_STRIDE_MAX;
    size_t from = to > 0 ? (size_t)test_random(seed) % to : 0;
    for (int all = 0; all < 2; all++) {
      size_t start = all ? 0 : from;
      CHECK_EQ(find(bytes, start, to), naive(bytes, start, to));
    }
  }
  if (kind == 0) return;
  uint8_t *bytes = end - 4096 - WEIR__TS_STRIDE_MAX;
  for (size_t from = 0; from <= 4096; from++)
    CHECK_EQ(find(bytes, from, 4096), naive(bytes, from, 4096));
}

int main(void) {
  long page = sysconf(_SC_PAGESIZE);
  size_t room = 8 * (size_t)page;
  uint64_t seed = 99;
  uint8_t *map = mmap(NULL, room + (size_t)page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(map != MAP_FAILED);
  CHECK_EQ(mprotect(map + room, (size_t)page, PROT_NONE), 0);
  for (int simd = WEIR__TS_SCALAR; simd <= WEIR__TS_SIMD_256; simd++) {
    weir__ts_find_t find = weir__ts_finder((weir__ts_simd_t)simd);
    memset(map, 0, room);
    check(find, map + room, 0, &seed);
    memset(map, 0x47, room);
    check(find, map + room, 0, &seed);
    for (int density = 2; density <= 256; density *= 2) {
      for (size_t i = 0; i < room; i++)
        map[i] = test_random(&seed) % (uint64_t)density == 0 ? 0x47 : 0x10;
      check(find, map + room, 1, &seed);
    }
    /* One hit, anywhere, at each distance. */
    static const size_t strides[] = {188, 192, 204, 187, 189, 203, 205};
    memset(map, 0, room);
    uint8_t *bytes = map + 64;
    for (size_t i = 0; i < sizeof strides / sizeof strides[0]; i++)
      for (size_t at = 0; at < 700; at++) {
        bytes[at] = bytes[at + strides[i]] = 0x47;
        CHECK_EQ(find(bytes, 0, 700), i < 3 ? at : 700);
        bytes[at] = bytes[at + strides[i]] = 0;
      }
  }
  munmap(map, room + (size_t)page);
  return 0;
}
