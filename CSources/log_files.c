/*
 * log_files.c - the file tier of a log.
 *
 * Whole units are copied from the ring to a stage as they are appended; a full
 * stage goes to the disk, and [tail, head) grows when it is written. What is
 * between head and `staged` is in the ring too: head never falls behind the
 * ring's tail. Where it would, the tier begins again at the log's head.
 *
 * Room is made before a stage is queued, so that in the order of the disk's
 * lane the old segment is gone before the new bytes come. While it is held its
 * space is not free: the stage waits, and as the ring cannot wait for ever,
 * whoever reads what was cut off is sent away in the end.
 */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "allocation.h"
#include "log_state.h"
#include "options.h"
#include "weir/errors.h"

#define FILES_OPTIONS_LEAST sizeof(weir_log_files_options_t)

/* ---- cutting ---- */

static weir__segment_t *oldest(const weir__files_t *files) {
  return (weir__segment_t *)files->live.next;
}

static uint64_t end_of(const weir__segment_t *segment) {
  return segment->base + segment->size;
}

static void cut(weir__files_t *files, uint64_t position) {
  if (position > files->head) position = files->head;
  if (position > files->tail) files->tail = position;
  while (!weir__link_is_empty(&files->live) &&
         end_of(oldest(files)) <= files->tail)
    weir__segment_drop(oldest(files));
}

/* Bytes that files may take which keep `max`: a segment more. */
static uint64_t space_of(uint64_t max) {
  return max + max / WEIR_LOG_FILES_SEGMENTS;
}

/* Of what ends at `head`, that the tier's own segments take. */
static uint64_t taken(const weir__files_t *files, uint64_t head) {
  return weir__link_is_empty(&files->live) ? 0 : head - oldest(files)->base;
}

/* Cuts at the place that is asked for. */
static void cut_full(weir__files_t *files, uint64_t head, uint64_t max) {
  const weir_log_files_options_t *options = &files->options;
  uint64_t at = head - max / 4 * 3;
  if (options->on_full != NULL)
    at = options->on_full(files->log, files->tail, head, max);
  at = weir_log_align(files->log, at < head ? at : head);
  if (at < head - max)
    at = weir_log_align(files->log, head - max + weir_log_unit(files->log) - 1);
  files->rotations++;
  cut(files, at);
}

/* Keeps at most max of what ends at `head`, and no segment, made when max was
 * greater, that takes more space than a segment may now. */
static void rotate(weir__files_t *files, uint64_t head, uint64_t max) {
  if (head - files->tail > max) cut_full(files, head, max);
  while (taken(files, head) > space_of(max) &&
         end_of(oldest(files)) <= files->head)
    cut(files, end_of(oldest(files)));
}

/* Begins again at the log's head, with nothing. */
static void empty(weir__files_t *files) {
  files->generation = weir__disk_generation(files->disk);
  for (int i = 0; i < 2; i++) {
    weir__stage_t *stage = &files->stages[i];
    if (stage->busy && weir__disk_cancel(files->disk, &stage->write)) {
      stage->busy = 0;
      weir__segment_release(stage->segment);
    }
    if (!stage->busy) stage->length = 0; /* the pool looks at it otherwise */
  }
  files->filling = files->stages[0].busy; /* at most one is being written */
  while (!weir__link_is_empty(&files->live))
    weir__segment_drop(oldest(files));
  files->tail = files->head = files->staged = weir_log_head(files->log);
}

/* ---- restarting ---- */

static weir__files_t *noticing(weir__operation_t *notice) {
  return (weir__files_t *)((char *)notice - offsetof(weir__files_t, notice));
}

static void on_notice(weir__operation_t *notice) {
  weir__files_t *files = noticing(notice);
  uint64_t lost = files->lost;
  files->noticed = 0;
  files->lost = 0;
  if (files->log != NULL)
    files->options.on_restart(files->log, files->error, lost);
  weir__files_release(files);
}

void weir__files_restart(weir__files_t *files, int error) {
  /* A disk that hangs is late once, whatever it misses meanwhile. */
  int is_news = error < 0 || !files->is_late;
  if (error == 0) files->is_late = 1;
  if (error < 0 && ++files->failures >= WEIR_LOG_FILES_RETRIES)
    files->is_off = 1;
  files->lost += files->head - files->tail;
  empty(files);
  if (!is_news) return;
  files->restarts++;
  files->error = error;
  if (files->noticed || files->options.on_restart == NULL) return;
  files->noticed = 1;
  files->uses++;
  files->notice.done = on_notice;
  weir__disk_soon(files->disk, &files->notice);
}

void weir__files_reserved(weir__files_t *files) {
  if (!files->is_off && files->head < weir_log_ring_tail(files->log))
    weir__files_restart(files, 0);
}

/* ---- writing ---- */

static int64_t write_stage(weir__operation_t *write) {
  const weir__stage_t *stage = (weir__stage_t *)write;
  return weir__segment_write(stage->segment, stage->position, stage->bytes,
                             stage->length);
}

static void on_written(weir__operation_t *write) {
  weir__stage_t *stage = (weir__stage_t *)write;
  weir__files_t *files = stage->segment->files;
  int64_t written = write->result;
  stage->busy = 0;
  stage->length = 0;
  if (written > 0) stage->segment->length += (uint64_t)written;
  weir__segment_release(stage->segment);
  if (stage->generation != files->generation) written = 0;
  if (written > 0) {
    files->head += (uint64_t)written;
    files->written += (uint64_t)written;
    files->is_late = 0;
    files->failures = 0;
  } else if (written < 0 && files->log != NULL) {
    weir__files_restart(files, (int)written);
  }
  if (files->log != NULL) weir__files_stage(files);
}

static uint64_t segment_size(const weir__files_t *files) {
  uint64_t blocks = files->options.max / WEIR_LOG_FILES_SEGMENTS / files->block;
  return (blocks > 0 ? blocks : 1) * files->block;
}

static weir__segment_t *segment_for(weir__files_t *files, uint64_t position) {
  uint32_t kept = 0;
  for (weir__link_t *at = files->live.next; at != &files->live; at = at->next)
    kept++;
  weir__segment_t *last = (weir__segment_t *)files->live.previous;
  if (kept > 0 && position - last->base < last->size) return last;
  if (kept == WEIR__SEGMENTS_KEPT) cut(files, end_of(oldest(files)));
  return weir__segment_begin(files, position, segment_size(files));
}

static int has_room(const weir__files_t *files, uint32_t length) {
  return files->claimed + length <= space_of(files->options.max) &&
         files->disk->claimed + length <= files->disk->limit;
}

static void cut_readers(weir_disk_t *disk) {
  weir__copies_cut(disk);
  weir__blocks_cut(disk);
}

/* Whether a stage can be written. Readers of what was cut off have until half
 * of the ring waits; then only what is being read at the moment keeps its
 * space, and less is kept beside it. */
static int make_room(weir__files_t *files, const weir__stage_t *stage) {
  const weir_log_t *log = files->log;
  uint64_t max = files->options.max;
  uint64_t end = stage->position + stage->length;
  rotate(files, end, max);
  if (has_room(files, stage->length)) return 1;
  if (weir_log_written(log) - files->head < weir_log_capacity(log) / 2)
    return 0;
  cut_readers(files->disk);
  uint64_t held = files->claimed - taken(files, stage->position);
  if (held >= max) return 0;
  rotate(files, end, max - held);
  cut_readers(files->disk);
  return has_room(files, stage->length);
}

/* 0: it stays full until there is room, or a segment that was closed. */
static int queue(weir__files_t *files, weir__stage_t *stage) {
  if (!make_room(files, stage)) return 0;
  stage->segment = segment_for(files, stage->position);
  if (stage->segment == NULL) return 0;
  weir__segment_hold(stage->segment);
  weir__segment_claim(stage->segment, stage->length);
  stage->busy = 1;
  stage->generation = files->generation;
  stage->write.work = write_stage;
  stage->write.done = on_written;
  files->filling ^= 1;
  weir__disk_queue(files->disk, WEIR__LANE_WRITE, &stage->write);
  return 1;
}

void weir__files_stage(weir__files_t *files) {
  while (!files->is_off && !files->stages[files->filling].busy) {
    weir__stage_t *stage = &files->stages[files->filling];
    struct iovec iov[2];
    int pieces;
    if (weir_log_peek(files->log, files->staged, files->block - stage->length,
                      iov, &pieces) < 0)
      return;
    stage->position = files->staged - stage->length;
    for (int i = 0; i < pieces; i++) {
      memcpy(stage->bytes + stage->length, iov[i].iov_base, iov[i].iov_len);
      stage->length += (uint32_t)iov[i].iov_len;
      files->staged += iov[i].iov_len;
    }
    if (stage->length < files->block || !queue(files, stage)) return;
  }
}

/* ---- opening and closing ---- */

static void discard(weir__files_t *files) {
  for (int i = 0; i < 2; i++)
    weir__release(&files->allocator, files->stages[i].bytes, files->block);
  weir__release(&files->allocator, files, sizeof *files);
}

int weir_log_files_open(weir_log_t *log,
                        const weir_log_files_options_t *options) {
  weir_log_files_options_t read;
  int error =
      weir__options_read(&read, sizeof read, options, FILES_OPTIONS_LEAST);
  if (error < 0) return error;
  if (log->files != NULL) return UV_EALREADY;
  if (read.disk == NULL || read.directory < 0 || read.max < WEIR_LOG_FILES_MIN)
    return WEIR_EOPTION;
  weir__files_t *made = weir__allocate(&log->allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->allocator = log->allocator;
  size_t block = log->capacity / 4;
  if (block > WEIR_DISK_BLOCK) block = WEIR_DISK_BLOCK;
  made->block = (uint32_t)weir_log_align(log, block);
  for (int i = 0; i < 2; i++) {
    made->stages[i].bytes =
        made->allocator.allocate(made->allocator.context, made->block);
    if (made->stages[i].bytes == NULL) {
      discard(made);
      return UV_ENOMEM;
    }
  }
  weir__link_init(&made->live);
  weir__link_init(&made->idle);
  for (uint32_t i = 0; i < WEIR__SEGMENTS; i++)
    weir__link_append(&made->idle, &made->segments[i].link);
  made->log = log;
  made->disk = read.disk;
  made->options = read;
  made->uses = 1;
  log->files = made;
  empty(made);
  return 0;
}

static int64_t close_directory(weir__operation_t *notice) {
  return close(noticing(notice)->options.directory);
}

static void on_closed(weir__operation_t *notice) {
  weir__files_t *files = noticing(notice);
  void (*closed)(void *) = files->closed;
  void *data = files->closed_data;
  discard(files);
  if (closed != NULL) closed(data);
}

void weir__files_release(weir__files_t *files) {
  if (--files->uses > 0) return;
  files->notice.work = close_directory;
  files->notice.done = on_closed;
  weir__disk_queue(files->disk, WEIR__LANE_WRITE, &files->notice);
}

void weir_log_files_close(weir_log_t *log, void (*closed)(void *data),
                          void *data) {
  weir__files_t *files = log->files;
  if (files == NULL) {
    if (closed != NULL) closed(data);
    return;
  }
  empty(files);
  log->files = NULL;
  files->log = NULL;
  files->closed = closed;
  files->closed_data = data;
  weir__files_release(files);
}

/* ---- changing and asking ---- */

int weir_log_has_files(const weir_log_t *log) {
  return log->files != NULL;
}

void *weir_log_files_data(const weir_log_t *log) {
  return log->files == NULL ? NULL : log->files->options.data;
}

int weir_log_files_set_max(weir_log_t *log, uint64_t max) {
  weir__files_t *files = log->files;
  if (files == NULL || max < WEIR_LOG_FILES_MIN) return WEIR_EOPTION;
  files->options.max = max;
  /* What is with the disk will be there in a moment. */
  const weir__stage_t *stage = &files->stages[files->filling];
  uint64_t end = files->staged - (stage->busy ? 0 : stage->length);
  weir__segment_t *last = (weir__segment_t *)files->live.previous;
  if (!weir__link_is_empty(&files->live) && last->size > segment_size(files))
    last->size = end - last->base; /* what comes now has one of the new size */
  rotate(files, end, max);
  return 0;
}

void weir_log_files_cut(weir_log_t *log, uint64_t position) {
  if (log->files != NULL) cut(log->files, weir_log_align(log, position));
}

void weir_log_files_clear(weir_log_t *log) {
  if (log->files != NULL) empty(log->files);
}

void weir_log_files_retry(weir_log_t *log) {
  if (log->files == NULL || !log->files->is_off) return;
  log->files->is_off = 0;
  log->files->failures = 0;
  empty(log->files);
}

void weir_log_files_info(const weir_log_t *log, weir_log_files_info_t *info) {
  const weir__files_t *files = log->files;
  *info = (weir_log_files_info_t){0};
  if (files == NULL) return;
  info->tail = files->tail;
  info->head = files->head;
  info->max = files->options.max;
  info->bytes = files->head - files->tail;
  info->written = files->written;
  info->rotations = files->rotations;
  info->restarts = files->restarts;
  info->error = files->error;
  info->is_off = files->is_off;
  for (uint32_t i = 0; i < WEIR__SEGMENTS; i++) {
    if (!files->segments[i].is_there || files->segments[i].length == 0)
      continue;
    info->segments++;
    info->disk += files->segments[i].length;
  }
}
