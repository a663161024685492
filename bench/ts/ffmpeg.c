/*
 * ffmpeg.c - FFmpeg's demuxer "mpegtsraw", which hands out whole packets, over
 * an input in memory. Its resynchronisation looks for one sync byte.
 */
#include <string.h>

#include "contenders.h"
#include "data.h"

#ifdef TS_BENCH_FFMPEG

#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>

const int has_ffmpeg = 1;

enum { READ_BYTES = 64 << 10, LEAD_PACKETS = 1024 };

/* Up to three runs of bytes, one after the other. */
struct memory {
  struct input parts[3];
  size_t part, offset;
};

static int read_memory(void *opaque, uint8_t *to, int room) {
  struct memory *memory = opaque;
  while (memory->part < 3) {
    const struct input *part = &memory->parts[memory->part];
    size_t rest = part->length - memory->offset;
    if (rest > (size_t)room) rest = (size_t)room;
    if (rest > 0) {
      memcpy(to, part->bytes + memory->offset, rest);
      memory->offset += rest;
      return (int)rest;
    }
    memory->part++;
    memory->offset = 0;
  }
  return AVERROR_EOF;
}

static void check(int is_right, const char *what) {
  if (is_right) return;
  fprintf(stderr, "ts: libavformat: %s\n", what);
  exit(1);
}

static uint64_t demux(struct memory *memory) {
  uint8_t *buffer = av_malloc(READ_BYTES);
  AVIOContext *io = avio_alloc_context(buffer, READ_BYTES, 0, memory,
                                       read_memory, NULL, NULL);
  AVFormatContext *format = avformat_alloc_context();
  AVPacket *packet = av_packet_alloc();
  AVDictionary *options = NULL;
  check(buffer != NULL && io != NULL && format != NULL && packet != NULL,
        "no memory");
  format->pb = io;
  /* As far as it takes; its default gives up after 64 KiB. */
  av_dict_set(&options, "resync_size", "2147483647", 0);
  av_log_set_level(AV_LOG_QUIET);
  check(avformat_open_input(&format, NULL, av_find_input_format("mpegtsraw"),
                            &options) == 0,
        "cannot open");
  check(av_dict_count(options) == 0, "no option resync_size");
  uint64_t packets = 0;
  while (av_read_frame(format, packet) >= 0) {
    packets++;
    av_packet_unref(packet);
  }
  av_packet_free(&packet);
  avformat_close_input(&format);
  av_freep(&io->buffer);
  avio_context_free(&io);
  return packets;
}

uint64_t ffmpeg_packets(const struct input *input) {
  struct memory memory = {.parts = {*input}};
  return demux(&memory);
}

/* It needs packets before, to know that this is a stream, and after, to have
 * something to find. */
uint64_t ffmpeg_resync(const struct input *input) {
  static uint8_t lead[LEAD_PACKETS * PACKET];
  if (lead[0] == 0) data_stream(lead, sizeof lead, 1);
  struct input packets = {lead, sizeof lead, 0};
  struct memory memory = {.parts = {packets, *input, packets}};
  return demux(&memory);
}

#else

const int has_ffmpeg = 0;

uint64_t ffmpeg_packets(const struct input *input) {
  (void)input;
  return 0;
}

uint64_t ffmpeg_resync(const struct input *input) {
  (void)input;
  return 0;
}

#endif
