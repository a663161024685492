/* A listener that fell behind everything lands where it is told to, behind the
 * one unit that is injected for it alone: nothing else is missing, and the
 * account of sent and skipped bytes holds. */
#include "fanout_test.h"
#include "scale.h"

#define UNIT     188u
#define CAPACITY (64u * UNIT)
#define MARK     0xffffffffu

/* ---- where they land ---- */

typedef struct places {
  weir_log_t *log;
  uint32_t every;  /* units between two of them */
  int is_silent;   /* nothing is injected */
  int waits;       /* for a place, instead of landing at head */
  uint64_t landed; /* the last answer */
  uint64_t asked;
} places_t;

static uint64_t land(void *context) {
  places_t *places = context;
  uint64_t head = weir_log_head(places->log);
  uint64_t place = head - head % (places->every * UNIT);
  places->asked++;
  if (place < weir_log_tail(places->log))
    place = places->waits ? UINT64_MAX : head;
  places->landed = place;
  return place;
}

/* A unit that says for which position it is. */
static void inject(void *context, uint64_t position, uint8_t *unit) {
  places_t *places = context;
  CHECK_EQ(position, places->landed);
  memset(unit, 0xff, UNIT);
  memcpy(unit + 4, &position, sizeof position);
}

static const weir_landing_t landing = {land, inject}, silent = {land, NULL};

/* ---- what a listener receives ---- */

typedef struct ear {
  const places_t *places;
  uint64_t id;
  uint64_t start;
  uint64_t appetite;
  uint64_t bite;
  uint8_t part[UNIT];
  uint32_t part_length;
  uint64_t next;       /* unit */
  uint64_t announced;  /* position that the injected unit names */
  uint32_t injected;   /* units, one after the other */
  uint64_t injections; /* units in all */
  uint64_t received;   /* bytes of whole units of the log */
  uint64_t skipped;
  uint64_t jumps;
  int ended;
  weir_listener_info_t last;
} ear_t;

static void take_unit(ear_t *ear) {
  uint32_t index;
  memcpy(&index, ear->part, sizeof index);
  ear->part_length = 0;
  if (index == MARK) {
    uint64_t former = ear->announced;
    memcpy(&ear->announced, ear->part + 4, sizeof ear->announced);
    /* Another skip's, which came when the former's was cut in two. */
    if (ear->injected > 0) CHECK(ear->announced > former);
    ear->injected++;
    ear->injections++;
    return;
  }
  for (uint32_t at = 0; at < UNIT; at++)
    CHECK_EQ(ear->part[at], test_byte(index, at));
  if (ear->injected > 0) {
    CHECK_EQ(ear->announced, index * (uint64_t)UNIT);
  } else if (!ear->places->is_silent) {
    CHECK_EQ(index, ear->next);
  }
  CHECK(index >= ear->next);
  if (index > ear->next) ear->jumps++;
  ear->skipped += (index - ear->next) * UNIT;
  ear->next = index + 1;
  ear->received += UNIT;
  ear->injected = 0;
}

static int64_t ear_write(void *context, int fd, const struct iovec *iov,
                         int count) {
  ear_t *ear = context;
  uint64_t most = ear->appetite, taken = 0;
  (void)fd;
  CHECK(count >= 1 && count <= 4);
  if (ear->bite != 0 && most > ear->bite) most = ear->bite;
  for (int i = 0; i < count; i++) {
    CHECK(iov[i].iov_len > 0);
    for (size_t k = 0; k < iov[i].iov_len && taken < most; k++, taken++) {
      ear->part[ear->part_length++] = ((const uint8_t *)iov[i].iov_base)[k];
      if (ear->part_length == UNIT) take_unit(ear);
    }
  }
  if (ear->appetite != UINT64_MAX) ear->appetite -= taken;
  return taken > 0 ? (int64_t)taken : UV_EAGAIN;
}

static void ear_close(void *context, int fd, int clean) {
  (void)context;
  (void)clean;
  CHECK_EQ(close(fd), 0);
}

static const weir_sink_t ear_sink = {.write = ear_write, .close = ear_close};

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  ear_t *ear = who->data;
  (void)fanout;
  (void)error;
  CHECK_EQ(reason, WEIR_END_SHUTDOWN);
  ear->ended = 1;
  ear->last = *who;
}

/* ---- a bench ---- */

static test_bench_t bench;
static places_t places;

static void open_bench(uint32_t every, int is_silent, int waits) {
  test_bench_open(&bench, CAPACITY, UNIT);
  places = (places_t){
      .log = bench.log, .every = every, .is_silent = is_silent, .waits = waits};
  weir_fanout_options_t options = test_bench_options(&bench);
  options.on_end = on_end;
  options.on_skip = NULL;
  options.landing = is_silent ? &silent : &landing;
  options.landing_context = &places;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
}

static void listen_in(ear_t *ear) {
  memset(ear, 0, sizeof *ear);
  ear->places = &places;
  ear->appetite = UINT64_MAX;
  ear->start = weir_log_head(bench.log);
  ear->next = ear->start / UNIT;
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = eventfd(0, EFD_NONBLOCK),
                                     .sink = &ear_sink,
                                     .sink_context = ear,
                                     .position = WEIR_FANOUT_NEWEST,
                                     .data = ear};
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &ear->id), 0);
}

/* Sent and skipped are what it received and what it missed. */
static void end_all(ear_t *ears, uint32_t count) {
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  for (uint32_t i = 0; i < count; i++) {
    ear_t *ear = &ears[i];
    CHECK(ear->ended);
    CHECK_EQ(ear->part_length, 0);
    CHECK_EQ(ear->received, ear->last.sent_bytes);
    CHECK_EQ(ear->start + ear->last.sent_bytes + ear->last.skipped_bytes,
             ear->last.position);
    /* A skip of which nothing was sent yet is in the account only. */
    CHECK(ear->skipped <= ear->last.skipped_bytes);
    CHECK(ear->injections <= ear->last.skips);
    if (!places.is_silent) CHECK(ear->injections >= ear->jumps);
    if (ear->last.position == ear->next * UNIT)
      CHECK_EQ(ear->skipped, ear->last.skipped_bytes);
  }
}

/* ---- tests ---- */

/* A unit is cut at `cut`; the rest of it, the injection taken `bite` bytes at
 * a time, then the place. */
static void test_order(uint64_t cut, uint64_t bite) {
  ear_t ear;
  open_bench(16, 0, 0);
  listen_in(&ear);
  ear.appetite = 5 * UNIT + cut;
  test_publish(&bench, 20 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(ear.received, 5 * UNIT);
  CHECK_EQ(ear.part_length, cut);
  test_publish(&bench, 80 * UNIT); /* keeps [36, 100) */
  test_pass(&bench, 20 * TEST_MS);
  ear.appetite = UINT64_MAX;
  ear.bite = bite;
  while (ear.next < 100)
    test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(places.asked, 1);
  CHECK_EQ(ear.injections, 1);
  CHECK_EQ(ear.announced, 96 * UNIT);
  CHECK_EQ(ear.jumps, 1);
  uint64_t before = cut > 0 ? 6 : 5;
  CHECK_EQ(ear.skipped, (96 - before) * UNIT);
  CHECK_EQ(ear.received, (before + 4) * UNIT);
  end_all(&ear, 1);
  CHECK_EQ(ear.last.skips, 1);
  CHECK_EQ(ear.last.skipped_bytes, ear.skipped);
  test_bench_close(&bench);
}

/* Lapped again when `taken` bytes of what is injected are sent: if it is cut it
 * is sent whole, then another; if nothing of it is sent, only the other. */
static void test_lapped_again(uint64_t taken) {
  ear_t ear;
  open_bench(16, 0, 0);
  listen_in(&ear);
  ear.appetite = 0;
  test_publish(&bench, 100 * UNIT);
  ear.appetite = taken;
  test_pass(&bench, 20 * TEST_MS);
  test_publish(&bench, 100 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  ear.appetite = UINT64_MAX;
  while (ear.next < 200)
    test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(ear.injections, taken > 0 ? 2 : 1);
  CHECK_EQ(ear.announced, 192 * UNIT);
  CHECK_EQ(ear.skipped, 192 * UNIT);
  end_all(&ear, 1);
  CHECK_EQ(ear.last.skips, 2);
  CHECK_EQ(ear.last.skipped_bytes, 192 * UNIT);
  test_bench_close(&bench);
}

/* No place is kept: it lands at head, and what is injected goes with the next
 * bytes, not before. */
static void test_head(void) {
  ear_t ear;
  open_bench(1000, 0, 0);
  listen_in(&ear);
  ear.appetite = 0;
  test_publish(&bench, 200 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  ear.appetite = UINT64_MAX;
  for (int i = 0; i < 10; i++)
    test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(ear.injections, 0);
  test_publish(&bench, UNIT);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(ear.announced, 200 * UNIT);
  CHECK_EQ(ear.received, UNIT);
  CHECK_EQ(ear.skipped, 200 * UNIT);
  end_all(&ear, 1);
  test_bench_close(&bench);
}

/* It waits for a place as long as it takes, and is not ended for it; then it
 * is there at once. */
static void test_waits(void) {
  ear_t ear;
  open_bench(1000, 0, 1);
  listen_in(&ear);
  ear.appetite = 0;
  test_publish(&bench, 200 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  ear.appetite = UINT64_MAX;
  for (int i = 0; i < 100; i++) {
    test_publish(&bench, 7 * UNIT);
    test_pass(&bench, TEST_SECOND);
  }
  CHECK_EQ(weir_log_head(bench.log), 900 * UNIT);
  CHECK_EQ(ear.received, 0);
  CHECK(!ear.ended);
  test_publish(&bench, 101 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(ear.announced, 1000 * UNIT);
  CHECK_EQ(ear.received, UNIT);
  test_publish(&bench, 5 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(ear.received, 6 * UNIT);
  end_all(&ear, 1);
  CHECK_EQ(ear.last.skips, 1);
  test_bench_close(&bench);
}

/* Many of them, and whatever their sockets take. */
static void test_crowd(uint32_t every, int is_silent, uint64_t seed) {
  static ear_t ears[20];
  open_bench(every, is_silent, 0);
  for (uint32_t i = 0; i < 20; i++)
    listen_in(&ears[i]);
  for (uint64_t step = 0; step < 3000 * test_scale(); step++) {
    ear_t *ear = &ears[test_random(&seed) % 20];
    uint64_t pick = test_random(&seed) % 5;
    ear->appetite = pick == 0   ? 0
                    : pick == 1 ? test_random(&seed) % (4 * UNIT)
                                : UINT64_MAX;
    ear->bite = pick == 2 ? 1 + test_random(&seed) % 600 : 0;
    test_publish(&bench, UNIT * (test_random(&seed) % 30));
    test_pass(&bench, test_random(&seed) % (30 * TEST_MS));
  }
  uint64_t jumps = 0;
  for (uint32_t i = 0; i < 20; i++) {
    ears[i].appetite = UINT64_MAX;
    ears[i].bite = 0;
    jumps += ears[i].jumps;
  }
  end_all(ears, 20);
  CHECK(jumps > 100);
  test_bench_close(&bench);
}

static void test_bytes_per_listener(void) {
  open_bench(16, 0, 0);
  CHECK(weir_fanout_listener_bytes(bench.fanout) <= 2048);
  test_bench_close(&bench);
}

int main(void) {
  for (uint64_t cut = 0; cut < UNIT; cut += 17)
    for (uint64_t bite = 1; bite < 2 * UNIT; bite += 89)
      test_order(cut, bite);
  for (uint64_t taken = 0; taken < UNIT; taken++)
    test_lapped_again(taken);
  test_head();
  test_waits();
  test_crowd(16, 0, 11);
  test_crowd(16, 1, 12);
  test_crowd(50, 0, 13);
  test_crowd(1000, 0, 14);
  test_bytes_per_listener();
  return 0;
}
