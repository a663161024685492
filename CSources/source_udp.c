/*
 * source_udp.c - a source that receives datagrams.
 *
 * A turn takes batches of them until there are none, or a quarter of the ring
 * is full; then the loop turns. Those of RTP go through a window that puts them
 * in order, others as they come.
 *
 * Some senders cut the stream wherever a datagram is full (FFmpeg's udp:// does
 * unless told otherwise, every 1472 bytes). Where most datagrams are such
 * pieces, all are taken as they come, and the scanner finds the packets;
 * where few are, they are not the stream's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocation.h"
#include "rtp.h"
#include "source_state.h"
#include "weir/errors.h"

#define BATCH 16u /* datagrams in one system call */

/* One that is no whole packets counts for a stream in pieces, one that is
 * twice against it; from PIECES_MIN on it is one. */
#define PIECES_MIN 8u
#define PIECES_MAX 32u

struct weir__datagrams {
  weir_source_datagrams_t counters;
  uint32_t overflows;             /* as the kernel counted them last */
  uint32_t pieces;                /* what speaks for a stream in pieces */
  int error;                      /* of the track */
  struct sockaddr_storage sender; /* AF_UNSPEC: whoever */
  weir__rtp_t rtp;
  uint8_t bytes[BATCH][WEIR_SOURCE_DATAGRAM_MAX];
};

/* ---- what a datagram holds ---- */

static void deliver(void *context, const uint8_t *bytes, size_t length) {
  weir_source_t *source = context;
  int error = weir__source_push(source, bytes, length);
  if (error < 0) source->datagrams->error = error;
}

static void restart(void *context) {
  weir__source_splice(context);
}

/* RTP with whole packets, or with nothing. */
static int is_rtp(const uint8_t *bytes, size_t length) {
  const uint8_t *payload;
  size_t payload_length;
  uint16_t sequence;
  uint32_t ssrc;
  return weir__rtp_parse(bytes, length, &payload, &payload_length, &sequence,
                         &ssrc) &&
         (payload_length == 0 ||
          weir__rtp_is_transport(payload, payload_length));
}

static void take(weir_source_t *source, const uint8_t *bytes, size_t length,
                 uint64_t now) {
  weir__datagrams_t *datagrams = source->datagrams;
  int is_plain = weir__rtp_is_transport(bytes, length);
  int is_piece = !is_plain && length > 0 && !is_rtp(bytes, length);
  if (!is_piece)
    datagrams->pieces -= datagrams->pieces < 2 ? datagrams->pieces : 2;
  else if (datagrams->pieces < PIECES_MAX)
    datagrams->pieces++;
  if (is_plain || (is_piece && datagrams->pieces >= PIECES_MIN)) {
    datagrams->counters.is_rtp = 0;
    deliver(source, bytes, length);
  } else if (weir__rtp_is(bytes, length)) {
    datagrams->counters.is_rtp = 1;
    weir__rtp_take(&datagrams->rtp, bytes, length, now);
  } else {
    datagrams->counters.foreign++;
  }
}

/* ---- receiving ---- */

/* What the kernel had no room for, by the count that comes with a datagram. */
static void note_overflows(weir__datagrams_t *datagrams, struct msghdr *head) {
  for (struct cmsghdr *at = CMSG_FIRSTHDR(head); at != NULL;
       at = CMSG_NXTHDR(head, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SO_RXQ_OVFL) continue;
    uint32_t count;
    memcpy(&count, CMSG_DATA(at), sizeof count);
    datagrams->counters.overflows += count - datagrams->overflows;
    datagrams->overflows = count;
  }
}

static int is_sender(const struct sockaddr_storage *wanted,
                     const struct sockaddr_storage *from) {
  if (wanted->ss_family == AF_UNSPEC) return 1;
  if (from->ss_family != wanted->ss_family) return 0;
  if (wanted->ss_family == AF_INET)
    return ((const struct sockaddr_in *)from)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)wanted)->sin_addr.s_addr;
  return memcmp(&((const struct sockaddr_in6 *)from)->sin6_addr,
                &((const struct sockaddr_in6 *)wanted)->sin6_addr,
                sizeof(struct in6_addr)) == 0;
}

/* One batch; returns its bytes, 0 when nothing is there, or an error. */
static int64_t receive(weir_source_t *source, uint64_t now) {
  weir__datagrams_t *datagrams = source->datagrams;
  struct mmsghdr heads[BATCH];
  struct iovec pieces[BATCH];
  struct sockaddr_storage from[BATCH];
  _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(uint32_t))];
  memset(heads, 0, sizeof heads);
  for (uint32_t i = 0; i < BATCH; i++) {
    pieces[i] = (struct iovec){datagrams->bytes[i], WEIR_SOURCE_DATAGRAM_MAX};
    heads[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                       .msg_namelen = sizeof from[i],
                                       .msg_iov = &pieces[i],
                                       .msg_iovlen = 1,
                                       .msg_control = control[i],
                                       .msg_controllen = sizeof control[i]};
  }
  int count = recvmmsg(source->fd, heads, BATCH, MSG_DONTWAIT, NULL);
  if (count < 0) {
    /* A refusal is news of what was sent from here, not of what comes. */
    int passing = errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED;
    return passing ? 0 : uv_translate_sys_error(errno);
  }
  int64_t bytes = 0;
  for (int i = 0; i < count && !source->closing; i++) {
    struct msghdr *head = &heads[i].msg_hdr;
    note_overflows(datagrams, head);
    datagrams->counters.received++;
    bytes += heads[i].msg_len + 1; /* empty ones take their time too */
    if (!is_sender(&datagrams->sender, &from[i]))
      datagrams->counters.strangers++;
    else if ((head->msg_flags & MSG_TRUNC) != 0)
      datagrams->counters.truncated++;
    else
      take(source, datagrams->bytes[i], heads[i].msg_len, now);
  }
  return bytes;
}

/* ---- a source ---- */

static void udp_turn(weir_source_t *source);

static void on_patience(uv_timer_t *timer) {
  udp_turn(timer->data);
}

/* Wakes up when a missing datagram is waited for no longer. */
static void set_timer(weir_source_t *source, uint64_t now) {
  uint64_t deadline = weir__rtp_deadline(&source->datagrams->rtp);
  if (source->own_clock) return;
  if (deadline == UINT64_MAX) {
    (void)uv_timer_stop(&source->timer);
    return;
  }
  uint64_t left = deadline > now ? deadline - now : 0;
  uv_update_time(source->loop);
  (void)uv_timer_start(&source->timer, on_patience, left / 1000000 + 1, 0);
}

static void udp_turn(weir_source_t *source) {
  weir__datagrams_t *datagrams = source->datagrams;
  uint64_t now = weir__source_now(source), before = source->bytes;
  int64_t left = (int64_t)weir__source_budget(source), n;
  do {
    n = receive(source, now);
    left -= n;
  } while (n > 0 && left > 0 && datagrams->error == 0 && !source->closing);
  weir__rtp_expire(&datagrams->rtp, now);
  if (source->closing) return;
  if (source->bytes > before) weir__source_published(source);
  if (source->closing) return;
  if (n >= 0) n = datagrams->error;
  if (n < 0)
    weir__source_end(source, (int)n);
  else if (!weir__source_is_held(source))
    set_timer(source, now);
}

static void udp_go(weir_source_t *source);

static void on_poll(uv_poll_t *poll, int status, int events) {
  weir_source_t *source = poll->data;
  (void)events;
  udp_turn(source);
  /* The socket has an error, and libuv has stopped polling: reading took it. */
  if (status < 0 && !source->ended && !source->closing &&
      !weir__source_is_held(source))
    udp_go(source);
}

static void udp_go(weir_source_t *source) {
  (void)uv_poll_start(&source->poll, UV_READABLE, on_poll);
}

static void udp_halt(weir_source_t *source) {
  (void)uv_poll_stop(&source->poll);
  (void)uv_timer_stop(&source->timer);
}

static void udp_close(weir_source_t *source) {
  uv_close((uv_handle_t *)&source->poll, weir__source_handle_closed);
  (void)close(source->fd);
}

static const weir__source_kind_t udp_kind = {udp_go, udp_halt, udp_turn,
                                             udp_close};

static int check_socket(int fd) {
  int type = 0, on = 1;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
    return uv_translate_sys_error(errno);
  if (type != SOCK_DGRAM) return WEIR_EOPTION;
  (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  /* The kernel gives what it is configured to give, and says twice as much;
   * whoever made the socket may have had it give more. */
  int buffer = WEIR_SOURCE_DATAGRAM_BUFFER, has = 0;
  length = sizeof has;
  (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &has, &length);
  if (has / 2 < buffer)
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  return 0;
}

static int open_datagrams(weir_source_t *source,
                          const struct sockaddr *sender) {
  weir__datagrams_t *made =
      weir__allocate(&source->allocator, sizeof *source->datagrams);
  if (made == NULL) return UV_ENOMEM;
  if (sender != NULL)
    memcpy(&made->sender, sender,
           sender->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                        : sizeof(struct sockaddr_in6));
  made->rtp.counters = &made->counters;
  made->rtp.deliver = deliver;
  made->rtp.restart = restart;
  made->rtp.context = source;
  source->datagrams = made;
  return 0;
}

void weir__source_release_datagrams(weir_source_t *source) {
  weir__release(&source->allocator, source->datagrams,
                sizeof *source->datagrams);
}

int weir_source_open_udp(uv_loop_t *loop, weir_source_t **source, int fd,
                         const weir_source_options_t *given) {
  weir_source_options_t options;
  int error = weir__source_options(&options, given);
  if (error == 0) error = weir__source_cannot_wait(&options);
  if (error == 0 && options.track == NULL) error = WEIR_EOPTION;
  if (error == 0 && options.sender != NULL &&
      options.sender->sa_family != AF_INET &&
      options.sender->sa_family != AF_INET6)
    error = WEIR_EOPTION;
  if (error == 0) error = check_socket(fd);
  if (error < 0) return error;
  weir_source_t *made;
  error = weir__source_make(loop, &made, &options, &udp_kind);
  if (error < 0) return error;
  error = open_datagrams(made, options.sender);
  if (error == 0) error = weir__source_watch(made, fd);
  if (error < 0) {
    weir__source_discard(made);
    return error;
  }
  weir__source_begin(made);
  udp_go(made);
  *source = made;
  return 0;
}

void weir_source_datagrams(const weir_source_t *source,
                           weir_source_datagrams_t *counters) {
  memset(counters, 0, sizeof *counters);
  if (source->datagrams != NULL) *counters = source->datagrams->counters;
}
