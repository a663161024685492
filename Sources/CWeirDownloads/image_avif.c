/*
 * image_avif.c - AVIF: the size in its ISO boxes (ISO/IEC 14496-12, 23008-12).
 *
 * Sizes (ispe) are in meta/iprp/ipco, one for each picture inside: the whole,
 * and tiles, alpha and thumbnails of it. The largest is taken for the whole.
 */
#include <string.h>

#include "image_inside.h"

/* A first box with more brands than fit into this is none of a picture. */
enum { BRANDS_LAST = 4096, DEPTH = 3 };

static bool is_avif(const uint8_t *brand) {
  return memcmp(brand, "avif", 4) == 0 || memcmp(brand, "avis", 4) == 0;
}

/* Leaves the boxes that end here, and waits for the next. */
static void next_box(weir_image_t *image) {
  while (image->depth > 0 &&
         image->position >= image->boxes[image->depth - 1]) {
    image->depth--;
    if (image->depth == DEPTH - 1 && image->facts.width > 0) {
      image->is_over = true;
      return;
    }
  }
  weir__image_await(image, STEP_BOX, 8);
}

static void next_brand(weir_image_t *image) {
  if (image->end - image->position >= 4 && !image->is_avif) {
    weir__image_await(image, STEP_BRAND, 4);
    return;
  }
  if (!image->is_avif) {
    image->is_over = true;
    return;
  }
  image->facts.format = WEIR_IMAGE_AVIF;
  weir__image_skip_rest(image);
  if (image->skip > 0) {
    weir__image_await(image, STEP_BOX_NEXT, 0);
  } else {
    next_box(image);
  }
}

static void first(weir_image_t *image, const uint8_t *bytes) {
  uint32_t length = weir__big32(bytes);
  if (memcmp(bytes + 4, "ftyp", 4) != 0 || length < 16 ||
      length > BRANDS_LAST) {
    image->is_over = true;
    return;
  }
  image->end = length;
  image->is_avif = is_avif(bytes + 8);
  next_brand(image);
}

/* Goes into a box that has what is looked for, past the others. */
static void open_box(weir_image_t *image, const uint8_t *type) {
  static const char *const path[DEPTH] = {"meta", "iprp", "ipco"};
  uint64_t left = image->end - image->position;
  if (image->depth < DEPTH && memcmp(type, path[image->depth], 4) == 0) {
    /* meta has a version in front of its boxes. */
    uint64_t version = image->depth == 0 ? 4 : 0;
    if (left >= version) {
      image->boxes[image->depth++] = image->end;
      image->skip = version;
      if (version > 0) {
        weir__image_await(image, STEP_BOX_NEXT, 0);
      } else {
        next_box(image);
      }
      return;
    }
  }
  if (image->depth == DEPTH && memcmp(type, "ispe", 4) == 0 && left >= 12) {
    weir__image_await(image, STEP_BOX_SIZE, 12);
    return;
  }
  image->skip = left;
  if (left > 0) {
    weir__image_await(image, STEP_BOX_NEXT, 0);
  } else {
    next_box(image);
  }
}

/* A box of this length, of which `seen` bytes are behind. */
static void box(weir_image_t *image, const uint8_t *type, uint64_t length,
                uint64_t seen) {
  uint64_t end;
  if (length < seen ||
      __builtin_add_overflow(image->position, length - seen, &end) ||
      (image->depth > 0 && end > image->boxes[image->depth - 1])) {
    weir__image_damaged(image, "a box does not fit into the one around it");
    return;
  }
  image->end = end;
  open_box(image, type);
}

static void size(weir_image_t *image, const uint8_t *bytes) {
  weir_image_facts_t *facts = &image->facts;
  uint32_t width = weir__big32(bytes + 4);
  uint32_t height = weir__big32(bytes + 8);
  if ((uint64_t)width * height > (uint64_t)facts->width * facts->height) {
    facts->width = width;
    facts->height = height;
  }
  weir__image_skip_rest(image);
  if (image->skip > 0) {
    weir__image_await(image, STEP_BOX_NEXT, 0);
  } else {
    next_box(image);
  }
}

void weir__avif_step(weir_image_t *image, const uint8_t *bytes) {
  uint32_t length;
  switch ((weir__image_step_t)image->step) {
    case STEP_BRAND_FIRST:
      first(image, bytes);
      break;
    case STEP_BRAND:
      image->is_avif = is_avif(bytes);
      next_brand(image);
      break;
    case STEP_BOX:
      length = weir__big32(bytes);
      if (length == 1) {
        image->held_count = 8; /* a long one: its length is behind its type */
        weir__image_await(image, STEP_BOX_LONG, 16);
      } else if (length == 0) {
        /* To the end of what is around it; nothing comes behind the last. */
        uint64_t end =
            image->depth > 0 ? image->boxes[image->depth - 1] : UINT64_MAX;
        box(image, bytes + 4, end - image->position + 8, 8);
      } else {
        box(image, bytes + 4, length, 8);
      }
      break;
    case STEP_BOX_LONG:
      box(image, bytes + 4,
          (uint64_t)weir__big32(bytes + 8) << 32 | weir__big32(bytes + 12), 16);
      break;
    case STEP_BOX_SIZE:
      size(image, bytes);
      break;
    case STEP_BOX_NEXT:
      next_box(image);
      break;
    default:
      break;
  }
}
