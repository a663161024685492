/* contenders.h - who scans what. */
#ifndef TS_CONTENDERS_H
#define TS_CONTENDERS_H

#include <stddef.h>
#include <stdint.h>

/* What is scanned. */
enum data { STREAM, MEDIA, QUIET, NOISE, DATA_COUNT };

extern const char *const data_names[DATA_COUNT];

struct input {
  const uint8_t *bytes;
  size_t length;
  size_t chunk; /* what the scanner is given at a time */
};

struct contender {
  const char *name;
  enum data data;
  /* Returns what it found: the measure of whether it did its work. */
  uint64_t (*scan)(const struct input *input);
  /* What it must find: packets of a stream, or ANYTHING. */
  uint64_t (*expected)(const struct input *input);
};

/* Ends with a name of NULL. */
extern const struct contender contenders[];

/* Whether FFmpeg takes part: libavformat's demuxer of whole packets. Some
 * packets at the beginning, up to the second PCR, it keeps to itself. */
extern const int has_ffmpeg;
uint64_t ffmpeg_packets(const struct input *input);
uint64_t ffmpeg_resync(const struct input *input);

#endif
