/*
 * rtp.h - transport packets in RTP (RFC 3550, RFC 2250 section 2), put into
 * the order of their sequence numbers.
 *
 * Pure: it is told the time, and calls back with payloads.
 */
#ifndef WEIR_RTP_H
#define WEIR_RTP_H

#include "weir/source.h"

#pragma GCC visibility push(hidden)

/* How long a missing datagram is waited for, ns. */
#define WEIR__RTP_PATIENCE 50000000ull

/* A datagram's payload that waits for those before it. */
typedef struct weir__rtp_slot {
  uint64_t arrived; /* ns */
  uint16_t length;
  uint8_t is_taken;
  uint8_t bytes[WEIR_SOURCE_DATAGRAM_MAX];
} weir__rtp_slot_t;

typedef struct weir__rtp {
  weir_source_datagrams_t *counters;
  /* The stream's next bytes: whole transport packets. */
  void (*deliver)(void *context, const uint8_t *bytes, size_t length);
  /* What follows does not continue what came before: another sender. */
  void (*restart)(void *context);
  void *context;
  uint32_t ssrc;
  uint16_t next;    /* sequence number that is delivered next */
  uint16_t highest; /* that was received */
  uint16_t strange; /* number of the strange one, and its source */
  uint32_t strange_ssrc;
  uint8_t has_begun;
  uint32_t held;      /* slots that are taken */
  uint32_t delivered; /* bit i: next - 1 - i was, and not given up */
  weir__rtp_slot_t slots[WEIR_SOURCE_REORDER];
  /* Far from next, or another's: a restart if one more follows it at once. */
  weir__rtp_slot_t stray;
} weir__rtp_t;

/* Whether a datagram says that it is RTP, by its version. */
int weir__rtp_is(const uint8_t *bytes, size_t length);

/* Whether bytes are whole transport packets, by length and first byte. */
int weir__rtp_is_transport(const uint8_t *bytes, size_t length);

/*
 * The payload of a datagram; 0 when it is not RTP version 2 of type 33 or a
 * dynamic one, or ends before what its header promises. Sets its sequence
 * number and source.
 */
int weir__rtp_parse(const uint8_t *bytes, size_t length,
                    const uint8_t **payload, size_t *payload_length,
                    uint16_t *sequence, uint32_t *ssrc);

/* Takes a datagram, at most WEIR_SOURCE_DATAGRAM_MAX bytes. */
void weir__rtp_take(weir__rtp_t *rtp, const uint8_t *bytes, size_t length,
                    uint64_t now);

/* Gives up on what is missing for longer than is waited. */
void weir__rtp_expire(weir__rtp_t *rtp, uint64_t now);

/* When to do so next; UINT64_MAX: nothing is missing. */
uint64_t weir__rtp_deadline(const weir__rtp_t *rtp);

#pragma GCC visibility pop

#endif
