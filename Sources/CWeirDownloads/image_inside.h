/* Between the reader of pictures and what it knows of each format. */
#ifndef WEIR_IMAGE_INSIDE_H
#define WEIR_IMAGE_INSIDE_H

#include "image.h"

#pragma GCC visibility push(hidden)

/* What `held` is, once it has `needed` bytes. */
typedef enum {
  STEP_START = 0,
  STEP_GIF,
  STEP_RIFF,
  STEP_WEBP_CHUNK,
  STEP_WEBP_EXTENDED,
  STEP_WEBP_LOSSY,
  STEP_WEBP_LOSSLESS,
  STEP_BRAND_FIRST,
  STEP_BRAND,
  STEP_BOX,
  STEP_BOX_LONG,
  STEP_BOX_SIZE,
  STEP_BOX_NEXT,
  STEP_JPEG_MARKER,
  STEP_JPEG_CODE,
  STEP_JPEG_LENGTH,
  STEP_JPEG_FRAME,
  STEP_JPEG_COMPONENTS,
  STEP_JPEG_JFIF,
  STEP_JPEG_EXIF,
  STEP_JPEG_ADOBE,
  STEP_PNG_SIGNATURE,
  STEP_PNG_CHUNK,
  STEP_PNG_HEADER,
  STEP_PNG_ALPHA,
  STEP_PNG_REST,
  STEP_PNG_CRC,
  STEP_TIFF,
  STEP_TIFF_COUNT,
  STEP_TIFF_ENTRY
} weir__image_step_t;

/* Each takes the bytes that its step needed, and says what is next. */
void weir__jpeg_step(weir_image_t *image, const uint8_t *bytes);
void weir__png_step(weir_image_t *image, const uint8_t *bytes);
void weir__webp_step(weir_image_t *image, const uint8_t *bytes);
void weir__avif_step(weir_image_t *image, const uint8_t *bytes);
void weir__tiff_step(weir_image_t *image, const uint8_t *bytes);

/* The orientation in an EXIF block from here to image->end; what is behind it
 * is passed over, and `after` comes next. */
void weir__tiff_begin(weir_image_t *image, weir__image_step_t after);

/* Behind the bytes to skip (image->skip) come those that `step` needs. It may
 * need none if there are some to skip. */
static inline void weir__image_await(weir_image_t *image,
                                     weir__image_step_t step, uint8_t needed) {
  image->step = (uint8_t)step;
  image->needed = needed;
}

/* Passes over what is left up to image->end. */
static inline void weir__image_skip_rest(weir_image_t *image) {
  image->skip = image->end - image->position;
}

static inline void weir__image_damaged(weir_image_t *image, const char *why) {
  image->damage = why;
  image->is_over = true;
}

static inline uint16_t weir__big16(const uint8_t *bytes) {
  return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t weir__big32(const uint8_t *bytes) {
  return (uint32_t)weir__big16(bytes) << 16 | weir__big16(bytes + 2);
}

static inline uint16_t weir__little16(const uint8_t *bytes) {
  return (uint16_t)(bytes[1] << 8 | bytes[0]);
}

static inline uint32_t weir__little32(const uint8_t *bytes) {
  return (uint32_t)weir__little16(bytes + 2) << 16 | weir__little16(bytes);
}

#pragma GCC visibility pop

#endif
