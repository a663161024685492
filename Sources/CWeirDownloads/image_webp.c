/* image_webp.c - WebP (RFC 9649): its size, which the first chunk has. */
#include <string.h>

#include "image_inside.h"

static uint32_t little24(const uint8_t *bytes) {
  return weir__little16(bytes) | (uint32_t)bytes[2] << 16;
}

static void riff(weir_image_t *image, const uint8_t *bytes) {
  if (memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WEBP", 4) != 0) {
    image->is_over = true;
    return;
  }
  image->facts.format = WEIR_IMAGE_WEBP;
  image->end = 8 + (uint64_t)weir__little32(bytes + 4);
  weir__image_await(image, STEP_WEBP_CHUNK, 8);
}

static void chunk(weir_image_t *image, const uint8_t *bytes) {
  uint32_t count = weir__little32(bytes + 4);
  if (memcmp(bytes, "VP8X", 4) == 0 && count >= 10) {
    weir__image_await(image, STEP_WEBP_EXTENDED, 10);
  } else if (memcmp(bytes, "VP8 ", 4) == 0 && count >= 10) {
    weir__image_await(image, STEP_WEBP_LOSSY, 10);
  } else if (memcmp(bytes, "VP8L", 4) == 0 && count >= 5) {
    weir__image_await(image, STEP_WEBP_LOSSLESS, 5);
  } else {
    weir__image_damaged(image, "its first chunk is none of WebP's");
  }
}

void weir__webp_step(weir_image_t *image, const uint8_t *bytes) {
  weir_image_facts_t *facts = &image->facts;
  uint32_t bits;
  switch ((weir__image_step_t)image->step) {
    case STEP_RIFF:
      riff(image, bytes);
      break;
    case STEP_WEBP_CHUNK:
      chunk(image, bytes);
      break;
    case STEP_WEBP_EXTENDED:
      facts->has_alpha = (bytes[0] & 0x10) != 0;
      facts->width = little24(bytes + 4) + 1;
      facts->height = little24(bytes + 7) + 1;
      image->is_over = true;
      break;
    case STEP_WEBP_LOSSY:
      if (memcmp(bytes + 3, "\x9D\x01\x2A", 3) != 0) {
        weir__image_damaged(image, "it does not begin with a key frame");
        break;
      }
      facts->width = weir__little16(bytes + 6) & 0x3FFF;
      facts->height = weir__little16(bytes + 8) & 0x3FFF;
      image->is_over = true;
      break;
    case STEP_WEBP_LOSSLESS:
      if (bytes[0] != 0x2F) {
        weir__image_damaged(image, "its pixels do not begin as WebP's");
        break;
      }
      bits = weir__little32(bytes + 1);
      facts->width = (bits & 0x3FFF) + 1;
      facts->height = (bits >> 14 & 0x3FFF) + 1;
      facts->has_alpha = (bits >> 28 & 1) != 0;
      image->is_over = true;
      break;
    default:
      break;
  }
}
