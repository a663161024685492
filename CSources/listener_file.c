/*
 * listener_file.c - a listener whose next bytes are not in memory any more.
 *
 * It stays where it is in the schedule while its block is read, and is ready as
 * soon as that is over. Nothing else about it changes: when it has come up to
 * the ring's tail, the same position is in the ring.
 */
#include <stddef.h>

#include "fanout_state.h"
#include "listener.h"
#include "log_state.h"
#include "weir/errors.h"

void weir__listener_on_disk(weir__waiter_t *waiter) {
  weir__listener_t *listener =
      (weir__listener_t *)((char *)waiter - offsetof(weir__listener_t, waiter));
  weir__fanout_ready(listener->fanout, listener);
}

void weir__listener_leave_disk(weir__listener_t *listener) {
  weir__link_remove(&listener->waiter.link);
  listener->disk_since = 0;
}

/* About what its socket may take: more would be read for nothing. */
static size_t worth_reading(const weir__listener_t *listener, size_t limit) {
  uint64_t most = 2 * weir__listener_buffer(listener->fanout);
  if (most >= limit) return limit;
  return (size_t)weir_log_align(listener->fanout->log, most);
}

int64_t weir__listener_show(weir__listener_t *listener, size_t limit,
                            uint64_t now, struct iovec iov[2], int *pieces) {
  weir_log_t *log = listener->fanout->log;
  int64_t n = weir_log_peek(log, listener->position, limit, iov, pieces);
  if (n != WEIR_EBEHIND) {
    listener->disk_since = 0;
    return n;
  }
  const uint8_t *bytes = NULL;
  n = 0;
  if (weir__link_is_empty(&listener->waiter.link))
    n = weir__log_show(log, listener->position, worth_reading(listener, limit),
                       &bytes, &listener->waiter);
  if (n <= 0) {
    if (listener->disk_since == 0) listener->disk_since = now;
    return n;
  }
  listener->disk_since = 0;
  iov[0] = (struct iovec){(void *)(uintptr_t)bytes, (size_t)n};
  *pieces = 1;
  return n;
}
