/* ts_search.h - where the packets in a run of bytes begin. */
#ifndef WEIR_TS_SEARCH_H
#define WEIR_TS_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "weir/ts.h"

#pragma GCC visibility push(hidden)

#define WEIR__TS_STRIDE_MAX 204u
/* Bytes of a packet that tell whether its header is plausible. */
#define WEIR__TS_HEADER 5u
/* Packets by which phases that rival are compared. TS inside TS shows runs of
 * up to 46 packets at a stride of 192. */
#define WEIR__TS_EVIDENCE 64u
/* Bytes from a place on that its being decided may take. */
#define WEIR__TS_WINDOW \
  ((WEIR__TS_EVIDENCE + 1) * WEIR__TS_STRIDE_MAX + WEIR__TS_HEADER)
/* Contests, which are expensive, that there may be before as many bytes have
 * passed as earn another one. The last one's best that can lock does, and then
 * the first place that can: bounds the work on an input made for it. */
#define WEIR__TS_CONTESTS_MAX  16u
#define WEIR__TS_CONTEST_BYTES 4096u

/* First place in [from, to) with a sync byte that is followed by another at
 * one of the strides; `to` when there is none. There are bytes up to
 * `to + WEIR__TS_STRIDE_MAX`. */
typedef size_t (*weir__ts_find_t)(const uint8_t *bytes, size_t from, size_t to);

typedef enum weir__ts_simd {
  WEIR__TS_SCALAR,
  WEIR__TS_SIMD_128,
  WEIR__TS_SIMD_256
} weir__ts_simd_t;

/* The widest that this processor has, and that is no wider than `most`. */
weir__ts_find_t weir__ts_finder(weir__ts_simd_t most);

typedef struct weir__ts_search {
  weir__ts_find_t find;
  uint64_t contests; /* held */
  uint64_t forgiven; /* of them, by bytes that passed */
  uint64_t earned;   /* offset up to which bytes have earned any */
  uint64_t wait;     /* offset that the input must reach before it goes on */
  uint32_t stride;   /* of the lock before, 0: none; it wins a tie */
  uint64_t anchor;   /* offset of a packet of that lock */
} weir__ts_search_t;

/*
 * Looks for packets from `from` on. With *stride not 0 they begin at what is
 * returned. Otherwise no packets begin before what is returned, and from there
 * on more bytes are needed to tell, or it is `to`, the end of what is to be
 * searched. `offset` is that of bytes[0] in the input. With is_end no more
 * bytes come.
 */
size_t weir__ts_search(weir__ts_search_t *search, const uint8_t *bytes,
                       size_t length, size_t from, size_t to, uint64_t offset,
                       int is_end, uint32_t *stride);

#pragma GCC visibility pop

#endif
