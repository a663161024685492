/*
 * fanout.h - one log to many listeners, in bounded memory.
 *
 * A listener is a cursor on the log and a socket: nothing is queued for it.
 * At each flush it is sent what lies between its position and the log's head,
 * by one non-blocking write; what the socket did not take stays in the log.
 * Only the rest of a unit that a socket cut in two is copied, so that nobody
 * ever receives part of a frame or packet.
 *
 * Listeners are flushed once a window, on an absolute schedule, spread over
 * phase slots of the window so that one burst stays short: in one turn of the
 * loop at most WEIR_FANOUT_BURST_SENDS writes are made, then the loop turns.
 * Window 0 flushes at every write of the source instead; a window that is long
 * for the ring, when half of the ring has been written.
 *
 * A listener that is older than the ring is sent from the log's files, if it
 * has any: what the page cache has at once, the rest when the disk's pool has
 * read it. One that falls behind everything the log keeps, or that a disk which
 * hangs keeps waiting for the timeout, is dealt with by the policy. Every skip
 * and every end has a reason, is counted, and reported.
 */
#ifndef WEIR_FANOUT_H
#define WEIR_FANOUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#include "allocator.h"
#include "budget.h"
#include "histogram.h"
#include "log.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_FANOUT_DEFAULT_WINDOW  50000000ull    /* ns: 50 ms */
#define WEIR_FANOUT_MIN_WINDOW      5000000ull     /* ns: 5 ms, or 0 */
#define WEIR_FANOUT_MAX_WINDOW      500000000ull   /* ns: 500 ms */
#define WEIR_FANOUT_DEFAULT_TIMEOUT 30000000000ull /* ns: 30 s */
#define WEIR_FANOUT_BURST_SENDS     128u    /* writes before the loop turns */
#define WEIR_FANOUT_BURST_NS        500000u /* or this long: 0.5 ms */
#define WEIR_FANOUT_PREAMBLE_MAX    16384u  /* bytes */
#define WEIR_FANOUT_LABEL_MAX       63u     /* bytes */
#define WEIR_FANOUT_SEND_MAX        262144u /* bytes in one write */
#define WEIR_FANOUT_NEWEST          UINT64_MAX
#define WEIR_SINK_PIECES            32u /* pieces in one write */
/* Bytes of body between two titles: what Icecast takes, and players know. */
#define WEIR_ICY_INTERVAL     16000u
#define WEIR_ICY_INTERVAL_MAX (1u << 24)

typedef struct weir_fanout weir_fanout_t;

/* What happens to a listener that is behind everything. */
typedef enum weir_slow_policy {
  WEIR_SLOW_SKIP,       /* jumps to the newest unit; the loss is counted */
  WEIR_SLOW_DISCONNECT, /* is ended when it lags more than max_lag */
  WEIR_SLOW_PAUSE       /* the source is held until it has caught up; files,
                           which a disk may lose, are no reason to go on */
} weir_slow_policy_t;

/* Why a listener ended. */
typedef enum weir_end_reason {
  WEIR_END_CLOSED,   /* the peer closed, half-closed or reset */
  WEIR_END_LAG,      /* lagged past max_lag, or was skipped or waited for
                        during the whole timeout without once catching up */
  WEIR_END_STALLED,  /* took no byte during the timeout */
  WEIR_END_KICKED,   /* weir_fanout_kick() */
  WEIR_END_SHUTDOWN, /* weir_fanout_end(), weir_fanout_close() */
  WEIR_END_ERROR,    /* its socket failed otherwise: see error */
  WEIR_END_REASONS
} weir_end_reason_t;

/*
 * Where a listener's bytes go.
 *
 * write  takes bytes without blocking, in `count` pieces (WEIR_SINK_PIECES at
 *        most), and copies what it accepts before it returns; a count > 0,
 *        UV_EAGAIN when it can take none, or another negative error, which ends
 *        the listener. After UV_EAGAIN the next write is made when the
 *        descriptor is writable, or a window later.
 * close  ends the stream and releases the context and the descriptor. With
 *        `clean` the peer must see an orderly end. Called once.
 * flush  of a sink that may hold some of what it accepted (a record of TLS that
 *        the socket cut): passes that on, ahead of anything else. 0 when it
 *        holds nothing (any more), 1 when it passed on some and UV_EAGAIN when
 *        it passed on nothing of what it holds, or another negative error. A
 *        listener has caught up only when its sink holds nothing; while it
 *        holds something it waits as after UV_EAGAIN. NULL: it holds nothing,
 *        ever.
 */
typedef struct weir_sink {
  int64_t (*write)(void *context, int fd, const struct iovec *iov, int count);
  void (*close)(void *context, int fd, int clean);
  int (*flush)(void *context, int fd);
} weir_sink_t;

/* What is sent instead of the log's own bytes. */
typedef enum weir_transform {
  WEIR_TRANSFORM_NONE,
  WEIR_TRANSFORM_SWAP16, /* samples with their bytes in the other order */
  WEIR_TRANSFORM_SWAP24,
  WEIR_TRANSFORM_SWAP32
} weir_transform_t;

/* A listener as it stands. */
typedef struct weir_listener_info {
  uint64_t id;            /* unique within the fan-out, never 0 */
  const char *label;      /* as given; valid during the call */
  void *data;             /* as given */
  uint64_t since;         /* clock, ns, when it joined */
  uint64_t position;      /* next byte of the log it will be sent */
  uint64_t lag;           /* bytes between position and head */
  uint64_t sent_bytes;    /* of the log (not of the preamble) */
  uint64_t skipped_bytes; /* of the log */
  uint64_t skips;
} weir_listener_info_t;

/* Totals since the fan-out was created. */
typedef struct weir_fanout_counters {
  uint64_t joined;
  uint64_t sent_bytes;
  uint64_t skipped_bytes;
  uint64_t skips;
  uint64_t ended[WEIR_END_REASONS];
  uint64_t writes;    /* calls of a sink's write */
  uint64_t holds;     /* times the source was held (WEIR_SLOW_PAUSE) */
  uint32_t listeners; /* now */
  uint32_t listeners_peak;
} weir_fanout_counters_t;

/*
 * Where a listener lands that fell behind everything, for logs in which not
 * every unit can be the next (a transport stream). Without one it is head.
 */
typedef struct weir_landing {
  /* A unit boundary in [tail, head], head for anything else: UINT64_MAX to wait
   * for one, with nothing sent meanwhile and no clock running. Required. */
  uint64_t (*land)(void *context);
  /* Writes the one unit that this listener alone is sent before the bytes at
   * `position`. It does not count as sent. May be NULL. */
  void (*inject)(void *context, uint64_t position, uint8_t *unit);
} weir_landing_t;

typedef struct weir_fanout_options {
  size_t size;
  weir_log_t *log; /* not owned; outlives the fan-out. Required */
  /* Nanoseconds between two flushes of a listener, WEIR_FANOUT_MIN_WINDOW ...
   * WEIR_FANOUT_MAX_WINDOW. Default WEIR_FANOUT_DEFAULT_WINDOW, unless
   * window_is_zero. */
  uint64_t window;
  int window_is_zero; /* flush at every weir_fanout_published() */
  weir_slow_policy_t policy;
  /* Bytes of lag that WEIR_SLOW_DISCONNECT tolerates in one whose socket takes
   * no more; a listener that joins further back may have that lag until it has
   * caught up. Default: all that the log keeps. */
  uint64_t max_lag;
  /* Nanoseconds without a byte accepted while there were some, or of skipping
   * without once catching up, or in one hold of being waited for, that end a
   * listener under every policy. Default WEIR_FANOUT_DEFAULT_TIMEOUT. */
  uint64_t timeout;
  /* Bytes a second of the stream, for lag in seconds; 0: not recorded. */
  uint64_t byte_rate;
  /* Monotonic nanoseconds; NULL: uv_hrtime(). With a clock of one's own the
   * fan-out arms no timer and serves nobody by itself, nor does it end those
   * whose peers left: call weir_fanout_turn(). */
  uint64_t (*clock)(void *context);
  void *clock_context;
  /* A listener skipped. At most one call a second for each listener: the
   * info's totals cover what happened in between. May be NULL. */
  void (*on_skip)(weir_fanout_t *fanout, const weir_listener_info_t *who);
  /* A listener ended; its socket is closed. `error` is 0 or the negative
   * code behind the reason. May be NULL. */
  void (*on_end)(weir_fanout_t *fanout, const weir_listener_info_t *who,
                 weir_end_reason_t reason, int error);
  /* WEIR_SLOW_PAUSE: the writer must stop (1) or may go on (0). A source
   * (source.h) on this fan-out knows by itself. May be NULL. */
  void (*on_hold)(weir_fanout_t *fanout, int hold);
  const weir_allocator_t *allocator;
  void *data;
  /* Shared with the other fan-outs of the loop; NULL: a burst of its own in
   * each turn. Outlives the fan-out. */
  weir_budget_t *budget;
  /* Where listeners land that skip; NULL: at head. `landing_context` outlives
   * the fan-out. */
  const weir_landing_t *landing;
  void *landing_context;
} weir_fanout_options_t;

/* UV_ENOMEM, UV_EMFILE, WEIR_EOPTION. */
WEIR_EXTERN WEIR_NODISCARD int weir_fanout_create(
    uv_loop_t *loop, weir_fanout_t **fanout,
    const weir_fanout_options_t *options);

/* Ends every listener (WEIR_END_SHUTDOWN, orderly), all in this call, then
 * frees. `closed` (may be NULL) is called from the loop when no handle is left.
 * Sources on it, and feeds from and to it, are closed before. */
WEIR_EXTERN void weir_fanout_close(weir_fanout_t *fanout,
                                   void (*closed)(void *data));

typedef struct weir_listener_options {
  size_t size;
  int fd; /* a connected non-blocking stream socket; the fan-out's on success */
  const weir_sink_t *sink; /* NULL: send() to fd, and close() */
  void *sink_context;
  /* Where to start: aligned, between the log's tail and head, or
   * WEIR_FANOUT_NEWEST. */
  uint64_t position;
  const void *preamble; /* sent first; copied; WEIR_FANOUT_PREAMBLE_MAX */
  size_t preamble_length;
  weir_transform_t transform;
  const char *label; /* for people: the peer's address. Copied, cut */
  void *data;
  /* Until it has caught up with head it is sent `free` bytes of the log as fast
   * as it takes them, and the rest at `pace` bytes a second, of which those of
   * one second are saved up when it does not take them. It does not lag
   * meanwhile. A skip ends this; while the source is held it rests. pace 0: all
   * at once. */
  uint64_t pace;
  uint64_t free;
  /* The body may be wrapped: bytes of the preamble that go out as they are, the
   * head of a response, and what follows them belongs to the body already. */
  size_t head_length;
  /* A title after every so many bytes of the body, the ICY way: a byte 0 while
   * it is the same, else the number of 16 byte blocks and StreamTitle='...';
   * padded with zeros. WEIR_ICY_INTERVAL_MAX at most; 0: none. */
  uint32_t icy_interval;
  /* In chunks, titles included (RFC 9112 section 7.1): each write begins one,
   * unless the socket left the last one open. In an orderly end the last chunk
   * follows, if the socket takes it at once and no chunk is open: else the peer
   * sees that the body was cut. */
  int chunked;
} weir_listener_options_t;

/*
 * Adds a listener and sets *id. The preamble and what lies between its
 * position and head are sent at the loop's next turn. UV_ENOMEM, WEIR_EOPTION,
 * WEIR_EUNALIGNED, WEIR_EBEHIND, WEIR_EAHEAD, or what watching fd returns; on
 * failure fd is still the caller's. O(1).
 */
WEIR_EXTERN WEIR_NODISCARD int weir_fanout_add(
    weir_fanout_t *fanout, const weir_listener_options_t *options,
    uint64_t *id);

/* Ends one listener: WEIR_END_KICKED. UV_ENOENT when there is none. O(n). */
WEIR_EXTERN int weir_fanout_kick(weir_fanout_t *fanout, uint64_t id);

/* Ends all listeners of this moment in an orderly way, for WEIR_END_SHUTDOWN or
 * another reason: what a socket takes at once of the pending bytes is still
 * sent. Over the next turns, as many in each as a burst has time for; with a
 * clock of one's own, at once. */
WEIR_EXTERN void weir_fanout_end(weir_fanout_t *fanout,
                                 weir_end_reason_t reason);

/* Says that the log has new bytes. Call after every commit. O(1); with window
 * 0 the flush follows when the loop has polled, or at once with a clock of
 * one's own. */
WEIR_EXTERN void weir_fanout_published(weir_fanout_t *fanout);

/*
 * Bytes the writer may append before somebody who must be waited for
 * (WEIR_SLOW_PAUSE) would lose some; UINT64_MAX under the other policies. At
 * least `wanted` or a quarter of the log's ring, or 0: the writer stops until
 * on_hold(0). O(1), or O(listeners) when it seems to be short.
 */
WEIR_EXTERN uint64_t weir_fanout_room(weir_fanout_t *fanout, uint64_t wanted);

/* Whether the writer is held at present (WEIR_SLOW_PAUSE). */
WEIR_EXTERN int weir_fanout_is_held(const weir_fanout_t *fanout);

/* Changes the window; 0 flushes at every write. WEIR_EOPTION. */
WEIR_EXTERN int weir_fanout_set_window(weir_fanout_t *fanout, uint64_t window);
WEIR_EXTERN uint64_t weir_fanout_window(const weir_fanout_t *fanout);

/* The stream's bytes a second, once known. */
WEIR_EXTERN void weir_fanout_set_byte_rate(weir_fanout_t *fanout,
                                           uint64_t byte_rate);

/* The lag that WEIR_SLOW_DISCONNECT tolerates, in bytes, once the stream's rate
 * is known; 0: all that the log keeps. */
WEIR_EXTERN void weir_fanout_set_max_lag(weir_fanout_t *fanout,
                                         uint64_t max_lag);

/* The nanoseconds without progress after which a listener is ended, at the next
 * look at each; 0: the default. */
WEIR_EXTERN void weir_fanout_set_timeout(weir_fanout_t *fanout,
                                         uint64_t timeout);

/*
 * The stream's title from now on, UTF-8, for listeners with an icy_interval;
 * NULL or "" says that there is none. Copied, cut at WEIR_ICY_TITLE_MAX bytes;
 * control characters become spaces. A listener hears of it with the next title
 * that is due. O(length). UV_ENOMEM, and the title stays.
 */
WEIR_EXTERN int weir_fanout_set_title(weir_fanout_t *fanout, const char *title);

#define WEIR_ICY_TITLE_MAX 4065u /* bytes */

/* Serves every slot that is due by the clock, and the policies. For tests
 * with a clock of their own; otherwise the loop does it. */
WEIR_EXTERN void weir_fanout_turn(weir_fanout_t *fanout);

/* Calls `each` for every listener, oldest slot first; it must not add or end
 * listeners. O(n). */
WEIR_EXTERN void weir_fanout_each(weir_fanout_t *fanout,
                                  void (*each)(void *context,
                                               const weir_listener_info_t *who),
                                  void *context);

WEIR_EXTERN void weir_fanout_counters(const weir_fanout_t *fanout,
                                      weir_fanout_counters_t *counters);

/* Lag of listeners in nanoseconds of the stream, one value for each flush of
 * each listener, before the write. Empty while byte_rate is 0. */
WEIR_EXTERN const weir_histogram_t *weir_fanout_lag(
    const weir_fanout_t *fanout);

/* Bytes of heap that one listener costs. */
WEIR_EXTERN size_t weir_fanout_listener_bytes(const weir_fanout_t *fanout);

WEIR_EXTERN void *weir_fanout_data(const weir_fanout_t *fanout);

/* "closed", "lag", ...; NULL for an unknown value. Static storage. */
WEIR_EXTERN const char *weir_end_reason_name(weir_end_reason_t reason);

WEIR_END_DECLS

#endif
