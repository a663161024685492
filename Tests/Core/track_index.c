/* The index keeps what it is given in its order, thins out the old when it is
 * full, and drops points with the PSI that they need: against a plain list. */
#include "track_index.h"

#include "allocation.h"
#include "scale.h"
#include "test.h"

#define MOST WEIR_TRACK_JOINS_MAX

static weir__point_t list[MOST + 1];
static uint32_t count;
static uint32_t number; /* of the newest set */

static void model_add(const weir__point_t *point) {
  if (count > 0 && list[count - 1].position >= point->position) return;
  if (count == MOST) {
    uint32_t half = count / 2, kept = 0;
    for (uint32_t i = 0; i < count; i++)
      if (i >= half || i % 2 == 0) list[kept++] = list[i];
    count = kept;
  }
  list[count] = *point;
  list[count].psi = number;
  if (count > 0 && list[count].time < list[count - 1].time)
    list[count].time = list[count - 1].time;
  count++;
}

static void model_renew(void) {
  if (number == 0 || (count > 0 && list[count - 1].psi == number)) number++;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; i++)
    if (list[i].psi + WEIR__PSI_SETS > number) list[kept++] = list[i];
  count = kept;
}

static void check(const weir__index_t *index, uint64_t *seed) {
  CHECK_EQ(index->count, count);
  CHECK_EQ(index->newest, number);
  for (uint32_t i = 0; i < count; i++) {
    const weir__point_t *point = weir__index_at(index, i);
    CHECK_EQ(point->position, list[i].position);
    CHECK_EQ(point->time, list[i].time);
    CHECK_EQ(point->psi, list[i].psi);
    for (uint32_t k = 0; k < WEIR__PSI_PIDS; k++)
      CHECK_EQ(weir__point_counter(point, k), weir__point_counter(&list[i], k));
  }
  for (int i = 0; i < 20; i++) {
    uint64_t most = count > 0 ? list[count - 1].position + 10 : 10;
    uint64_t position = test_random(seed) % most;
    int64_t time = (int64_t)(test_random(seed) % most);
    uint32_t below = 0, until = 0;
    while (below < count && list[below].position <= position)
      below++;
    while (until < count && list[until].time <= time)
      until++;
    CHECK_EQ(weir__index_below(index, position), below);
    CHECK_EQ(weir__index_until(index, time), until);
  }
}

static void run(uint64_t seed, uint64_t steps) {
  static weir__psi_t psi;
  weir__index_t index;
  weir_allocator_t allocator = weir__allocator(NULL);
  CHECK_EQ(weir__index_open(&index, &allocator), 0);
  count = number = 0;
  uint64_t position = 0;
  memset(&psi, 0, sizeof psi);
  for (uint64_t i = 0; i < steps; i++) {
    uint64_t pick = test_random(&seed) % 3000;
    if (pick == 0 && i % 7 == 0) {
      index.count = count = 0;
    } else if (pick < 3 || i == 0) {
      psi.bytes[0]++;
      weir__index_renew(&index, &psi);
      weir__index_renew(&index, &psi); /* the same: no-op */
      model_renew();
    } else {
      weir__point_t point = {.position = position,
                             .time = (int64_t)position - 3};
      for (uint32_t k = 0; k < WEIR__PSI_PIDS; k++)
        weir__point_set_counter(&point, k, (uint32_t)test_random(&seed));
      weir__index_add(&index, &point);
      model_add(&point);
      position += test_random(&seed) % 3; /* not always newer */
      if (test_random(&seed) % 100 == 0 && position > 50) position -= 2;
    }
    if (i % 500 == 0) check(&index, &seed);
  }
  check(&index, &seed);
  weir__index_close(&index, &allocator);
}

/* The packets of a PID end in the counter that was the stream's last. */
static void test_preamble(void) {
  static weir__psi_t psi;
  static uint8_t packets[WEIR_TRACK_PREAMBLE_MAX];
  weir_allocator_t allocator = weir__allocator(NULL);
  weir__index_t index;
  CHECK_EQ(weir__index_open(&index, &allocator), 0);
  weir__point_t point = {.position = 188};
  CHECK_EQ(weir__index_preamble(&index, &point, packets), 0);
  psi.packets = 5;
  psi.pids = 4;
  static const uint8_t of[] = {0, 1, 1, 2, 1};
  memcpy(psi.of, of, sizeof of);
  for (uint32_t i = 0; i < 5; i++) {
    psi.bytes[i * WEIR_TS_PACKET] = WEIR_TS_SYNC;
    psi.bytes[i * WEIR_TS_PACKET + 3] = 0x10;
    psi.bytes[i * WEIR_TS_PACKET + 4] = (uint8_t)i;
  }
  weir__index_renew(&index, &psi);
  weir__point_set_counter(&point, 0, 9);
  weir__point_set_counter(&point, 1, 1);
  weir__point_set_counter(&point, 2, 0);
  weir__index_add(&index, &point);
  CHECK_EQ(weir__index_preamble(&index, weir__index_at(&index, 0), packets),
           5 * WEIR_TS_PACKET);
  static const uint8_t counters[] = {9, 15, 0, 0, 1};
  for (uint32_t i = 0; i < 5; i++) {
    CHECK_EQ(packets[i * WEIR_TS_PACKET + 3], 0x10 | counters[i]);
    CHECK_EQ(packets[i * WEIR_TS_PACKET + 4], i);
  }
  weir__index_close(&index, &allocator);
}

int main(void) {
  uint64_t scale = test_scale();
  for (uint64_t seed = 1; seed <= 4 * scale; seed++)
    run(seed, 40000);
  test_preamble();
  return 0;
}
