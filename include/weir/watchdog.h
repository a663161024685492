/*
 * watchdog.h - how long a loop is kept from turning.
 *
 * Measures, at every turn, the time between leaving one poll and entering the
 * next: on the wall clock (what others wait) and as the thread's own CPU time
 * (what the code on the loop costs, whatever else the machine does). All
 * callbacks count, those of timers and of descriptors alike.
 *
 * A turn is taken from right before one poll to right before the next, and the
 * wait in between, as libuv's UV_METRICS_IDLE_TIME reports it, is taken off
 * the wall clock. What the host does between two calls of uv_run() is part of
 * the turn: it keeps the loop from turning. A host that embeds the loop by its
 * descriptor (uv_backend_fd) and waits elsewhere should read the CPU time.
 */
#ifndef WEIR_WATCHDOG_H
#define WEIR_WATCHDOG_H

#include <stddef.h>
#include <uv.h>

#include "allocator.h"
#include "histogram.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

typedef struct weir_watchdog weir_watchdog_t;

/*
 * Starts measuring, from the next turn on. Turns the loop's idle-time metric
 * on, which stays on and changes nothing else: before it waits, libuv then
 * polls once without waiting. With that, two system calls a turn. An
 * unreferenced handle. UV_ENOMEM.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_watchdog_start(
    uv_loop_t *loop, weir_watchdog_t **watchdog,
    const weir_allocator_t *allocator);

/* Nanoseconds between two polls: wall clock. Valid until close. */
WEIR_EXTERN const weir_histogram_t *weir_watchdog_wall(
    const weir_watchdog_t *watchdog);

/* Nanoseconds between two polls: CPU time of the loop's thread. */
WEIR_EXTERN const weir_histogram_t *weir_watchdog_cpu(
    const weir_watchdog_t *watchdog);

/* Forgets what was measured so far. */
WEIR_EXTERN void weir_watchdog_reset(weir_watchdog_t *watchdog);

/* Stops and frees, after the loop has turned once. NULL is a no-op. */
WEIR_EXTERN void weir_watchdog_close(weir_watchdog_t *watchdog);

WEIR_END_DECLS

#endif
