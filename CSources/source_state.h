/* source_state.h - a source as its own kinds see it. */
#ifndef WEIR_SOURCE_STATE_H
#define WEIR_SOURCE_STATE_H

#include <uv.h>

#include "weir/http_head.h"
#include "weir/icy.h"
#include "weir/source.h"

#pragma GCC visibility push(hidden)

#define WEIR__SOURCE_MAGIC 0x57455253u
/* A paced source that fell behind by more than this does not make up for it,
 * ns. */
#define WEIR__SOURCE_MAX_LATE 1000000000ull

/* Bytes that tell a WAV file; less than these are samples. */
#define WEIR__SOURCE_RIFF_PREFIX 12u

typedef struct weir__datagrams weir__datagrams_t;   /* source_udp.c */
typedef struct weir__file_clock weir__file_clock_t; /* file_clock.h */

/* What differs between the kinds. */
typedef struct weir__source_kind {
  void (*go)(weir_source_t *source);    /* start, or go on after a hold */
  void (*halt)(weir_source_t *source);  /* stop writing */
  void (*turn)(weir_source_t *source);  /* write what is due */
  void (*close)(weir_source_t *source); /* give back what the kind holds */
} weir__source_kind_t;

/* A block of a file that was read ahead. */
typedef struct weir__block {
  uint8_t *bytes;
  size_t length;    /* bytes in it */
  size_t taken;     /* of them, already in the log */
  uint8_t is_first; /* the file begins with it */
} weir__block_t;

struct weir_source {
  uint32_t magic;
  uv_loop_t *loop;
  const weir__source_kind_t *kind;
  weir_source_options_t options;
  weir_allocator_t allocator;
  void (*closed)(void *data);
  uint64_t bytes;
  uint64_t last;
  uint32_t handles; /* and requests, until it can be freed */
  int fd;
  uint8_t own_clock;
  uint8_t held;         /* by the owner */
  uint8_t held_by_room; /* by listeners that must be waited for */
  uint8_t started;      /* the first byte is in the log */
  uint8_t ended;
  uint8_t closing;
  uint8_t away; /* another writes the log until its next byte */

  uv_timer_t timer; /* paced kinds; and the end of any */
  int status;       /* what on_end will be told */

  /* Descriptor: the bytes gathered while a WAV header is looked for, of which
   * those after it are not in the log yet; NULL once they are. */
  uv_poll_t poll;
  uv_idle_t ready; /* for what is there without the descriptor's saying so */
  uint8_t *header;
  size_t header_length;
  size_t header_taken;
  uint8_t searching; /* for the end of a header */
  uint8_t body_over; /* of an HTTP message: nothing of it is to come */
  uint8_t polled;    /* what its descriptor is watched for */
  uint8_t *prefix;   /* NULL once it is taken */
  size_t prefix_taken;
  uint64_t body_left;
  weir_http_chunked_t chunks;
  uint64_t left; /* bytes until the end of a WAV's data */
  uint32_t cut;  /* bytes still to come of a unit that was taken back */

  weir_icy_t *icy;    /* NULL: no titles stand between the bytes */
  uint64_t titled_at; /* 0: no title has been told */
  uint8_t carry[4];   /* of a sample that is to be turned, and was cut */
  uint8_t carried;

  /* Pacing: `due` bytes were owed since `epoch`. */
  uint64_t epoch;
  uint64_t paced;
  uint64_t next_pace;
  uint64_t byte_rate;

  /* File: two blocks in turn. */
  weir__block_t blocks[2];
  uv_fs_t read;
  uint64_t file_start; /* of the samples */
  uint64_t file_end;   /* of whole frames of them */
  uint64_t file_next;  /* offset of the next read */
  uint8_t opened;      /* the first block has been looked at */
  uint8_t reading;
  uint8_t filling; /* the block that is read into next */
  uint8_t draining;
  uint8_t starved; /* more was due than has been read */

  weir__file_clock_t *clock;    /* file: of a transport stream */
  weir__datagrams_t *datagrams; /* of a socket */
};

uint64_t weir__source_now(const weir_source_t *source);

/* Reads a host's options of any version, checks what all kinds have in common
 * and puts in the defaults. WEIR_EOPTION. */
int weir__source_options(weir_source_options_t *options,
                         const weir_source_options_t *given);

/* Of a kind that cannot be held: WEIR_EOPTION when it might have to be. */
int weir__source_cannot_wait(const weir_source_options_t *options);

/* Makes the common part from such options; the kind adds its own. */
int weir__source_make(uv_loop_t *loop, weir_source_t **source,
                      const weir_source_options_t *options,
                      const weir__source_kind_t *kind);

/* Makes the poll handle of a kind that reads a descriptor, which is the
 * source's from then on. What libuv returns; it stays the caller's then. */
int weir__source_watch(weir_source_t *source, int fd);

/* It is open: the fan-out tells it from now on when a hold ends. */
void weir__source_begin(weir_source_t *source);

/* Undoes weir__source_make on a path that fails: nobody is told, and the
 * descriptor stays the caller's. */
void weir__source_discard(weir_source_t *source);

/* `bytes` of what was reserved are the stream's next. */
void weir__source_commit(weir_source_t *source, size_t bytes);

/* `length` bytes go through the track into the log. 0, or WEIR_ENOTTS. */
int weir__source_push(weir_source_t *source, const void *bytes, size_t length);

/* The track's input has ended. The same. */
int weir__source_finish(weir_source_t *source);

/* What follows does not continue what came before. */
void weir__source_splice(weir_source_t *source);

/* How much of `wanted` may be pushed now; 0: it is held. */
uint64_t weir__source_track_room(weir_source_t *source, uint64_t wanted);

/* What may be written before the loop turns: of the ring a quarter, so that
 * those who keep up are served before it has gone round. */
size_t weir__source_budget(const weir_source_t *source);

/* Makes the memory of a block. UV_ENOMEM. */
int weir__source_make_block(weir_source_t *source, int block);

/* Says that commits were made: to the fan-out, and on_first. A callback may
 * have closed the source then. */
void weir__source_published(weir_source_t *source);

/* How much may be written now: 0 when the source is held. */
uint64_t weir__source_room(weir_source_t *source, uint64_t wanted);

/* Whether something keeps it from writing. */
int weir__source_is_held(const weir_source_t *source);

/* Ends it from the loop: status 0 or an error. */
void weir__source_end(weir_source_t *source, int status);

/* A header says `format`: asks the owner when it is another. 0, or a negative
 * error that ends the source; UV_ECANCELED when the owner closed it. */
int weir__source_accept(weir_source_t *source, const weir_pcm_format_t *format);

/* What a socket's source has besides. */
void weir__source_release_datagrams(weir_source_t *source);

/* One thing that it held is gone; with the last it is freed. */
void weir__source_release(weir_source_t *source);
void weir__source_handle_closed(uv_handle_t *handle);

/* Starts the pacing clock; bytes due since then. */
void weir__source_pace_start(weir_source_t *source, uint64_t byte_rate);
uint64_t weir__source_pace_due(weir_source_t *source);
void weir__source_pace_arm(weir_source_t *source);

#pragma GCC visibility pop

#endif
