/* Whatever is done to a log, what it shows is what a byte array that forgets
 * nothing would show, and it never shows a byte that was overwritten. */
#include "test.h"

#include "scale.h"

#define STEPS        20000u
#define RESERVES_MAX 3u

/* Everything that was ever appended. */
typedef struct model {
  uint8_t *bytes;
  size_t length; /* written */
  size_t size;
  uint64_t touched; /* the greatest position ever written */
} model_t;

static void model_append(model_t *model, const void *bytes, size_t length) {
  if (model->length + length > model->size) {
    model->size = 2 * (model->length + length);
    model->bytes = realloc(model->bytes, model->size);
    CHECK(model->bytes != NULL);
  }
  memcpy(model->bytes + model->length, bytes, length);
  model->length += length;
  if (model->touched < model->length) model->touched = model->length;
}

typedef struct bench {
  weir_log_t *log;
  model_t model;
  uint64_t seed;
  size_t reserved; /* bytes handed out and not committed */
  uint32_t unit;
  size_t capacity;
  uint8_t *noise;
} bench_t;

static uint64_t below(bench_t *bench, uint64_t bound) {
  return test_random(&bench->seed) % bound;
}

static void make_noise(bench_t *bench, size_t length) {
  for (size_t i = 0; i < length; i++)
    bench->noise[i] = (uint8_t)test_random(&bench->seed);
}

static uint64_t model_head(const bench_t *bench) {
  return bench->model.length - bench->model.length % bench->unit;
}

/* The oldest unit of which no byte was, or may by now be, overwritten. */
static uint64_t model_tail(const bench_t *bench) {
  uint64_t end = bench->model.length + bench->reserved;
  if (end < bench->model.touched) end = bench->model.touched;
  if (end <= bench->capacity) return 0;
  uint64_t oldest = end - bench->capacity;
  return (oldest + bench->unit - 1) / bench->unit * bench->unit;
}

static void check_peek(bench_t *bench, uint64_t position, size_t limit) {
  struct iovec iov[2];
  int pieces = -1;
  int64_t shown = weir_log_peek(bench->log, position, limit, iov, &pieces);
  uint64_t head = model_head(bench);
  if (position > head) {
    CHECK_EQ(shown, WEIR_EAHEAD);
    CHECK_EQ(pieces, 0);
    CHECK_EQ(weir_log_where(bench->log, position), WEIR_TIER_AHEAD);
    return;
  }
  if (position < model_tail(bench)) {
    CHECK_EQ(shown, WEIR_EBEHIND);
    CHECK_EQ(pieces, 0);
    CHECK_EQ(weir_log_where(bench->log, position), WEIR_TIER_BEHIND);
    return;
  }
  CHECK_EQ(weir_log_where(bench->log, position), WEIR_TIER_RING);
  uint64_t expected = head - position < limit ? head - position : limit;
  CHECK_EQ(shown, expected);
  size_t at = position;
  for (int i = 0; i < pieces; i++) {
    CHECK(iov[i].iov_len > 0);
    CHECK(memcmp(iov[i].iov_base, bench->model.bytes + at, iov[i].iov_len) ==
          0);
    at += iov[i].iov_len;
  }
  CHECK_EQ(at - position, expected);
  CHECK(pieces <= 2);
}

static void check_everything(bench_t *bench) {
  CHECK_EQ(weir_log_written(bench->log), bench->model.length);
  CHECK_EQ(weir_log_head(bench->log), model_head(bench));
  CHECK_EQ(weir_log_tail(bench->log), model_tail(bench));
  CHECK_EQ(weir_log_ring_tail(bench->log), model_tail(bench));
  check_peek(bench, model_tail(bench), SIZE_MAX);
}

static void peek_somewhere(bench_t *bench) {
  uint64_t around = 2 * bench->capacity;
  uint64_t from =
      bench->model.length > around ? bench->model.length - around : 0;
  uint64_t position = from + below(bench, around + 2 * bench->unit);
  size_t limit =
      below(bench, 4) == 0 ? SIZE_MAX : (size_t)below(bench, bench->capacity);
  check_peek(bench, position, limit);
}

/* Reserves, writes a part and commits it; several reserves replace each
 * other. */
static void reserve_and_commit(bench_t *bench) {
  void *memory = NULL;
  size_t run = 0;
  size_t times = 1 + (size_t)below(bench, RESERVES_MAX);
  for (size_t i = 0; i < times; i++) {
    size_t wanted = (size_t)below(bench, bench->capacity + bench->unit);
    run = weir_log_reserve(bench->log, wanted, &memory);
    CHECK(run > 0 && run <= (wanted > 0 ? wanted : 1));
    CHECK(run <= bench->capacity / 2);
    bench->reserved = run;
    check_everything(bench);
    peek_somewhere(bench);
  }
  CHECK_EQ(weir_log_commit(bench->log, run + 1), WEIR_EOPTION);
  check_everything(bench);
  size_t kept = (size_t)below(bench, run + 1);
  make_noise(bench, kept);
  memcpy(memory, bench->noise, kept);
  CHECK_EQ(weir_log_commit(bench->log, kept), 0);
  bench->reserved = 0;
  model_append(&bench->model, bench->noise, kept);
  CHECK_EQ(weir_log_commit(bench->log, 1), WEIR_EOPTION);
}

static void append_copy(bench_t *bench) {
  size_t most = below(bench, 16) == 0 ? 3 * bench->capacity : 4 * bench->unit;
  size_t length = (size_t)below(bench, most + 1);
  make_noise(bench, length);
  weir_log_append(bench->log, bench->noise, length);
  model_append(&bench->model, bench->noise, length);
}

static void trim(bench_t *bench) {
  size_t cut = bench->model.length % bench->unit;
  if (below(bench, 2) == 0) { /* a reservation dies with the source */
    void *memory;
    CHECK(weir_log_reserve(bench->log, bench->unit, &memory) > 0);
  }
  CHECK_EQ(weir_log_trim(bench->log), cut);
  bench->model.length -= cut;
  CHECK_EQ(weir_log_trim(bench->log), 0);
}

static void run(uint32_t unit, size_t capacity, uint64_t steps) {
  weir_log_options_t options = {
      .size = sizeof options, .capacity = capacity, .unit = unit};
  bench_t bench = {.seed = 0x9E3779B97F4A7C15u + unit, .unit = unit};
  CHECK_EQ(weir_log_create(&bench.log, &options), 0);
  bench.capacity = weir_log_capacity(bench.log);
  CHECK_EQ(weir_log_unit(bench.log), unit);
  CHECK_EQ(bench.capacity, capacity - capacity % unit);
  bench.noise = malloc(3 * capacity + 8);
  check_everything(&bench);
  for (uint64_t i = 0; i < steps; i++) {
    switch (below(&bench, 8)) {
      case 0:
      case 1:
      case 2:
        reserve_and_commit(&bench);
        break;
      case 3:
      case 4:
      case 5:
        append_copy(&bench);
        break;
      case 6:
        trim(&bench);
        break;
      default:
        peek_somewhere(&bench);
        break;
    }
    check_everything(&bench);
  }
  CHECK(bench.model.length > 20 * bench.capacity);
  weir_log_destroy(bench.log);
  free(bench.model.bytes);
  free(bench.noise);
}

int main(void) {
  uint64_t steps = STEPS * test_scale();
  run(1, 16, steps);
  run(1, 4096, steps);
  run(4, 64, steps);
  run(4, 1000, steps);
  run(6, 100, steps);
  run(6, 4099, steps);
  run(188, 188 * 16, steps);
  run(188, 188 * 21 + 5, steps);
  run(7, 131, steps);
  run(1021, 20000, steps / 4);
  return 0;
}
