/*
 * hold.h - one job off a queue and another one in, over and over, while their
 * number stays the same.
 *
 * Everybody's loop is this one, with calls of its own in it: what a compiler
 * has in front of itself it may inline, what is in a library is called.
 */
#ifndef BENCH_QUEUE_HOLD_H
#define BENCH_QUEUE_HOLD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PRIORITIES 65536u /* that are drawn before; jobs take them in turn */

typedef struct work {
  uint32_t size; /* jobs in the queue */
  uint64_t operations;
  const uint8_t *priorities;
  uint64_t order; /* what follows from the ids in the order they came */
} work_t;

/* Nanoseconds of CPU time for one pop and one push. */
typedef double hold_t(work_t *work);

static inline double cpu_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* `push` returns 1, or 0 when the id is there already; `pop` the id: there is
 * one. */
static inline __attribute__((always_inline)) double hold(
    work_t *work, void *(*create)(uint32_t capacity),
    int (*push)(void *queue, uint64_t id, uint8_t priority, uint64_t now),
    uint64_t (*pop)(void *queue, uint64_t now), void (*destroy)(void *queue)) {
  void *queue = create(work->size);
  uint64_t pushed = 0, now = 0, order = 0;
  int added = 1;
  for (; pushed < work->size; pushed++)
    added &= push(queue, pushed * UINT64_C(0x9E3779B97F4A7C15),
                  work->priorities[pushed % PRIORITIES], ++now);
  double begin = cpu_time();
  for (uint64_t i = 0; i < work->operations; i++, pushed++) {
    order = order * 31 + pop(queue, ++now);
    added &= push(queue, pushed * UINT64_C(0x9E3779B97F4A7C15),
                  work->priorities[pushed % PRIORITIES], now);
  }
  double spent = cpu_time() - begin;
  destroy(queue);
  if (!added) {
    fprintf(stderr, "queues: a job was not taken\n");
    exit(1);
  }
  work->order = order;
  return spent / (double)work->operations;
}

#endif
