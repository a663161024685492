/* source_state.h - a source as its own kinds see it. */
#ifndef WEIR_SOURCE_STATE_H
#define WEIR_SOURCE_STATE_H

#include <uv.h>

#include "weir/source.h"

#pragma GCC visibility push(hidden)

#define WEIR__SOURCE_MAGIC 0x57455253u
/* A paced source that fell behind by more than this does not make up for it,
 * ns. */
#define WEIR__SOURCE_MAX_LATE 1000000000ull

/* Bytes that tell a WAV file; less than these are samples. */
#define WEIR__SOURCE_RIFF_PREFIX 12u

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
  size_t length; /* bytes in it */
  size_t taken;  /* of them, already in the log */
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

  uv_timer_t timer; /* paced kinds; and the end of any */
  int status;       /* what on_end will be told */

  /* Descriptor: the bytes gathered while a WAV header is looked for, of which
   * those after it are not in the log yet; NULL once they are. */
  uv_poll_t poll;
  uint8_t *header;
  size_t header_length;
  size_t header_taken;
  uint8_t searching; /* for the end of a header */
  uint64_t left;     /* bytes until the end of a WAV's data */

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
};

uint64_t weir__source_now(const weir_source_t *source);

/* Reads a host's options of any version, checks what all kinds have in common
 * and puts in the defaults. WEIR_EOPTION. */
int weir__source_options(weir_source_options_t *options,
                         const weir_source_options_t *given);

/* Makes the common part from such options; the kind adds its own. */
int weir__source_make(uv_loop_t *loop, weir_source_t **source,
                      const weir_source_options_t *options,
                      const weir__source_kind_t *kind);

/* It is open: the fan-out tells it from now on when a hold ends. */
void weir__source_begin(weir_source_t *source);

/* Undoes weir__source_make on a path that fails: nobody is told, and the
 * descriptor stays the caller's. */
void weir__source_discard(weir_source_t *source);

/* `bytes` of what was reserved are the stream's next. */
void weir__source_commit(weir_source_t *source, size_t bytes);

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

/* One thing that it held is gone; with the last it is freed. */
void weir__source_release(weir_source_t *source);
void weir__source_handle_closed(uv_handle_t *handle);

/* Starts the pacing clock; bytes due since then. */
void weir__source_pace_start(weir_source_t *source, uint64_t byte_rate);
uint64_t weir__source_pace_due(weir_source_t *source);
void weir__source_pace_arm(weir_source_t *source);

#pragma GCC visibility pop

#endif
