#include "stamps.h"

static void stamps_take(struct stamps *stamps, const uint8_t *bytes,
                        uint64_t now, struct latency *latency) {
  struct stream_stamp stamp;
  memcpy(&stamp, bytes, sizeof stamp);
  if (stamps->found > 0) {
    uint64_t before = stamps->next - stamps->ahead;
    /* What the source wrote between two stamps, less what arrived. */
    if (stamp.position <= before)
      stamps->restarts++;
    else if (stamp.position - before > stamps->since)
      stamps->skipped += stamp.position - before - stamps->since;
  }
  stamps->found++;
  stamps->ahead = stamp.period;
  stamps->next = stamp.position + stamp.period;
  stamps->since = 0;
  stamps->locked = 1;
  if (latency != NULL)
    latency_record(latency, now > stamp.written ? now - stamp.written : 0);
}

size_t stamps_feed(struct stamps *stamps, const uint8_t *bytes, size_t length,
                   uint64_t now, struct latency *latency) {
  size_t at = 0;
  for (;;) {
    if (stamps->locked) {
      uint64_t ahead = stamps->ahead - stamps->since;
      if (ahead >= length - at) {
        stamps->since += length - at;
        return 0;
      }
      at += (size_t)ahead;
      stamps->since += ahead;
      if (length - at < STREAM_STAMP_BYTES) return length - at;
      if (memcmp(bytes + at, STREAM_MAGIC, STREAM_MAGIC_BYTES) != 0) {
        stamps->locked = 0;
        stamps->resyncs++;
        continue;
      }
    } else {
      const uint8_t *hit =
          memmem(bytes + at, length - at, STREAM_MAGIC, STREAM_MAGIC_BYTES);
      size_t skip = hit != NULL ? (size_t)(hit - (bytes + at)) : length - at;
      if (length - at < skip + STREAM_STAMP_BYTES) {
        size_t keep = length - at < STAMPS_CARRY ? length - at : STAMPS_CARRY;
        stamps->since += length - at - keep;
        return keep;
      }
      at += skip;
      stamps->since += skip;
    }
    stamps_take(stamps, bytes + at, now, latency);
  }
}
