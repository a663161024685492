/* A queue's options are checked; its memory is taken when it is made and never
 * again, from nowhere else, and without it nothing is left behind. */
#include "purse.h"
#include "queue_test.h"

#define CAPACITY 1000u

/* Everything that the program takes from the C library passes here, but where
 * a sanitizer has an allocator of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

static _Atomic uint64_t taken;

#ifndef HAS_SANITIZER
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);

void *malloc(size_t bytes) {
  taken++;
  return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
  taken++;
  return __libc_calloc(count, bytes);
}

void *realloc(void *pointer, size_t bytes) {
  taken++;
  return __libc_realloc(pointer, bytes);
}
#endif

static weir_queue_options_t all_options(void) {
  return (weir_queue_options_t){.size = sizeof(weir_queue_options_t),
                                .capacity = CAPACITY,
                                .full = WEIR_QUEUE_EVICT_LOWEST,
                                .fresh_bonus = 15,
                                .fresh_for = 700,
                                .aging_cap = 2000};
}

/* Every operation, full and empty, through both ages. */
static void use(weir_queue_t *queue) {
  static weir_job_t jobs[CAPACITY];
  weir_queue_counters_t counters;
  weir_job_t job;
  uint64_t seed = 1, now = 0;
  for (uint32_t i = 0; i < 100 * CAPACITY; i++) {
    uint64_t random = test_random(&seed);
    job = (weir_job_t){.id = random >> 8 & 2047,
                       .submitted = now - (random >> 20 & 63),
                       .priority = (uint8_t)random};
    now += random >> 32 & 3;
    CHECK(weir_queue_push(queue, &job, now, &job) >= WEIR_EFULL);
    if (i % 4 == 0) CHECK_EQ(weir_queue_pop(queue, now, &job), 1);
    if (i % 5 == 0) (void)weir_queue_cancel(queue, random >> 40 & 2047, &job);
    (void)weir_queue_update(queue, random >> 24 & 2047, (uint8_t)~random, now);
    (void)weir_queue_find(queue, random >> 28 & 2047, &job);
    CHECK_EQ(weir_queue_peek(queue, now, &job), weir_queue_length(queue) > 0);
    if (i % 1000 == 0)
      CHECK_EQ(weir_queue_snapshot(queue, now, jobs, CAPACITY),
               weir_queue_length(queue));
  }
  weir_queue_counters(queue, &counters);
  CHECK_EQ(counters.most, CAPACITY);
  CHECK(counters.added > 1000 && counters.popped > 1000);
  CHECK(counters.cancelled > 1000 && counters.duplicates > 1000);
  CHECK(counters.evicted > 1000 && counters.refused > 10);
  CHECK(counters.aged > 1000 && counters.overdue > 100);
  CHECK_EQ(counters.added, counters.popped + counters.evicted +
                               counters.cancelled + weir_queue_length(queue));
}

static void test_no_allocation(void) {
  test_purse_t purse = {0};
  weir_allocator_t allocator = test_allocator(&purse);
  weir_queue_options_t options = all_options();
  options.allocator = &allocator;
  weir_queue_t *queue = NULL;
  uint64_t before = taken;
  CHECK_EQ(weir_queue_create(&queue, &options), 0);
#ifndef HAS_SANITIZER
  CHECK(taken > before); /* or nothing is counted at all */
#endif
  before = taken;
  uint64_t calls = purse.calls, live = purse.live;
  use(queue);
  CHECK_EQ(taken, before);
  CHECK_EQ(purse.calls, calls);
  CHECK_EQ(purse.live, live);
  CHECK(live <= CAPACITY * (64 + 64) + 8192);
  weir_queue_destroy(queue);
  CHECK_EQ(purse.live, 0);
}

static void test_no_memory(void) {
  for (uint64_t fail = 1; fail <= 2; fail++) {
    test_purse_t purse = {.fail = fail};
    weir_allocator_t allocator = test_allocator(&purse);
    weir_queue_options_t options = all_options();
    options.allocator = &allocator;
    weir_queue_t *queue = NULL;
    int status = weir_queue_create(&queue, &options);
    CHECK_EQ(status, fail <= 1 ? UV_ENOMEM : 0);
    CHECK((status == 0) == (queue != NULL));
    weir_queue_destroy(queue);
    CHECK_EQ(purse.live, 0);
  }
}

static int create(weir_queue_options_t options) {
  weir_queue_t *queue = NULL;
  options.size = sizeof options;
  int status = weir_queue_create(&queue, &options);
  CHECK((status == 0) == (queue != NULL));
  weir_queue_destroy(queue);
  return status;
}

static void test_options(void) {
  weir_queue_t *queue = NULL;
  CHECK_EQ(weir_queue_create(&queue, NULL), WEIR_EOPTION);
  weir_queue_options_t options = {.size = sizeof options - 1};
  CHECK_EQ(weir_queue_create(&queue, &options), WEIR_EOPTION);
  CHECK(queue == NULL);
  weir_queue_destroy(NULL);
  CHECK_EQ(
      create((weir_queue_options_t){.capacity = WEIR_QUEUE_MAX_CAPACITY + 1}),
      WEIR_EOPTION);
  CHECK_EQ(create((weir_queue_options_t){.capacity = UINT32_MAX}),
           WEIR_EOPTION);
  CHECK_EQ(create((weir_queue_options_t){.full = WEIR_QUEUE_EVICT_LOWEST + 1}),
           WEIR_EOPTION);
  CHECK_EQ(create((weir_queue_options_t){.capacity = 1}), 0);

  /* Defaults: 500 jobs, no bonus, overdue after five minutes, full refuses. */
  queue = test_queue((weir_queue_options_t){0});
  weir_job_t job = {0};
  for (; job.id < WEIR_QUEUE_CAPACITY; job.id++)
    CHECK_EQ(weir_queue_push(queue, &job, 0, NULL), WEIR_QUEUE_ADDED);
  job.priority = 255;
  weir_job_t untouched = job;
  CHECK_EQ(weir_queue_push(queue, &job, 0, &untouched), WEIR_EFULL);
  CHECK(memcmp(&untouched, &job, sizeof job) == 0);
  CHECK_EQ(weir_queue_peek(queue, 300000, &job), 1);
  CHECK_EQ(job.rank, 0);
  CHECK_EQ(weir_queue_peek(queue, 300001, &job), 1);
  CHECK_EQ(job.rank, WEIR_QUEUE_OVERDUE);
  weir_queue_destroy(queue);

  /* Never is never. */
  queue = test_queue((weir_queue_options_t){.aging_cap = WEIR_QUEUE_NEVER});
  job = (weir_job_t){.id = 1, .priority = 3};
  CHECK_EQ(weir_queue_push(queue, &job, 0, NULL), WEIR_QUEUE_ADDED);
  CHECK_EQ(weir_queue_peek(queue, UINT64_MAX, &job), 1);
  CHECK_EQ(job.rank, 3);
  weir_queue_destroy(queue);
}

int main(void) {
  test_options();
  test_no_memory();
  test_no_allocation();
  return 0;
}
