/*
 * verify.h - checks every byte of a body against the `position` pattern.
 *
 * The body must begin anywhere in the stream and run on without a byte lost,
 * repeated or changed. A jump is located and classed: whole frames on both
 * sides (a clean gap, as a skip makes), or not (torn).
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#define VERIFY_WINDOW 48u /* bytes looked at together where runs meet */
#define VERIFY_CARRY  (VERIFY_WINDOW - 1)
#define VERIFY_GAPS   8u /* jumps kept in full; more are only counted */

struct verify_gap {
  uint64_t at;   /* byte of the body */
  uint64_t from; /* position that was due */
  uint64_t to;   /* position that came */
};

struct verify {
  uint32_t frame; /* bytes; set before the first call */
  uint8_t started;
  uint8_t lost;       /* no longer on the pattern */
  uint8_t misaligned; /* the body did not begin on a frame boundary */
  uint64_t start;     /* position of the first byte */
  uint64_t next;      /* position of the next byte */
  uint64_t length;    /* bytes verified */
  uint64_t corrupt;   /* bytes that belong nowhere */
  uint64_t gaps;      /* jumps in all, torn ones too */
  uint64_t torn;      /* jumps that cut a frame */
  uint64_t skipped;   /* bytes jumped over */
  uint64_t repeats;   /* jumps backwards */
  struct verify_gap gap[VERIFY_GAPS];
};

/* Like stamps_feed(): returns how many of the last bytes (<= VERIFY_CARRY)
 * must be at the front of the next call. */
size_t verify_feed(struct verify *verify, const uint8_t *bytes, size_t length);

/* Checks the bytes that the last call left over, at the end of the body. */
void verify_finish(struct verify *verify, const uint8_t *bytes, size_t length);

/* One run of the source's bytes, from a frame boundary, nothing else. */
int verify_contiguous(const struct verify *verify);

#endif
