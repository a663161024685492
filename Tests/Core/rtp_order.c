/* Datagrams come out in the order of their numbers, each at most once, as long
 * as they are not later than the window is wide or patience lasts; what is
 * missing is counted. */
#include "rtp_test.h"
#include "scale.h"

static test_order_t order;

static void expect(const uint32_t *numbers, uint32_t count) {
  CHECK_EQ(order.count, count);
  for (uint32_t i = 0; i < count; i++)
    CHECK_EQ(order.delivered[i], numbers[i]);
}

static void take_all(const uint32_t *sequences, uint32_t count) {
  test_order_start(&order);
  for (uint32_t i = 0; i < count; i++)
    test_rtp_take(&order, sequences[i], sequences[i], 7, 0);
}

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof(array)[0]))

static void test_swapped(void) {
  static const uint32_t in[] = {5, 7, 6, 8, 11, 10, 9, 12};
  static const uint32_t out[] = {5, 6, 7, 8, 9, 10, 11, 12};
  take_all(in, COUNT(in));
  expect(out, COUNT(out));
  CHECK_EQ(order.counters.reordered, 3);
  CHECK_EQ(order.counters.lost, 0);
  CHECK_EQ(weir__rtp_deadline(&order.rtp), UINT64_MAX);
}

static void test_twice(void) {
  static const uint32_t in[] = {5, 5, 7, 7, 6, 6, 5, 8};
  static const uint32_t out[] = {5, 6, 7, 8};
  take_all(in, COUNT(in));
  expect(out, COUNT(out));
  CHECK_EQ(order.counters.duplicates, 4);
  CHECK_EQ(order.counters.late, 0);
}

/* One is missing: the others wait until the window is full. */
static void test_window(void) {
  test_order_start(&order);
  test_rtp_take(&order, 0, 65530, 7, 0);
  for (uint32_t i = 2; i <= 32; i++) {
    test_rtp_take(&order, i, 65530 + i, 7, 0); /* past the wrap */
    CHECK_EQ(order.count, 1);
  }
  CHECK_EQ(order.counters.lost, 0);
  test_rtp_take(&order, 33, 65530 + 33, 7, 0);
  CHECK_EQ(order.count, 33);
  CHECK_EQ(order.counters.lost, 1);
  for (uint32_t i = 1; i < 33; i++)
    CHECK_EQ(order.delivered[i], i + 1);
  test_rtp_take(&order, 1, 65531, 7, 0); /* too late now */
  CHECK_EQ(order.count, 33);
  CHECK_EQ(order.counters.late, 1);
  CHECK_EQ(order.counters.duplicates, 0);
}

static void test_patience(void) {
  test_order_start(&order);
  test_rtp_take(&order, 0, 0, 7, 0);
  test_rtp_take(&order, 2, 2, 7, 10 * TEST_MS);
  test_rtp_take(&order, 5, 5, 7, 40 * TEST_MS);
  CHECK_EQ(weir__rtp_deadline(&order.rtp), 60 * TEST_MS);
  weir__rtp_expire(&order.rtp, 60 * TEST_MS - 1);
  CHECK_EQ(order.count, 1);
  weir__rtp_expire(&order.rtp, 60 * TEST_MS);
  static const uint32_t out[] = {0, 2, 5};
  expect(out, 2);
  CHECK_EQ(weir__rtp_deadline(&order.rtp), 90 * TEST_MS);
  weir__rtp_expire(&order.rtp, 90 * TEST_MS);
  expect(out, 3);
  CHECK_EQ(order.counters.lost, 3);
  CHECK_EQ(weir__rtp_deadline(&order.rtp), UINT64_MAX);
}

/* Another source is heard from its first on, once there are two; what waited of
 * the first goes before. */
static void test_source(void) {
  test_order_start(&order);
  test_rtp_take(&order, 1, 100, 7, 0);
  test_rtp_take(&order, 2, 102, 7, 0);
  test_rtp_take(&order, 3, 50, 8, 0);
  test_rtp_take(&order, 4, 51, 8, 0);
  static const uint32_t out[] = {1, 2, 3, 4};
  expect(out, 4);
  CHECK_EQ(order.restarts, 1);
  CHECK_EQ(order.counters.lost, 1);
}

/* Two send to one address, or somebody sends once: the first is still heard,
 * and nothing else. */
static void test_between(void) {
  test_order_start(&order);
  for (uint32_t i = 0; i < 1000; i++) {
    test_rtp_take(&order, i, 100 + i, 7, 0);
    test_rtp_take(&order, 5000 + i, 200 + i, 8 + i % 3, 0);
  }
  CHECK_EQ(order.count, 1000);
  for (uint32_t i = 0; i < 1000; i++)
    CHECK_EQ(order.delivered[i], i);
  CHECK_EQ(order.restarts, 0);
  CHECK_EQ(order.counters.late, 1000);
  CHECK_EQ(order.counters.lost, 0);
  /* The first falls silent. */
  test_rtp_take(&order, 7000, 2000, 8, 0);
  test_rtp_take(&order, 7001, 2001, 8, 0);
  CHECK_EQ(order.count, 1002);
  CHECK_EQ(order.delivered[1000], 7000);
  CHECK_EQ(order.restarts, 1);
}

/* Error correction beside the stream, before it and in runs. */
static void test_beside(void) {
  uint8_t other[12 + 100];
  test_order_start(&order);
  for (uint32_t i = 0; i < 100; i++) {
    for (uint32_t k = 0; k < 3; k++) {
      (void)test_datagram(other, 0, 3 * i + k, 9, 0);
      memset(other + 12, (int)k, 100);
      other[1] = 96;
      weir__rtp_take(&order.rtp, other, sizeof other, 0);
    }
    test_rtp_take(&order, i, 100 + i, 7, 0);
  }
  CHECK_EQ(order.count, 100);
  CHECK_EQ(order.restarts, 0);
  CHECK_EQ(order.counters.foreign, 300);
  CHECK_EQ(order.counters.late + order.counters.lost, 0);
}

/* Numbers far away: one is a stray, two in a row are a sender that began
 * again, and the first of them is its first. */
static void test_began_again(void) {
  static const uint32_t jumps[] = {3001, 20000, 40000, 65000};
  for (uint32_t i = 0; i < COUNT(jumps); i++) {
    test_order_start(&order);
    test_rtp_take(&order, 1, 1000, 7, 0);
    test_rtp_take(&order, 9, 1000 + jumps[i], 7, 0);
    test_rtp_take(&order, 2, 1001, 7, 0);
    CHECK_EQ(order.count, 2);
    CHECK_EQ(order.counters.late, 1);
    test_rtp_take(&order, 3, 1001 + jumps[i], 7, 0);
    test_rtp_take(&order, 4, 1002 + jumps[i], 7, 0);
    test_rtp_take(&order, 5, 1003 + jumps[i], 7, 0);
    static const uint32_t out[] = {1, 2, 3, 4, 5};
    expect(out, 5);
    CHECK_EQ(order.restarts, 1);
    CHECK_EQ(order.counters.late, 1);
    CHECK_EQ(order.counters.lost, 0);
  }
  /* A burst of loss is none. */
  test_order_start(&order);
  test_rtp_take(&order, 1, 1000, 7, 0);
  test_rtp_take(&order, 2, 3999, 7, 0);
  weir__rtp_expire(&order.rtp, TEST_MS * 1000);
  static const uint32_t out[] = {1, 2};
  expect(out, 2);
  CHECK_EQ(order.restarts, 0);
  CHECK_EQ(order.counters.lost, 2998);
}

/*
 * A network that loses, doubles and delays by up to `delay` places. Every
 * number is delivered in order, and all that arrived when no delay exceeds
 * the window; the counters add up.
 */
static void test_network(uint64_t seed, uint32_t delay, uint32_t loss) {
  enum { SENT = 20000 };
  static uint8_t arrived[SENT];
  static struct {
    uint32_t number;
    uint32_t at;
  } wire[2 * SENT];
  uint32_t count = 0, given = 0;
  uint64_t random = seed;
  uint32_t first = (uint32_t)test_random(&random) & 0xffff;
  memset(arrived, 0, sizeof arrived);
  for (uint32_t i = 0; i < SENT; i++) {
    int copies = i > 0 && test_random(&random) % 100 < loss ? 0 : 1;
    if (copies && test_random(&random) % 50 == 0) copies = 2;
    while (copies-- > 0) {
      wire[count].number = i;
      wire[count++].at =
          i +
          (i > 0 && delay > 0 ? (uint32_t)(test_random(&random) % delay) : 0);
    }
  }
  /* Sorted by insertion: nothing moves far. */
  for (uint32_t i = 1; i < count; i++)
    for (uint32_t k = i; k > 1 && wire[k - 1].at > wire[k].at; k--) {
      __typeof__(wire[0]) other = wire[k];
      wire[k] = wire[k - 1];
      wire[k - 1] = other;
    }
  test_order_start(&order);
  uint64_t now = 0;
  for (uint32_t i = 0; i < count; i++) {
    now += TEST_MS / 10;
    test_rtp_take(&order, wire[i].number, first + wire[i].number, 7, now);
    weir__rtp_expire(&order.rtp, now);
    if (!arrived[wire[i].number]) given++;
    arrived[wire[i].number] = 1;
  }
  weir__rtp_expire(&order.rtp, now + 1000 * TEST_MS);
  for (uint32_t i = 1; i < order.count; i++)
    CHECK(order.delivered[i] > order.delivered[i - 1]);
  for (uint32_t i = 0; i < order.count; i++)
    CHECK(arrived[order.delivered[i]]);
  weir_source_datagrams_t *counters = &order.counters;
  CHECK_EQ(order.count + counters->late + counters->duplicates, count);
  CHECK_EQ(counters->lost, order.delivered[order.count - 1] -
                               order.delivered[0] + 1 - order.count);
  CHECK_EQ(order.restarts, 0);
  if (delay <= WEIR_SOURCE_REORDER) {
    CHECK_EQ(order.count, given);
    CHECK_EQ(counters->late, 0);
  } else {
    CHECK(counters->late > 0);
  }
  if (delay == 0) CHECK_EQ(counters->reordered, 0);
  if (delay > 3) CHECK(counters->reordered > 1000);
}

int main(void) {
  test_swapped();
  test_twice();
  test_window();
  test_patience();
  test_source();
  test_between();
  test_beside();
  test_began_again();
  for (uint64_t seed = 1; seed <= 5 * test_scale(); seed++) {
    test_network(seed, 0, 2);
    test_network(seed, 4, 2);
    test_network(seed, 16, 10);
    test_network(seed, 32, 0);
    test_network(seed, 80, 2);
  }
  return 0;
}
