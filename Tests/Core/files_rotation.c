/* Rotation keeps what it should, at the place it is told, and the disk never
 * holds more than max and one segment. */
#include "files_test.h"

#define UNIT     188u
#define CAPACITY (UNIT * 5000u)
#define STAGE    (CAPACITY / 4)
#define MIB      ((uint64_t)1 << 20)

static uint64_t cut_tail, cut_head, cut_at;
static uint32_t cuts;

static uint64_t on_full(weir_log_t *log, uint64_t tail, uint64_t head,
                        uint64_t max) {
  CHECK_EQ(tail, weir_log_tail(log));
  CHECK(head - tail > max);
  CHECK(head <= weir_log_head(log));
  CHECK_EQ(max, test_files.max);
  cut_tail = tail;
  cut_head = head;
  cuts++;
  return cut_at;
}

/* At every step, by what the directory says. */
static void stream(uint64_t length, uint64_t max, uint32_t most_files) {
  uint64_t segment = max / WEIR_LOG_FILES_SEGMENTS;
  test_watch_space(test_files.path, NULL);
  for (uint64_t done = 0; done < length; done += CAPACITY / 8) {
    test_files_append(&test_files, CAPACITY / 8);
    do {
      uint32_t count;
      uint64_t bytes = test_usage(test_files.path, &count);
      weir_log_files_info_t info = test_files_info(&test_files);
      CHECK(bytes <= max + segment);
      CHECK(test_watch.bytes <= max + segment);
      CHECK(info.disk <= max + segment);
      CHECK(count <= most_files);
      test_files_check(&test_files);
    } while (uv_run(&test_files.loop, UV_RUN_ONCE));
  }
}

static void test_default(const char *place) {
  uint64_t max = 8 * MIB;
  test_files_open(&test_files, place, CAPACITY, UNIT, max);
  stream(64 * MIB, max, 10);
  weir_log_files_info_t info = test_files_info(&test_files);
  CHECK(info.rotations >= 24 && info.rotations <= 30);
  CHECK(info.bytes >= max / 4 * 3 - STAGE);
  CHECK_EQ(info.restarts, 0);
  CHECK_EQ(test_copy(&test_files, weir_log_tail(test_files.log), max),
           weir_log_head(test_files.log) - weir_log_tail(test_files.log) < max
               ? weir_log_head(test_files.log) - weir_log_tail(test_files.log)
               : max);
  test_watch_space(NULL, NULL);
  test_files_close(&test_files);
}

/* Appends some, and lets the disk write it, whatever reads hang. */
static weir_log_files_info_t append_beside_reads(void) {
  weir_log_files_info_t info;
  test_files_append(&test_files, CAPACITY / 8);
  do {
    uv_run(&test_files.loop, UV_RUN_NOWAIT);
    info = test_files_info(&test_files);
  } while (weir_log_head(test_files.log) - info.head > STAGE ||
           info.disk > info.bytes + info.max / WEIR_LOG_FILES_SEGMENTS);
  return info;
}

/* What a copy has read it holds no more: the space goes with the name. */
static void test_copied_space(const char *place) {
  uint64_t max = 8 * MIB;
  weir_log_files_info_t info;
  test_copy_t copy;
  test_files_open(&test_files, place, CAPACITY, UNIT, max);
  stream(16 * MIB, max, 10);
  do
    info = append_beside_reads();
  while (info.bytes < max - max / 16);
  uint64_t rotations = info.rotations;
  uint64_t reads = test_disk.reads;
  test_begin_copy(&test_files, &copy, info.tail, max);
  while (test_disk.reads < reads + 5)
    uv_run(&test_files.loop, UV_RUN_NOWAIT);
  test_disk.reads_hang = 1;
  CHECK(!copy.is_done);
  do {
    info = append_beside_reads();
    CHECK(test_watch.bytes <= max + max / 8);
  } while (info.rotations == rotations || info.bytes < max - max / 16);
  CHECK_EQ(info.rotations, rotations + 1);
  test_disk.reads_hang = 0;
  CHECK(test_end_copy(&test_files, &copy) > (int64_t)(max - max / 8));
  test_files_settle(&test_files);
  CHECK(test_watch.bytes <= max + max / 8);
  test_watch_space(NULL, NULL);
  test_files_close(&test_files);
}

/* What on_full asks for is aligned down, and clamped to what may be kept. */
static void test_asked(const char *place) {
  uint64_t max = 2 * MIB;
  test_files_open(&test_files, place, CAPACITY, UNIT, max);
  weir_log_files_close(test_files.log, NULL, NULL);
  test_files_settle(&test_files);
  test_remove_directory(test_files.path);
  test_files.cut = on_full;
  test_files_attach(&test_files);
  cuts = 0;
  cut_at = 2000 * UNIT + 17;
  while (cuts == 0)
    test_files_stream(&test_files, CAPACITY / 8);
  CHECK_EQ(cut_tail, 0);
  CHECK_EQ(test_files_info(&test_files).tail, 2000 * UNIT);
  CHECK_EQ(test_files_info(&test_files).head, cut_head);

  cut_at = 0; /* too much: max is what remains */
  for (uint32_t before = cuts; cuts == before;)
    test_files_stream(&test_files, CAPACITY / 8);
  uint64_t least = (cut_head - max + UNIT - 1) / UNIT * UNIT;
  CHECK_EQ(test_files_info(&test_files).tail, least);

  cut_at = UINT64_MAX; /* everything */
  for (uint32_t before = cuts; cuts == before;)
    test_files_stream(&test_files, CAPACITY / 8);
  test_files_check(&test_files);
  CHECK_EQ(test_files_info(&test_files).bytes, STAGE);
  CHECK_EQ(test_copy(&test_files, weir_log_tail(test_files.log), 4 * MIB),
           weir_log_head(test_files.log) - weir_log_tail(test_files.log));
  test_watch_space(NULL, NULL);
  test_files_close(&test_files);
}

static void test_changed(const char *place) {
  test_files_open(&test_files, place, CAPACITY, UNIT, 16 * MIB);
  CHECK_EQ(weir_log_files_set_max(test_files.log, WEIR_LOG_FILES_MIN - 1),
           WEIR_EOPTION);
  stream(20 * MIB, 16 * MIB, 10);
  uint64_t rotations = test_files_info(&test_files).rotations;
  CHECK_EQ(weir_log_files_set_max(test_files.log, 2 * MIB), 0);
  weir_log_files_info_t info = test_files_info(&test_files);
  CHECK_EQ(info.rotations, rotations + 1);
  CHECK_EQ(info.max, 2 * MIB);
  CHECK(info.bytes <= 2 * MIB && info.bytes > 0);
  test_files_check(&test_files);
  /* The segments of before are gone, but for one that is small enough. */
  test_files_settle(&test_files);
  stream(20 * MIB, 2 * MIB, 10);
  /* From small to great, step by step: small ones may be many. */
  for (uint64_t max = 2 * MIB; max <= 48 * MIB; max += MIB) {
    CHECK_EQ(weir_log_files_set_max(test_files.log, max), 0);
    stream(MIB, max, 17);
  }
  CHECK(test_files_info(&test_files).bytes > 30 * MIB);
  CHECK_EQ(test_files_info(&test_files).restarts, 0);
  weir_log_files_cut(test_files.log, weir_log_head(test_files.log));
  CHECK_EQ(test_files_info(&test_files).bytes, 0);
  test_files_check(&test_files);
  stream(4 * MIB, 48 * MIB, 17);
  uint64_t tail = weir_log_tail(test_files.log);
  weir_log_files_cut(test_files.log, tail + UNIT + 1);
  CHECK_EQ(weir_log_tail(test_files.log), tail + UNIT);
  weir_log_files_cut(test_files.log, tail); /* nothing to cut */
  CHECK_EQ(weir_log_tail(test_files.log), tail + UNIT);
  weir_log_files_clear(test_files.log);
  CHECK_EQ(weir_log_tail(test_files.log), weir_log_ring_tail(test_files.log));
  stream(4 * MIB, 48 * MIB, 17);
  CHECK(weir_log_tail(test_files.log) < weir_log_ring_tail(test_files.log));
  test_watch_space(NULL, NULL);
  test_files_close(&test_files);
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    test_default(place);
    test_copied_space(place);
    test_asked(place);
    test_changed(place);
  }
  return 0;
}
