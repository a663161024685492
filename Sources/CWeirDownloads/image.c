/*
 * image.c - reads pictures while they pass, in pieces of any size.
 *
 * A reader is a step and the number of bytes that it needs, which are gathered
 * in `held`; what nobody needs is passed over. So no step ever sees less than
 * it needs, or anything behind it.
 */
#include "image.h"

#include <string.h>

#include "CWeirDownloads.h"
#include "image_inside.h"

void weir_image_begin(weir_image_t *image) {
  memset(image, 0, sizeof *image);
  image->facts.orientation = 1;
  weir__image_await(image, STEP_START, 2);
}

/* The first bytes say what it is. Those that a longer signature needs as well
 * stay held. */
static void start(weir_image_t *image, const uint8_t *bytes) {
  if (bytes[0] == 0xFF && bytes[1] == 0xD8) {
    image->facts.format = WEIR_IMAGE_JPEG;
    weir__image_await(image, STEP_JPEG_MARKER, 1);
    return;
  }
  image->held_count = 2;
  if (bytes[0] == 0x89 && bytes[1] == 'P') {
    weir__image_await(image, STEP_PNG_SIGNATURE, 8);
  } else if (bytes[0] == 'R' && bytes[1] == 'I') {
    weir__image_await(image, STEP_RIFF, 12);
  } else if (bytes[0] == 'G' && bytes[1] == 'I') {
    weir__image_await(image, STEP_GIF, 10);
  } else {
    weir__image_await(image, STEP_BRAND_FIRST, 16);
  }
}

static void gif(weir_image_t *image, const uint8_t *bytes) {
  image->is_over = true;
  if (memcmp(bytes, "GIF87a", 6) != 0 && memcmp(bytes, "GIF89a", 6) != 0) {
    return;
  }
  image->facts.format = WEIR_IMAGE_GIF;
  image->facts.width = weir__little16(bytes + 6);
  image->facts.height = weir__little16(bytes + 8);
}

static void step(weir_image_t *image, const uint8_t *bytes) {
  switch ((weir__image_step_t)image->step) {
    case STEP_START:
      start(image, bytes);
      break;
    case STEP_GIF:
      gif(image, bytes);
      break;
    case STEP_RIFF:
    case STEP_WEBP_CHUNK:
    case STEP_WEBP_EXTENDED:
    case STEP_WEBP_LOSSY:
    case STEP_WEBP_LOSSLESS:
      weir__webp_step(image, bytes);
      break;
    case STEP_BRAND_FIRST:
    case STEP_BRAND:
    case STEP_BOX:
    case STEP_BOX_LONG:
    case STEP_BOX_SIZE:
    case STEP_BOX_NEXT:
      weir__avif_step(image, bytes);
      break;
    case STEP_JPEG_MARKER:
    case STEP_JPEG_CODE:
    case STEP_JPEG_LENGTH:
    case STEP_JPEG_FRAME:
    case STEP_JPEG_COMPONENTS:
    case STEP_JPEG_JFIF:
    case STEP_JPEG_EXIF:
    case STEP_JPEG_ADOBE:
      weir__jpeg_step(image, bytes);
      break;
    case STEP_PNG_SIGNATURE:
    case STEP_PNG_CHUNK:
    case STEP_PNG_HEADER:
    case STEP_PNG_ALPHA:
    case STEP_PNG_REST:
    case STEP_PNG_CRC:
      weir__png_step(image, bytes);
      break;
    case STEP_TIFF:
    case STEP_TIFF_COUNT:
    case STEP_TIFF_ENTRY:
      weir__tiff_step(image, bytes);
      break;
  }
}

void weir_image_feed(weir_image_t *image, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  while (count > 0 && !image->is_over) {
    size_t taken;
    if (image->skip > 0) {
      taken = image->skip < count ? (size_t)image->skip : count;
      if (image->hashed != NULL) {
        *image->hashed = weir_crc32(*image->hashed, next, taken);
      }
      image->skip -= taken;
      if (image->skip == 0) image->hashed = NULL;
    } else {
      taken = (size_t)(image->needed - image->held_count);
      if (taken > count) taken = count;
      if (taken > 0) {
        memcpy(image->held + image->held_count, next, taken);
        image->held_count = (uint8_t)(image->held_count + taken);
      }
    }
    next += taken;
    count -= taken;
    image->position += taken;
    if (image->skip == 0 && image->held_count >= image->needed) {
      image->held_count = 0;
      step(image, image->held);
    }
  }
  image->position += count;
}

const weir_image_facts_t *weir_image_end(weir_image_t *image,
                                         const char **damage) {
  weir_image_facts_t *facts = &image->facts;
  const char *why = image->damage;
  if (facts->format == WEIR_IMAGE_NONE) {
    why = NULL;
  } else if (why == NULL) {
    if (!image->is_over) {
      why = "it ends early";
    } else if (facts->format == WEIR_IMAGE_WEBP &&
               image->position < image->end) {
      why = "it is shorter than it says";
    } else if (facts->width == 0 || facts->height == 0) {
      why = "it has no pixels";
    }
  }
  if (damage != NULL) *damage = why;
  return facts->format == WEIR_IMAGE_NONE || why != NULL ? NULL : facts;
}
