/*
 * ts.c - the scanner: from bytes in chunks to packets.
 *
 * advance() works on a run of bytes and says how many it is done with; it
 * never looks back. What it is not done with is held back and put before the
 * next bytes: less than a packet while locked, two packets and a byte when
 * sync bytes were wrong, and in a search what it takes to decide the first
 * place that is undecided. So packets are handed over where they lie in the
 * chunk, but for the one that two chunks share.
 */
#include <string.h>
#include <uv.h>

#include "allocation.h"
#include "options.h"
#include "ts_state.h"
#include "weir/errors.h"

/* Packets that are read before they are handed over: they stay in the
 * processor's nearest cache for who takes them. */
#define BATCH 64u

int weir_ts_create(weir_ts_t **ts, const weir_ts_options_t *given) {
  weir_ts_options_t options;
  int status = weir__options_read(&options, sizeof options, given,
                                  WEIR__OPTIONS_TO(weir_ts_options_t, data));
  if (status != 0) return status;
  weir_allocator_t allocator = weir__allocator(options.allocator);
  weir_ts_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = WEIR__TS_MAGIC;
  made->allocator = allocator;
  made->settings = options.settings;
  made->data = options.data;
  made->is_inspecting = options.settings.on_program != NULL ||
                        options.settings.on_continuity != NULL ||
                        options.settings.on_pcr != NULL ||
                        options.settings.on_access != NULL;
  made->search.find = weir__ts_finder(WEIR__TS_SIMD_256);
  weir_ts_reset(made);
  *ts = made;
  return 0;
}

void weir_ts_destroy(weir_ts_t *ts) {
  if (ts == NULL || ts->magic != WEIR__TS_MAGIC) return;
  ts->magic = 0;
  weir__release(&ts->allocator, ts, sizeof *ts);
}

/* Hands over packets that begin `stride` apart. */
static void hand_over(weir_ts_t *ts, const uint8_t *bytes, size_t count,
                      uint64_t offset) {
  uint64_t first = ts->counters.packets;
  ts->counters.packets += count;
  if (ts->is_inspecting)
    for (size_t i = 0; i < count; i++)
      weir__ts_inspect(ts, bytes + i * ts->stride, first + i,
                       offset + i * ts->stride);
  if (ts->settings.on_packets == NULL) return;
  if (ts->stride == WEIR_TS_PACKET) {
    ts->settings.on_packets(ts, bytes, count, first);
    return;
  }
  for (size_t i = 0; i < count; i++)
    ts->settings.on_packets(ts, bytes + i * ts->stride, 1, first + i);
}

static void begin_search(weir_ts_t *ts) {
  ts->stride = 0;
  ts->searched = 0;
  ts->head_length = 0;
  ts->search.wait = 0;
}

/* The sync byte at `at` is wrong. Whether it is one of too many in a row takes
 * the sync bytes of the packets after it. Returns 0 when these are not all
 * there. */
static int fly(weir_ts_t *ts, const uint8_t *bytes, size_t length, size_t *at,
               int is_end) {
  size_t next = *at + ts->stride;
  uint32_t wrong = 1;
  for (; wrong < WEIR_TS_LOSS_PACKETS; wrong++, next += ts->stride) {
    if (next >= length) break;
    if (bytes[next] != WEIR_TS_SYNC) continue;
    ts->counters.dropped += wrong;
    *at = next;
    return 1;
  }
  if (wrong < WEIR_TS_LOSS_PACKETS) {
    /* Too few bytes are left for another lock. */
    for (; is_end && *at + WEIR_TS_PACKET <= length; *at += ts->stride)
      ts->counters.dropped++;
    return 0;
  }
  begin_search(ts);
  ts->counters.losses++;
  if (ts->settings.on_loss != NULL) ts->settings.on_loss(ts, ts->offset + *at);
  return 1;
}

/* Goes on while locked. Returns 0 when more bytes are needed. */
static int follow(weir_ts_t *ts, const uint8_t *bytes, size_t length,
                  size_t *at, int is_end) {
  size_t stride = ts->stride;
  while (*at < length) {
    size_t from = *at;
    size_t end = length >= WEIR_TS_PACKET ? length - WEIR_TS_PACKET + 1 : 0;
    if (ts->is_inspecting && end > from + BATCH * stride)
      end = from + BATCH * stride;
    size_t to = from;
    while (to < end && bytes[to] == WEIR_TS_SYNC)
      to += stride;
    *at = to;
    if (to > from)
      hand_over(ts, bytes + from, (to - from) / stride, ts->offset + from);
    else if (bytes[to] == WEIR_TS_SYNC)
      return 0; /* a packet that is not all there */
    else
      return fly(ts, bytes, length, at, is_end);
  }
  return 0;
}

/* Counts bytes that are in no packet. The first four before a lock on M2TS are
 * a header. */
static void skip(weir_ts_t *ts, size_t count) {
  ts->searched += count;
  ts->counters.skipped += count;
  if (ts->stride == 192 && ts->searched >= 4) ts->counters.skipped -= 4;
}

/* Another input begins, or the first. */
static void begin_input(weir_ts_t *ts) {
  begin_search(ts);
  ts->held = 0;
  ts->gap = 0;
  ts->search.stride = 0;
  ts->search.forgiven = ts->search.contests;
  ts->offset = ts->search.earned = ts->counters.bytes;
  ts->begin_bytes = ts->counters.bytes;
  ts->begin_packets = ts->counters.packets;
  weir__ts_break(ts);
}

static void give_up(weir_ts_t *ts) {
  if (ts->settings.on_foreign == NULL) return;
  ts->settings.on_foreign(ts, weir__ts_looks_like(ts->head, ts->head_length));
}

/* Goes on while searching. Returns 0 when more bytes are needed. */
static int seek(weir_ts_t *ts, const uint8_t *bytes, size_t length, size_t *at,
                int is_end) {
  size_t left = length - *at;
  if (ts->searched < WEIR__TS_HEAD) {
    size_t room = WEIR__TS_HEAD - (size_t)ts->searched;
    size_t some = left < room ? left : room;
    memcpy(ts->head + ts->searched, bytes + *at, some);
    ts->head_length = (size_t)ts->searched + some;
  }
  uint64_t most = WEIR_TS_SEARCH_MAX - ts->searched;
  size_t to = left < most ? length : *at + (size_t)most;
  uint32_t stride;
  size_t found = weir__ts_search(&ts->search, bytes, length, *at, to,
                                 ts->offset, is_end, &stride);
  ts->stride = stride;
  skip(ts, found - *at);
  *at = found;
  if (stride != 0) {
    ts->search.stride = stride;
    ts->search.anchor = ts->offset + found;
    ts->counters.locks++;
    if (ts->settings.on_lock != NULL)
      ts->settings.on_lock(ts, ts->offset + found, stride);
    return 1;
  }
  ts->is_foreign = ts->searched >= WEIR_TS_SEARCH_MAX;
  return 0;
}

/* Works on `length` bytes from ts->offset on; returns how many are done with.
 * That is beyond `length` when the next packet begins beyond it. */
static size_t advance(weir_ts_t *ts, const uint8_t *bytes, size_t length,
                      int is_end) {
  size_t at = 0;
  int goes_on = 1;
  while (goes_on && at < length)
    goes_on = ts->stride == 0 ? seek(ts, bytes, length, &at, is_end)
                              : follow(ts, bytes, length, &at, is_end);
  return at;
}

/* Bytes to put behind those that are held back. */
static size_t wanted(const weir_ts_t *ts) {
  if (ts->stride == 0) {
    size_t room = sizeof ts->carry - ts->held;
    return room < WEIR__TS_STEP ? room : WEIR__TS_STEP;
  }
  if (ts->carry[0] == WEIR_TS_SYNC) return WEIR_TS_PACKET - ts->held;
  return (WEIR_TS_LOSS_PACKETS - 1) * ts->stride + 1 - ts->held;
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Works on what is held back with the next bytes behind it. Returns how many
 * of these are done with, or held back too. */
static size_t join(weir_ts_t *ts, const uint8_t *bytes, size_t length) {
  size_t some = least(wanted(ts), length);
  size_t all = ts->held + some;
  memcpy(ts->carry + ts->held, bytes, some);
  size_t done = advance(ts, ts->carry, all, 0);
  if (done >= ts->held) {
    size_t used = least(done, all);
    ts->gap = done - used;
    ts->offset += used;
    used -= ts->held;
    ts->held = 0;
    return used;
  }
  ts->offset += done;
  ts->held = all - done;
  memmove(ts->carry, ts->carry + done, ts->held);
  return some;
}

int weir_ts_push(weir_ts_t *ts, const void *input, size_t length) {
  const uint8_t *bytes = input;
  if (ts->is_foreign) return WEIR_ENOTTS;
  ts->counters.bytes += length;
  while (length > 0 && !ts->is_foreign) {
    size_t used;
    if (ts->gap > 0) {
      used = least(ts->gap, length);
      ts->gap -= used;
      ts->offset += used;
    } else if (ts->held > 0) {
      used = join(ts, bytes, length);
    } else {
      size_t done = advance(ts, bytes, length, 0);
      used = least(done, length);
      ts->gap = done - used;
      ts->offset += used;
      if (!ts->is_foreign) {
        ts->held = length - used;
        memcpy(ts->carry, bytes + used, ts->held);
        used = length;
      }
    }
    bytes += used;
    length -= used;
  }
  if (!ts->is_foreign) return 0;
  /* No more was taken, however it came. */
  ts->counters.bytes = ts->offset;
  ts->held = 0;
  give_up(ts);
  return WEIR_ENOTTS;
}

int weir_ts_end(weir_ts_t *ts) {
  if (ts->is_foreign) return WEIR_ENOTTS;
  size_t done = advance(ts, ts->carry, ts->held, 1);
  if (done < ts->held) ts->counters.skipped += ts->held - done;
  int is_empty = ts->counters.bytes == ts->begin_bytes;
  int has_packets = ts->counters.packets > ts->begin_packets;
  ts->is_foreign = 0;
  if (!is_empty && !has_packets) give_up(ts);
  begin_input(ts);
  return is_empty || has_packets ? 0 : WEIR_ENOTTS;
}

void weir_ts_reset(weir_ts_t *ts) {
  ts->counters.skipped += ts->held;
  ts->is_foreign = 0;
  begin_input(ts);
  weir__ts_forget(ts);
}

weir_ts_state_t weir_ts_state(const weir_ts_t *ts) {
  if (ts->stride == 0) return WEIR_TS_SEARCH;
  if (ts->held > 0 && ts->carry[0] != WEIR_TS_SYNC) return WEIR_TS_FLYWHEEL;
  return WEIR_TS_LOCKED;
}

uint32_t weir_ts_stride(const weir_ts_t *ts) {
  return ts->stride;
}

void weir_ts_counters(const weir_ts_t *ts, weir_ts_counters_t *counters) {
  *counters = ts->counters;
}

void *weir_ts_data(const weir_ts_t *ts) {
  return ts->data;
}
