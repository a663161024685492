/*
 * stamps.h - finds time stamps in a body, whatever its reads look like.
 */
#ifndef BENCH_STAMPS_H
#define BENCH_STAMPS_H

#include <stddef.h>
#include <stdint.h>

#include "latency.h"
#include "stream.h"

#define STAMPS_CARRY (STREAM_STAMP_BYTES - 1)

struct stamps {
  uint64_t ahead;    /* bytes from the last stamp to the next */
  uint64_t next;     /* position of the next stamp in the source's stream */
  uint64_t found;    /* stamps read */
  uint64_t resyncs;  /* times a stamp was not where it had to be */
  uint64_t skipped;  /* bytes of the source that the body lacks */
  uint64_t restarts; /* times the source began again */
  uint64_t since;    /* bytes fed since the last stamp began */
  uint8_t locked;
};

/*
 * Reads `length` bytes, the carry of the call before at their front. Returns
 * how many of the last bytes (<= STAMPS_CARRY) must be at the front of the
 * next call. Each stamp's age at `now` is recorded in `latency` (may be NULL).
 */
size_t stamps_feed(struct stamps *stamps, const uint8_t *bytes, size_t length,
                   uint64_t now, struct latency *latency);

#endif
