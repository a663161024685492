/* file_clock.c - a scanner that looks for nothing but PCRs, ahead of the
 * player's. */
#include "file_clock.h"

#include <uv.h>

#include "allocation.h"
#include "pcr.h"

static weir__anchor_t *at(const weir__file_clock_t *clock, uint32_t i) {
  uint32_t slot = (clock->start + i) % WEIR__FILE_CLOCK_ANCHORS;
  return (weir__anchor_t *)&clock->anchors[slot];
}

uint64_t weir__file_clock_last(const weir__file_clock_t *clock) {
  return clock->count > 0 ? at(clock, clock->count - 1)->offset : 0;
}

/* Ticks that bytes take, as they have on the whole. */
static uint64_t ticks_of(const weir__file_clock_t *clock, uint64_t bytes) {
  if (clock->bytes == 0) return 0;
  return (uint64_t)((double)bytes * (double)clock->ticks /
                    (double)clock->bytes);
}

static void add(weir__file_clock_t *clock, uint64_t offset, uint64_t time) {
  if (clock->count == WEIR__FILE_CLOCK_ANCHORS) clock->count--;
  *at(clock, clock->count++) = (weir__anchor_t){offset, time};
}

static void on_pcr(weir_ts_t *ts, const weir_ts_pcr_t *pcr) {
  weir__file_clock_t *clock = weir_ts_data(ts);
  uint64_t time = 0;
  if (clock->count > 0) {
    const weir__anchor_t *last = at(clock, clock->count - 1);
    uint64_t bytes = pcr->offset - last->offset;
    uint64_t step = weir__pcr_step(clock->value, pcr->value);
    if (pcr->pid != clock->pid) {
      if (bytes < WEIR__FILE_CLOCK_SILENCE) return;
      clock->is_running = 0;
    }
    if (clock->is_running && !pcr->is_discontinuous && step > 0) {
      clock->bytes += bytes;
      clock->ticks += step;
    } else {
      step = ticks_of(clock, bytes); /* a jump: the bytes take their time */
    }
    time = last->time + step;
  }
  clock->is_running = 1;
  clock->pid = pcr->pid;
  clock->value = pcr->value;
  add(clock, pcr->offset, time);
}

int weir__file_clock_open(weir__file_clock_t **clock,
                          const weir_allocator_t *allocator) {
  weir__file_clock_t *made = weir__allocate(allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  weir_ts_options_t options = {.size = sizeof options,
                               .settings = {.on_pcr = on_pcr},
                               .allocator = allocator,
                               .data = made};
  int error = weir_ts_create(&made->scanner, &options);
  if (error < 0)
    weir__release(allocator, made, sizeof *made);
  else
    *clock = made;
  return error;
}

void weir__file_clock_close(weir__file_clock_t *clock,
                            const weir_allocator_t *allocator) {
  if (clock == NULL) return;
  weir_ts_destroy(clock->scanner);
  weir__release(allocator, clock, sizeof *clock);
}

void weir__file_clock_read(weir__file_clock_t *clock, const uint8_t *bytes,
                           size_t length) {
  /* What is no transport stream, the track says. */
  (void)weir_ts_push(clock->scanner, bytes, length);
}

void weir__file_clock_break(weir__file_clock_t *clock) {
  (void)weir_ts_end(clock->scanner);
  clock->is_running = 0;
}

uint64_t weir__file_clock_due(weir__file_clock_t *clock, uint64_t time) {
  while (clock->count > 1 && at(clock, 1)->time <= time) {
    clock->start = (clock->start + 1) % WEIR__FILE_CLOCK_ANCHORS;
    clock->count--;
  }
  if (clock->count < 2) return UINT64_MAX;
  const weir__anchor_t *from = at(clock, 0), *to = at(clock, 1);
  if (time < from->time) return from->offset;
  double part = (double)(time - from->time) / (double)(to->time - from->time);
  return from->offset + (uint64_t)(part * (double)(to->offset - from->offset));
}

uint64_t weir__file_clock_time(const weir__file_clock_t *clock,
                               uint64_t offset) {
  if (clock->count == 0) return 0;
  const weir__anchor_t *from = at(clock, 0);
  if (offset <= from->offset) return from->time;
  uint32_t i = 1;
  while (i < clock->count && at(clock, i)->offset <= offset)
    from = at(clock, i++);
  if (i == clock->count)
    return from->time + ticks_of(clock, offset - from->offset);
  const weir__anchor_t *to = at(clock, i);
  double part =
      (double)(offset - from->offset) / (double)(to->offset - from->offset);
  return from->time + (uint64_t)(part * (double)(to->time - from->time));
}
