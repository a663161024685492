/*
 * queue.h - a bounded priority queue of jobs in which every operation is O(1).
 *
 * A job has an id, a priority of 0 ... 255 and the time it was submitted. What
 * it is ordered by is its rank:
 *
 *   fresh    priority + fresh_bonus, for `fresh_for` after it was submitted
 *   aged     priority, from then on
 *   overdue  WEIR_QUEUE_OVERDUE, once it has waited longer than `aging_cap`
 *
 * The highest rank goes first. Among equal ranks the aged go before the fresh,
 * and otherwise those that came to that rank earlier before the later ones;
 * overdue jobs go in the order of their submission. So jobs that are pushed in
 * the order of their submission leave in the order of rank, then submission,
 * and none waits for ever.
 *
 * Times are milliseconds of one clock, any, that the caller reads: nothing
 * here asks the system. A `now` that is less than an earlier one counts as
 * that one, and a job submitted later than now as submitted now.
 *
 * Memory is taken when the queue is made and at no other time. A job moves at
 * most twice of itself, so ageing is O(1) a job; the call that finds many due
 * moves them all (each some 10 ns). A job submitted before some that are in
 * the queue already is put in its place among the ages, from where the last
 * one was put: O(1) when jobs come in order, O(those between) when not, so
 * that many old ones are best pushed in their own order.
 *
 * Not synchronised: it belongs to one thread, whichever that is; from others
 * jobs come by mailbox.h.
 */
#ifndef WEIR_QUEUE_H
#define WEIR_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_QUEUE_CAPACITY     500u       /* jobs, by default */
#define WEIR_QUEUE_MAX_CAPACITY 0x1000000u /* 16 777 216 jobs: 1.5 GiB */
#define WEIR_QUEUE_FRESH_FOR    60000u     /* ms, by default */
#define WEIR_QUEUE_AGING_CAP    300000u    /* ms, by default */
#define WEIR_QUEUE_NEVER        UINT64_MAX /* of aging_cap: none is overdue */
#define WEIR_QUEUE_OVERDUE      UINT16_MAX /* a rank above all others */

typedef struct weir_queue weir_queue_t;

typedef struct weir_job {
  uint64_t id;        /* any number; in a queue once at most */
  uint64_t submitted; /* ms */
  void *data;         /* the caller's; the queue does not look at it */
  uint8_t priority;
  uint16_t rank; /* set by the queue in what it hands out; not read by it */
} weir_job_t;

/* What happens to a job that comes when the queue is full. */
typedef enum weir_queue_full {
  WEIR_QUEUE_REJECT, /* it is refused: WEIR_EFULL */
  /* The job that would leave last goes for it, if its rank is lower than that
   * of the newcomer, which is refused otherwise. */
  WEIR_QUEUE_EVICT_LOWEST
} weir_queue_full_t;

/* What weir_queue_push() did. */
typedef enum weir_queue_pushed {
  WEIR_QUEUE_ADDED = 0,
  WEIR_QUEUE_DUPLICATE = 1, /* its id was there already */
  WEIR_QUEUE_EVICTED = 2    /* added, and another job went for it */
} weir_queue_pushed_t;

typedef struct weir_queue_options {
  size_t size;
  uint32_t capacity;   /* jobs, at most WEIR_QUEUE_MAX_CAPACITY */
  uint32_t full;       /* weir_queue_full_t; default WEIR_QUEUE_REJECT */
  uint8_t fresh_bonus; /* default 0: all jobs are aged from the beginning */
  /* ms from submission for which a job is fresh: that long and no longer. */
  uint64_t fresh_for;
  /* ms from submission after which a job goes before all others. */
  uint64_t aging_cap;
  const weir_allocator_t *allocator;
} weir_queue_options_t;

/* Numbers of jobs since the queue was made. Every job that was added has been
 * popped, evicted or cancelled, or is still there. */
typedef struct weir_queue_counters {
  uint64_t added;
  uint64_t popped;
  uint64_t duplicates; /* pushes of an id that was there */
  uint64_t refused;    /* for want of room */
  uint64_t evicted;
  uint64_t cancelled;
  uint64_t aged;    /* that lost their bonus while they waited */
  uint64_t overdue; /* that waited longer than the aging cap */
  uint64_t most;    /* that were in it at once */
} weir_queue_counters_t;

/* Makes a queue and takes all of its memory: for each job 64 bytes, and 32 to
 * 64 to find it by its id. WEIR_EOPTION, UV_ENOMEM; what uv_random() fails
 * with. */
WEIR_EXTERN WEIR_NODISCARD int weir_queue_create(
    weir_queue_t **queue, const weir_queue_options_t *options);

/*
 * Adds a copy of a job. A weir_queue_pushed_t, or WEIR_EFULL.
 *
 * A duplicate is not added. If its priority is the higher one, the job that is
 * there gets it, as by weir_queue_update(); its data and the time it was
 * submitted stay.
 *
 * *evicted (may be NULL, or the job itself) is the job that went, and is left
 * as it was when none did.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_queue_push(weir_queue_t *queue,
                                               const weir_job_t *job,
                                               uint64_t now,
                                               weir_job_t *evicted);

/* Takes the first job off: 1. Empty: 0, and *job is as it was. */
WEIR_EXTERN WEIR_NODISCARD int weir_queue_pop(weir_queue_t *queue, uint64_t now,
                                              weir_job_t *job);

/* The same, and leaves it there. */
WEIR_EXTERN WEIR_NODISCARD int weir_queue_peek(weir_queue_t *queue,
                                               uint64_t now, weir_job_t *job);

/* Looks a job up: 1 and *job (may be NULL), or 0. Its rank is that of the last
 * call that was told the time. */
WEIR_EXTERN int weir_queue_find(const weir_queue_t *queue, uint64_t id,
                                weir_job_t *job);

/* Takes a job out, wherever it is: 1 and *job (may be NULL), or 0. */
WEIR_EXTERN int weir_queue_cancel(weir_queue_t *queue, uint64_t id,
                                  weir_job_t *job);

/* Gives a job another priority; with it, it comes last among its equals. When
 * it is the one that it has, nothing changes. 1, or 0 when it is not there. */
WEIR_EXTERN int weir_queue_update(weir_queue_t *queue, uint64_t id,
                                  uint8_t priority, uint64_t now);

/* Copies the first `capacity` jobs in the order in which they would leave now.
 * Returns how many. O(of them). */
WEIR_EXTERN size_t weir_queue_snapshot(weir_queue_t *queue, uint64_t now,
                                       weir_job_t *jobs, size_t capacity);

/* Jobs in it. */
WEIR_EXTERN uint32_t weir_queue_length(const weir_queue_t *queue);

/* When the job that waits the longest was submitted: 1, or 0 when empty. */
WEIR_EXTERN int weir_queue_oldest(const weir_queue_t *queue,
                                  uint64_t *submitted);

WEIR_EXTERN void weir_queue_counters(const weir_queue_t *queue,
                                     weir_queue_counters_t *counters);

/* Frees it, with what is in it. NULL is a no-op. */
WEIR_EXTERN void weir_queue_destroy(weir_queue_t *queue);

WEIR_END_DECLS

#endif
