/*
 * ts_clock.c - the programme clock reference: 33 bits at 90 kHz and nine more
 * that count to 300 (ISO/IEC 13818-1 2.4.3.5), and what it tells of rate and
 * duration.
 */
#include "pcr.h"
#include "ts_state.h"

/* The rate is taken over one to two spans. */
#define SPAN      (8.0 * WEIR_TS_CLOCK) /* ticks */
#define STEPS_MIN 10u
#define FIELD_MIN 8u /* bytes of an adaptation field that has a PCR */

enum { HAS_PCR = 0x10, DISCONTINUITY = 0x80 };

static void step(weir__ts_clock_t *clock, uint64_t value, uint64_t packet) {
  uint64_t ticks = weir__pcr_step(clock->value, value);
  if (clock->is_running && ticks > 0) {
    clock->steps++;
    clock->total += ticks;
    if (clock->ticks[0] >= SPAN) {
      clock->ticks[1] = clock->ticks[0];
      clock->packets[1] = clock->packets[0];
      clock->ticks[0] = clock->packets[0] = 0;
    }
    clock->ticks[0] += (double)ticks;
    clock->packets[0] += (double)(packet - clock->packet);
  }
  clock->is_running = 1;
  clock->value = value;
  clock->packet = packet;
}

void weir__ts_clock(weir_ts_t *ts, const weir__ts_packet_t *packet) {
  int is_ours = packet->pid == ts->clock.pid;
  int is_discontinuous = (packet->flags & DISCONTINUITY) != 0;
  if (is_ours && is_discontinuous) ts->clock.is_running = 0;
  if (!(packet->flags & HAS_PCR) || packet->field < FIELD_MIN) return;
  const uint8_t *from = packet->bytes + 6;
  uint64_t base = (uint64_t)from[0] << 25 | (uint64_t)from[1] << 17 |
                  (uint64_t)from[2] << 9 | (uint64_t)from[3] << 1 |
                  from[4] >> 7;
  uint64_t value = base * 300 + (((from[4] & 1u) << 8 | from[5]) % 300);
  if (is_ours) step(&ts->clock, value, packet->number);
  if (ts->settings.on_pcr == NULL) return;
  weir_ts_pcr_t pcr = {.packet = packet->number,
                       .offset = packet->offset,
                       .value = value,
                       .pid = packet->pid,
                       .is_discontinuous = (uint8_t)is_discontinuous};
  ts->settings.on_pcr(ts, &pcr);
}

void weir__ts_clock_follow(weir_ts_t *ts, uint16_t pid) {
  if (pid == ts->clock.pid) return;
  ts->clock = (weir__ts_clock_t){.pid = pid, .total = ts->clock.total};
}

double weir_ts_bitrate(const weir_ts_t *ts) {
  const weir__ts_clock_t *clock = &ts->clock;
  if (clock->steps < STEPS_MIN) return 0;
  double packets = clock->packets[0] + clock->packets[1];
  double ticks = clock->ticks[0] + clock->ticks[1];
  return packets * WEIR_TS_PACKET * 8 * WEIR_TS_CLOCK / ticks;
}

uint64_t weir_ts_duration(const weir_ts_t *ts) {
  return ts->clock.total;
}
