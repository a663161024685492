/* Whatever the disk does, whoever joins where: every listener receives whole
 * units of the stream in order, and what it received and what was counted as
 * skipped add up. */
#include "files_test.h"

#include "fanout_crowd.h"

#define STEPS     8000u
#define LISTENERS 20u

typedef test_crowd_t crowd_t;

static int is_rough;        /* the disk hangs and fails now and then */
static uint64_t from_files; /* listeners that joined there */
static weir_disk_t *disk;
static char path[256];

static void join(crowd_t *crowd) {
  test_sink_t **seat = test_crowd_seat(crowd);
  if (*seat != NULL) return;
  weir_log_t *log = crowd->bench.log;
  uint64_t position = test_crowd_position(crowd);
  if (test_crowd_below(crowd, 4) == 0) position = weir_log_tail(log);
  if (weir_log_where(log, position) == WEIR_TIER_FILE) from_files++;
  size_t preamble = (size_t)test_crowd_below(crowd, 2) * 376;
  test_crowd_join(crowd, seat, position, preamble,
                  test_crowd_below(crowd, 8) == 0 ? WEIR_TRANSFORM_SWAP16
                                                  : WEIR_TRANSFORM_NONE);
}

static void change_mind(crowd_t *crowd) {
  test_sink_t *sink = *test_crowd_seat(crowd);
  if (sink == NULL) return;
  sink->appetite = UINT64_MAX;
  sink->bite = 0;
  switch (test_crowd_below(crowd, 6)) {
    case 0:
      sink->appetite = 0;
      break;
    case 1:
      sink->appetite = test_crowd_below(crowd, 2 * crowd->capacity);
      break;
    case 2:
      sink->bite = 1 + test_crowd_below(crowd, 30 * crowd->unit);
      break;
    case 3:
      if (test_crowd_below(crowd, 40) == 0) sink->error = UV_EPIPE;
      break;
    default:
      break;
  }
}

/* A disk that works keeps step with the writer. */
static void keep_step(crowd_t *crowd) {
  weir_log_files_info_t info;
  do {
    if (is_rough) return;
    test_poll(&crowd->bench);
    weir_log_files_info(crowd->bench.log, &info);
  } while (weir_log_written(crowd->bench.log) - info.head >
           crowd->capacity / 2);
}

static void write_some(crowd_t *crowd) {
  keep_step(crowd);
  uint64_t wanted = 1 + test_crowd_below(crowd, crowd->capacity / 16);
  uint64_t room = weir_fanout_room(crowd->bench.fanout, wanted);
  if (room == 0) return;
  test_append(crowd->bench.log, wanted < room ? wanted : room);
  weir_fanout_published(crowd->bench.fanout);
  test_files.log = crowd->bench.log;
}

static void upset_disk(crowd_t *crowd) {
  test_disk.no_nowait = test_crowd_below(crowd, 2) == 0;
  if (!is_rough) return;
  weir_log_files_retry(crowd->bench.log);
  test_disk.writes_hang = test_crowd_below(crowd, 8) == 0;
  test_disk.reads_hang = test_crowd_below(crowd, 4) == 0;
  test_disk.write_error = test_crowd_below(crowd, 20) == 0 ? ENOSPC : 0;
  test_disk.read_error = test_crowd_below(crowd, 20) == 0 ? EIO : 0;
  test_disk.now_error = test_crowd_below(crowd, 20) == 0 ? EIO : 0;
}

/* It does all that it can. */
static void run_disk(crowd_t *crowd) {
  while (disk->operations > 0 && test_disk.hanging == 0)
    test_poll(&crowd->bench);
}

static void check_skips(const crowd_t *crowd, const test_sink_t *sink) {
  if (crowd->policy == WEIR_SLOW_DISCONNECT) CHECK_EQ(sink->last.skips, 0);
  /* Under a disk that works, whoever is waited for loses nothing. */
  if (crowd->policy == WEIR_SLOW_PAUSE && !is_rough)
    CHECK_EQ(sink->last.skips, 0);
}

static void bury(crowd_t *crowd) {
  test_crowd_bury(crowd, check_skips);
}

static void step(crowd_t *crowd) {
  switch (test_crowd_below(crowd, 12)) {
    case 0:
      join(crowd);
      break;
    case 1:
      change_mind(crowd);
      break;
    case 2:
      if (test_crowd_below(crowd, 20) == 0) upset_disk(crowd);
      break;
    case 3:
      if (test_crowd_below(crowd, 400) == 0)
        weir_log_files_clear(crowd->bench.log);
      break;
    case 4:
    case 5:
      test_poll(&crowd->bench);
      break;
    case 6:
    case 7:
      test_pass(&crowd->bench, test_crowd_below(crowd, 40 * TEST_MS));
      break;
    case 8:
      run_disk(crowd);
      break;
    default:
      write_some(crowd);
      break;
  }
}

static void open_crowd(crowd_t *crowd, const char *place, uint64_t capacity) {
  memset(&test_disk, 0, sizeof test_disk);
  memset(&test_files, 0, sizeof test_files);
  test_bench_open(&crowd->bench, capacity, crowd->unit);
  crowd->capacity = weir_log_capacity(crowd->bench.log);
  weir_fanout_options_t options = test_bench_options(&crowd->bench);
  options.policy = crowd->policy;
  options.timeout = crowd->timeout;
  CHECK_EQ(
      weir_fanout_create(&crowd->bench.loop, &crowd->bench.fanout, &options),
      0);
  CHECK_EQ(weir_disk_create(&crowd->bench.loop, &disk, &crowd->bench.allocator),
           0);
  int directory = test_make_directory(place, path);
  test_files.log = crowd->bench.log;
  weir_log_files_options_t files = {.size = sizeof files,
                                    .disk = disk,
                                    .directory = directory,
                                    .max = WEIR_LOG_FILES_MIN,
                                    .on_restart = test_on_restart};
  CHECK_EQ(weir_log_files_open(crowd->bench.log, &files), 0);
}

static void run(const char *place, weir_slow_policy_t policy, uint32_t unit,
                uint64_t capacity, int rough) {
  static crowd_t crowd;
  crowd = (crowd_t){.seed = capacity + unit + (uint64_t)rough,
                    .timeout = 4 * TEST_SECOND,
                    .policy = policy,
                    .unit = unit,
                    .seats = LISTENERS};
  is_rough = rough;
  from_files = 0;
  open_crowd(&crowd, place, capacity);
  uint64_t steps = STEPS * test_scale();
  for (uint64_t i = 0; i < steps; i++) {
    step(&crowd);
    bury(&crowd);
    if (i % 64 == 0) (void)test_crowd_check(&crowd);
  }
  weir_log_files_info_t info;
  weir_log_files_info(crowd.bench.log, &info);
  test_heal();
  /* Those that are left come to the end, or are ended. */
  for (uint32_t i = 0; i < LISTENERS; i++)
    if (crowd.sinks[i] != NULL) crowd.sinks[i]->appetite = UINT64_MAX;
  for (int i = 0; i < 200; i++) {
    run_disk(&crowd);
    test_pass(&crowd.bench, 20 * TEST_MS);
  }
  test_publish(&crowd.bench, 10 * unit); /* some have skipped to head */
  test_pass(&crowd.bench, 20 * TEST_MS);
  bury(&crowd);
  for (uint32_t i = 0; i < LISTENERS; i++)
    if (crowd.sinks[i] != NULL && crowd.sinks[i]->bite == 0)
      CHECK_EQ(crowd.sinks[i]->reader.next * unit,
               weir_log_head(crowd.bench.log));
  weir_fanout_end(crowd.bench.fanout, WEIR_END_SHUTDOWN);
  bury(&crowd);
  (void)test_crowd_check(&crowd);
  if (test_crowd_print(&crowd))
    fprintf(stderr,
            ", %s, rough %d, from files %" PRIu64 " rotations %" PRIu64
            " restarts %" PRIu64 "\n",
            place, is_rough, from_files, info.rotations, info.restarts);
  CHECK(from_files > 3);
  if (policy == WEIR_SLOW_SKIP) CHECK(crowd.skipped > 0);
  if (!is_rough) CHECK_EQ(info.restarts, 0);
  if (!is_rough) CHECK(info.rotations > 0 || policy == WEIR_SLOW_PAUSE);
  weir_log_files_close(crowd.bench.log, NULL, NULL);
  weir_disk_close(disk, NULL, NULL);
  test_bench_close(&crowd.bench);
  test_remove_directory(path);
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    for (int rough = 0; rough < 2; rough++) {
      run(place, WEIR_SLOW_SKIP, 188, 188 * 400, rough);
      run(place, WEIR_SLOW_SKIP, 6, 6 * 9000, rough);
      run(place, WEIR_SLOW_DISCONNECT, 188, 188 * 400, rough);
      run(place, WEIR_SLOW_PAUSE, 188, 188 * 400, rough);
    }
  }
  return 0;
}
