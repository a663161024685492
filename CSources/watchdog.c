/*
 * watchdog.c - how long a loop is kept from turning.
 *
 * A turn is measured from one prepare to the next: a prepare handle runs
 * right before the poll. libuv runs descriptor callbacks inside its poll
 * phase, so the time between the check and prepare handles would miss them;
 * instead the whole turn is taken and the wait taken off, which libuv sums up
 * itself (UV_METRICS_IDLE_TIME). Waiting costs no CPU time, so there is
 * nothing to take off on that clock.
 */
#include "weir/watchdog.h"

#include <time.h>

#include "allocation.h"

#define MAGIC 0x57444f47u /* "WDOG" */

struct weir_watchdog {
  uint32_t magic;
  int armed; /* the fields below hold the last prepare's clocks */
  uint64_t last_time;
  uint64_t last_idle;
  uint64_t last_cpu;
  uv_prepare_t prepare;
  weir_histogram_t wall;
  weir_histogram_t cpu;
  weir_allocator_t allocator;
};

static uint64_t thread_cpu_time(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_prepare(uv_prepare_t *prepare) {
  weir_watchdog_t *watchdog = prepare->data;
  uint64_t time = uv_hrtime();
  uint64_t idle = uv_metrics_idle_time(prepare->loop);
  uint64_t cpu = thread_cpu_time();
  if (watchdog->armed) {
    uint64_t turn = time - watchdog->last_time;
    uint64_t wait = idle - watchdog->last_idle;
    weir_histogram_record(&watchdog->wall, turn > wait ? turn - wait : 0);
    /* Less than before: the loop has moved to another thread. */
    if (cpu >= watchdog->last_cpu)
      weir_histogram_record(&watchdog->cpu, cpu - watchdog->last_cpu);
  }
  watchdog->armed = 1;
  watchdog->last_time = time;
  watchdog->last_idle = idle;
  watchdog->last_cpu = cpu;
}

int weir_watchdog_start(uv_loop_t *loop, weir_watchdog_t **watchdog,
                        const weir_allocator_t *given) {
  int status = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
  if (status != 0) return status;
  weir_allocator_t allocator = weir__allocator(given);
  weir_watchdog_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = MAGIC;
  made->allocator = allocator;
  made->prepare.data = made;
  uv_prepare_init(loop, &made->prepare);
  uv_prepare_start(&made->prepare, on_prepare);
  uv_unref((uv_handle_t *)&made->prepare);
  *watchdog = made;
  return 0;
}

const weir_histogram_t *weir_watchdog_wall(const weir_watchdog_t *watchdog) {
  return &watchdog->wall;
}

const weir_histogram_t *weir_watchdog_cpu(const weir_watchdog_t *watchdog) {
  return &watchdog->cpu;
}

void weir_watchdog_reset(weir_watchdog_t *watchdog) {
  weir_histogram_reset(&watchdog->wall);
  weir_histogram_reset(&watchdog->cpu);
  watchdog->armed = 0;
}

static void on_closed(uv_handle_t *handle) {
  weir_watchdog_t *watchdog = handle->data;
  weir__release(&watchdog->allocator, watchdog, sizeof *watchdog);
}

void weir_watchdog_close(weir_watchdog_t *watchdog) {
  if (watchdog == NULL || watchdog->magic != MAGIC) return;
  watchdog->magic = 0;
  uv_close((uv_handle_t *)&watchdog->prepare, on_closed);
}
