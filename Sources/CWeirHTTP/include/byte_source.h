/*
 * byte_source.h - bytes that a sender takes out: of a file, or of something
 * that is still being made.
 *
 * A source serves one reader. It is embedded at the beginning of what makes the
 * bytes, which others know by its calls alone. All of it on the loop's thread.
 */
#ifndef WEIR_BYTE_SOURCE_H
#define WEIR_BYTE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#pragma GCC visibility push(hidden)

/* Pieces that a look at a source may come in. */
#define WEIR_BYTES_PIECES 2

typedef struct weir_byte_source weir_byte_source_t;

/*
 * peek   the bytes from `position` on, `limit` of them at most and at least one
 *        if there is any: how many, in one or two pieces of `out`, of which
 *        the second may be empty. They stay what they are until the next call
 *        of any source, and no longer than this turn of the loop. 0: there is
 *        nothing yet; `wake` is called later, once, from the loop and from
 *        within no call of the source. UV_EOF: the bytes end here. Another
 * libuv error: there will never be more. `position` never goes back: what lies
 *        before it is not asked for again.
 * region NULL, or how many bytes from `position` on lie in `*file` from there
 * on and can be sent out of the page cache, `limit` at most; 0: peek. They
 *        never change while the source is open.
 * close  ends and frees it. `wake` is not called any more.
 */
typedef struct weir_byte_source_calls {
  int64_t (*peek)(weir_byte_source_t *source, uint64_t position, size_t limit,
                  struct iovec out[WEIR_BYTES_PIECES]);
  void (*close)(weir_byte_source_t *source);
  size_t (*region)(weir_byte_source_t *source, uint64_t position, size_t limit,
                   int *file);
} weir_byte_source_calls_t;

struct weir_byte_source {
  const weir_byte_source_calls_t *calls;
  /* The reader's; NULL while there is none. */
  void (*wake)(void *data);
  void *data;
};

/* --- Files --------------------------------------------------------------- */

/* Bytes of a file that one look shows at most. */
#define WEIR_FILE_BLOCK 262144u
/* Blocks that are read by the pool, or wait in memory for their reader, at most
 * for all files of a shelf: who comes later waits for one. */
#define WEIR_FILE_BLOCKS 16u

/* What the files of a loop share: the block into which is read what lies in the
 * page cache, and their turn on the pool, of which they take one thread. */
typedef struct weir_shelf weir_shelf_t;

/* NULL without memory. */
weir_shelf_t *weir_shelf_open(uv_loop_t *loop);

/* Goes when its last file has. NULL is a no-op. */
void weir_shelf_close(weir_shelf_t *shelf);

/* A source of a complete file, which is the source's on success and closed with
 * it. What it has been shortened by meanwhile is UV_EIO. 0, or UV_ENOMEM. */
int weir_file_source_open(weir_byte_source_t **source, weir_shelf_t *shelf,
                          int file, uint64_t length);

#pragma GCC visibility pop

#endif
