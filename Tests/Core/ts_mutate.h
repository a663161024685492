/* ts_mutate.h - streams that things have happened to. */
#ifndef WEIR_TEST_TS_MUTATE_H
#define WEIR_TEST_TS_MUTATE_H

#include "ts_build.h"

static inline size_t mutate_below(uint64_t *seed, size_t limit) {
  return (size_t)(test_random(seed) >> 16) % limit;
}

/* One thing, anywhere: bytes inserted, removed or changed, the rest cut off,
 * a sync byte damaged, sync bytes spread over a stretch. */
static inline void mutate(build_t *build, uint64_t *seed) {
  if (build->length < 1000) return;
  size_t at = mutate_below(seed, build->length - 500);
  size_t some = 1 + mutate_below(seed, 400);
  uint8_t *bytes = build->bytes;
  switch (mutate_below(seed, 7)) {
    case 0:
      memmove(bytes + at + some, bytes + at, build->length - at);
      for (size_t i = 0; i < some; i++)
        bytes[at + i] = (uint8_t)(test_random(seed) >> 8);
      build->length += some;
      break;
    case 1:
      memmove(bytes + at, bytes + at + some, build->length - at - some);
      build->length -= some;
      break;
    case 2:
      for (size_t i = 0; i < some; i++)
        bytes[at + i] = (uint8_t)(test_random(seed) >> 8);
      break;
    case 3:
      if (build->length > 20000) build->length -= mutate_below(seed, 5000);
      break;
    case 4:
      for (size_t i = 0; i < 5; i++) {
        while (at < build->length && bytes[at] != 0x47)
          at++;
        if (at < build->length) bytes[at] ^= (uint8_t)(1 + some % 255);
        at += 180;
      }
      break;
    case 5:
      for (size_t i = 0; i < 40 && at + 3 < build->length; i++) {
        memcpy(bytes + at, "\x47\x01\x02\x13", 4);
        at += build->stride;
      }
      break;
    default:
      bytes[at] = 0x47;
  }
}

/* A stream of some kind with up to `most` such things. */
static inline void mutate_build(build_t *build, uint64_t *seed, size_t most) {
  static const uint32_t strides[] = {188, 192, 204};
  static const uint8_t videos[] = {0x1b, 0x24, 0x02, 0};
  build_start(build, strides[mutate_below(seed, 3)], test_random(seed));
  if (mutate_below(seed, 2) != 0) build_garbage(build, mutate_below(seed, 900));
  size_t kind = mutate_below(seed, 8);
  if (kind == 0) {
    build_garbage(build, 3000);
  } else if (kind < 3) {
    for (int i = 0; i < 60; i++) {
      if (i % 20 == 0) build_psi(build, videos[mutate_below(seed, 4)], 3);
      static const uint8_t code[] = {0, 0, 1, 0xb3, 0, 0, 1, 0x65, 0, 0, 1, 6};
      build_pes(build, 0x101, (uint8_t)(test_random(seed) & 0xd0),
                test_random(seed) >> 22, code, sizeof code,
                12 + mutate_below(seed, 900));
      build_fill(build, 0x102);
    }
  } else {
    build_pictures(build, 4 + mutate_below(seed, 30));
  }
  for (size_t i = mutate_below(seed, most + 1); i > 0; i--)
    mutate(build, seed);
}

#endif
