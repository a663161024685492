/*
 * ts_packet.c - the header of a packet and its adaptation field (ISO/IEC
 * 13818-1 2.4.3.2 to 2.4.3.5), continuity, and which part reads the payload.
 */
#include <string.h>

#include "ts_state.h"

#define TRANSPORT_ERROR 0x80 /* of byte 1 */
#define UNIT_START      0x40
#define DISCONTINUITY   0x80 /* of the adaptation field's flags */

/*
 * The counter of a PID counts its packets with a payload (2.4.3.3). One may be
 * sent twice, in succession. After discontinuity_indicator anything goes.
 * Returns 0 when the packet is such a second one.
 */
static int follows(weir_ts_t *ts, weir__ts_packet_t *packet, int has_payload) {
  uint16_t *pid = &ts->pids[packet->pid];
  uint32_t state = *pid & 0xffu;
  uint8_t found = packet->bytes[3] & 15, last = state & 15;
  uint8_t expected = (uint8_t)((last + (has_payload ? 1 : 0)) & 15);
  int is_first = !(state & WEIR__TS_CC_KNOWN) || (state & WEIR__TS_CC_ANY);
  int is_free = is_first || (packet->flags & DISCONTINUITY);
  int repeats =
      !is_free && has_payload && found == last && !(state & WEIR__TS_CC_REPEAT);
  /* Between the two there may be packets without payload. */
  int keeps = !has_payload && (state & WEIR__TS_CC_REPEAT);
  *pid = (uint16_t)((*pid & 0xff00u) | WEIR__TS_CC_KNOWN | found |
                    (repeats || keeps ? WEIR__TS_CC_REPEAT : 0));
  if (is_first && ts->settings.on_pid != NULL)
    ts->settings.on_pid(ts, packet->pid, (found - has_payload) & 15,
                        packet->number);
  if (repeats) {
    ts->counters.duplicates++;
    return 0;
  }
  if (is_free) {
    packet->is_gap = 1;
  } else if (found != expected) {
    packet->is_gap = 1;
    ts->counters.continuity++;
    if (ts->settings.on_continuity != NULL)
      ts->settings.on_continuity(ts, packet->pid, expected, found,
                                 packet->number);
  }
  return 1;
}

void weir__ts_inspect(weir_ts_t *ts, const uint8_t *bytes, uint64_t number,
                      uint64_t offset) {
  if (bytes[1] & TRANSPORT_ERROR) {
    ts->counters.transport++;
    return;
  }
  uint16_t pid = weir__ts_get13(bytes + 1);
  if (pid == WEIR_TS_NO_PID) return;
  weir__ts_packet_t packet = {.bytes = bytes,
                              .number = number,
                              .offset = offset,
                              .pid = pid,
                              .is_start = (bytes[1] & UNIT_START) != 0};
  uint32_t control = bytes[3] >> 4 & 3;
  size_t field = control & 2 ? 1u + bytes[4] : 0; /* adaptation field */
  int has_payload = control & 1;
  if (field > WEIR_TS_PACKET - 4) field = 0; /* damaged */
  packet.field = field;
  if (field > 1) packet.flags = bytes[5];
  ts->counters.announced += (packet.flags & DISCONTINUITY) != 0;
  if (!follows(ts, &packet, has_payload)) return;
  if (has_payload) {
    packet.payload = bytes + 4 + field;
    packet.length = WEIR_TS_PACKET - 4 - field;
  }
  weir__ts_clock(ts, &packet);
  uint32_t role = ts->pids[pid] >> 8;
  if (role == 0) return;
  if (role & WEIR__TS_ROLE_WATCH)
    weir__ts_access(ts, &ts->slots[role & ~WEIR__TS_ROLE_WATCH].watch, &packet);
  else if (packet.length > 0)
    weir__ts_sections(ts, &packet);
}

void weir__ts_break(weir_ts_t *ts) {
  for (size_t i = 0; i < WEIR_TS_PIDS; i++)
    ts->pids[i] |= WEIR__TS_CC_ANY;
  ts->clock.is_running = 0;
}

int weir_ts_continuity(const weir_ts_t *ts, uint16_t pid) {
  if (pid >= WEIR_TS_PIDS || !(ts->pids[pid] & WEIR__TS_CC_KNOWN)) return -1;
  return ts->pids[pid] & 15;
}

void weir_ts_discontinuity(uint8_t packet[WEIR_TS_PACKET], uint16_t pid,
                           uint8_t continuity) {
  memset(packet, 0xff, WEIR_TS_PACKET);
  packet[0] = WEIR_TS_SYNC;
  packet[1] = (uint8_t)(pid >> 8 & 0x1f);
  packet[2] = (uint8_t)pid;
  packet[3] = (uint8_t)(0x20 | (continuity & 15));
  packet[4] = WEIR_TS_PACKET - 5;
  packet[5] = DISCONTINUITY;
}
