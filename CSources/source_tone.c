/* source_tone.c - a source that generates the tone sequence in real time. */
#include "source_state.h"
#include "weir/errors.h"
#include "weir/tone.h"

static void tone_turn(weir_source_t *source) {
  const weir_pcm_format_t *format = &source->options.format;
  size_t frame = weir_pcm_frame_bytes(format);
  uint64_t due = weir__source_pace_due(source);
  if (due == 0) return;
  while (due > 0) {
    void *memory;
    size_t run = weir_log_reserve(source->options.log, (size_t)due, &memory);
    weir_tone_fill(format, source->bytes / frame, run / frame, memory);
    weir__source_commit(source, run);
    source->paced += run;
    due -= run;
  }
  weir__source_published(source);
}

static void tone_go(weir_source_t *source) {
  weir__source_pace_start(source, weir_pcm_byte_rate(&source->options.format));
  weir__source_pace_arm(source);
}

static void tone_halt(weir_source_t *source) {
  (void)uv_timer_stop(&source->timer);
}

static void tone_close(weir_source_t *source) {
  (void)source;
}

static const weir__source_kind_t tone_kind = {tone_go, tone_halt, tone_turn,
                                              tone_close};

int weir_source_open_tone(uv_loop_t *loop, weir_source_t **source,
                          const weir_source_options_t *given) {
  weir_source_options_t options;
  int error = weir__source_options(&options, given);
  if (error < 0) return error;
  if (weir_pcm_check(&options.format) < 0 ||
      weir_log_unit(options.log) != weir_pcm_frame_bytes(&options.format))
    return WEIR_EOPTION;
  error = weir__source_cannot_wait(&options);
  if (error < 0) return error;
  weir_source_t *made;
  error = weir__source_make(loop, &made, &options, &tone_kind);
  if (error < 0) return error;
  weir__source_begin(made);
  tone_go(made);
  *source = made;
  return 0;
}
