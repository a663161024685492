/* Whatever is done to a log with files, whatever its disk does: what a position
 * held it still holds, where it is kept; nothing that was appended is lost to
 * the log; what is kept is in one piece, and no more than it may be. */
#include "files_test.h"
#include "log_state.h"

#define APPENDS 20000u
#define COPIES  6u

static test_files_t *const files = &test_files;

typedef struct model {
  uint64_t seed;
  uint64_t written;
  uint64_t capacity;
  uint32_t unit;
  uint64_t appends;
  uint64_t copied;
  uint64_t copies_behind;
  uint64_t is_rough; /* the disk hangs and fails now and then */
  uint64_t space;    /* bytes that files may take until the disk is idle */
  uint64_t cut_copies;
  test_copy_t copies[COPIES];
  int64_t expected[COPIES];
  int is_open[COPIES];
} model_t;

static uint64_t below(model_t *model, uint64_t bound) {
  return test_random(&model->seed) % bound;
}

static uint64_t model_head(const model_t *model) {
  return model->written - model->written % model->unit;
}

/* A disk that works keeps step with the writer. */
static void keep_step(model_t *model) {
  if (model->is_rough && below(model, 400) == 0) return;
  for (;;) {
    weir_log_files_info_t info = test_files_info(files);
    if (model->written - info.head <= model->capacity / 2) return;
    if (info.is_off || test_disk.writes_hang || test_disk.hanging > 0) return;
    uv_run(&files->loop, UV_RUN_NOWAIT);
  }
}

static void append(model_t *model) {
  uint64_t most = model->capacity / (below(model, 30) == 0 ? 1 : 40);
  most /= 4;
  keep_step(model);
  uint64_t length = below(model, most + 1);
  test_files_append(files, length);
  model->written += length;
  model->appends++;
  CHECK_EQ(weir_log_written(files->log), model->written);
  CHECK_EQ(weir_log_head(files->log), model_head(model));
}

/* Half of a reservation is given back, or all. */
static void reserve(model_t *model) {
  void *memory;
  uint64_t most =
      model->capacity / (below(model, 99) < model->is_rough ? 1 : 4);
  keep_step(model);
  size_t run =
      weir_log_reserve(files->log, (size_t)below(model, most), &memory);
  CHECK(weir_log_ring_tail(files->log) + model->capacity + model->unit >
        model->written + run);
  size_t kept = below(model, 2) == 0 ? 0 : run / 2;
  test_fill(model->written, memory, kept);
  CHECK_EQ(weir_log_commit(files->log, kept), 0);
  model->written += kept;
}

static void trim(model_t *model) {
  CHECK_EQ(weir_log_trim(files->log), model->written % model->unit);
  model->written = model_head(model);
}

/* A copy of a range somewhere around what is kept. */
static void begin_copy(model_t *model) {
  uint32_t i = (uint32_t)below(model, COPIES);
  if (model->is_open[i]) return;
  uint64_t head = model_head(model);
  uint64_t tail = weir_log_tail(files->log);
  uint64_t from = tail > model->capacity ? tail - model->capacity : 0;
  uint64_t position = from + below(model, head - from + model->unit + 1);
  uint64_t length = below(model, below(model, 8) == 0 ? files->max : 70000);
  uint64_t left = position < head ? head - position : 0;
  model->expected[i] = (int64_t)(left < length ? left : length);
  if (position > head) model->expected[i] = WEIR_EAHEAD;
  if (position < tail) model->expected[i] = WEIR_EBEHIND;
  model->is_open[i] = 1;
  test_begin_copy(files, &model->copies[i], position, length);
}

static void look_at_copies(model_t *model) {
  for (uint32_t i = 0; i < COPIES; i++) {
    if (!model->is_open[i] || !model->copies[i].is_done) continue;
    model->is_open[i] = 0;
    free(model->copies[i].buffer);
    int64_t result = model->copies[i].result;
    if (result == UV_EIO && model->is_rough) continue;
    /* What was cut off was in the way. */
    int is_cut = model->expected[i] > 0 &&
                 model->copies[i].position < weir_log_tail(files->log);
    if (result == WEIR_EBEHIND && is_cut) {
      model->cut_copies++;
      continue;
    }
    CHECK_EQ(result, model->expected[i]);
    if (result > 0) model->copied += (uint64_t)result;
    if (result == WEIR_EBEHIND) model->copies_behind++;
  }
}

static void change(model_t *model) {
  weir_log_files_info_t info = test_files_info(files);
  switch (below(model, 6)) {
    case 0:
      weir_log_files_clear(files->log);
      CHECK_EQ(test_files_info(files).bytes, 0);
      break;
    case 1:
    case 2: {
      uint64_t at = info.tail + below(model, info.bytes + model->unit);
      weir_log_files_cut(files->log, at);
      at -= at % model->unit;
      CHECK_EQ(test_files_info(files).tail, at < info.head ? at : info.head);
      break;
    }
    case 3:
    case 4:
      files->max = WEIR_LOG_FILES_MIN * (1 + below(model, 6));
      CHECK_EQ(weir_log_files_set_max(files->log, files->max), 0);
      break;
    default:
      weir_log_files_retry(files->log);
      break;
  }
}

static void upset_disk(model_t *model) {
  if (!model->is_rough) return;
  weir_log_files_retry(files->log);
  test_disk.writes_hang = below(model, 6) == 0;
  test_disk.reads_hang = below(model, 3) == 0;
  test_disk.write_error = below(model, 16) == 0 ? ENOSPC : 0;
  test_disk.read_error = below(model, 6) == 0 ? EIO : 0;
  test_disk.open_error = below(model, 30) == 0 ? EMFILE : 0;
  test_disk.write_most = below(model, 3) == 0 ? 1 + below(model, 50000) : 0;
}

/* What files take, with those that have lost their name: less may be kept at
 * once, but the disk needs a moment. */
static void check_space(model_t *model) {
  uint64_t max = test_files_info(files).max;
  uint64_t space = max + max / WEIR_LOG_FILES_SEGMENTS;
  if (files->disk->operations == 0) {
    model->space = space;
    test_watch_space(files->path, NULL);
  } else if (model->space < space) {
    model->space = space;
  }
  CHECK(test_watch.bytes <= model->space);
  CHECK(files->disk->claimed <= model->space);
}

/* What a listener would be shown. */
static void peek(model_t *model) {
  uint64_t ring = weir_log_ring_tail(files->log);
  uint64_t span = model_head(model) - ring;
  uint64_t position = ring + below(model, span + 1);
  struct iovec iov[2];
  int pieces;
  CHECK_EQ(weir_log_peek(files->log, position, 20000, iov, &pieces),
           model_head(model) - position < 20000 ? model_head(model) - position
                                                : 20000);
  for (int i = 0; i < pieces; i++) {
    CHECK(test_is_right(position, iov[i].iov_base, iov[i].iov_len));
    position += iov[i].iov_len;
  }
}

static void step(model_t *model) {
  switch (below(model, 16)) {
    case 0:
      reserve(model);
      break;
    case 1:
      if (below(model, 10) == 0) trim(model);
      break;
    case 2:
    case 3:
      begin_copy(model);
      break;
    case 4:
      peek(model);
      break;
    case 5:
      if (below(model, 200) == 0) change(model);
      break;
    case 6:
      if (below(model, 50) == 0) upset_disk(model);
      break;
    case 7:
    case 8:
    case 9:
    case 10:
      uv_run(&files->loop, UV_RUN_NOWAIT);
      break;
    default:
      append(model);
      break;
  }
}

static void run(const char *place, uint32_t unit, uint64_t capacity,
                int is_rough) {
  static model_t model;
  model = (model_t){.seed = capacity + unit + (uint64_t)is_rough,
                    .unit = unit,
                    .is_rough = (uint64_t)is_rough};
  memset(&test_disk, 0, sizeof test_disk);
  test_files_open(files, place, capacity, unit, 4 * WEIR_LOG_FILES_MIN);
  model.capacity = weir_log_capacity(files->log);
  test_watch_space(files->path, NULL);
  uint64_t appends = APPENDS * test_scale();
  while (model.appends < appends) {
    step(&model);
    look_at_copies(&model);
    test_files_check(files);
    check_space(&model);
  }
  weir_log_files_info_t info = test_files_info(files);
  if (getenv("WEIR_VERBOSE") != NULL)
    fprintf(stderr,
            "%s unit %u: %" PRIu64 " appended, %" PRIu64 " in files, %" PRIu64
            " copied, %" PRIu64 " behind, %" PRIu64 " cut off; %" PRIu64
            " rotations, %" PRIu64 " restarts\n",
            place, unit, model.written, info.written, model.copied,
            model.copies_behind, model.cut_copies, info.rotations,
            info.restarts);
  CHECK(model.copied > 0);
  if (!is_rough) CHECK(info.rotations > 5);
  CHECK(is_rough ? info.restarts > 5 : info.restarts == 0);
  test_heal();
  test_files_settle(files);
  look_at_copies(&model);
  for (uint32_t i = 0; i < COPIES; i++)
    CHECK(!model.is_open[i]);
  info = test_files_info(files);
  CHECK(files->restarts <= info.restarts); /* one call for those of a turn */
  CHECK((files->restarts > 0) == (info.restarts > 0));
  test_watch_space(NULL, NULL);
  test_files_close(files);
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    run(place, 188, 188 * 1000, 0);
    run(place, 188, 188 * 2000, 1);
    run(place, 1, 400000, 1);
    run(place, 6, 6 * 50000, 0);
  }
  return 0;
}
