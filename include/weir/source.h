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

typedef struct weir_source weir_source_t;

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
 */
WEIR_EXTERN WEIR_NODISCARD int weir_source_open_file(
    uv_loop_t *loop, weir_source_t **source, int fd,
    const weir_source_options_t *options);

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
