/* Jobs leave by rank: priority, with a bonus while they are fresh, and before
 * all others when they have waited too long; first come first served. */
#include "queue_test.h"

static weir_queue_t *queue;

static void push(uint64_t id, uint8_t priority, uint64_t now) {
  weir_job_t job = {.id = id, .submitted = now, .priority = priority};
  CHECK_EQ(weir_queue_push(queue, &job, now, NULL), WEIR_QUEUE_ADDED);
}

static void expect(uint64_t now, uint64_t id, uint16_t rank) {
  weir_job_t next = {0}, job = {0};
  CHECK_EQ(weir_queue_peek(queue, now, &next), 1);
  CHECK_EQ(weir_queue_pop(queue, now, &job), 1);
  CHECK_EQ(job.id, id);
  CHECK_EQ(job.rank, rank);
  CHECK_EQ(next.id, id);
}

static void expect_empty(uint64_t now) {
  weir_job_t job = {.id = 4711};
  CHECK_EQ(weir_queue_pop(queue, now, &job), 0);
  CHECK_EQ(weir_queue_peek(queue, now, &job), 0);
  CHECK_EQ(job.id, 4711);
  CHECK_EQ(weir_queue_length(queue), 0);
}

static void test_priorities(void) {
  queue = test_queue((weir_queue_options_t){.capacity = 300});
  for (uint32_t i = 0; i < 256; i++)
    push(i, (uint8_t)(i * 37), 0); /* every priority, in a mixed order */
  push(1000, 255, 0);
  push(1001, 0, 0);
  for (uint32_t i = 0; i < 256; i++) {
    uint8_t priority = (uint8_t)(255 - i);
    uint64_t id = 0;
    while ((uint8_t)(id * 37) != priority)
      id++;
    expect(0, id, priority);
    if (priority == 255) expect(0, 1000, 255);
  }
  expect(0, 1001, 0);
  expect_empty(0);
  weir_queue_destroy(queue);
}

static void test_ages(void) {
  queue = test_queue((weir_queue_options_t){
      .fresh_bonus = 15, .fresh_for = 100, .aging_cap = 1000});
  push(1, 50, 0);
  push(2, 40, 50);
  push(3, 36, 60);
  /* 1 is aged at 100, and still before 2, of lower rank; at 99 it was not. */
  weir_job_t job;
  CHECK_EQ(weir_queue_peek(queue, 99, &job), 1);
  CHECK(job.id == 1 && job.rank == 65);
  CHECK_EQ(weir_queue_peek(queue, 100, &job), 1);
  CHECK(job.id == 2 && job.rank == 55);
  expect(100, 2, 55);
  /* 51 fresh and 50 aged; at 160 both are aged. */
  CHECK_EQ(weir_queue_find(queue, 3, &job), 1);
  CHECK_EQ(job.rank, 51);
  CHECK_EQ(weir_queue_peek(queue, 160, &job), 1);
  CHECK(job.id == 1 && job.rank == 50);
  /* Equal ranks: who is aged came earlier. */
  push(4, 35, 160);
  expect(160, 1, 50);
  expect(160, 4, 50);
  push(5, 21, 170);
  expect(170, 3, 36);
  expect(170, 5, 36);
  /* The cap: at 1000 ms a job waits in its place, after that it is first. */
  push(6, 0, 1000);
  push(7, 0, 1001);
  push(8, 255, 2000);
  CHECK_EQ(weir_queue_peek(queue, 2000, &job), 1);
  CHECK_EQ(job.id, 8);
  CHECK_EQ(weir_queue_peek(queue, 2001, &job), 1);
  CHECK_EQ(job.id, 6);
  expect(2002, 6, WEIR_QUEUE_OVERDUE);
  expect(2002, 7, WEIR_QUEUE_OVERDUE);
  expect(2002, 8, 270);
  expect_empty(9999);
  weir_queue_destroy(queue);
}

/* A clock that goes back is not followed; the future counts as now. */
static void test_clocks(void) {
  queue =
      test_queue((weir_queue_options_t){.fresh_bonus = 10, .fresh_for = 100});
  weir_job_t job = {.id = 1, .submitted = 5000, .priority = 1};
  CHECK_EQ(weir_queue_push(queue, &job, 1000, NULL), WEIR_QUEUE_ADDED);
  uint64_t oldest = 0;
  CHECK_EQ(weir_queue_oldest(queue, &oldest), 1);
  CHECK_EQ(oldest, 1000);
  CHECK_EQ(weir_queue_peek(queue, 1100, &job), 1);
  CHECK_EQ(job.rank, 1);
  expect(0, 1, 1);
  CHECK_EQ(weir_queue_oldest(queue, &oldest), 0);
  weir_queue_destroy(queue);
}

/* Jobs of any age can come in any order. */
static void test_late_ones(void) {
  queue = test_queue((weir_queue_options_t){
      .fresh_bonus = 10, .fresh_for = 100, .aging_cap = 1000});
  static const uint64_t submitted[] = {2000, 950, 1990, 940, 1500, 1901, 1900};
  for (uint64_t i = 0; i < 7; i++) {
    weir_job_t job = {.id = i, .submitted = submitted[i], .priority = 7};
    CHECK_EQ(weir_queue_push(queue, &job, 2000, NULL), WEIR_QUEUE_ADDED);
  }
  uint64_t oldest = 0;
  CHECK_EQ(weir_queue_oldest(queue, &oldest), 1);
  CHECK_EQ(oldest, 940);
  expect(2000, 3, WEIR_QUEUE_OVERDUE);
  expect(2000, 1, WEIR_QUEUE_OVERDUE);
  expect(2000, 0, 17);
  expect(2000, 2, 17);
  expect(2001, 4, 7); /* 5 is aged by now, and came after these two */
  expect(2001, 6, 7);
  expect(2001, 5, 7);
  expect_empty(2001);
  weir_queue_destroy(queue);
}

static void test_updates(void) {
  queue = test_queue((weir_queue_options_t){.aging_cap = 100});
  for (uint64_t id = 1; id <= 4; id++)
    push(id, 10, 0);
  CHECK_EQ(weir_queue_update(queue, 1, 10, 0), 1); /* nothing changes */
  CHECK_EQ(weir_queue_update(queue, 2, 20, 0), 1);
  CHECK_EQ(weir_queue_update(queue, 2, 10, 0), 1); /* last among its equals */
  CHECK_EQ(weir_queue_update(queue, 4, 200, 0), 1);
  CHECK_EQ(weir_queue_update(queue, 5, 1, 0), 0);
  expect(0, 4, 200);
  expect(0, 1, 10);
  weir_job_t job;
  CHECK_EQ(weir_queue_cancel(queue, 3, &job), 1);
  CHECK_EQ(job.id, 3);
  CHECK_EQ(weir_queue_cancel(queue, 3, NULL), 0);
  CHECK_EQ(weir_queue_find(queue, 3, NULL), 0);
  push(6, 30, 50);
  /* An overdue job stays where it is, and keeps what it was given. */
  CHECK_EQ(weir_queue_update(queue, 2, 99, 101), 1);
  CHECK_EQ(weir_queue_find(queue, 2, &job), 1);
  CHECK(job.priority == 99 && job.rank == WEIR_QUEUE_OVERDUE);
  expect(101, 2, WEIR_QUEUE_OVERDUE);
  expect(101, 6, 30);
  expect_empty(101);
  weir_queue_destroy(queue);
}

int main(void) {
  test_priorities();
  test_ages();
  test_clocks();
  test_late_ones();
  test_updates();
  return 0;
}
