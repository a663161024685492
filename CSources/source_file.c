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
#include "source_file.h"
#include "weir/errors.h"

static void read_ahead(weir_source_t *source);

static int is_drained(const weir__block_t *block) {
  return block->taken == block->length;
}

static int is_at_end(const weir_source_t *source) {
  return source->file_next >= source->file_end;
}

/* Whether there is an end: a loop has one when nothing is left to be played. */
static int comes_to_an_end(const weir_source_t *source) {
  return !source->options.loop_file || source->file_end == source->file_start;
}

/* Whole frames of what was read, so that none straddles two blocks, nor the
 * end and the start of a loop. (A scanner takes anything.) */
static uint64_t whole_frames(const weir_source_t *source, uint64_t bytes) {
  if (source->options.track != NULL) return bytes;
  return bytes - bytes % weir_log_unit(source->options.log);
}

/* Where the samples are: behind a header, and before the chunks after them. */
static int find_samples(weir_source_t *source, const weir__block_t *block) {
  if (block->length == 0) return UV_EOF;
  weir_wav_info_t info;
  int found = WEIR_ENOTWAV;
  if (source->options.detect_wav)
    found = weir_wav_parse(block->bytes, block->length, &info);
  if (found == 0 && block->length < WEIR__SOURCE_RIFF_PREFIX)
    found = WEIR_ENOTWAV;
  if (found == 0) return WEIR_EWAVHEADER; /* the file ends in its header */
  if (found < 0 && found != WEIR_ENOTWAV) return found;
  uint64_t size = source->file_end;
  if (found == 1) {
    int error = weir__source_accept(source, &info.format);
    if (error < 0) return error;
    source->file_start = info.data_offset;
    size -= source->file_start;
    if (info.data_length < size) size = info.data_length;
  }
  source->file_end = source->file_start + whole_frames(source, size);
  return source->file_end == source->file_start ? UV_EOF : 0;
}

static int take_first_block(weir_source_t *source, weir__block_t *block) {
  source->opened = 1;
  int error = find_samples(source, block);
  if (error < 0) return error;
  uint64_t start = source->file_start;
  uint64_t end = start + whole_frames(source, block->length - start);
  if (end > source->file_end) end = source->file_end;
  block->taken = (size_t)start;
  block->length = (size_t)end;
  source->file_next = end;
  if (is_drained(block)) source->draining ^= 1;
  if (!weir__source_is_held(source)) source->kind->go(source);
  return 0;
}

static void take_next_block(weir_source_t *source, weir__block_t *block) {
  block->length = (size_t)whole_frames(source, block->length);
  source->file_next += block->length;
  if (block->length == 0)
    source->file_end = source->file_next; /* it was cut while it played */
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
  weir__block_t *block = &source->blocks[source->filling];
  block->length = n > 0 ? (size_t)n : 0;
  block->taken = 0;
  int error = n < 0 ? (int)n : 0;
  if (error == 0 && source->opened)
    take_next_block(source, block);
  else if (error == 0)
    error = take_first_block(source, block);
  if (error < 0) {
    weir__source_end(source, error);
    return;
  }
  if (block->length > 0) source->filling ^= 1;
  if (source->clock != NULL) {
    if (block->is_first) weir__file_clock_break(source->clock);
    weir__file_clock_read(source->clock, block->bytes, block->length);
  }
  read_ahead(source);
  /* What was due before it was there goes at once, not a pace later. */
  if (source->starved) weir_source_turn(source);
}

static void read_ahead(weir_source_t *source) {
  if (source->reading || source->ended || source->closing) return;
  if (!is_drained(&source->blocks[source->filling])) return;
  if (is_at_end(source)) {
    if (comes_to_an_end(source)) return;
    source->file_next = source->file_start;
  }
  uint64_t length = source->file_end - source->file_next;
  uint64_t most = WEIR_SOURCE_FILE_BLOCK;
  if (source->opened) most = whole_frames(source, most);
  if (length > most) length = most;
  weir__block_t *block = &source->blocks[source->filling];
  block->is_first = source->file_next == source->file_start;
  uv_buf_t buffer = uv_buf_init((char *)block->bytes, (unsigned int)length);
  source->read.data = source;
  int error = uv_fs_read(source->loop, &source->read, source->fd, &buffer, 1,
                         (int64_t)source->file_next, on_read);
  if (error < 0)
    weir__source_end(source, error);
  else
    source->reading = 1;
}

void weir__file_read_on(weir_source_t *source) {
  if (!is_drained(&source->blocks[source->draining])) return;
  source->draining ^= 1;
  read_ahead(source);
}

int weir__file_is_over(const weir_source_t *source) {
  return !source->reading && comes_to_an_end(source) && is_at_end(source) &&
         is_drained(&source->blocks[0]) && is_drained(&source->blocks[1]);
}

static void file_turn(weir_source_t *source) {
  if (!source->opened) return;
  uint64_t due = weir__source_pace_due(source);
  uint64_t before = source->bytes;
  source->starved = 0;
  while (due > 0) {
    weir__block_t *block = &source->blocks[source->draining];
    size_t ready = block->length - block->taken;
    source->starved = ready == 0;
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
    weir__file_read_on(source);
  }
  if (source->closing) return;
  if (source->bytes > before) weir__source_published(source);
  if (weir__file_is_over(source)) weir__source_end(source, 0);
}

static void file_go(weir_source_t *source) {
  if (!source->opened) return; /* goes when the first block is there */
  weir__source_pace_start(source, weir_pcm_byte_rate(&source->options.format));
  weir__source_pace_arm(source);
}

void weir__file_halt(weir_source_t *source) {
  (void)uv_timer_stop(&source->timer);
}

void weir__file_close(weir_source_t *source) {
  if (source->reading) {
    source->handles++; /* the read that is under way holds it */
    (void)uv_cancel((uv_req_t *)&source->read);
  } else {
    (void)close(source->fd);
  }
}

static const weir__source_kind_t file_kind = {file_go, weir__file_halt,
                                              file_turn, weir__file_close};

int weir_source_open_file(uv_loop_t *loop, weir_source_t **source, int fd,
                          const weir_source_options_t *given) {
  struct stat status;
  if (fstat(fd, &status) < 0) return uv_translate_sys_error(errno);
  if (!S_ISREG(status.st_mode)) return WEIR_EOPTION;
  weir_source_options_t options;
  int error = weir__source_options(&options, given);
  if (error < 0) return error;
  int is_ts = options.track != NULL;
  if (!is_ts &&
      (weir_pcm_check(&options.format) < 0 ||
       weir_log_unit(options.log) != weir_pcm_frame_bytes(&options.format)))
    return WEIR_EOPTION;
  weir_source_t *made;
  error = weir__source_make(loop, &made, &options,
                            is_ts ? &weir__ts_file_kind : &file_kind);
  if (error < 0) return error;
  if (is_ts) error = weir__file_clock_open(&made->clock, &made->allocator);
  for (int i = 0; i < 2 && error == 0; i++)
    error = weir__source_make_block(made, i);
  if (error < 0) {
    weir__source_discard(made);
    return error;
  }
  made->fd = fd;
  made->file_end = (uint64_t)status.st_size;
  weir__source_begin(made);
  if (made->file_end == 0)
    weir__source_end(made, UV_EOF);
  else
    read_ahead(made);
  *source = made;
  return 0;
}
