/* contenders.h - queues that do the same work. */
#ifndef BENCH_QUEUE_CONTENDERS_H
#define BENCH_QUEUE_CONTENDERS_H

#include "hold.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct contender {
  const char *name; /* NULL: built without it */
  hold_t *hold;
} contender_t;

/* By priority, first come first served among equals, no id twice. */
extern const contender_t weir_queue;
extern const contender_t weir_queue_ageing; /* the same, and each job ages */
extern const contender_t binary_heap;

/* First in, first out; ids are not looked at. */
extern const contender_t weir_fifo;
extern const contender_t ck_spsc;
extern const contender_t std_deque;
extern const contender_t camel_queue;

/* Messages from another thread to a loop. Nanoseconds for all of them, by the
 * clock, and how often the loop was woken. */
typedef struct delivery {
  double nanoseconds;
  uint64_t wakeups;
} delivery_t;

delivery_t deliver_by_mailbox(uint64_t messages);
delivery_t deliver_by_mutex(uint64_t messages);

#ifdef __cplusplus
}
#endif

#endif
