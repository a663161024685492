/* A source's options are checked by every kind alike, and read from hosts of
 * other versions. */
#include <unistd.h>

#include "source_test.h"

static test_source_t test;

enum { FD, FILE_KIND, TONE, KINDS };

/* Opens a source of a kind with a descriptor that is closed again if refused;
 * one that opens is closed. */
static int open_kind(int kind, const weir_source_options_t *options) {
  uv_loop_t *loop = &test.bench.loop;
  if (kind == TONE) return weir_source_open_tone(loop, &test.source, options);
  int ends[2] = {-1, -1}, error;
  if (kind == FD) {
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    error = weir_source_open_fd(loop, &test.source, ends[0], options);
    CHECK_EQ(close(ends[1]), 0);
  } else {
    ends[0] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(ends[0] >= 0);
    error = weir_source_open_file(loop, &test.source, ends[0], options);
  }
  if (error < 0) CHECK_EQ(close(ends[0]), 0);
  return error;
}

static void check(int expected, int kind,
                  const weir_source_options_t *options) {
  test.closed = 0;
  test.source = NULL;
  CHECK_EQ(open_kind(kind, options), expected);
  CHECK_EQ(test.source == NULL, expected < 0);
  weir_source_close(test.source, test_source_closed);
  test_settle(&test);
  CHECK_EQ(test.closed, expected == 0);
}

static void test_sizes(int kind) {
  weir_source_options_t options = test_source_options(&test);
  check(0, kind, &options);
  check(WEIR_EOPTION, kind, NULL);
  options.size = offsetof(weir_source_options_t, track) - 1;
  check(WEIR_EOPTION, kind, &options);
  options.size = 0;
  check(WEIR_EOPTION, kind, &options);
  /* A newer host's, whose last field is not known here. */
  struct {
    weir_source_options_t known;
    uint64_t later;
  } newer = {test_source_options(&test), 42};
  newer.known.size = sizeof newer;
  check(0, kind, &newer.known);
}

static void test_required(int kind) {
  weir_source_options_t options = test_source_options(&test);
  options.log = NULL;
  check(WEIR_EOPTION, kind, &options);
  options = test_source_options(&test);
  options.on_end = NULL;
  check(WEIR_EOPTION, kind, &options);
}

static void test_pace(int kind) {
  static const uint64_t refused[] = {1, WEIR_SOURCE_PACE_MIN_NS - 1,
                                     WEIR_SOURCE_PACE_MAX_NS + 1, UINT64_MAX};
  static const uint64_t accepted[] = {
      0, WEIR_SOURCE_PACE_MIN_NS, WEIR_SOURCE_PACE_NS, WEIR_SOURCE_PACE_MAX_NS};
  weir_source_options_t options = test_source_options(&test);
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    options.pace = refused[i];
    check(WEIR_EOPTION, kind, &options);
  }
  for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
    options.pace = accepted[i];
    check(0, kind, &options);
  }
}

/* A tone cannot wait for anybody: who asks for that is told at once. */
static void test_policies(int kind) {
  static const weir_slow_policy_t policies[] = {
      WEIR_SLOW_SKIP, WEIR_SLOW_DISCONNECT, WEIR_SLOW_PAUSE};
  for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
    weir_fanout_options_t fanout = test_bench_options(&test.bench);
    fanout.policy = policies[i];
    CHECK_EQ(weir_fanout_create(&test.bench.loop, &test.bench.fanout, &fanout),
             0);
    weir_source_options_t options = test_source_options(&test);
    int refused = kind == TONE && policies[i] == WEIR_SLOW_PAUSE;
    check(refused ? WEIR_EOPTION : 0, kind, &options);
    weir_fanout_close(test.bench.fanout, NULL);
    test.bench.fanout = NULL;
    test_settle(&test);
  }
}

int main(void) {
  test_source_start(&test, 200000, 4);
  for (int kind = FD; kind < KINDS; kind++) {
    test_sizes(kind);
    test_required(kind);
    test_pace(kind);
    test_policies(kind);
  }
  test.source = NULL;
  test_source_finish(&test);
  return 0;
}
