/*
 * file_clock.h - when the bytes of a transport stream are due, by its PCRs.
 *
 * It reads ahead of what is played: a byte between two PCRs is due between
 * their times, in proportion (ISO/IEC 13818-1 2.4.2.2). What comes behind the
 * last PCR that is known is due with it. Offsets count all the bytes that were
 * read, over as many rounds of a file as there were; times are 27 MHz ticks
 * from the first PCR on, and go on where PCRs jump.
 */
#ifndef WEIR_FILE_CLOCK_H
#define WEIR_FILE_CLOCK_H

#include "weir/ts.h"

#pragma GCC visibility push(hidden)

/* PCRs that are known ahead; of more the earlier ones are left out. */
#define WEIR__FILE_CLOCK_ANCHORS 256u
/* Bytes without a PCR of the PID that is followed until another one is. */
#define WEIR__FILE_CLOCK_SILENCE 262144u

typedef struct weir__anchor {
  uint64_t offset;
  uint64_t time;
} weir__anchor_t;

typedef struct weir__file_clock {
  weir_ts_t *scanner;
  weir__anchor_t anchors[WEIR__FILE_CLOCK_ANCHORS]; /* a ring */
  uint32_t start;
  uint32_t count;
  uint16_t pid;
  uint8_t is_running; /* the next PCR continues the last */
  uint64_t value;     /* of the last */
  uint64_t bytes;     /* between PCRs that did, */
  uint64_t ticks;     /* and their time */

  /* The player's. */
  uint64_t played; /* offset */
  uint64_t base;   /* time of it when its schedule began */
} weir__file_clock_t;

/* UV_ENOMEM. */
int weir__file_clock_open(weir__file_clock_t **clock,
                          const weir_allocator_t *allocator);
/* NULL is a no-op. */
void weir__file_clock_close(weir__file_clock_t *clock,
                            const weir_allocator_t *allocator);

/* Reads the next bytes. */
void weir__file_clock_read(weir__file_clock_t *clock, const uint8_t *bytes,
                           size_t length);

/* What is read next does not continue the former. */
void weir__file_clock_break(weir__file_clock_t *clock);

/* The offset up to which bytes are due; UINT64_MAX: all that were read. Not
 * earlier than in the last call. */
uint64_t weir__file_clock_due(weir__file_clock_t *clock, uint64_t time);

/* When the byte at an offset is due that has not been long ago. */
uint64_t weir__file_clock_time(const weir__file_clock_t *clock,
                               uint64_t offset);

/* The offset of the last PCR that was read; 0 without one. */
uint64_t weir__file_clock_last(const weir__file_clock_t *clock);

#pragma GCC visibility pop

#endif
