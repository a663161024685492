/*
 * rtp.c - a window of sequence numbers.
 *
 * Datagrams in order pass through. One that is early is copied into the slot
 * of its number; those before it are waited for until it is further ahead
 * than the window is wide, or has waited for WEIR__RTP_PATIENCE. Numbers far
 * away are those of a sender that began again when two come in a row (RFC 3550
 * appendix A.1), and so are another source's: one that sends between the
 * datagrams of the first does not tear them apart.
 */
#include "rtp.h"

#include <string.h>

#define HEADER   12u
#define VERSION  2u
#define TYPE_TS  33u    /* MP2T, RFC 3551 table 5 */
#define DYNAMIC  96u    /* to 127, RFC 3551 section 3 */
#define DROPOUT  3000   /* numbers ahead that are no restart, RFC 3550 A.1 */
#define MISORDER (-100) /* and behind */
#define WINDOW   ((int)WEIR_SOURCE_REORDER)

int weir__rtp_is(const uint8_t *bytes, size_t length) {
  return length >= HEADER && bytes[0] >> 6 == VERSION;
}

int weir__rtp_is_transport(const uint8_t *bytes, size_t length) {
  return length > 0 && length % WEIR_TS_PACKET == 0 && bytes[0] == WEIR_TS_SYNC;
}

/* The length of the header with its contributing sources and its extension. */
static size_t header_length(const uint8_t *bytes, size_t length) {
  size_t header = HEADER + (bytes[0] & 0x0fu) * 4u;
  if ((bytes[0] & 0x10) == 0) return header;
  if (header + 4 > length) return header + 4;
  size_t words = (size_t)(bytes[header + 2] << 8 | bytes[header + 3]);
  return header + 4 + words * 4;
}

int weir__rtp_parse(const uint8_t *bytes, size_t length,
                    const uint8_t **payload, size_t *payload_length,
                    uint16_t *sequence, uint32_t *ssrc) {
  if (!weir__rtp_is(bytes, length)) return 0;
  uint8_t type = bytes[1] & 0x7f;
  if (type != TYPE_TS && type < DYNAMIC) return 0;
  size_t header = header_length(bytes, length);
  size_t padding = (bytes[0] & 0x20) != 0 ? bytes[length - 1] : 0;
  if (header + padding > length) return 0;
  *payload = bytes + header;
  *payload_length = length - header - padding;
  *sequence = (uint16_t)(bytes[2] << 8 | bytes[3]);
  *ssrc = (uint32_t)bytes[8] << 24 | (uint32_t)bytes[9] << 16 |
          (uint32_t)bytes[10] << 8 | bytes[11];
  return 1;
}

/* ---- the window ---- */

static weir__rtp_slot_t *slot_of(weir__rtp_t *rtp, uint16_t sequence) {
  return &rtp->slots[sequence % WEIR_SOURCE_REORDER];
}

/* How far ahead of what is delivered next. */
static int distance(const weir__rtp_t *rtp, uint16_t sequence) {
  return (int16_t)(uint16_t)(sequence - rtp->next);
}

static void pass(weir__rtp_t *rtp, const uint8_t *bytes, size_t length) {
  rtp->next++;
  rtp->delivered = rtp->delivered << 1 | 1;
  if (length > 0) rtp->deliver(rtp->context, bytes, length);
}

static void pass_slot(weir__rtp_t *rtp, weir__rtp_slot_t *slot) {
  slot->is_taken = 0;
  rtp->held--;
  pass(rtp, slot->bytes, slot->length);
}

/* What was waiting for the one before it only. */
static void pass_ready(weir__rtp_t *rtp) {
  while (rtp->held > 0 && slot_of(rtp, rtp->next)->is_taken)
    pass_slot(rtp, slot_of(rtp, rtp->next));
}

/* Gives the next number up. */
static void give_up(weir__rtp_t *rtp) {
  rtp->counters->lost++;
  rtp->next++;
  rtp->delivered <<= 1;
}

/* Moves the window until `sequence` is `ahead` of its start. */
static void advance(weir__rtp_t *rtp, uint16_t sequence, int ahead) {
  while (distance(rtp, sequence) > ahead) {
    if (rtp->held > 0 && slot_of(rtp, rtp->next)->is_taken)
      pass_slot(rtp, slot_of(rtp, rtp->next));
    else
      give_up(rtp);
  }
  pass_ready(rtp);
}

static void pass_all(weir__rtp_t *rtp) {
  while (rtp->held > 0) {
    give_up(rtp);
    pass_ready(rtp);
  }
}

static void begin(weir__rtp_t *rtp, uint16_t sequence, uint32_t ssrc) {
  if (rtp->has_begun) {
    pass_all(rtp);
    rtp->restart(rtp->context);
  }
  rtp->has_begun = 1;
  rtp->ssrc = ssrc;
  rtp->next = sequence;
  rtp->highest = (uint16_t)(sequence - 1);
  rtp->delivered = 0;
}

/* Its turn is over, or it is here twice. */
static void refuse(weir__rtp_t *rtp, int ahead) {
  int twice = ahead >= 0 ||
              (ahead >= -WINDOW && (rtp->delivered >> (-ahead - 1) & 1) != 0);
  if (twice)
    rtp->counters->duplicates++;
  else
    rtp->counters->late++;
}

static void keep(weir__rtp_slot_t *slot, const uint8_t *bytes, size_t length,
                 uint64_t now) {
  slot->is_taken = 1;
  slot->arrived = now;
  slot->length = (uint16_t)length;
  memcpy(slot->bytes, bytes, length);
}

/* One that is far away. The next tells whether it is lost or a beginning. */
static void take_strange(weir__rtp_t *rtp, uint16_t sequence, uint32_t ssrc,
                         const uint8_t *bytes, size_t length, uint64_t now) {
  rtp->strange = sequence;
  rtp->strange_ssrc = ssrc;
  rtp->counters->late++;
  keep(&rtp->stray, bytes, length, now);
}

/* The sender of the strange one goes on: it was the first of what follows. */
static void believe(weir__rtp_t *rtp) {
  begin(rtp, rtp->strange, rtp->strange_ssrc);
  rtp->highest = rtp->strange;
  rtp->counters->late--;
  pass(rtp, rtp->stray.bytes, rtp->stray.length);
}

void weir__rtp_take(weir__rtp_t *rtp, const uint8_t *bytes, size_t length,
                    uint64_t now) {
  const uint8_t *payload;
  size_t payload_length;
  uint16_t sequence;
  uint32_t ssrc;
  if (!weir__rtp_parse(bytes, length, &payload, &payload_length, &sequence,
                       &ssrc)) {
    rtp->counters->foreign++;
    return;
  }
  /* An empty one is legal, and has its number all the same. Of another source
   * it is not the stream's: retransmissions, or error correction. */
  if (!weir__rtp_is_transport(payload, payload_length)) {
    if (payload_length > 0) rtp->counters->foreign++;
    if (!rtp->has_begun || ssrc != rtp->ssrc) return;
    payload_length = 0;
  }
  if (!rtp->has_begun)
    begin(rtp, sequence, ssrc);
  else if (rtp->stray.is_taken && ssrc == rtp->strange_ssrc &&
           sequence == (uint16_t)(rtp->strange + 1))
    believe(rtp);
  rtp->stray.is_taken = 0;
  int ahead = distance(rtp, sequence);
  if (ssrc != rtp->ssrc || ahead >= DROPOUT || ahead < MISORDER) {
    take_strange(rtp, sequence, ssrc, payload, payload_length, now);
    return;
  }
  if (ahead < 0 || (ahead < WINDOW && slot_of(rtp, sequence)->is_taken)) {
    refuse(rtp, ahead);
    return;
  }
  if ((int16_t)(uint16_t)(sequence - rtp->highest) < 0)
    rtp->counters->reordered++;
  else
    rtp->highest = sequence;
  advance(rtp, sequence, WINDOW - 1);
  if (sequence != rtp->next) {
    keep(slot_of(rtp, sequence), payload, payload_length, now);
    rtp->held++;
    return;
  }
  pass(rtp, payload, payload_length);
  pass_ready(rtp);
}

/* ---- time ---- */

/* The first that waits; it lies within the window. */
static uint16_t first_held(const weir__rtp_t *rtp) {
  uint16_t sequence = rtp->next;
  while (!rtp->slots[sequence % WEIR_SOURCE_REORDER].is_taken)
    sequence++;
  return sequence;
}

uint64_t weir__rtp_deadline(const weir__rtp_t *rtp) {
  if (rtp->held == 0) return UINT64_MAX;
  return rtp->slots[first_held(rtp) % WEIR_SOURCE_REORDER].arrived +
         WEIR__RTP_PATIENCE;
}

void weir__rtp_expire(weir__rtp_t *rtp, uint64_t now) {
  while (weir__rtp_deadline(rtp) <= now)
    advance(rtp, first_held(rtp), 0);
}
