#include "body.h"

#define PIDS (1u + 2u * BODY_SETS)

static void forget_counters(struct body *body) {
  for (size_t i = 0; i < PIDS; i++)
    body->counter_of[i] = -1;
}

void body_init(struct body *body) {
  memset(body, 0, sizeof *body);
  forget_counters(body);
}

/* Which PID a packet has: PIDS for any that the stream does not have. */
static unsigned index_of(const uint8_t *packet) {
  uint16_t pid = packet_pid(packet);
  if (pid == 0) return 0;
  for (unsigned set = 0; set < BODY_SETS; set++) {
    if (pid == packet_pmt_pid(set)) return 1 + 2 * set;
    if (pid == packet_video_pid(set)) return 2 + 2 * set;
  }
  return PIDS;
}

/* ISO/IEC 13818-1 2.4.3.3: with a payload, one more than the last one's. */
static void count(struct body *body, const uint8_t *packet) {
  unsigned index = index_of(packet);
  if (index == PIDS) return;
  int *last = &body->counter_of[index];
  unsigned found = packet_counter(packet);
  unsigned step = (packet[3] & 0x10u) ? 1 : 0;
  if (*last >= 0 && (((unsigned)*last + step) & 0x0fu) != found)
    body->counted++;
  *last = (int)found;
}

/* PAT, then PMT. */
static void take_preamble(struct body *body, const uint8_t *packet) {
  uint8_t section[64];
  int is_right = 0;
  if (body->preamble == 0) {
    for (unsigned set = 0; set < BODY_SETS && !is_right; set++) {
      size_t length = packet_pat(section, set);
      is_right = packet_carries(packet, 0, section, length);
      if (is_right) body->set = set;
    }
  } else {
    size_t length = packet_pmt(section, body->set);
    is_right =
        body->preamble == 1 &&
        packet_carries(packet, packet_pmt_pid(body->set), section, length);
  }
  body->preamble++;
  if (!is_right) {
    body->unsaid++;
    return;
  }
  count(body, packet);
}

static int is_access(const struct body *body, const uint8_t *packet) {
  return packet_pid(packet) == packet_video_pid(body->set) &&
         packet_starts_unit(packet) && packet_flag(packet, 0x40u);
}

/* Which programmes the packet is of, where it tells. */
static void follow_set(struct body *body, const uint8_t *packet) {
  uint16_t pid = packet_pid(packet);
  for (unsigned set = 0; set < BODY_SETS; set++) {
    if (pid != packet_pmt_pid(set) && pid != packet_video_pid(set)) continue;
    if (set != body->set)
      body->counter_of[1 + 2 * body->set] =
          body->counter_of[2 + 2 * body->set] = -1;
    body->set = set;
  }
}

static void begin_segment(struct body *body, uint64_t number) {
  if (body->segments < BODY_SEGMENTS)
    body->segment[body->segments] = (struct body_segment){number, 0};
  body->segments++;
}

/* It goes on at a random-access point, behind one marker of its PID, whose
 * counter alone does not jump. */
static void take_skip(struct body *body, const uint8_t *packet) {
  follow_set(body, packet);
  if (!is_access(body, packet)) body->blind++;
  if (body->ahead > 1) body->doubled++;
  if (body->ahead_of != index_of(packet)) body->unsaid++;
  int counter = body->counter_of[body->ahead_of];
  forget_counters(body);
  body->counter_of[body->ahead_of] = counter;
}

/* The stream goes on elsewhere. */
static void take_break(struct body *body, const uint8_t *packet,
                       uint64_t number) {
  uint64_t run = number >> PACKET_RUN_BITS;
  uint64_t before = body->next >> PACKET_RUN_BITS;
  int is_lossy = body->is_lossy && body->ahead == 0 && run == before;
  if (is_lossy && number > body->next) {
    body->missing += number - body->next;
    forget_counters(body);
  } else if (body->is_mixed && run == before) {
    body->turned++;
    forget_counters(body);
  } else if (body->ahead == 0) {
    body->broken++;
    forget_counters(body);
  } else if (run < before || number < body->next) {
    body->broken++;
  } else if (run != before && (number & PACKET_INDEX) == 0) {
    body->runs++; /* from its beginning on: behind that run's own markers */
  } else {
    body->runs += run != before;
    body->skips += run == before;
    if (run == before) body->skipped += (number - body->next) * PACKET;
    take_skip(body, packet);
  }
  begin_segment(body, number);
}

/* Of its PID it says the counter of the packet before the next. */
static void take_marker(struct body *body, const uint8_t *packet) {
  unsigned index = index_of(packet);
  body->markers++;
  if (index == PIDS) {
    body->unsaid++;
    return;
  }
  body->ahead++;
  body->ahead_of = index;
  body->counter_of[index] = (int)packet_counter(packet);
}

static void take_packet(struct body *body, const uint8_t *packet) {
  if (packet[0] != PACKET_SYNC) {
    body->torn++;
    return;
  }
  if (packet_is_marker(packet)) {
    take_marker(body, packet);
    return;
  }
  struct packet_trailer trailer = packet_trailer(packet);
  if (trailer.hash != packet_hash(packet)) {
    if (body->has_begun)
      body->forged++;
    else
      take_preamble(body, packet);
    return;
  }
  if (!body->has_begun) {
    body->has_begun = 1;
    if (body->preamble != 2) body->unsaid++;
    if (body->ahead > 0)
      take_skip(body, packet);
    else if (!is_access(body, packet))
      body->blind++;
    body->next = trailer.number;
    body->early = body->ahead > 0;
    body->ahead = 0;
    body->position = trailer.number * PACKET;
    begin_segment(body, trailer.number);
  } else if (trailer.number != body->next) {
    take_break(body, packet, trailer.number);
  } else if (body->ahead > 0) {
    body->kept++;
    if (body->ahead > 1 || body->ahead_of != index_of(packet)) body->doubled++;
  }
  follow_set(body, packet);
  count(body, packet);
  body->ahead = 0;
  body->packets++;
  body->next = trailer.number + 1;
  body->written = trailer.written;
  if (body->segments <= BODY_SEGMENTS)
    body->segment[body->segments - 1].count++;
}

void body_feed(struct body *body, const uint8_t *bytes, size_t length) {
  if (body->partial_length > 0) {
    size_t missing = PACKET - body->partial_length;
    if (missing > length) missing = length;
    memcpy(body->partial + body->partial_length, bytes, missing);
    body->partial_length += missing;
    bytes += missing;
    length -= missing;
    if (body->partial_length < PACKET) return;
    take_packet(body, body->partial);
    body->partial_length = 0;
  }
  for (; length >= PACKET; bytes += PACKET, length -= PACKET)
    take_packet(body, bytes);
  memcpy(body->partial, bytes, length);
  body->partial_length = length;
}

uint64_t body_faults(const struct body *body) {
  return body->torn + body->forged + body->broken + body->doubled +
         body->blind + body->unsaid + body->counted;
}
