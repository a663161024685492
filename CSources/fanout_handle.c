/* fanout_handle.c - the fan-out as a handle: made, asked, changed, closed. */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "allocation.h"
#include "fanout_state.h"
#include "options.h"
#include "weir/errors.h"
#include "weir/fanout.h"

#define OPTIONS_LEAST WEIR__OPTIONS_TO(weir_fanout_options_t, budget)

static int window_is_valid(uint64_t window) {
  return window >= WEIR_FANOUT_MIN_WINDOW && window <= WEIR_FANOUT_MAX_WINDOW;
}

static int check_options(weir_fanout_options_t *options) {
  if (options->log == NULL) return WEIR_EOPTION;
  if (options->window == 0) options->window = WEIR_FANOUT_DEFAULT_WINDOW;
  if (options->window_is_zero) options->window = WEIR__FANOUT_IDLE_WINDOW;
  if (options->max_lag == 0) options->max_lag = UINT64_MAX;
  if (options->timeout == 0) options->timeout = WEIR_FANOUT_DEFAULT_TIMEOUT;
  if (!window_is_valid(options->window) || options->policy > WEIR_SLOW_PAUSE)
    return WEIR_EOPTION;
  if (options->landing != NULL && options->landing->land == NULL)
    return WEIR_EOPTION;
  return 0;
}

static int open_timer(weir_fanout_t *fanout) {
  fanout->timer_fd =
      timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fanout->timer_fd < 0) return uv_translate_sys_error(errno);
  int error = uv_poll_init(fanout->loop, &fanout->timer, fanout->timer_fd);
  if (error < 0) {
    (void)close(fanout->timer_fd);
    return error;
  }
  fanout->timer.data = fanout;
  (void)uv_poll_start(&fanout->timer, UV_READABLE, weir__fanout_on_timer);
  uv_unref((uv_handle_t *)&fanout->timer);
  fanout->handles++;
  return 0;
}

int weir_fanout_create(uv_loop_t *loop, weir_fanout_t **fanout,
                       const weir_fanout_options_t *options) {
  if (loop == NULL) return WEIR_EOPTION;
  weir_fanout_options_t checked;
  int error =
      weir__options_read(&checked, sizeof checked, options, OPTIONS_LEAST);
  if (error == 0) error = check_options(&checked);
  if (error < 0) return error;

  weir_allocator_t allocator = weir__allocator(checked.allocator);
  weir_fanout_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = WEIR__FANOUT_MAGIC;
  made->loop = loop;
  made->log = checked.log;
  made->allocator = allocator;
  made->options = checked;
  made->own_clock = checked.clock != NULL;
  made->timer_fd = -1;
  weir__phase_init(&made->phase, checked.window);
  weir__link_init(&made->ready);
  weir__link_init(&made->lapped);
  weir__link_init(&made->pass);
  weir__link_init(&made->followers);
  if (!made->own_clock) {
    error = open_timer(made);
    if (error < 0) {
      weir__release(&allocator, made, sizeof *made);
      return error;
    }
  }
  (void)uv_check_init(loop, &made->check);
  made->check.data = made;
  uv_unref((uv_handle_t *)&made->check);
  (void)uv_idle_init(loop, &made->idle);
  uv_unref((uv_handle_t *)&made->idle);
  made->idle.data = made;
  made->handles += 2;
  *fanout = made;
  return 0;
}

void weir__fanout_handle_closed(weir_fanout_t *fanout) {
  if (--fanout->handles > 0 || !fanout->closing) return;
  void (*closed)(void *) = fanout->closed;
  void *data = fanout->options.data;
  weir__release(&fanout->allocator, fanout->scratch, WEIR__FANOUT_SCRATCH);
  weir__title_release(fanout->title);
  fanout->magic = 0;
  weir__release(&fanout->allocator, fanout, sizeof *fanout);
  if (closed != NULL) closed(data);
}

static void on_handle_closed(uv_handle_t *handle) {
  weir__fanout_handle_closed(handle->data);
}

void weir_fanout_close(weir_fanout_t *fanout, void (*closed)(void *data)) {
  if (fanout == NULL || fanout->magic != WEIR__FANOUT_MAGIC || fanout->closing)
    return;
  fanout->closing = 1; /* from now on callbacks neither add nor close */
  fanout->closed = closed;
  weir_fanout_end(fanout, WEIR_END_SHUTDOWN);
  if (!fanout->own_clock) {
    uv_close((uv_handle_t *)&fanout->timer, on_handle_closed);
    (void)close(fanout->timer_fd);
  }
  uv_close((uv_handle_t *)&fanout->check, on_handle_closed);
  uv_close((uv_handle_t *)&fanout->idle, on_handle_closed);
}

/* ---- changing ---- */

int weir_fanout_set_window(weir_fanout_t *fanout, uint64_t window) {
  if (window != 0 && !window_is_valid(window)) return WEIR_EOPTION;
  if (window == weir_fanout_window(fanout)) return 0;
  fanout->options.window_is_zero = window == 0;
  fanout->options.window = window != 0 ? window : WEIR__FANOUT_IDLE_WINDOW;
  fanout->phase.window = fanout->options.window;
  fanout->rearm = 1;
  fanout->bounds++;
  weir__fanout_soon(fanout);
  return 0;
}

uint64_t weir_fanout_window(const weir_fanout_t *fanout) {
  return fanout->options.window_is_zero ? 0 : fanout->options.window;
}

void weir_fanout_set_byte_rate(weir_fanout_t *fanout, uint64_t byte_rate) {
  if (fanout->options.byte_rate == byte_rate) return;
  fanout->options.byte_rate = byte_rate;
  fanout->bounds++;
}

void weir_fanout_set_max_lag(weir_fanout_t *fanout, uint64_t max_lag) {
  fanout->options.max_lag = max_lag == 0 ? UINT64_MAX : max_lag;
}

void weir_fanout_set_timeout(weir_fanout_t *fanout, uint64_t timeout) {
  fanout->options.timeout =
      timeout == 0 ? WEIR_FANOUT_DEFAULT_TIMEOUT : timeout;
}

int weir_fanout_set_title(weir_fanout_t *fanout, const char *title) {
  weir__title_t *made =
      weir__title_make(&fanout->allocator, title != NULL ? title : "");
  if (made == NULL) return UV_ENOMEM;
  weir__title_release(fanout->title);
  fanout->title = made;
  return 0;
}

/* ---- asking ---- */

void weir_fanout_counters(const weir_fanout_t *fanout,
                          weir_fanout_counters_t *counters) {
  *counters = fanout->counters;
}

const weir_histogram_t *weir_fanout_lag(const weir_fanout_t *fanout) {
  return &fanout->lag;
}

size_t weir_fanout_listener_bytes(const weir_fanout_t *fanout) {
  const weir_landing_t *landing = fanout->options.landing;
  size_t unit = weir_log_unit(fanout->log);
  size_t units = landing != NULL && landing->inject != NULL ? 3 : 1;
  return sizeof(weir__listener_t) + units * unit;
}

void *weir_fanout_data(const weir_fanout_t *fanout) {
  return fanout->options.data;
}

const char *weir_end_reason_name(weir_end_reason_t reason) {
  static const char *const names[WEIR_END_REASONS] = {
      "closed", "lag", "stalled", "kicked", "shutdown", "error"};
  return (unsigned)reason < WEIR_END_REASONS ? names[reason] : NULL;
}
