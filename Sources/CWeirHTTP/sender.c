/*
 * sender.c - from a source to a socket.
 *
 * What the source shows is offered to the sink in the same call, and what was
 * taken of it moves the position: nothing is kept here but how far a chunk has
 * come. A sink that holds what it accepted (a record of TLS) is waited for at
 * the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "CWeirHTTP.h"

/* Bytes before those of a chunk: the end of the one before, a length of 16
 * digits, and the end of its line. */
#define LEAD 24

struct weir_sender {
  weir_sender_options_t options;
  uv_poll_t poll;
  uv_timer_t timer;
  unsigned open; /* handles that libuv still has */
  weir_sender_wait_t waits_for;
  int is_over;
  int has_ended; /* there are no more bytes */
  int blames_source;
  uint64_t position;
  uint64_t moved;
  uint64_t allowed;  /* bytes that the rate lets through now */
  uint64_t refilled; /* when that was counted, ns */
  uint64_t chunk;    /* bytes that the chunk still wants */
  char lead[LEAD];
  size_t lead_length;
  size_t lead_sent;
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void end(weir_sender_t *sender, int status) {
  if (sender->is_over) return;
  sender->is_over = 1;
  uv_poll_stop(&sender->poll);
  uv_timer_stop(&sender->timer);
  sender->options.source->wake = NULL;
  sender->options.done(sender->options.data, status);
}

/* --- Waiting ------------------------------------------------------------- */

static void wait_for_peer(weir_sender_t *sender) {
  sender->waits_for = WEIR_SENDER_PEER;
  int status = uv_poll_start(&sender->poll, UV_WRITABLE, on_ready);
  if (status < 0) end(sender, status);
}

/* A socket with room is found by the loop's next turn: nothing is sent from
 * within what the source is doing. */
static void on_wake(void *data) {
  weir_sender_t *sender = data;
  if (!sender->is_over) wait_for_peer(sender);
}

static void wait_for_source(weir_sender_t *sender) {
  sender->waits_for = WEIR_SENDER_SOURCE;
  uv_poll_stop(&sender->poll);
}

static void on_time(uv_timer_t *timer) {
  weir_sender_t *sender = timer->data;
  if (!sender->is_over) wait_for_peer(sender);
}

static void wait_for_rate(weir_sender_t *sender) {
  sender->waits_for = WEIR_SENDER_RATE;
  uv_poll_stop(&sender->poll);
  uv_timer_start(&sender->timer, on_time, WEIR_SENDER_BURST, 0);
  uv_unref((uv_handle_t *)&sender->timer);
}

/* --- The rate ------------------------------------------------------------ */

/* A bucket that holds the bytes of one burst. */
static void refill(weir_sender_t *sender) {
  uint64_t now = uv_hrtime();
  uint64_t rate = sender->options.rate;
  uint64_t most = rate / (1000 / WEIR_SENDER_BURST) + 1;
  uint64_t passed = now - sender->refilled;
  sender->refilled = now;
  if (passed > 2000000 * (uint64_t)WEIR_SENDER_BURST)
    passed = 2000000 * (uint64_t)WEIR_SENDER_BURST;
  /* A double holds both factors. */
  sender->allowed += (uint64_t)((double)rate * (double)passed / 1e9);
  /* A turn that came late is made up for, once. */
  if (sender->allowed > 2 * most) sender->allowed = 2 * most;
}

/* --- Sending ------------------------------------------------------------- */

static int64_t write_socket(int fd, struct iovec *pieces, int count) {
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
  ssize_t n;
  do
    n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static int64_t give(weir_sender_t *sender, struct iovec *pieces, int count) {
  const weir_sender_options_t *options = &sender->options;
  if (!options->sink) return write_socket(options->fd, pieces, count);
  return options->sink->write(options->sink_context, options->fd, pieces,
                              count);
}

static int flush(weir_sender_t *sender) {
  const weir_sender_options_t *options = &sender->options;
  if (!options->sink || !options->sink->flush) return 0;
  return options->sink->flush(options->sink_context, options->fd);
}

/* How many bytes may be looked for now. */
static size_t limit(const weir_sender_t *sender, size_t most) {
  uint64_t left = sender->options.to - sender->position;
  if (left > most) left = most;
  if (sender->options.rate > 0 && left > sender->allowed)
    left = sender->allowed;
  if (sender->chunk > 0 && left > sender->chunk) left = sender->chunk;
  return (size_t)left;
}

static void begin_chunk(weir_sender_t *sender, uint64_t length) {
  const char *before = sender->position > sender->options.from ? "\r\n" : "";
  sender->chunk = length;
  sender->lead_sent = 0;
  if (length > 0) {
    sender->lead_length =
        (size_t)snprintf(sender->lead, sizeof(sender->lead), "%s%llx\r\n",
                         before, (unsigned long long)length);
  } else {
    sender->lead_length = strlen(before);
    memcpy(sender->lead, before, sender->lead_length);
  }
}

static void count_sent(weir_sender_t *sender, uint64_t n) {
  uint64_t lead = sender->lead_length - sender->lead_sent;
  sender->moved += n;
  if (n < lead) {
    sender->lead_sent += (size_t)n;
    return;
  }
  sender->lead_sent = sender->lead_length;
  n -= lead;
  sender->position += n;
  if (sender->options.chunked) sender->chunk -= n;
  if (sender->options.rate > 0) sender->allowed -= n;
}

/* From the page cache to the socket, without a copy in between: a third of the
 * time that reading and writing take. Whether that was tried; `*more` as of
 * `step`. */
static int send_region(weir_sender_t *sender, int *more) {
  const weir_sender_options_t *options = &sender->options;
  int file;
  *more = 0;
  if (options->sink || options->chunked || !options->source->calls->region)
    return 0;
  size_t length =
      options->source->calls->region(options->source, sender->position,
                                     limit(sender, WEIR_SENDER_SHARE), &file);
  if (length == 0) return 0;
  off_t offset = (off_t)sender->position;
  ssize_t n = sendfile(options->fd, file, &offset, length);
  if (n > 0) {
    count_sent(sender, (uint64_t)n);
    *more = 1;
  } else if (n == 0) {
    sender->blames_source = 1;
    end(sender, UV_EIO); /* shorter than it was */
  } else if (errno == EAGAIN || errno == EINTR) {
    wait_for_peer(sender);
  } else {
    end(sender, -errno);
  }
  return 1;
}

/* The end of what is to be sent, once the sink holds nothing of it. */
static int finish(weir_sender_t *sender) {
  int held = flush(sender);
  if (held > 0) sender->moved++;
  if (held > 0 || held == UV_EAGAIN) {
    wait_for_peer(sender);
  } else {
    end(sender, held);
  }
  return 0;
}

/* One look and one write; whether there may be another at once. */
static int step(weir_sender_t *sender) {
  const weir_sender_options_t *options = &sender->options;
  struct iovec pieces[1 + WEIR_BYTES_PIECES];
  int64_t n = 0;
  int is_at_end = sender->has_ended || sender->position >= options->to;
  if (!is_at_end) {
    size_t most = limit(sender, WEIR_FILE_BLOCK);
    int more;
    if (most == 0) {
      wait_for_rate(sender);
      return 0;
    }
    if (send_region(sender, &more)) return more;
    n = options->source->calls->peek(options->source, sender->position, most,
                                     &pieces[1]);
    if (n == 0) {
      wait_for_source(sender);
      return 0;
    }
    if (n == UV_EOF && options->to == UINT64_MAX && sender->chunk == 0) {
      sender->has_ended = is_at_end = 1;
      n = 0;
      if (options->chunked) begin_chunk(sender, 0);
    } else if (n < 0) {
      sender->blames_source = 1;
      end(sender, (int)n);
      return 0;
    }
    if (n > 0 && options->chunked && sender->chunk == 0)
      begin_chunk(sender, (uint64_t)n);
  } else if (!sender->has_ended) {
    sender->has_ended = 1;
    if (options->chunked) begin_chunk(sender, 0);
  }
  pieces[0] = (struct iovec){sender->lead + sender->lead_sent,
                             sender->lead_length - sender->lead_sent};
  if (n == 0) {
    pieces[1].iov_len = pieces[2].iov_len = 0;
    if (pieces[0].iov_len == 0) return finish(sender);
  }
  int first = pieces[0].iov_len == 0;
  int last = n == 0 ? 1 : pieces[2].iov_len == 0 ? 2 : 3;
  int64_t taken = give(sender, pieces + first, last - first);
  if (taken == UV_EAGAIN) {
    wait_for_peer(sender);
    return 0;
  }
  if (taken < 0) {
    end(sender, (int)taken);
    return 0;
  }
  count_sent(sender, (uint64_t)taken);
  return 1;
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  weir_sender_t *sender = poll->data;
  (void)events;
  if (sender->is_over) return;
  if (status < 0) {
    end(sender, status);
    return;
  }
  if (sender->options.rate > 0) refill(sender);
  uint64_t until = sender->moved + WEIR_SENDER_SHARE;
  while (sender->moved < until)
    if (!step(sender)) return;
  /* The socket is watched yet: the next turn is ours as well. */
}

/* --- Beginning and end --------------------------------------------------- */

int weir_sender_start(weir_sender_t **sender, uv_loop_t *loop,
                      const weir_sender_options_t *options) {
  weir_sender_t *made = calloc(1, sizeof(*made));
  if (!made) return UV_ENOMEM;
  made->options = *options;
  made->position = options->from;
  int status = uv_poll_init(loop, &made->poll, options->fd);
  if (status < 0) {
    free(made);
    return status;
  }
  uv_timer_init(loop, &made->timer);
  uv_unref((uv_handle_t *)&made->poll);
  made->poll.data = made;
  made->timer.data = made;
  made->open = 2;
  made->refilled = uv_hrtime();
  made->allowed = options->rate / (1000 / WEIR_SENDER_BURST) + 1;
  status = uv_poll_start(&made->poll, UV_WRITABLE, on_ready);
  if (status < 0) {
    made->is_over = 1;
    weir_sender_release(made);
    return status;
  }
  options->source->wake = on_wake;
  options->source->data = made;
  *sender = made;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  weir_sender_t *sender = handle->data;
  if (--sender->open == 0) free(sender);
}

void weir_sender_release(weir_sender_t *sender) {
  if (!sender) return;
  if (!sender->is_over) {
    sender->is_over = 1;
    sender->options.source->wake = NULL;
  }
  uv_close((uv_handle_t *)&sender->poll, on_closed);
  uv_close((uv_handle_t *)&sender->timer, on_closed);
}

uint64_t weir_sender_sent(const weir_sender_t *sender) {
  return sender->position - sender->options.from;
}

int weir_sender_blames_source(const weir_sender_t *sender) {
  return sender->blames_source;
}

uint64_t weir_sender_moved(const weir_sender_t *sender) {
  return sender->moved;
}

weir_sender_wait_t weir_sender_waits_for(const weir_sender_t *sender) {
  return sender->waits_for;
}
