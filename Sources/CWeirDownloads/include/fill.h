/*
 * fill.h - an artefact while it is made: one writer, many readers.
 *
 * Bytes come in order, from memory or from descriptors. They are in blocks of
 * memory first, and then in a file, from where whoever is behind reads them.
 * Without a file the fill keeps the pace of its readers. All of it on the
 * loop's thread.
 */
#ifndef WEIR_FILL_H
#define WEIR_FILL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct uv_loop_s;
struct weir_byte_source;

#pragma GCC visibility push(hidden)

/* Bytes of a block. */
#define WEIR_FILL_BLOCK 262144u
/* Bytes of a fill that are not in its file yet, at most. */
#define WEIR_FILL_UNWRITTEN 8388608u
/* Bytes of a fill without a file that its slowest reader has not had yet. */
#define WEIR_FILL_AHEAD 1048576u
/* Blocks of all fills together, at most; but each may have one. */
#define WEIR_FILL_BLOCKS 160u
/* Milliseconds that readers may be held up by the disk, after which it is slow;
 * a tenth of the time in which they are not is added again. */
#define WEIR_FILL_PATIENCE 200u
/* Blocks that are written at once. */
#define WEIR_FILL_WRITTEN_AT_ONCE 8u

typedef struct weir_fills weir_fills_t;
typedef struct weir_fill weir_fill_t;

typedef ssize_t (*weir_fill_write_t)(void *data, int file, const void *bytes,
                                     size_t count, off_t offset);

/*
 * What the fills of a loop share: their blocks, and a thread of the pool for
 * writing and one for reading. `write` is called on the pool in place of
 * pwrite(2), for tests of what disks do; NULL for none. NULL without memory.
 */
weir_fills_t *weir_fills_open(struct uv_loop_s *loop, weir_fill_write_t write,
                              void *data);

/* Milliseconds in place of WEIR_FILL_PATIENCE, for fills that are opened from
 * now on: for tests. */
void weir_fills_set_patience(weir_fills_t *fills, unsigned milliseconds);

/* Goes when its last fill has. NULL is a no-op. */
void weir_fills_close(weir_fills_t *fills);

/* Blocks that are taken. */
unsigned weir_fills_blocks(const weir_fills_t *fills);

/* A complete file as a source, which closes it. 0, or a libuv error. */
int weir_fills_file(weir_fills_t *fills, struct weir_byte_source **source,
                    int file, uint64_t length);

typedef enum weir_fill_event {
  WEIR_FILL_FED = 0,    /* what was fed is all there, or why not (UV_EOF:
                         * the descriptor ended before) */
  WEIR_FILL_FLUSHED,    /* after the end: all bytes are in the file */
  WEIR_FILL_UNWRITABLE, /* the file cannot be written: try again, or stop */
  WEIR_FILL_SLOW        /* the file holds readers up */
} weir_fill_event_t;

/*
 * A fill whose first byte has the position `first`. `file` is a regular file
 * whose byte 0 that is, open for reading and writing, and the fill's from then
 * on; -1: there is none. Events are told from the loop, and from within no call
 * of a fill. 0, or a libuv error.
 */
int weir_fill_open(
    weir_fill_t **fill, weir_fills_t *fills, int file, uint64_t first,
    void (*event)(void *data, weir_fill_event_t event, int status), void *data);

/* Copies bytes behind the others. 0, or UV_ENOMEM. Not while it is fed. */
int weir_fill_append(weir_fill_t *fill, const void *bytes, size_t count);

/* So many bytes that are left out, and then so many that are taken. */
typedef struct weir_fill_span {
  uint64_t skip;
  uint64_t count;
} weir_fill_span_t;

/*
 * Takes bytes from a descriptor, which is the fill's and is closed in the end,
 * on failure too: a regular file from `offset` on, or a socket or pipe. One at
 * a time; WEIR_FILL_FED follows. 0, or a libuv error.
 */
int weir_fill_feed(weir_fill_t *fill, int descriptor, int is_file,
                   uint64_t offset, const weir_fill_span_t *spans,
                   size_t count);

/* CRC-32 of what was fed last, and of all bytes. */
uint32_t weir_fill_fed_crc32(const weir_fill_t *fill);
uint32_t weir_fill_crc32(const weir_fill_t *fill);

/* There are no more bytes. WEIR_FILL_FLUSHED follows. */
void weir_fill_end(weir_fill_t *fill);

/* After WEIR_FILL_UNWRITABLE: writes again. */
void weir_fill_retry(weir_fill_t *fill);

/*
 * No more is made or written. Readers get what is in the file, and behind it
 * this libuv error; the rest of the memory is given back.
 */
void weir_fill_stop(weir_fill_t *fill, int error);

/* The position behind the last byte; and behind the last that is in the file.
 */
uint64_t weir_fill_head(const weir_fill_t *fill);
uint64_t weir_fill_written(const weir_fill_t *fill);
int weir_fill_file(const weir_fill_t *fill);

/* Lets go of it: there are no events any more. One that has not ended is
 * stopped. It goes with its last source. NULL is a no-op. */
void weir_fill_close(weir_fill_t *fill);

/* A reader, which is closed by its own call. 0, or UV_ENOMEM. */
int weir_fill_source_open(struct weir_byte_source **source, weir_fill_t *fill,
                          uint64_t position);

/* CRC-32 of a part of a file, for a thread that may wait. 0, UV_EOF when there
 * is less, or a libuv error. */
int weir_file_crc32(int file, uint64_t offset, uint64_t length, uint32_t *crc);

#pragma GCC visibility pop

#endif
