/*
 * source.h - what writes a log: a descriptor, a file in real time, a tone.
 *
 * A source moves bytes into a log on the loop's thread and tells the fan-out.
 * It parses and strips a WAV header where one may stand at the start. A
 * descriptor and a file respect a hold (WEIR_SLOW_PAUSE); a tone cannot wait.
 * It does not restart: that is decided above.
 */
#ifndef WEIR_SOURCE_H
#define WEIR_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "allocator.h"
#include "fanout.h"
#include "log.h"
#include "pcm.h"
#include "track.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

/* Bytes read before the loop turns, or a quarter of the ring. */
#define WEIR_SOURCE_READ_MAX 262144u
/* Bytes read ahead from a file, twice. */
#define WEIR_SOURCE_FILE_BLOCK 65536u
/* Nanoseconds between two paced writes. */
#define WEIR_SOURCE_PACE_NS     20000000ull
#define WEIR_SOURCE_PACE_MIN_NS 1000000ull /* the loop's timers count ms */
#define WEIR_SOURCE_PACE_MAX_NS 1000000000ull
/* Nanoseconds between two titles that are told, at least. */
#define WEIR_SOURCE_TITLE_NS 1000000000ull

typedef struct weir_source weir_source_t;

/*
 * What the bytes of a descriptor are read through when they are not the
 * stream's own, as a sink is what a listener's are written through: TLS. Both
 * are called on the loop's thread, and not after `closed`.
 */
typedef struct weir_reader {
  /* Bytes, > 0; 0 when the peer said that there are no more; UV_EAGAIN when it
   * waits; or another error, which ends the source. */
  int64_t (*read)(void *context, void *bytes, size_t length);
  /* What it waits for at the descriptor: UV_READABLE, UV_WRITABLE or both; 0
   * when it has bytes in memory, which a poll would not know of. */
  int (*waits)(void *context);
} weir_reader_t;

typedef struct weir_source_options {
  size_t size;
  weir_log_t *log; /* required; not owned, outlives the source */
  /* Told of every write; may be NULL. Not owned, outlives the source. */
  weir_fanout_t *fanout;
  /* PCM, descriptor and file: look for a WAV header and strip it. */
  int detect_wav;
  /* PCM: what the log carries; pacing of tone and file. */
  weir_pcm_format_t format;
  /* file: start again at the end; first frame position to start from is 0. */
  int loop_file;
  /* Nanoseconds between two writes of a paced source: WEIR_SOURCE_PACE_MIN_NS
   * to WEIR_SOURCE_PACE_MAX_NS, default WEIR_SOURCE_PACE_NS. WEIR_EOPTION
   * otherwise, of any source. */
  uint64_t pace;
  /* Monotonic nanoseconds; NULL: uv_hrtime(). */
  uint64_t (*clock)(void *context);
  void *clock_context;
  /* A WAV header was found that differs from `format`. 0 accepts it, after
   * weir_source_set_log() where the unit of the log differs; a negative error
   * ends the source with it. NULL: WEIR_EFORMAT. */
  int (*on_format)(weir_source_t *source, const weir_pcm_format_t *format);
  /* The first byte of the stream is in the log. May be NULL; may close the
   * source, as on_format and on_end may. */
  void (*on_first)(weir_source_t *source);
  /* Nothing more comes: status 0 at the end, or a negative error; UV_EOF from
   * a file without one whole frame. Called once, from the loop and never from
   * within a call. The log has been trimmed to whole units. Required. */
  void (*on_end)(weir_source_t *source, int status);
  const weir_allocator_t *allocator;
  void *data;
  /* The bytes are a transport stream: they go through this track into its log,
   * which is `log`, of unit WEIR_TS_PACKET; detect_wav and format have no
   * meaning then. A file is paced by PCR. Not owned, outlives the source. What
   * another source sent before is followed by weir_track_gap(). */
  weir_track_t *track;
  /* Descriptor: what was read from it before, and comes first. Copied. */
  const void *prefix;
  size_t prefix_length;
  /* Descriptor: what comes, the prefix included, is the body of an HTTP
   * message: in chunks, ended by the last one (WEIR_EHTTP when they are
   * malformed), or of `length` bytes unless that is 0; WEIR_EHTTPBODY when the
   * descriptor ends before. What follows the body is not kept. Otherwise the
   * stream ends with the descriptor. */
  int chunked;
  uint64_t length;
  /* Descriptor: titles stand between the bytes of the stream, which does not
   * keep them: icy.h. 0: none do. WEIR_EOPTION past WEIR_ICY_INTERVAL_MAX. */
  uint32_t title_interval;
  /* Another text came between the bytes: as it was, not terminated; until the
   * call returns. At most one in WEIR_SOURCE_TITLE_NS, the newest. May be NULL;
   * may close the source. */
  void (*on_title)(weir_source_t *source, const char *text, size_t length);
  /* Descriptor, PCM: the samples have so many bytes (2, 3 or 4) and come in
   * the other order, as audio/L16 has them; the log's are turned. 0: they do
   * not. WEIR_EOPTION with detect_wav, a track, or another width than that of
   * `format`. */
  uint32_t swap_width;
  /* Datagrams: the address, of whatever port, whose datagrams are taken; those
   * of others are dropped and counted. Copied. NULL: everybody's. An address of
   * another family than AF_INET and AF_INET6: WEIR_EOPTION. */
  const struct sockaddr *sender;
  /* Descriptor: read through this, instead of read(2). Not owned; it and what
   * it reads through outlive the source, until `closed`. NULL: none. */
  const weir_reader_t *reader;
  void *reader_context;
  /* After weir_source_yield(): its next byte has come, and goes into the log
   * when this returns; who wrote the log meanwhile must have stopped then, at
   * the end of a unit. It must not close the source. May be NULL. */
  void (*on_return)(weir_source_t *source);
} weir_source_options_t;

/*
 * Reads a pipe, FIFO, socket or character device as fast as it delivers. The
 * descriptor is made non-blocking and is the source's on success. UV_EPERM
 * for a regular file, which cannot be polled: use weir_source_open_file.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_source_open_fd(
    uv_loop_t *loop, weir_source_t **source, int fd,
    const weir_source_options_t *options);

/*
 * Plays a regular file in real time by the sample clock, on an absolute
 * schedule; reads it through the loop's thread pool. The descriptor is the
 * source's on success. Without byte rate (format.rate 0) WEIR_EOPTION.
 *
 * Of a WAV file the samples are played, not the chunks after them. Where
 * `data` has one of the lengths that count as endless in pcm.h, 0 among them,
 * everything up to the end of the file is: a program that wrote the file
 * through a pipe could not go back to put the true length in. A recording
 * that was broken off at once, with length 0 and chunks after it, is thus
 * played as if these were samples.
 *
 * With a track it is a transport stream, and played by its PCRs: a byte between
 * two of them when it is due, and no byte late; where they jump, as at the
 * beginning of a loop, which is a splice, by the bytes between them. It ends
 * with WEIR_ENOTTS, or with WEIR_ENOPCR when there is no PCR in it, or in a MiB
 * of it, or, in a loop, no two of them.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_source_open_file(
    uv_loop_t *loop, weir_source_t **source, int fd,
    const weir_source_options_t *options);

/*
 * Receives datagrams on a bound UDP socket: transport packets, or RTP that
 * carries them (RFC 3550, RFC 2250; told by the first byte), whose sequence
 * numbers put datagrams right that arrive up to WEIR_SOURCE_REORDER late and
 * count those that are lost. Two in a row of another synchronisation source, or
 * with numbers far away, are a splice. Where most are no whole packets the
 * stream is cut anywhere, and all that come are scanned in their order. The
 * descriptor is the source's on success,
 * which asks for a buffer of WEIR_SOURCE_DATAGRAM_BUFFER, unless it has a
 * larger one; `track` is required. It ends with an error only (WEIR_ENOTTS, or
 * of the socket) and cannot wait: WEIR_EOPTION when the fan-out's policy is
 * WEIR_SLOW_PAUSE, or when it is no datagram socket; UV_ENOTSOCK.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_source_open_udp(
    uv_loop_t *loop, weir_source_t **source, int fd,
    const weir_source_options_t *options);

#define WEIR_SOURCE_REORDER      32u   /* datagrams */
#define WEIR_SOURCE_DATAGRAM_MAX 2048u /* bytes: an MTU, jumbo frames apart */

/* Bytes of the socket's buffer that are asked for: half a second at 30 Mbit/s.
 * Where net.core.rmem_max is less, a loop that is kept from turning loses
 * datagrams earlier; they are counted as overflows. */
#define WEIR_SOURCE_DATAGRAM_BUFFER (2 << 20)

typedef struct weir_source_datagrams {
  uint64_t received;
  uint64_t foreign;    /* neither RTP nor whole packets, and few: dropped */
  uint64_t truncated;  /* longer than the largest that is taken: dropped */
  uint64_t lost;       /* by RTP sequence number */
  uint64_t reordered;  /* came after a later one, and were put right */
  uint64_t late;       /* came out of their turn: dropped */
  uint64_t duplicates; /* dropped */
  uint64_t overflows;  /* dropped by the kernel: SO_RXQ_OVFL */
  int is_rtp;
  uint64_t strangers; /* of another sender than the option's: dropped */
} weir_source_datagrams_t;

/* Zeros for another kind of source. */
WEIR_EXTERN void weir_source_datagrams(const weir_source_t *source,
                                       weir_source_datagrams_t *counters);

/* The tone sequence of tone.h, in real time, for ever: it waits for nobody, so
 * WEIR_EOPTION when the fan-out's policy is WEIR_SLOW_PAUSE. */
WEIR_EXTERN WEIR_NODISCARD int weir_source_open_tone(
    uv_loop_t *loop, weir_source_t **source,
    const weir_source_options_t *options);

/* Gives it another log and fan-out; only from within on_format. */
WEIR_EXTERN void weir_source_set_log(weir_source_t *source, weir_log_t *log,
                                     weir_fanout_t *fanout);

/* Stops (1) or goes on with (0) writing. A paced source goes on where it
 * stopped: held time is not made up for. Idempotent. */
WEIR_EXTERN void weir_source_hold(weir_source_t *source, int hold);

/*
 * Another writes the log until this source has a byte again. A unit that it had
 * begun is taken back, and the rest of that unit is not kept when it comes. At
 * its next byte on_return is called before, on_first after that is in the log;
 * a track is told of the gap in between. Idempotent.
 */
WEIR_EXTERN void weir_source_yield(weir_source_t *source);

/* Bytes put into the log by this source. */
WEIR_EXTERN uint64_t weir_source_bytes(const weir_source_t *source);

/* Clock, ns, of the last bytes; of the opening before the first. */
WEIR_EXTERN uint64_t weir_source_last(const weir_source_t *source);

/* Writes what is due by the clock: for tests with a clock of their own. */
WEIR_EXTERN void weir_source_turn(weir_source_t *source);

WEIR_EXTERN void *weir_source_data(const weir_source_t *source);

/* Ends it without calling on_end, closes the descriptor, trims the log, and
 * frees after `closed` (may be NULL) was called. NULL is a no-op. */
WEIR_EXTERN void weir_source_close(weir_source_t *source,
                                   void (*closed)(void *data));

WEIR_END_DECLS

#endif
