/*
 * image.c - fuzzes weir_image_feed().
 *
 * Whatever the bytes: the answer is the same however they are cut; what is
 * said of a picture is possible, and lies inside it; the CRCs are those of the
 * bytes that are pointed at.
 */
#include "image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "CWeirDownloads.h"

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      __builtin_trap();    \
    }                      \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require_png(const weir_image_facts_t *facts, const uint8_t *bytes,
                        size_t length) {
  uint64_t end = 8;
  uint32_t crc = 0;
  REQUIRE(facts->run_count <= WEIR_IMAGE_RUNS);
  for (uint32_t i = 0; i < facts->run_count; i++) {
    const weir_image_run_t *run = &facts->runs[i];
    REQUIRE(run->count > 0 && run->pieces > 0);
    for (uint64_t piece = 0; piece < run->pieces; piece++) {
      uint64_t offset = run->offset + piece * (run->count + 12);
      REQUIRE(offset >= end && run->count <= length - offset);
      crc = weir_crc32(crc, bytes + offset, (size_t)run->count);
      end = offset + run->count;
    }
  }
  REQUIRE(crc == facts->data_crc32);
  REQUIRE(facts->palette_offset + facts->palette_count <= length);
  REQUIRE(facts->palette_count <= 3u << facts->bits);
  REQUIRE(facts->palette_count % 3 == 0);
  REQUIRE(weir_crc32(0, bytes + facts->palette_offset,
                     (size_t)facts->palette_count) == facts->palette_crc32);
  REQUIRE(facts->colour != WEIR_COLOUR_INDEXED || facts->palette_count > 0);
}

static void require_sound(const weir_image_facts_t *facts, const uint8_t *bytes,
                          size_t length) {
  REQUIRE(facts->format > WEIR_IMAGE_NONE && facts->format <= WEIR_IMAGE_AVIF);
  REQUIRE(facts->width > 0 && facts->height > 0);
  REQUIRE(facts->colour <= WEIR_COLOUR_INDEXED);
  REQUIRE(facts->bits <= 16 && facts->process <= 15);
  REQUIRE((facts->colour == WEIR_COLOUR_UNKNOWN) == (facts->bits == 0));
  REQUIRE(facts->orientation >= 1 && facts->orientation <= 8);
  if (facts->format == WEIR_IMAGE_PNG) {
    require_png(facts, bytes, length);
  } else {
    REQUIRE(facts->run_count == 0 && facts->palette_count == 0);
  }
}

/* In pieces, each in memory of its own so that reading past it is seen. */
static void feed(weir_image_t *image, const uint8_t *bytes, size_t length,
                 size_t piece, uint32_t random) {
  memset(image, 0xA5, sizeof *image);
  weir_image_begin(image);
  while (length > 0) {
    random = random * 1664525u + 1013904223u;
    size_t count = piece > 0 ? piece : 1 + (random >> 24);
    if (count > length) count = length;
    uint8_t *copy = malloc(count);
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, count);
    weir_image_feed(image, copy, count);
    free(copy);
    bytes += count;
    length -= count;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static weir_image_t whole;
  static weir_image_t part;
  const char *why;
  const char *damage;
  feed(&whole, bytes, length, SIZE_MAX, 0);
  const weir_image_facts_t *facts = weir_image_end(&whole, &why);
  if (facts != NULL) {
    REQUIRE(why == NULL);
    require_sound(facts, bytes, length);
  }

  const size_t pieces[] = {1, 2, 7, 0};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    feed(&part, bytes, length, pieces[i], (uint32_t)length);
    const weir_image_facts_t *other = weir_image_end(&part, &damage);
    REQUIRE((facts == NULL) == (other == NULL));
    REQUIRE(why == damage);
    REQUIRE(memcmp(&whole.facts, &part.facts, sizeof whole.facts) == 0);
  }
  return 0;
}
