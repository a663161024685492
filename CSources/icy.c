/* icy.c - titles between the bytes of a stream, taken out in place. */
#include "weir/icy.h"

#include <string.h>

#include "weir/errors.h"

int weir_icy_init(weir_icy_t *icy, uint32_t interval) {
  if (interval == 0 || interval > WEIR_ICY_INTERVAL_MAX) return WEIR_EOPTION;
  memset(icy, 0, sizeof *icy);
  icy->interval = interval;
  icy->left = interval;
  return 0;
}

static void block_ended(weir_icy_t *icy) {
  size_t length = icy->block_length;
  icy->left = icy->interval;
  icy->block_length = icy->block_used = 0;
  while (length > 0 && icy->block[length - 1] == 0)
    length--;
  if (length == 0) return;
  if (length == icy->text_length && memcmp(icy->text, icy->block, length) == 0)
    return;
  memcpy(icy->text, icy->block, length);
  icy->text_length = (uint16_t)length;
  icy->is_changed = 1;
}

/* The byte that says how long a text is, or some of the text. */
static size_t take_block(weir_icy_t *icy, const uint8_t *bytes, size_t length) {
  size_t run = (size_t)(icy->block_length - icy->block_used);
  if (run == 0) {
    icy->block_length = (uint16_t)(bytes[0] * 16u);
    if (icy->block_length == 0) block_ended(icy);
    return 1;
  }
  if (run > length) run = length;
  memcpy(icy->block + icy->block_used, bytes, run);
  icy->block_used = (uint16_t)(icy->block_used + run);
  if (icy->block_used == icy->block_length) block_ended(icy);
  return run;
}

size_t weir_icy_decode(weir_icy_t *icy, void *memory, size_t length) {
  uint8_t *bytes = memory;
  size_t at = 0;
  size_t body = 0;
  while (at < length) {
    size_t run = length - at;
    if (icy->left == 0) {
      at += take_block(icy, bytes + at, run);
      continue;
    }
    if (run > icy->left) run = icy->left;
    if (body != at) memmove(bytes + body, bytes + at, run);
    at += run;
    body += run;
    icy->left -= (uint32_t)run;
  }
  return body;
}
