/*
 * file_source.c - a complete file as a source of bytes.
 *
 * What is in the page cache is read into the shelf's own block on the loop's
 * thread, at each look anew: it is on its way to a socket in the same call. The
 * rest is read by the pool, one source after the other, into blocks of which
 * there are so many and no more. When none is free the one goes whose reader
 * has not looked for longest; it is read again should that reader come back. So
 * neither a crowd nor peers that take nothing keep others from the disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "CWeirHTTP.h"

/* Linux 6.5; the same number on every machine that we know. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

typedef struct file_source file_source_t;

typedef struct block {
  file_source_t *owner; /* NULL: free */
  uint8_t *bytes;       /* NULL until the pool needs it */
  uint64_t position;    /* of the first byte */
  size_t length;
  uint64_t used; /* when, by the shelf's count of uses */
} block_t;

struct weir_shelf {
  uv_loop_t *loop;
  uv_work_t work;
  file_source_t *first; /* that wait for the pool */
  file_source_t *last;
  block_t *busy;  /* that is being read */
  unsigned users; /* the owner, and the files */
  uint64_t uses;
  uint8_t *now; /* what was in the page cache */
  block_t blocks[WEIR_FILE_BLOCKS];
};

struct file_source {
  weir_byte_source_t source; /* first: a source is its file */
  weir_shelf_t *shelf;
  file_source_t *next;
  block_t *block; /* NULL: none */
  uint64_t length;
  uint64_t wanted; /* the position for which it waits */
  int file;
  int error;
  int is_waiting; /* in the shelf's list, or being read */
  int is_closing;
  int knows_cache; /* the system says what is in the page cache */
};

weir_shelf_t *weir_shelf_open(uv_loop_t *loop) {
  weir_shelf_t *shelf = calloc(1, sizeof(*shelf));
  if (!shelf) return NULL;
  shelf->now = malloc(WEIR_FILE_BLOCK);
  if (!shelf->now) {
    free(shelf);
    return NULL;
  }
  shelf->loop = loop;
  shelf->users = 1;
  return shelf;
}

void weir_shelf_close(weir_shelf_t *shelf) {
  if (!shelf || --shelf->users > 0) return;
  free(shelf->now);
  free(shelf);
}

/* --- Blocks -------------------------------------------------------------- */

static void give_back(block_t *block) {
  if (!block) return;
  block->owner->block = NULL;
  block->owner = NULL;
  free(block->bytes);
  block->bytes = NULL;
  block->length = 0;
}

static block_t *take_block(file_source_t *owner) {
  weir_shelf_t *shelf = owner->shelf;
  block_t *found = &shelf->blocks[0];
  for (unsigned i = 0; i < WEIR_FILE_BLOCKS; i++) {
    block_t *block = &shelf->blocks[i];
    if (!block->owner) {
      found = block;
      break;
    }
    if (block->used < found->used) found = block;
  }
  if (found->owner) {
    /* Its memory is the next one's. */
    found->owner->block = NULL;
    found->length = 0;
  }
  found->owner = owner;
  found->used = ++shelf->uses;
  owner->block = found;
  return found;
}

static size_t room(const file_source_t *source, uint64_t position,
                   size_t limit) {
  uint64_t left = source->length - position;
  if (limit > WEIR_FILE_BLOCK) limit = WEIR_FILE_BLOCK;
  return left < limit ? (size_t)left : limit;
}

/* --- The pool ------------------------------------------------------------ */

static void next_from_pool(weir_shelf_t *shelf);

static void destroy(file_source_t *source) {
  weir_shelf_t *shelf = source->shelf;
  give_back(source->block);
  close(source->file);
  free(source);
  weir_shelf_close(shelf);
}

/* There. */
static void read_block(uv_work_t *work) {
  block_t *block = ((weir_shelf_t *)work->data)->busy;
  file_source_t *source = block->owner;
  size_t wanted = room(source, block->position, WEIR_FILE_BLOCK);
  if (!block->bytes) block->bytes = malloc(WEIR_FILE_BLOCK);
  if (!block->bytes) {
    source->error = UV_ENOMEM;
    return;
  }
  while (block->length < wanted) {
    ssize_t n =
        pread(source->file, block->bytes + block->length,
              wanted - block->length, (off_t)(block->position + block->length));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) source->error = -errno;
    if (n == 0) source->error = UV_EIO; /* shorter than it was */
    if (n <= 0) return;
    block->length += (size_t)n;
  }
}

static void block_read(uv_work_t *work, int status) {
  weir_shelf_t *shelf = work->data;
  file_source_t *source = shelf->busy->owner;
  shelf->busy->used = ++shelf->uses;
  shelf->busy = NULL;
  source->is_waiting = 0;
  if (status < 0) source->error = status;
  next_from_pool(shelf);
  if (source->is_closing) {
    destroy(source);
  } else if (source->source.wake) {
    source->source.wake(source->source.data);
  }
}

static void next_from_pool(weir_shelf_t *shelf) {
  file_source_t *source = shelf->first;
  if (shelf->busy || !source) return;
  shelf->first = source->next;
  if (!shelf->first) shelf->last = NULL;
  source->next = NULL;
  shelf->busy = take_block(source);
  shelf->busy->position = source->wanted;
  shelf->work.data = shelf;
  /* It fails only when it is given nothing to do. */
  uv_queue_work(shelf->loop, &shelf->work, read_block, block_read);
}

static void wait_for_pool(file_source_t *source, uint64_t position) {
  weir_shelf_t *shelf = source->shelf;
  give_back(source->block);
  source->wanted = position;
  if (source->is_waiting) return;
  source->is_waiting = 1;
  if (shelf->last) {
    shelf->last->next = source;
  } else {
    shelf->first = source;
  }
  shelf->last = source;
  next_from_pool(shelf);
}

static void unqueue(file_source_t *source) {
  weir_shelf_t *shelf = source->shelf;
  file_source_t *before = NULL;
  file_source_t *at = shelf->first;
  while (at != source) {
    before = at;
    at = at->next;
  }
  if (before) {
    before->next = source->next;
  } else {
    shelf->first = source->next;
  }
  if (shelf->last == source) shelf->last = before;
}

/* --- The source ---------------------------------------------------------- */

static int64_t file_peek(weir_byte_source_t *bytes, uint64_t position,
                         size_t limit, struct iovec out[WEIR_BYTES_PIECES]) {
  file_source_t *source = (file_source_t *)bytes;
  weir_shelf_t *shelf = source->shelf;
  block_t *block = source->block;
  if (position >= source->length) return UV_EOF;
  out[1] = (struct iovec){NULL, 0};
  if (block && block != shelf->busy && position >= block->position &&
      position - block->position < block->length) {
    size_t at = (size_t)(position - block->position);
    size_t length = block->length - at;
    if (length > limit) length = limit;
    block->used = ++shelf->uses;
    out[0] = (struct iovec){block->bytes + at, length};
    return (int64_t)length;
  }
  if (source->error < 0) return source->error;
  if (source->is_waiting) return 0;
  out[0] = (struct iovec){shelf->now, room(source, position, limit)};
  ssize_t n;
  do
    n = preadv2(source->file, out, 1, (off_t)position, RWF_NOWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    give_back(block);
    out[0].iov_len = (size_t)n;
    return n;
  }
  if (n == 0) return source->error = UV_EIO;
  if (errno != EAGAIN && errno != EOPNOTSUPP) return source->error = -errno;
  wait_for_pool(source, position);
  return 0;
}

/* Whether so many bytes are in the page cache, all of them. Some may leave it
 * before they are sent: then the loop waits for the disk, which is rare. */
static int is_cached(file_source_t *source, uint64_t position, size_t length) {
  uint64_t range[2] = {position, length};
  uint64_t counts[5] = {0}; /* cached, dirty, written back, evicted, lately */
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  if (syscall(SYS_cachestat, source->file, range, counts, 0) < 0) {
    source->knows_cache = 0;
    return 0;
  }
  return counts[0] >= (position + length - 1) / page - position / page + 1;
}

static size_t file_region(weir_byte_source_t *bytes, uint64_t position,
                          size_t limit, int *file) {
  file_source_t *source = (file_source_t *)bytes;
  if (!source->knows_cache || source->block || source->is_waiting ||
      source->error < 0 || position >= source->length)
    return 0;
  if (limit > source->length - position)
    limit = (size_t)(source->length - position);
  if (!is_cached(source, position, limit)) return 0;
  *file = source->file;
  return limit;
}

static void file_close(weir_byte_source_t *bytes) {
  file_source_t *source = (file_source_t *)bytes;
  weir_shelf_t *shelf = source->shelf;
  source->source.wake = NULL;
  if (shelf->busy && shelf->busy->owner == source) {
    source->is_closing = 1;
    return;
  }
  if (source->is_waiting) unqueue(source);
  destroy(source);
}

int weir_file_source_open(weir_byte_source_t **source, weir_shelf_t *shelf,
                          int file, uint64_t length) {
  static const weir_byte_source_calls_t calls = {
      .peek = file_peek, .close = file_close, .region = file_region};
  file_source_t *made = calloc(1, sizeof(*made));
  if (!made) return UV_ENOMEM;
  made->source.calls = &calls;
  made->shelf = shelf;
  made->file = file;
  made->length = length;
  made->knows_cache = 1;
  shelf->users++;
  *source = &made->source;
  return 0;
}
