/* image_jpeg.c - JPEG (ITU-T T.81, annex B) up to its first scan, and EXIF. */
#include <string.h>

#include "image_inside.h"

enum {
  MARKER_TEM = 0x01,
  MARKER_SOF0 = 0xC0,
  MARKER_DHT = 0xC4,
  MARKER_JPG = 0xC8,
  MARKER_DAC = 0xCC,
  MARKER_SOF15 = 0xCF,
  MARKER_RST0 = 0xD0,
  MARKER_RST7 = 0xD7,
  MARKER_EOI = 0xD9,
  MARKER_SOS = 0xDA,
  MARKER_APP0 = 0xE0,
  MARKER_APP1 = 0xE1,
  MARKER_APP14 = 0xEE,
  /* Where the block that EXIF has in a JPEG begins to be useful. */
  EXIF_LEAST = 6 + 8
};

static void next_marker(weir_image_t *image) {
  weir__image_skip_rest(image);
  weir__image_await(image, STEP_JPEG_MARKER, 1);
}

static void code(weir_image_t *image, uint8_t marker) {
  if (marker == 0xFF) return; /* may be repeated */
  image->marker = marker;
  if (marker == MARKER_TEM ||
      (marker >= MARKER_RST0 && marker <= MARKER_RST7)) {
    weir__image_await(image, STEP_JPEG_MARKER, 1);
  } else if (marker == 0 || marker == 0xD8) {
    weir__image_damaged(image, "something is where a marker must be");
  } else if (marker == MARKER_EOI) {
    weir__image_damaged(image, "it ends before its pixels");
  } else {
    weir__image_await(image, STEP_JPEG_LENGTH, 2);
  }
}

static bool is_frame(uint8_t marker) {
  return marker >= MARKER_SOF0 && marker <= MARKER_SOF15 &&
         marker != MARKER_DHT && marker != MARKER_JPG && marker != MARKER_DAC;
}

/* What is known once the pixels begin. */
static void finish(weir_image_t *image) {
  weir_image_facts_t *facts = &image->facts;
  if (image->components == 0) {
    weir__image_damaged(image, "its pixels come before their size");
    return;
  }
  image->is_over = true;
  facts->is_inverted = image->components == 4 && image->has_adobe;
  facts->is_untransformed = image->components == 3 && !image->has_adobe &&
                            !image->has_jfif &&
                            memcmp(image->names, "RGB", 3) == 0;
}

static void length(weir_image_t *image, const uint8_t *bytes) {
  uint16_t count = weir__big16(bytes);
  if (count < 2) {
    weir__image_damaged(image, "a segment's length is less than 2");
    return;
  }
  count = (uint16_t)(count - 2);
  image->end = image->position + count;
  if (image->marker == MARKER_SOS) {
    finish(image);
  } else if (is_frame(image->marker) && image->components == 0) {
    if (count < 6 + 3) {
      weir__image_damaged(image, "its frame's header is too short");
      return;
    }
    weir__image_await(image, STEP_JPEG_FRAME, 6);
  } else if (image->marker == MARKER_APP0 && count >= 5) {
    weir__image_await(image, STEP_JPEG_JFIF, 5);
  } else if (image->marker == MARKER_APP1 && count >= EXIF_LEAST) {
    weir__image_await(image, STEP_JPEG_EXIF, 6);
  } else if (image->marker == MARKER_APP14 && count >= 12) {
    weir__image_await(image, STEP_JPEG_ADOBE, 12);
  } else {
    next_marker(image);
  }
}

static void frame(weir_image_t *image, const uint8_t *bytes) {
  weir_image_facts_t *facts = &image->facts;
  uint8_t count = bytes[5];
  facts->process = (uint8_t)(image->marker - MARKER_SOF0);
  facts->bits = bytes[0];
  facts->height = weir__big16(bytes + 1);
  facts->width = weir__big16(bytes + 3);
  switch (count) {
    case 1:
      facts->colour = WEIR_COLOUR_GREY;
      break;
    case 3:
      facts->colour = WEIR_COLOUR_RGB;
      break;
    case 4:
      facts->colour = WEIR_COLOUR_CMYK;
      break;
    default:
      weir__image_damaged(image, "its number of colours is not 1, 3 or 4");
      return;
  }
  if (facts->width == 0 || facts->height == 0) {
    weir__image_damaged(image, "it has no pixels");
  } else if (facts->bits < 2 || facts->bits > 16) {
    weir__image_damaged(image, "its bits are not 2 to 16");
  } else if (image->end - image->position != 3u * count) {
    weir__image_damaged(image, "its frame's header has a wrong length");
  } else {
    image->components = count;
    weir__image_await(image, STEP_JPEG_COMPONENTS, (uint8_t)(3 * count));
  }
}

static void components(weir_image_t *image, const uint8_t *bytes) {
  if (image->components >= 3) {
    for (int i = 0; i < 3; i++)
      image->names[i] = bytes[3 * i];
  }
  next_marker(image);
}

void weir__jpeg_step(weir_image_t *image, const uint8_t *bytes) {
  switch ((weir__image_step_t)image->step) {
    case STEP_JPEG_MARKER:
      if (bytes[0] != 0xFF) {
        weir__image_damaged(image, "something is where a marker must be");
      } else {
        weir__image_await(image, STEP_JPEG_CODE, 1);
      }
      break;
    case STEP_JPEG_CODE:
      code(image, bytes[0]);
      break;
    case STEP_JPEG_LENGTH:
      length(image, bytes);
      break;
    case STEP_JPEG_FRAME:
      frame(image, bytes);
      break;
    case STEP_JPEG_COMPONENTS:
      components(image, bytes);
      break;
    case STEP_JPEG_JFIF:
      if (memcmp(bytes, "JFIF", 5) == 0) image->has_jfif = true;
      next_marker(image);
      break;
    case STEP_JPEG_EXIF:
      /* XMP has the same marker. */
      if (memcmp(bytes, "Exif\0", 6) == 0) {
        weir__tiff_begin(image, STEP_JPEG_MARKER);
      } else {
        next_marker(image);
      }
      break;
    case STEP_JPEG_ADOBE:
      if (memcmp(bytes, "Adobe", 5) == 0) image->has_adobe = true;
      next_marker(image);
      break;
    default:
      break;
  }
}

/* --- EXIF: the first directory of a TIFF file (TIFF 6.0, section 2) --------
 */

enum { TIFF_ORIENTATION = 0x0112, TIFF_SHORT = 3 };

static uint16_t tiff16(const weir_image_t *image, const uint8_t *bytes) {
  return image->is_big_endian ? weir__big16(bytes) : weir__little16(bytes);
}

static uint32_t tiff32(const weir_image_t *image, const uint8_t *bytes) {
  return image->is_big_endian ? weir__big32(bytes) : weir__little32(bytes);
}

/* Whether so many bytes are left of the block; else it is left as it is. A
 * damaged block does no harm to the picture. */
static bool has_more(weir_image_t *image, uint64_t count) {
  if (image->end - image->position >= count) return true;
  weir__image_skip_rest(image);
  weir__image_await(image, image->after_tiff,
                    image->after_tiff == STEP_JPEG_MARKER ? 1 : 4);
  return false;
}

void weir__tiff_begin(weir_image_t *image, weir__image_step_t after) {
  image->after_tiff = (uint8_t)after;
  image->tiff = image->position;
  if (has_more(image, 8)) weir__image_await(image, STEP_TIFF, 8);
}

void weir__tiff_step(weir_image_t *image, const uint8_t *bytes) {
  uint32_t offset;
  switch ((weir__image_step_t)image->step) {
    case STEP_TIFF:
      image->is_big_endian = bytes[0] == 'M';
      offset = tiff32(image, bytes + 4);
      if (bytes[0] != bytes[1] || (bytes[0] != 'M' && bytes[0] != 'I') ||
          tiff16(image, bytes + 2) != 42 || offset < 8) {
        has_more(image, UINT64_MAX);
      } else if (has_more(image, (uint64_t)offset - 8 + 2)) {
        image->skip = offset - 8;
        weir__image_await(image, STEP_TIFF_COUNT, 2);
      }
      break;
    case STEP_TIFF_COUNT:
      image->entries = tiff16(image, bytes);
      if (has_more(image, image->entries > 0 ? 12 : UINT64_MAX)) {
        weir__image_await(image, STEP_TIFF_ENTRY, 12);
      }
      break;
    case STEP_TIFF_ENTRY:
      if (tiff16(image, bytes) == TIFF_ORIENTATION) {
        uint16_t value = tiff16(image, bytes + 8);
        if (tiff16(image, bytes + 2) == TIFF_SHORT && value >= 1 &&
            value <= 8) {
          image->facts.orientation = (uint8_t)value;
        }
        has_more(image, UINT64_MAX);
        break;
      }
      image->entries--;
      if (has_more(image, image->entries > 0 ? 12 : UINT64_MAX)) {
        weir__image_await(image, STEP_TIFF_ENTRY, 12);
      }
      break;
    default:
      break;
  }
}
