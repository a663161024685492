/* The one-shot search against the rule as it reads, at every offset, and with
 * no byte read beyond the end. */
#include <sys/mman.h>
#include <unistd.h>

#include "ts_mutate.h"

static build_t build;

static int is_header(const uint8_t *bytes, size_t length) {
  if (bytes[0] != 0x47) return 0;
  if (length < 4) return 1;
  int control = bytes[3] >> 4 & 3;
  if (control == 0) return 0;
  if (length < 5) return 1;
  if (control == 2 && bytes[4] != 183) return 0;
  if (control == 3 && bytes[4] > 182) return 0;
  return 1;
}

static int64_t naive(const uint8_t *bytes, size_t length, size_t from,
                     uint32_t *stride) {
  static const uint32_t strides[] = {188, 192, 204};
  for (; from < length; from++)
    for (int i = 0; i < 3; i++) {
      int count = 0;
      int fits = 1;
      for (size_t at = from; at < length && count < 5; at += strides[i]) {
        fits &= is_header(bytes + at, length - at);
        count++;
      }
      if (!fits || count < 3) continue;
      *stride = strides[i];
      return (int64_t)from;
    }
  return -1;
}

/* Compares where no other phase is a rival: the naive rule knows of none. */
static void check(const uint8_t *bytes, size_t length, size_t from) {
  uint32_t expected_stride = 0;
  uint32_t stride = 0;
  int64_t expected = naive(bytes, length, from, &expected_stride);
  int64_t found = weir_ts_find_sync(bytes, length, from, &stride);
  CHECK_EQ(found, expected);
  CHECK_EQ(stride, expected < 0 ? 0 : expected_stride);
}

int main(void) {
  long page = sysconf(_SC_PAGESIZE);
  size_t room = 16 * (size_t)page;
  uint8_t *map = mmap(NULL, room + (size_t)page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(map != MAP_FAILED);
  CHECK_EQ(mprotect(map + room, (size_t)page, PROT_NONE), 0);

  static const uint32_t strides[] = {188, 192, 204};
  for (size_t i = 0; i < 3; i++) {
    build_start(&build, strides[i], 50 + i);
    build_garbage(&build, 777);
    build_pictures(&build, 10);
    for (size_t length = 0; length <= 4096; length++) {
      uint8_t *bytes = map + room - length;
      memcpy(bytes, build.bytes, length);
      for (size_t from = 0; from < 1200; from += 1 + from / 2 + length % 7)
        check(bytes, length, from);
    }
    uint8_t *bytes = map + room - 4096;
    for (size_t from = 0; from <= 4096; from++)
      check(bytes, 4096, from);
  }
  for (size_t length = 0; length <= 4096; length++) {
    uint8_t *bytes = map + room - length;
    memset(bytes, length % 2 != 0 ? 0x47 : 0x48, length);
    CHECK_EQ(weir_ts_find_sync(bytes, length, 0, NULL),
             length % 2 == 0 ? -1 : naive(bytes, length, 0, &(uint32_t){0}));
  }
  CHECK_EQ(weir_ts_find_sync(NULL, 0, 0, NULL), -1);
  CHECK_EQ(weir_ts_find_sync(map, 100, 100, NULL), -1);
  CHECK_EQ(weir_ts_find_sync(map, 100, SIZE_MAX, NULL), -1);
  munmap(map, room + (size_t)page);
  build_free(&build);
  return 0;
}
