/*
 * log_show.c - bytes of the file tier, for a reader that cannot wait.
 *
 * What the page cache has is read at once, into the disk's scratch memory.
 * Otherwise the pool reads a whole block, and whoever wants any of it waits for
 * that. Bytes of a position never change: a block is good for as long as the
 * files have not begun again.
 */
#include "allocation.h"
#include "log_state.h"
#include "weir/errors.h"

/* Memory for what is read, taken when it is needed first. */
static int has_memory(weir_disk_t *disk, uint8_t **bytes) {
  const weir_allocator_t *from = &disk->allocator;
  if (*bytes == NULL) *bytes = from->allocate(from->context, WEIR_DISK_BLOCK);
  return *bytes != NULL;
}

/* ---- at once ---- */

static int64_t show_scratch(const weir__files_t *files, uint64_t position,
                            size_t limit, const uint8_t **bytes) {
  weir_disk_t *disk = files->disk;
  if (disk->scratch_generation != files->generation ||
      disk->scratch_position != position) {
    const weir__segment_t *segment = weir__segment_at(files, position);
    uint64_t end = segment->base + segment->size;
    if (end > files->head) end = files->head;
    size_t most = limit < WEIR_DISK_BLOCK ? limit : WEIR_DISK_BLOCK;
    if (most > end - position) most = (size_t)(end - position);
    if (!has_memory(disk, &disk->scratch)) return UV_EAGAIN;
    disk->scratch_generation = 0;
    int64_t n = weir__segment_read_now(segment, position, disk->scratch, most);
    if (n < 0) return n;
    disk->scratch_length = (size_t)weir_log_align(files->log, (uint64_t)n);
    if (disk->scratch_length == 0) return UV_EAGAIN;
    disk->scratch_generation = files->generation;
    disk->scratch_position = position;
  }
  *bytes = disk->scratch;
  return (int64_t)(limit < disk->scratch_length ? limit : disk->scratch_length);
}

/* ---- through the pool ---- */

static weir__kept_t *find(weir_disk_t *disk, uint64_t generation,
                          uint64_t position) {
  for (uint32_t i = 0; i < WEIR_DISK_BLOCKS; i++) {
    weir__kept_t *kept = &disk->blocks[i];
    if (kept->generation == generation && position >= kept->position &&
        position - kept->position < kept->length)
      return kept;
  }
  return NULL;
}

/* The block that was used least lately, of those not being read. */
static weir__kept_t *claim(weir_disk_t *disk) {
  weir__kept_t *found = NULL;
  for (uint32_t i = 0; i < WEIR_DISK_BLOCKS; i++) {
    weir__kept_t *kept = &disk->blocks[i];
    if (kept->segment == NULL && (found == NULL || kept->used < found->used))
      found = kept;
  }
  return found != NULL && has_memory(disk, &found->bytes) ? found : NULL;
}

static int64_t read_kept(weir__operation_t *read) {
  const weir__kept_t *kept = (weir__kept_t *)read;
  return weir__segment_read(kept->segment, kept->position, kept->bytes,
                            kept->length);
}

static void wake(weir__link_t *waiters) {
  while (!weir__link_is_empty(waiters)) {
    weir__waiter_t *waiter = (weir__waiter_t *)waiters->next;
    weir__link_remove(&waiter->link);
    waiter->ready(waiter);
  }
}

/* Nothing of it is read any more. */
static void let_go(weir_disk_t *disk, weir__kept_t *kept) {
  weir__segment_release(kept->segment);
  kept->segment = NULL;
  disk->reading--;
}

static void on_read(weir__operation_t *read) {
  weir__kept_t *kept = (weir__kept_t *)read;
  weir__files_t *files = kept->segment->files;
  let_go(files->disk, kept);
  if (read->result < 0) {
    if (files->log != NULL && kept->generation == files->generation)
      weir__files_restart(files, (int)read->result);
    kept->generation = 0;
  }
  wake(&kept->waiters);
  wake(&files->disk->waiters);
}

void weir__blocks_cut(weir_disk_t *disk) {
  for (uint32_t i = 0; i < WEIR_DISK_BLOCKS; i++) {
    weir__kept_t *kept = &disk->blocks[i];
    if (kept->segment == NULL || !weir__segment_is_cut(kept->segment) ||
        !weir__disk_cancel(disk, &kept->read))
      continue;
    let_go(disk, kept);
    kept->generation = 0;
    wake(&kept->waiters);
    wake(&disk->waiters);
  }
}

static void begin_read(weir__files_t *files, weir__kept_t *kept,
                       uint64_t position) {
  weir__segment_t *segment = weir__segment_at(files, position);
  uint64_t size = weir_log_align(files->log, WEIR_DISK_BLOCK);
  uint64_t end = segment->base + segment->size;
  if (end > files->head) end = files->head;
  kept->position = position - (position - segment->base) % size;
  if (end > kept->position + size) end = kept->position + size;
  kept->length = (uint32_t)(end - kept->position);
  kept->generation = files->generation;
  kept->segment = segment;
  kept->used = ++files->disk->uses;
  files->disk->reading++;
  weir__segment_hold(segment);
  kept->read.work = read_kept;
  kept->read.done = on_read;
  weir__disk_queue(files->disk, WEIR__LANE_READ, &kept->read);
}

int64_t weir__log_show(weir_log_t *log, uint64_t position, size_t limit,
                       const uint8_t **bytes, weir__waiter_t *waiter) {
  weir__files_t *files = log->files;
  if (files == NULL || position < files->tail || position >= files->head)
    return WEIR_EBEHIND;
  weir_disk_t *disk = files->disk;
  weir__kept_t *kept = find(disk, files->generation, position);
  if (kept == NULL) {
    int64_t n = show_scratch(files, position, limit, bytes);
    if (n > 0) return n;
    if (n != UV_EAGAIN) {
      weir__files_restart(files, (int)n);
      return n;
    }
    kept = claim(disk);
    if (kept != NULL) begin_read(files, kept, position);
  }
  if (kept == NULL) {
    /* Without memory nobody could be waited for: it asks again by itself. */
    if (disk->reading > 0) weir__link_append(&disk->waiters, &waiter->link);
    return 0;
  }
  if (kept->segment != NULL) {
    weir__link_append(&kept->waiters, &waiter->link);
    return 0;
  }
  kept->used = ++disk->uses;
  uint64_t at = position - kept->position;
  *bytes = kept->bytes + at;
  return (int64_t)(kept->length - at < limit ? kept->length - at : limit);
}
