/*
 * fanout_test.h - what the tests of the fan-out share: a clock, a stream whose
 * units say which they are, and sinks that take what they like and check every
 * byte.
 */
#ifndef WEIR_FANOUT_TEST_H
#define WEIR_FANOUT_TEST_H

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fanout_state.h"
#include "purse.h"
#include "test.h"

#define TEST_SECOND 1000000000ull
#define TEST_MS     1000000ull

/* ---- time ---- */

static uint64_t test_now = 1000 * TEST_SECOND;

static inline uint64_t test_clock(void *context) {
  (void)context;
  return test_now;
}

/* ---- a stream ---- */

/* Byte `at` of unit `index`: the index, then bytes that follow from it. */
TEST_UNWATCHED static inline uint8_t test_byte(uint64_t index, uint32_t at) {
  if (at < 4) return (uint8_t)(index >> 8 * at);
  return (uint8_t)((index * 0x9E3779B97F4A7C15u) >> (8 * (at % 8)) ^ at);
}

/* Appends `length` bytes of the stream to the log. */
TEST_UNWATCHED static inline void test_append(weir_log_t *log, size_t length) {
  uint32_t unit = weir_log_unit(log);
  while (length > 0) {
    void *memory;
    size_t run = weir_log_reserve(log, length, &memory);
    uint64_t from = weir_log_written(log);
    for (size_t i = 0; i < run; i++)
      ((uint8_t *)memory)[i] =
          test_byte((from + i) / unit, (uint32_t)((from + i) % unit));
    CHECK_EQ(weir_log_commit(log, run), 0);
    length -= run;
  }
}

/* Byte `at` of a unit, in another form. */
TEST_UNWATCHED static inline uint8_t test_transformed(
    uint64_t index, uint32_t at, weir_transform_t transform) {
  uint32_t width = (uint32_t)transform + 1;
  if (transform == WEIR_TRANSFORM_NONE) return test_byte(index, at);
  return test_byte(index, at - at % width + width - 1 - at % width);
}

/* Checks what a listener receives, byte by byte and in any pieces. */
typedef struct test_reader {
  uint32_t unit;
  weir_transform_t transform;
  uint64_t preamble; /* bytes of it still to come */
  uint64_t preamble_at;
  uint64_t next;      /* the unit expected next, at the earliest */
  uint8_t part[4096]; /* a unit that is not whole yet */
  uint32_t part_length;
  uint64_t received; /* bytes of the log */
  uint64_t skipped;  /* the same that were missing in between */
} test_reader_t;

TEST_UNWATCHED static inline uint8_t test_preamble_byte(uint64_t at) {
  return (uint8_t)(at * 31 + 7);
}

static inline void test_reader_start(test_reader_t *reader, uint32_t unit,
                                     uint64_t position, size_t preamble,
                                     weir_transform_t transform) {
  memset(reader, 0, sizeof *reader);
  reader->unit = unit;
  reader->transform = transform;
  reader->preamble = preamble;
  reader->next = position / unit;
}

/* Which unit these bytes are, by the first four that it carries. */
TEST_UNWATCHED static inline uint64_t test_unit_index(
    const test_reader_t *reader) {
  uint64_t index = 0;
  uint32_t width =
      reader->transform == WEIR_TRANSFORM_NONE ? 1 : reader->transform + 1;
  for (uint32_t at = 0; at < 4; at++) {
    uint32_t where = at - at % width + width - 1 - at % width;
    index |= (uint64_t)reader->part[where] << 8 * at;
  }
  return index;
}

TEST_UNWATCHED static inline void test_take_unit(test_reader_t *reader) {
  uint64_t index = test_unit_index(reader);
  CHECK(index >= reader->next);
  for (uint32_t at = 0; at < reader->unit; at++)
    CHECK_EQ(reader->part[at], test_transformed(index, at, reader->transform));
  reader->skipped += (index - reader->next) * reader->unit;
  reader->next = index + 1;
  reader->part_length = 0;
}

TEST_UNWATCHED static inline void test_read(test_reader_t *reader,
                                            const uint8_t *bytes,
                                            size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (reader->preamble > 0) {
      CHECK_EQ(bytes[i], test_preamble_byte(reader->preamble_at));
      reader->preamble_at++;
      reader->preamble--;
      continue;
    }
    reader->received++;
    reader->part[reader->part_length++] = bytes[i];
    if (reader->part_length == reader->unit) test_take_unit(reader);
  }
}

/* ---- sinks that take what they like ---- */

typedef struct test_sink {
  test_reader_t reader;
  uint64_t id;
  uint64_t start;    /* position it joined at */
  uint64_t appetite; /* bytes it still takes; UINT64_MAX: all */
  uint64_t bite;     /* most bytes at a time; 0: all */
  int64_t error;     /* what write returns instead, unless 0 */
  uint64_t writes;
  uint64_t last_bite; /* clock of the last byte it took */
  int closed;
  int clean;
  int ended;
  weir_end_reason_t reason;
  int end_error;
  weir_listener_info_t last; /* as on_end was told */
  uint64_t reports;          /* calls of on_skip */
} test_sink_t;

static inline int64_t test_sink_write(void *context, int fd,
                                      const struct iovec *iov, int count) {
  test_sink_t *sink = context;
  CHECK(!sink->closed && fd >= 0);
  sink->writes++;
  if (sink->error != 0) return sink->error;
  uint64_t most = sink->appetite;
  if (sink->bite != 0 && most > sink->bite) most = sink->bite;
  uint64_t offered = 0, taken = 0;
  for (int i = 0; i < count; i++) {
    CHECK(iov[i].iov_len > 0);
    offered += iov[i].iov_len;
    uint64_t run = iov[i].iov_len;
    if (run > most - taken) run = most - taken;
    test_read(&sink->reader, iov[i].iov_base, run);
    taken += run;
  }
  CHECK(count >= 1 && count <= 4);
  CHECK(offered <=
        WEIR_FANOUT_SEND_MAX + WEIR_FANOUT_PREAMBLE_MAX + sink->reader.unit);
  if (sink->appetite != UINT64_MAX) sink->appetite -= taken;
  if (taken > 0) sink->last_bite = test_now;
  return taken > 0 ? (int64_t)taken : UV_EAGAIN;
}

static inline void test_sink_close(void *context, int fd, int clean) {
  test_sink_t *sink = context;
  CHECK(!sink->closed);
  sink->closed = 1;
  sink->clean = clean;
  CHECK_EQ(close(fd), 0);
}

static const weir_sink_t test_sink_calls = {.write = test_sink_write,
                                            .close = test_sink_close};

/* What holds of a listener at any time. */
static inline void test_check_account(const test_sink_t *sink,
                                      const weir_listener_info_t *who) {
  CHECK_EQ(who->id, sink->id);
  CHECK_EQ(who->sent_bytes, sink->reader.received);
  CHECK_EQ(sink->start + who->sent_bytes + who->skipped_bytes, who->position);
  CHECK(sink->reader.skipped <= who->skipped_bytes);
}

static inline void test_on_end(weir_fanout_t *fanout,
                               const weir_listener_info_t *who,
                               weir_end_reason_t reason, int error) {
  (void)fanout;
  test_sink_t *sink = who->data;
  CHECK(sink->closed && !sink->ended);
  test_check_account(sink, who);
  sink->ended = 1;
  sink->reason = reason;
  sink->end_error = error;
  sink->last = *who;
}

static inline void test_on_skip(weir_fanout_t *fanout,
                                const weir_listener_info_t *who) {
  (void)fanout;
  test_sink_t *sink = who->data;
  CHECK(!sink->ended && who->skips > 0);
  test_check_account(sink, who);
  sink->reports++;
}

/* ---- a bench to test on ---- */

/* A loop that is kept alive, a log, and a fan-out with the test's clock. */
typedef struct test_bench {
  uv_loop_t loop;
  uv_idle_t alive;
  weir_log_t *log;
  weir_fanout_t *fanout;
  test_purse_t purse;
  weir_allocator_t allocator;
} test_bench_t;

static inline void test_do_nothing(uv_idle_t *idle) {
  (void)idle;
}

static inline weir_fanout_options_t test_bench_options(test_bench_t *bench) {
  return (weir_fanout_options_t){.size = sizeof(weir_fanout_options_t),
                                 .log = bench->log,
                                 .window = 20 * TEST_MS,
                                 .clock = test_clock,
                                 .on_end = test_on_end,
                                 .on_skip = test_on_skip,
                                 .allocator = &bench->allocator,
                                 .data = bench};
}

static inline void test_bench_open(test_bench_t *bench, size_t capacity,
                                   uint32_t unit) {
  memset(bench, 0, sizeof *bench);
  bench->allocator = test_allocator(&bench->purse);
  CHECK_EQ(uv_loop_init(&bench->loop), 0);
  uv_idle_init(&bench->loop, &bench->alive);
  uv_idle_start(&bench->alive, test_do_nothing);
  weir_log_options_t options = {.size = sizeof options,
                                .capacity = capacity,
                                .unit = unit,
                                .allocator = &bench->allocator};
  CHECK_EQ(weir_log_create(&bench->log, &options), 0);
}

/* Lets descriptors be polled, and handles close. */
static inline void test_poll(test_bench_t *bench) {
  uv_run(&bench->loop, UV_RUN_NOWAIT);
}

/* The clock goes on and the fan-out is turned. */
static inline void test_pass(test_bench_t *bench, uint64_t time) {
  test_now += time;
  test_poll(bench);
  weir_fanout_turn(bench->fanout);
}

static inline void test_publish(test_bench_t *bench, size_t length) {
  test_append(bench->log, length);
  weir_fanout_published(bench->fanout);
}

/* Adds a listener with a sink of the test's; it takes everything until it is
 * told otherwise. */
static inline int test_add(test_bench_t *bench, test_sink_t *sink,
                           uint64_t position, size_t preamble,
                           weir_transform_t transform) {
  uint8_t bytes[WEIR_FANOUT_PREAMBLE_MAX];
  for (size_t i = 0; i < preamble; i++)
    bytes[i] = test_preamble_byte(i);
  memset(sink, 0, sizeof *sink);
  sink->appetite = UINT64_MAX;
  sink->last_bite = test_now;
  sink->start =
      position == WEIR_FANOUT_NEWEST ? weir_log_head(bench->log) : position;
  test_reader_start(&sink->reader, weir_log_unit(bench->log), sink->start,
                    preamble, transform);
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK(fd >= 0);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = fd,
                                     .sink = &test_sink_calls,
                                     .sink_context = sink,
                                     .position = position,
                                     .preamble = bytes,
                                     .preamble_length = preamble,
                                     .transform = transform,
                                     .label = "test",
                                     .data = sink};
  int error = weir_fanout_add(bench->fanout, &options, &sink->id);
  if (error < 0) CHECK_EQ(close(fd), 0);
  return error;
}

static inline void test_join(test_bench_t *bench, test_sink_t *sink) {
  CHECK_EQ(test_add(bench, sink, WEIR_FANOUT_NEWEST, 0, WEIR_TRANSFORM_NONE),
           0);
}

/* Closes all; nothing may be left. */
static inline void test_bench_close(test_bench_t *bench) {
  weir_fanout_close(bench->fanout, NULL);
  uv_close((uv_handle_t *)&bench->alive, NULL);
  test_close_loop(&bench->loop);
  weir_log_destroy(bench->log);
  CHECK_EQ(bench->purse.live, 0);
}

#endif
