/* What a picture's bytes say of it, found while they pass. */
#ifndef WEIR_IMAGE_H
#define WEIR_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef enum {
  WEIR_IMAGE_NONE = 0,
  WEIR_IMAGE_JPEG,
  WEIR_IMAGE_PNG,
  WEIR_IMAGE_WEBP,
  WEIR_IMAGE_GIF,
  WEIR_IMAGE_AVIF
} weir_image_format_t;

typedef enum {
  WEIR_COLOUR_UNKNOWN = 0,
  WEIR_COLOUR_GREY,
  WEIR_COLOUR_RGB,
  WEIR_COLOUR_CMYK,
  WEIR_COLOUR_INDEXED
} weir_colour_t;

/* Runs of PNG's compressed pixels that are kept; past them there are none. */
#define WEIR_IMAGE_RUNS 256

/* `pieces` of `count` bytes each, 12 other bytes after each of them. */
typedef struct {
  uint64_t offset;
  uint64_t count;
  uint64_t pieces;
} weir_image_run_t;

/* What is known of a picture. Zero where it does not apply. */
typedef struct {
  weir_image_format_t format;
  /* Pixels as stored, 1 or more. */
  uint32_t width;
  uint32_t height;
  weir_colour_t colour;
  /* Of a component: 1 ... 16, 0 where the colour is unknown. */
  uint8_t bits;
  /* EXIF, 1 ... 8. */
  uint8_t orientation;
  bool has_alpha;
  bool is_interlaced;
  /* JPEG: n of SOFn. */
  uint8_t process;
  /* JPEG: three components that are RGB with no marker that says so. */
  bool is_untransformed;
  /* JPEG: CMYK with Adobe's marker, 255 is no ink. */
  bool is_inverted;
  /* PNG: the palette, its place and CRC-32. No palette: no bytes. */
  uint64_t palette_offset;
  uint64_t palette_count;
  uint32_t palette_crc32;
  /* PNG: the compressed pixels. No runs: there were too many. */
  uint32_t run_count;
  uint32_t data_crc32;
  weir_image_run_t runs[WEIR_IMAGE_RUNS];
} weir_image_facts_t;

/* A reader: memory of a fixed size, it takes no other. Fields are its own. */
typedef struct {
  weir_image_facts_t facts;
  /* Why it is damaged; NULL while it is not. A constant. */
  const char *damage;
  /* Bytes that were seen. */
  uint64_t position;
  /* Bytes to pass over, and the CRC that they go into, if any. */
  uint64_t skip;
  uint32_t *hashed;
  /* What comes next, how many bytes that takes, and those that are here. */
  uint8_t step;
  uint8_t needed;
  uint8_t held_count;
  uint8_t held[24];
  /* Nothing more is wanted. */
  bool is_over;
  /* Where the segment, chunk or file ends that is read. */
  uint64_t end;
  /* Where the boxes end that are around (AVIF). */
  uint64_t boxes[3];
  uint8_t depth;
  /* EXIF: where it begins, entries to come, what comes behind it. */
  uint64_t tiff;
  uint16_t entries;
  uint8_t after_tiff;
  bool is_big_endian;
  bool is_avif;
  /* Of a JPEG's frame, and markers that say how to take it. */
  uint8_t marker;
  uint8_t components;
  uint8_t names[3];
  bool has_adobe;
  bool has_jfif;
  /* PNG: pixels were there; and something else after them. */
  bool has_data;
  bool has_ended_data;
  bool is_scattered;
} weir_image_t;

/* Begins anew. Any thread, as all of these; one thread at a time. */
void weir_image_begin(weir_image_t *image);

/* More bytes, in pieces of any size: how they are cut changes nothing. */
void weir_image_feed(weir_image_t *image, const void *bytes, size_t count);

/*
 * After the last byte: what is known, or NULL when it is no picture of a known
 * format, or a damaged one; *damage (may be NULL) then says why in a few
 * words, a constant. Lives as long as `image`.
 */
const weir_image_facts_t *weir_image_end(weir_image_t *image,
                                         const char **damage);

/* facts->runs, for callers to whom an array is a tuple. */
static inline const weir_image_run_t *weir_image_runs(
    const weir_image_facts_t *facts) {
  return facts->runs;
}

#pragma GCC visibility pop

#endif
