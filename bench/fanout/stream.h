/*
 * stream.h - what the generator writes and the listeners recognise.
 *
 * `stamp`: blocks of one size, each beginning with a stamp: a magic, when the
 * block was about to be written, its position in the stream, and the size of
 * a block. The rest is zero. A reader that has seen one stamp knows where the
 * next one is; the positions tell what was skipped in between.
 *
 * `position`: every 8-byte word is its own position under a tag, so that each
 * byte of what a listener received can be checked, wherever it joined.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define STREAM_STAMP_BYTES 32u
#define STREAM_WORD_BYTES  8u
#define STREAM_MAGIC       "\xF5WEIR\x9Ets" /* its first byte occurs once in it */
#define STREAM_MAGIC_BYTES 8u
#define STREAM_TAG         0xA5C3000000000000ull
#define STREAM_TAG_MASK    0xFFFF000000000000ull

/* Little-endian, as x86-64 and arm64 lay it out. */
struct stream_stamp {
  char magic[STREAM_MAGIC_BYTES];
  uint64_t written;  /* CLOCK_MONOTONIC, ns, just before the write */
  uint64_t position; /* of the stamp's first byte, since the stream began */
  uint64_t period;   /* bytes from one stamp to the next */
};
_Static_assert(sizeof(struct stream_stamp) == STREAM_STAMP_BYTES, "stamp");

static inline uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t stream_word(uint64_t position) {
  return STREAM_TAG | (position & ~STREAM_TAG_MASK & ~7ull);
}

static inline uint8_t stream_byte(uint64_t position) {
  return (uint8_t)(stream_word(position) >> (8 * (position & 7)));
}

/* Fills `length` bytes (a multiple of 8) from `position` (likewise). */
static inline void stream_fill(uint8_t *memory, size_t length,
                               uint64_t position) {
  for (size_t i = 0; i < length; i += STREAM_WORD_BYTES) {
    uint64_t word = stream_word(position + i);
    memcpy(memory + i, &word, sizeof word);
  }
}

static inline void stream_put_stamp(uint8_t *memory, uint64_t position,
                                    uint64_t period) {
  struct stream_stamp stamp = {.position = position, .period = period};
  memcpy(stamp.magic, STREAM_MAGIC, STREAM_MAGIC_BYTES);
  stamp.written = monotonic_ns();
  memcpy(memory, &stamp, sizeof stamp);
}

#endif
