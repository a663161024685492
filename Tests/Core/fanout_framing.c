/* Titles and chunks around a listener's bytes: whatever its socket takes at a
 * time, with a sink that holds the rest or without, and wherever it skips, what
 * is left without them is whole units, and every title stands at its exact
 * byte. */
#include "allocation.h"
#include "fanout_test.h"
#include "scale.h"

#define UNIT    6u
#define TITLES  64u
#define HEAD    37u
#define STEPS   4000u
#define NO_NEWS UINT32_MAX

/* Takes the framing off again, a byte at a time. */
typedef struct framed {
  test_sink_t sink;
  uint32_t interval;
  int chunked;
  uint64_t head; /* bytes of it still to come */
  /* The chunk. */
  uint64_t chunk_left;
  char line[24];
  uint32_t line_length;
  enum { LINE, DATA, CR, LF, LAST_CR, LAST_LF, OVER } state;
  uint64_t chunks;
  /* The titles. */
  uint64_t until;
  uint32_t title_left;
  uint32_t title_length;
  uint8_t title[WEIR__TITLE_MAX];
  uint32_t told;
  uint32_t heard; /* titles that were new */
  uint64_t held;  /* accepted, and not taken by its socket yet */
} framed_t;

static char titles[TITLES][48];
static uint32_t current = NO_NEWS;

static void set_title(test_bench_t *bench, uint32_t index) {
  current = index;
  CHECK_EQ(weir_fanout_set_title(bench->fanout, titles[index]), 0);
}

static void take_body(framed_t *framed, uint8_t byte) {
  test_read(&framed->sink.reader, &byte, 1);
  if (framed->interval > 0) framed->until--;
}

static void check_title(framed_t *framed) {
  char expected[WEIR__TITLE_MAX] = {0};
  int length = snprintf(expected, sizeof expected, "StreamTitle='%s';",
                        titles[framed->told]);
  CHECK_EQ(framed->title_length, (uint32_t)(length + 15) / 16 * 16);
  CHECK_EQ(memcmp(framed->title, expected, framed->title_length), 0);
}

static void take_data(framed_t *framed, uint8_t byte) {
  if (framed->title_left > 0) {
    framed->title[framed->title_length - framed->title_left] = byte;
    if (--framed->title_left == 0) check_title(framed);
  } else if (framed->interval > 0 && framed->until == 0) {
    framed->until = framed->interval;
    if (byte == 0) {
      CHECK_EQ(framed->told, current);
      return;
    }
    CHECK(framed->told != current);
    framed->told = current;
    framed->heard++;
    framed->title_left = framed->title_length = byte * 16u;
  } else {
    take_body(framed, byte);
  }
}

static void take_line(framed_t *framed, uint8_t byte) {
  CHECK(framed->line_length < sizeof framed->line - 1);
  framed->line[framed->line_length++] = (char)byte;
  framed->line[framed->line_length] = 0;
  if (byte != '\n') return;
  char *end;
  framed->chunk_left = strtoull(framed->line, &end, 16);
  CHECK(end > framed->line && strcmp(end, "\r\n") == 0);
  framed->line_length = 0;
  framed->chunks++;
  framed->state = framed->chunk_left > 0 ? DATA : LAST_CR;
}

static void take_byte(framed_t *framed, uint8_t byte) {
  if (framed->head > 0) {
    framed->head--;
    test_read(&framed->sink.reader, &byte, 1);
    return;
  }
  if (!framed->chunked) {
    take_data(framed, byte);
    return;
  }
  switch (framed->state) {
    case LINE:
      take_line(framed, byte);
      break;
    case DATA:
      take_data(framed, byte);
      if (--framed->chunk_left == 0) framed->state = CR;
      break;
    case CR:
    case LAST_CR:
      CHECK_EQ(byte, '\r');
      framed->state = framed->state == CR ? LF : LAST_LF;
      break;
    case LF:
    case LAST_LF:
      CHECK_EQ(byte, '\n');
      framed->state = framed->state == LF ? LINE : OVER;
      break;
    default:
      CHECK(0 && "nothing follows the last chunk");
  }
}

/* What its socket takes now. */
static uint64_t room(const framed_t *framed) {
  const test_sink_t *sink = &framed->sink;
  return sink->bite != 0 && sink->bite < sink->appetite ? sink->bite
                                                        : sink->appetite;
}

static void eat(framed_t *framed, uint64_t taken) {
  test_sink_t *sink = &framed->sink;
  if (sink->appetite != UINT64_MAX) sink->appetite -= taken;
  if (taken > 0) sink->last_bite = test_now;
}

static uint64_t accept_pieces(framed_t *framed, int fd, const struct iovec *iov,
                              int count, uint64_t most) {
  uint64_t taken = 0;
  CHECK(!framed->sink.closed && fd >= 0);
  CHECK(count >= 1 && count <= (int)WEIR_SINK_PIECES);
  for (int i = 0; i < count; i++) {
    CHECK(iov[i].iov_len > 0);
    const uint8_t *bytes = iov[i].iov_base;
    for (size_t at = 0; at < iov[i].iov_len && taken < most; at++, taken++)
      take_byte(framed, bytes[at]);
  }
  return taken;
}

static int64_t framed_write(void *context, int fd, const struct iovec *iov,
                            int count) {
  framed_t *framed = context;
  uint64_t taken = accept_pieces(framed, fd, iov, count, room(framed));
  eat(framed, taken);
  return taken > 0 ? (int64_t)taken : UV_EAGAIN;
}

static const weir_sink_t framed_calls = {.write = framed_write,
                                         .close = test_sink_close};

static int held_flush(void *context, int fd) {
  framed_t *framed = context;
  uint64_t taken = room(framed);
  CHECK(!framed->sink.closed && fd >= 0);
  if (framed->held == 0) return 0;
  if (taken == 0) return UV_EAGAIN;
  if (taken > framed->held) taken = framed->held;
  framed->held -= taken;
  eat(framed, taken);
  return framed->held > 0;
}

/* As TLS does: accepts what it has room for, whatever its socket takes. */
static int64_t held_write(void *context, int fd, const struct iovec *iov,
                          int count) {
  framed_t *framed = context;
  CHECK_EQ(framed->held, 0);
  framed->held = accept_pieces(framed, fd, iov, count, 700);
  uint64_t taken = framed->held;
  (void)held_flush(framed, fd);
  return (int64_t)taken;
}

static const weir_sink_t held_calls = {
    .write = held_write, .close = test_sink_close, .flush = held_flush};

/* The sink of those who join. */
static const weir_sink_t *calls = &framed_calls;

static void join(test_bench_t *bench, framed_t *framed, uint32_t interval,
                 int chunked, size_t preamble) {
  uint8_t bytes[WEIR_FANOUT_PREAMBLE_MAX];
  for (size_t i = 0; i < preamble; i++)
    bytes[i] = test_preamble_byte(i);
  *framed = (framed_t){.interval = interval,
                       .chunked = chunked,
                       .head = preamble < HEAD ? preamble : HEAD,
                       .until = interval,
                       .told = NO_NEWS};
  test_sink_t *sink = &framed->sink;
  sink->appetite = UINT64_MAX;
  sink->start = weir_log_head(bench->log);
  sink->last_bite = test_now;
  test_reader_start(&sink->reader, UNIT, sink->start, preamble,
                    WEIR_TRANSFORM_NONE);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = eventfd(0, EFD_NONBLOCK),
                                     .sink = calls,
                                     .sink_context = framed,
                                     .position = WEIR_FANOUT_NEWEST,
                                     .preamble = bytes,
                                     .preamble_length = preamble,
                                     .data = sink,
                                     .head_length = framed->head,
                                     .icy_interval = interval,
                                     .chunked = chunked};
  CHECK_EQ(weir_fanout_add(bench->fanout, &options, &sink->id), 0);
}

static void open_bench(test_bench_t *bench, size_t capacity) {
  test_bench_open(bench, capacity, UNIT);
  weir_fanout_options_t options = test_bench_options(bench);
  options.timeout = 1000000 * TEST_SECOND; /* whoever skips may stay */
  CHECK_EQ(weir_fanout_create(&bench->loop, &bench->fanout, &options), 0);
  current = NO_NEWS;
}

/* All that was written has been received, and the end is an orderly one. */
static void check_end(test_bench_t *bench, framed_t *framed) {
  weir_fanout_end(bench->fanout, WEIR_END_SHUTDOWN);
  CHECK(framed->sink.closed && framed->sink.clean);
  CHECK_EQ(framed->sink.reader.part_length, 0);
  CHECK_EQ(framed->sink.reader.preamble, 0);
  CHECK_EQ(framed->title_left, 0);
  if (framed->chunked) CHECK_EQ(framed->state, OVER);
}

/* The same stream at one size of partial write. */
static void run_bite(uint32_t interval, int chunked, size_t preamble,
                     uint64_t bite) {
  test_bench_t bench;
  static framed_t framed;
  open_bench(&bench, 6000);
  join(&bench, &framed, interval, chunked, preamble);
  for (uint32_t i = 0; i < 4; i++) {
    if (i == 1 || i == 3) set_title(&bench, i);
    framed.sink.bite = bite;
    test_publish(&bench, 60);
    for (uint32_t turn = 0; turn < 2000; turn++)
      test_pass(&bench, 5 * TEST_MS);
    CHECK_EQ(framed.sink.reader.next, (i + 1) * 10u);
  }
  framed.sink.bite = 0;
  CHECK_EQ(framed.sink.reader.received, 240);
  CHECK_EQ(framed.sink.reader.skipped, 0);
  if (interval > 0 && interval < 60) {
    CHECK_EQ(framed.heard, 2);
    CHECK_EQ(framed.told, 3);
  }
  check_end(&bench, &framed);
  test_bench_close(&bench);
}

static void test_partial_writes(void) {
  static const uint32_t intervals[] = {0, 1, 5, 48, 97, 16000};
  for (uint32_t i = 0; i < sizeof intervals / sizeof *intervals; i++)
    for (int chunked = 0; chunked < 2; chunked++)
      for (uint64_t bite = 1; bite < 40; bite += bite < 14 ? 1 : 5)
        run_bite(intervals[i], chunked, bite % 3 * 25, bite);
}

/* Who takes what it likes loses units, and nothing else. */
static void test_skips(uint64_t seed) {
  test_bench_t bench;
  static framed_t crowd[12];
  static const uint32_t intervals[] = {0, 1, 16, 100, 1000, 16000};
  uint64_t random = seed, heard = 0, skipped = 0;
  open_bench(&bench, 1200);
  for (uint32_t i = 0; i < 12; i++)
    join(&bench, &crowd[i], intervals[i % 6], i >= 6,
         (size_t)(test_random(&random) % 200));
  for (uint32_t i = 0; i < STEPS * test_scale(); i++) {
    framed_t *framed = &crowd[test_random(&random) % 12];
    framed->sink.bite = test_random(&random) % 90;
    framed->sink.appetite =
        test_random(&random) % 3 == 0 ? test_random(&random) % 300 : UINT64_MAX;
    if (test_random(&random) % 40 == 0)
      set_title(&bench, (uint32_t)(test_random(&random) % TITLES));
    test_publish(&bench, 1 + test_random(&random) % 150);
    test_pass(&bench, test_random(&random) % (20 * TEST_MS));
  }
  for (uint32_t i = 0; i < 12; i++) {
    CHECK(!crowd[i].sink.ended);
    crowd[i].sink.bite = 0;
    crowd[i].sink.appetite = UINT64_MAX;
  }
  test_append(bench.log, UNIT - weir_log_written(bench.log) % UNIT);
  /* Enough for a chunk that was open at a skip. */
  for (uint32_t i = 0; i < 8; i++) {
    test_publish(&bench, 600);
    test_pass(&bench, 20 * TEST_MS);
  }
  for (uint32_t i = 0; i < 12; i++) {
    heard += crowd[i].heard;
    skipped += crowd[i].sink.reader.skipped;
    CHECK_EQ(crowd[i].sink.reader.part_length, 0);
  }
  CHECK(heard > STEPS / 40 && skipped > 100000);
  check_end(&bench, &crowd[0]);
  for (uint32_t i = 1; i < 12; i++)
    if (crowd[i].chunked) CHECK_EQ(crowd[i].state, OVER);
  test_bench_close(&bench);
}

/* A chunk that its socket left open is not ended as if it were whole. */
static void test_open_chunk(void) {
  test_bench_t bench;
  framed_t framed;
  open_bench(&bench, 6000);
  join(&bench, &framed, 0, 1, 0);
  framed.sink.appetite = 20;
  test_publish(&bench, 600);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(framed.state, DATA);
  CHECK_EQ(weir_fanout_kick(bench.fanout, framed.sink.id), 0);
  CHECK(framed.sink.closed);
  CHECK_EQ(framed.state, DATA);
  test_bench_close(&bench);
}

/* An interval of no titles, a chunk of no bytes. */
static void test_empty(void) {
  test_bench_t bench;
  framed_t framed;
  open_bench(&bench, 6000);
  join(&bench, &framed, 100, 1, HEAD);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(framed.chunks, 0);
  check_end(&bench, &framed);
  CHECK_EQ(framed.chunks, 1);
  test_bench_close(&bench);
}

static const uint8_t *block_of(const char *text, weir__title_t **title) {
  weir_allocator_t allocator = weir__allocator(NULL);
  *title = weir__title_make(&allocator, text);
  CHECK(*title != NULL);
  CHECK_EQ((*title)->length, 1 + 16 * (*title)->bytes[0]);
  return (*title)->bytes;
}

static void test_blocks(void) {
  weir__title_t *title;
  const uint8_t *block = block_of("", &title);
  CHECK_EQ(memcmp(block, "\1StreamTitle='';\0", 17), 0);
  weir__title_release(title);
  block = block_of("a", &title); /* 16 bytes, exactly */
  CHECK_EQ(memcmp(block, "\1StreamTitle='a';", 17), 0);
  CHECK_EQ(title->length, 17);
  weir__title_release(title);
  block = block_of("it's\r\n'; here", &title);
  CHECK_EQ(strcmp((const char *)block + 1, "StreamTitle='it's  ' ; here';"), 0);
  weir__title_release(title);

  static char text[5000];
  for (uint32_t before = 0; before < 3; before++) {
    memset(text, 'x', before);
    for (size_t i = before; i + 2 < sizeof text; i += 2)
      memcpy(text + i, "\xC3\xA9", 3);
    block = block_of(text, &title);
    size_t length = strlen((const char *)block + 1) - 15;
    CHECK(length == WEIR_ICY_TITLE_MAX || length == WEIR_ICY_TITLE_MAX - 1);
    CHECK_EQ((length - before) % 2, 0);
    CHECK_EQ(memcmp(block + 14, text, length), 0);
    CHECK_EQ(strcmp((const char *)block + 14 + length, "';"), 0);
    weir__title_release(title);
  }
  text[WEIR_ICY_TITLE_MAX] = 0; /* as long as may be: whole */
  memset(text, 'y', WEIR_ICY_TITLE_MAX);
  block = block_of(text, &title);
  CHECK_EQ(memcmp(block + 14, text, WEIR_ICY_TITLE_MAX), 0);
  CHECK_EQ(title->length, WEIR__TITLE_MAX);
  weir__title_release(title);
}

static void test_options(void) {
  test_bench_t bench;
  open_bench(&bench, 6000);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = 0,
                                     .preamble = "abc",
                                     .preamble_length = 3,
                                     .position = WEIR_FANOUT_NEWEST,
                                     .head_length = 4};
  uint64_t id;
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &id), WEIR_EOPTION);
  options.head_length = 3;
  options.icy_interval = WEIR_ICY_INTERVAL_MAX + 1;
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &id), WEIR_EOPTION);
  test_bench_close(&bench);
}

/* Without memory nothing changes, and nothing is lost. */
static void test_memory(void) {
  test_bench_t bench;
  open_bench(&bench, 6000);
  framed_t framed = {.chunked = 1, .head = 3, .told = NO_NEWS};
  framed.sink.appetite = UINT64_MAX;
  test_reader_start(&framed.sink.reader, UNIT, 0, 3, WEIR_TRANSFORM_NONE);
  const uint8_t head[3] = {test_preamble_byte(0), test_preamble_byte(1),
                           test_preamble_byte(2)};
  for (uint64_t call = 1;; call++) {
    weir_listener_options_t options = {.size = sizeof options,
                                       .fd = eventfd(0, EFD_NONBLOCK),
                                       .sink = &framed_calls,
                                       .sink_context = &framed,
                                       .position = WEIR_FANOUT_NEWEST,
                                       .preamble = head,
                                       .preamble_length = sizeof head,
                                       .data = &framed.sink,
                                       .head_length = sizeof head,
                                       .chunked = 1};
    uint64_t live = bench.purse.live;
    bench.purse.fail = bench.purse.calls + call;
    int error = weir_fanout_add(bench.fanout, &options, &framed.sink.id);
    bench.purse.fail = 0;
    test_poll(&bench);
    CHECK_EQ(error, call <= 3 ? UV_ENOMEM : 0);
    if (error == 0) break;
    CHECK_EQ(bench.purse.live, live);
    CHECK_EQ(close(options.fd), 0);
  }
  set_title(&bench, 1);
  weir__title_t *title = bench.fanout->title;
  bench.purse.fail = bench.purse.calls + 1;
  CHECK_EQ(weir_fanout_set_title(bench.fanout, "other"), UV_ENOMEM);
  bench.purse.fail = 0;
  CHECK(bench.fanout->title == title);
  check_end(&bench, &framed);
  test_bench_close(&bench);
}

int main(void) {
  for (uint32_t i = 0; i < TITLES; i++)
    (void)snprintf(titles[i], sizeof titles[i], "title %" PRIu32 " %.*s", i,
                   (int)(i % 30), "abcdefghijklmnopqrstuvwxyz0123456789");
  test_blocks();
  test_options();
  test_memory();
  test_empty();
  test_open_chunk();
  test_partial_writes();
  for (uint64_t seed = 1; seed <= 5; seed++)
    test_skips(seed);
  calls = &held_calls;
  test_empty();
  test_partial_writes();
  for (uint64_t seed = 6; seed <= 10; seed++)
    test_skips(seed);
  return 0;
}
