/* image_png.c - PNG (ISO/IEC 15948): its header, and where its pixels are. */
#include <string.h>

#include "image_inside.h"

enum {
  TYPE_GREY = 0,
  TYPE_RGB = 2,
  TYPE_INDEXED = 3,
  TYPE_GREY_ALPHA = 4,
  TYPE_RGB_ALPHA = 6
};

static void next_chunk(weir_image_t *image) {
  weir__image_await(image, STEP_PNG_CHUNK, 8);
}

/* The rest of a chunk, and the CRC behind it. */
static void pass(weir_image_t *image) {
  weir__image_skip_rest(image);
  weir__image_await(image, STEP_PNG_CRC, 4);
}

static void header(weir_image_t *image, const uint8_t *bytes) {
  weir_image_facts_t *facts = &image->facts;
  facts->width = weir__big32(bytes);
  facts->height = weir__big32(bytes + 4);
  facts->bits = bytes[8];
  /* Which numbers of bits there are for a type, as powers of two. */
  unsigned allowed = 0;
  switch (bytes[9]) {
    case TYPE_GREY:
      facts->colour = WEIR_COLOUR_GREY;
      allowed = 1 | 2 | 4 | 8 | 16;
      break;
    case TYPE_RGB:
      facts->colour = WEIR_COLOUR_RGB;
      allowed = 8 | 16;
      break;
    case TYPE_INDEXED:
      facts->colour = WEIR_COLOUR_INDEXED;
      allowed = 1 | 2 | 4 | 8;
      break;
    case TYPE_GREY_ALPHA:
      facts->colour = WEIR_COLOUR_GREY;
      facts->has_alpha = true;
      allowed = 8 | 16;
      break;
    case TYPE_RGB_ALPHA:
      facts->colour = WEIR_COLOUR_RGB;
      facts->has_alpha = true;
      allowed = 8 | 16;
      break;
    default:
      break;
  }
  unsigned bits = facts->bits;
  if (facts->width == 0 || facts->height == 0 || facts->width > INT32_MAX ||
      facts->height > INT32_MAX) {
    weir__image_damaged(image, "its size is none that a PNG can have");
  } else if (bits == 0 || (bits & (bits - 1)) != 0 || (bits & allowed) == 0 ||
             bytes[10] != 0 || bytes[11] != 0 || bytes[12] > 1) {
    weir__image_damaged(image, "its header says what PNG does not know");
  } else {
    facts->is_interlaced = bytes[12] == 1;
    weir__image_await(image, STEP_PNG_CRC, 4);
  }
}

/* Colours past those that a number of so many bits can name are left out. */
static void palette(weir_image_t *image, uint32_t count) {
  weir_image_facts_t *facts = &image->facts;
  if (facts->colour != WEIR_COLOUR_INDEXED) {
    pass(image); /* a proposal only */
    return;
  }
  if (facts->palette_count > 0 || image->has_data || count == 0 ||
      count % 3 != 0 || count > 768) {
    weir__image_damaged(image, "its palette is none");
    return;
  }
  uint32_t most = 3u << facts->bits;
  facts->palette_offset = image->position;
  facts->palette_count = count < most ? count : most;
  image->skip = facts->palette_count;
  image->hashed = &facts->palette_crc32;
  weir__image_await(image, STEP_PNG_REST, 0);
}

static void pixels(weir_image_t *image, uint32_t count) {
  weir_image_facts_t *facts = &image->facts;
  if (image->has_ended_data) {
    weir__image_damaged(image, "its pixels are in several places");
    return;
  }
  image->has_data = true;
  if (count == 0) {
    pass(image);
    return;
  }
  weir_image_run_t *last =
      facts->run_count > 0 ? &facts->runs[facts->run_count - 1] : NULL;
  if (last != NULL && last->count == count &&
      last->offset + last->pieces * (last->count + 12) == image->position) {
    last->pieces++;
  } else if (facts->run_count < WEIR_IMAGE_RUNS) {
    facts->runs[facts->run_count++] =
        (weir_image_run_t){.offset = image->position, count, 1};
  } else {
    image->is_scattered = true;
  }
  image->hashed = &facts->data_crc32;
  pass(image);
}

static void end(weir_image_t *image) {
  weir_image_facts_t *facts = &image->facts;
  if (!image->has_data) {
    weir__image_damaged(image, "it ends before its pixels");
  } else if (facts->colour == WEIR_COLOUR_INDEXED &&
             facts->palette_count == 0) {
    weir__image_damaged(image, "it has no palette");
  } else {
    image->is_over = true;
    if (image->is_scattered) {
      facts->run_count = 0;
      facts->data_crc32 = 0;
    }
  }
}

static void chunk(weir_image_t *image, const uint8_t *bytes) {
  weir_image_facts_t *facts = &image->facts;
  uint32_t count = weir__big32(bytes);
  const uint8_t *type = bytes + 4;
  bool is_header = memcmp(type, "IHDR", 4) == 0;
  if (count > INT32_MAX) {
    weir__image_damaged(image, "a chunk is longer than PNG allows");
    return;
  }
  if (is_header != (facts->width == 0) || (is_header && count != 13)) {
    weir__image_damaged(image, "its header is not where it must be");
    return;
  }
  image->end = image->position + count;
  if (memcmp(type, "IDAT", 4) == 0) {
    pixels(image, count);
    return;
  }
  image->has_ended_data = image->has_data;
  if (is_header) {
    weir__image_await(image, STEP_PNG_HEADER, 13);
  } else if (memcmp(type, "PLTE", 4) == 0) {
    palette(image, count);
  } else if (memcmp(type, "tRNS", 4) == 0 && count > 0) {
    if (facts->colour == WEIR_COLOUR_INDEXED) {
      weir__image_await(image, STEP_PNG_ALPHA, 1);
    } else {
      facts->has_alpha = true;
      pass(image);
    }
  } else if (memcmp(type, "eXIf", 4) == 0) {
    weir__tiff_begin(image, STEP_PNG_CRC);
  } else if (memcmp(type, "IEND", 4) == 0) {
    end(image);
  } else {
    pass(image);
  }
}

void weir__png_step(weir_image_t *image, const uint8_t *bytes) {
  switch ((weir__image_step_t)image->step) {
    case STEP_PNG_SIGNATURE:
      if (memcmp(bytes, "\x89PNG\r\n\x1A\n", 8) != 0) {
        image->is_over = true;
        break;
      }
      image->facts.format = WEIR_IMAGE_PNG;
      next_chunk(image);
      break;
    case STEP_PNG_CHUNK:
      chunk(image, bytes);
      break;
    case STEP_PNG_HEADER:
      header(image, bytes);
      break;
    case STEP_PNG_ALPHA:
      if (bytes[0] != 255) image->facts.has_alpha = true;
      if (image->facts.has_alpha || image->position == image->end) pass(image);
      break;
    case STEP_PNG_REST:
      pass(image);
      break;
    case STEP_PNG_CRC:
      next_chunk(image);
      break;
    default:
      break;
  }
}
