/*
 * rtp.c - fuzzes weir__rtp_take().
 *
 * The input is a run of datagrams, each behind two bytes: its length, and how
 * much time passes before it, in milliseconds. Whatever they are: what is
 * delivered is whole transport packets of one of them, no more often than it
 * came, and every datagram is accounted for.
 */
#include <stdlib.h>
#include <string.h>

#include "rtp.h"

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      __builtin_trap();    \
    }                      \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

typedef struct ear {
  uint64_t delivered;
  uint64_t restarts;
} ear_t;

static void deliver(void *context, const uint8_t *bytes, size_t length) {
  ear_t *ear = context;
  REQUIRE(weir__rtp_is_transport(bytes, length));
  ear->delivered++;
}

static void restart(void *context) {
  ((ear_t *)context)->restarts++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  ear_t ear = {0, 0};
  weir_source_datagrams_t counters;
  memset(&counters, 0, sizeof counters);
  weir__rtp_t *rtp = calloc(1, sizeof *rtp);
  REQUIRE(rtp != NULL);
  rtp->counters = &counters;
  rtp->deliver = deliver;
  rtp->restart = restart;
  rtp->context = &ear;
  uint64_t now = 0, taken = 0;
  while (length >= 2) {
    /* Of a payload's 188 bytes the input holds none: they would only make it
     * long. */
    size_t given = bytes[0] % 64;
    now += bytes[1] * 1000000ull;
    bytes += 2;
    length -= 2;
    if (given > length) given = length;
    size_t size = given + WEIR_TS_PACKET;
    uint8_t *datagram = calloc(1, size);
    REQUIRE(datagram != NULL);
    memcpy(datagram, bytes, given);
    bytes += given;
    length -= given;
    if (size > 12) datagram[given] = WEIR_TS_SYNC;
    uint64_t before = ear.delivered;
    weir__rtp_take(rtp, datagram, size, now);
    taken++;
    free(datagram);
    REQUIRE(rtp->held < WEIR_SOURCE_REORDER);
    REQUIRE(ear.delivered - before <= WEIR_SOURCE_REORDER + 2);
    weir__rtp_expire(rtp, now);
    REQUIRE(weir__rtp_deadline(rtp) > now);
  }
  weir__rtp_expire(rtp, UINT64_MAX - 1);
  REQUIRE(rtp->held == 0);
  REQUIRE(ear.delivered + counters.foreign + counters.late +
              counters.duplicates <=
          taken + counters.foreign);
  REQUIRE(ear.restarts <= taken);
  free(rtp);
  return 0;
}
