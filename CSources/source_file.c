/*
 * source_file.c - a source that plays a regular file in real time.
 *
 * The file is read by the loop's thread pool into two blocks in turn; what is
 * due by the sample clock is copied into the log. (Not read into the ring: a
 * pool thread would write to it while listeners read.)
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocation.h"
#include "source_state.h"
#include "weir/errors.h"

static void read_ahead(weir_source_t *source);

static int block_is_free(const weir_source_t *source) {
  const weir__block_t *block = &source->blocks[source->filling];
  return block->taken == block->length;
}

static int is_at_end(const weir_source_t *source) {
  return source->file_next >= source->file_end;
}

/* The first block holds the header, if there is one. */
static int take_first_block(weir_source_t *source, weir__block_t *block) {
  weir_wav_info_t info;
  int found = weir_wav_parse(block->bytes, block->length, &info);
  if (found == 0) found = WEIR_EWAVHEADER; /* the file ends in its header */
  if (found < 0 && found != WEIR_ENOTWAV) return found;
  if (found == 1) {
    int error = weir__source_accept(source, &info.format);
    if (error < 0) return error;
    source->file_start = info.data_offset;
    uint64_t size = source->file_end - source->file_start;
    if (info.data_length < size) size = info.data_length;
    source->file_end = source->file_start + size;
  }
  uint32_t frame = weir_log_unit(source->options.log);
  source->file_end -= (source->file_end - source->file_start) % frame;
  if (source->file_end <= source->file_start) return UV_EOF;
  block->taken = (size_t)source->file_start;
  size_t whole = (size_t)(source->file_end < block->length ? source->file_end
                                                           : block->length);
  block->length = whole;
  source->file_next = block->length;
  return 0;
}

static void on_read(uv_fs_t *request) {
  weir_source_t *source = request->data;
  ssize_t n = request->result;
  uv_fs_req_cleanup(request);
  source->reading = 0;
  if (source->closing) {
    (void)close(source->fd);
    weir__source_release(source);
    return;
  }
  if (n < 0) {
    weir__source_end(source, (int)n);
    return;
  }
  weir__block_t *block = &source->blocks[source->filling];
  block->length = (size_t)n;
  block->taken = 0;
  int first = !source->opened;
  if (n == 0) {
    source->file_end = source->file_next; /* it was cut while it played */
    if (first) weir__source_end(source, UV_EOF);
    return;
  }
  source->file_next += (uint64_t)n;
  if (first) {
    source->opened = 1;
    int error = take_first_block(source, block);
    if (error < 0) {
      weir__source_end(source, error);
      return;
    }
    if (!weir__source_is_held(source)) source->kind->go(source);
  }
  source->filling ^= 1;
  read_ahead(source);
}

static void read_ahead(weir_source_t *source) {
  if (source->reading || source->ended || source->closing) return;
  if (!block_is_free(source)) return;
  if (is_at_end(source)) {
    if (!source->options.loop_file || source->file_end == source->file_start)
      return;
    source->file_next = source->file_start;
  }
  uint64_t left = source->file_end - source->file_next;
  size_t length =
      left < WEIR_SOURCE_FILE_BLOCK ? (size_t)left : WEIR_SOURCE_FILE_BLOCK;
  uv_buf_t buffer = uv_buf_init((char *)source->blocks[source->filling].bytes,
                                (unsigned int)length);
  source->read.data = source;
  int error = uv_fs_read(source->loop, &source->read, source->fd, &buffer, 1,
                         (int64_t)source->file_next, on_read);
  if (error < 0)
    weir__source_end(source, error);
  else
    source->reading = 1;
}

static void file_turn(weir_source_t *source) {
  if (!source->opened) return;
  uint64_t due = weir__source_pace_due(source);
  uint64_t before = source->bytes;
  while (due > 0) {
    weir__block_t *block = &source->blocks[source->draining];
    size_t ready = block->length - block->taken;
    if (ready == 0) break;
    size_t run = due < ready ? (size_t)due : ready;
    uint64_t room = weir__source_room(source, run);
    if (room == 0) break;
    if (run > room) run = (size_t)room;
    void *memory;
    run = weir_log_reserve(source->options.log, run, &memory);
    memcpy(memory, block->bytes + block->taken, run);
    weir__source_commit(source, run);
    block->taken += run;
    source->paced += run;
    due -= run;
    if (block->taken == block->length) {
      source->draining ^= 1;
      read_ahead(source);
    }
  }
  if (source->bytes > before) weir__source_published(source);
  if (source->closing || source->ended || source->reading) return;
  int drained = source->blocks[0].taken == source->blocks[0].length &&
                source->blocks[1].taken == source->blocks[1].length;
  if (drained && is_at_end(source) && !source->options.loop_file)
    weir__source_end(source, 0);
}

static void file_go(weir_source_t *source) {
  if (!source->opened) return; /* goes when the first block is there */
  weir__source_pace_start(source, weir_pcm_byte_rate(&source->options.format));
  weir__source_pace_arm(source);
}

static void file_halt(weir_source_t *source) {
  (void)uv_timer_stop(&source->timer);
}

static void file_close(weir_source_t *source) {
  if (source->reading) {
    source->handles++; /* the read that is under way holds it */
    (void)uv_cancel((uv_req_t *)&source->read);
  } else {
    (void)close(source->fd);
  }
}

static const weir__source_kind_t file_kind = {file_go, file_halt, file_turn,
                                              file_close};

int weir_source_open_file(uv_loop_t *loop, weir_source_t **source, int fd,
                          const weir_source_options_t *options) {
  struct stat status;
  if (fstat(fd, &status) < 0) return uv_translate_sys_error(errno);
  if (!S_ISREG(status.st_mode)) return WEIR_EOPTION;
  if (options == NULL || weir_pcm_check(&options->format) < 0 ||
      options->log == NULL ||
      weir_log_unit(options->log) != weir_pcm_frame_bytes(&options->format))
    return WEIR_EOPTION;
  weir_source_options_t plain = *options;
  plain.detect_wav = 0; /* the first block is looked at instead */
  weir_source_t *made;
  int error = weir__source_make(loop, &made, &plain, &file_kind);
  if (error < 0) return error;
  for (int i = 0; i < 2; i++) {
    made->blocks[i].bytes =
        weir__allocate(&made->allocator, WEIR_SOURCE_FILE_BLOCK);
    if (made->blocks[i].bytes == NULL) {
      weir__source_discard(made);
      return UV_ENOMEM;
    }
  }
  made->fd = fd;
  made->file_end = (uint64_t)status.st_size;
  if (made->file_end == 0) {
    weir__source_end(made, UV_EOF);
  } else {
    read_ahead(made);
  }
  *source = made;
  return 0;
}
