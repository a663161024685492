#include "verify.h"

#include "stream.h"

static size_t run_length(const uint8_t *bytes, size_t length,
                         uint64_t position) {
  size_t i = 0;
  while (i < length && bytes[i] == stream_byte(position + i))
    i++;
  return i;
}

/* The position of bytes[0], when the whole window fits the pattern. */
static int locate(const uint8_t *bytes, size_t length, uint64_t *position) {
  for (size_t offset = 0; offset < STREAM_WORD_BYTES; offset++) {
    uint64_t word;
    memcpy(&word, bytes + offset, sizeof word);
    if ((word & STREAM_TAG_MASK) != STREAM_TAG) continue;
    uint64_t at = word & ~STREAM_TAG_MASK;
    if (at < offset || (at & 7) != 0) continue;
    if (run_length(bytes, length, at - offset) < length) continue;
    *position = at - offset;
    return 1;
  }
  return 0;
}

static void take_gap(struct verify *verify, size_t kept, uint64_t to) {
  verify->length += kept;
  verify->next += kept;
  if (verify->gaps < VERIFY_GAPS)
    verify->gap[verify->gaps] = (struct verify_gap){
        .at = verify->length, .from = verify->next, .to = to};
  verify->gaps++;
  if (to > verify->next)
    verify->skipped += to - verify->next;
  else
    verify->repeats++;
  verify->next = to;
}

/*
 * The window's first bytes may still belong to the run before, and its last
 * ones belong to the next run. Words of the two overlap, and neighbours share
 * most of their bytes, so the cut is where both sides hold whole frames.
 */
static size_t resolve(struct verify *verify, const uint8_t *window) {
  size_t kept = run_length(window, VERIFY_WINDOW, verify->next);
  for (int torn = 0; torn < 2; torn++) {
    for (size_t cut = 0; cut <= kept && cut <= VERIFY_WINDOW - 24; cut++) {
      uint64_t to;
      if (!locate(window + cut, VERIFY_WINDOW - cut, &to)) continue;
      int whole =
          (verify->next + cut) % verify->frame == 0 && to % verify->frame == 0;
      if (!whole && !torn) continue;
      verify->torn += (uint64_t)torn;
      take_gap(verify, cut, to);
      return cut;
    }
  }
  verify->corrupt++;
  verify->lost = 1;
  return 1;
}

/* Finds the pattern, at the start or after bytes that belong nowhere. */
static size_t begin(struct verify *verify, const uint8_t *window) {
  uint64_t position;
  if (!locate(window, VERIFY_WINDOW, &position)) {
    verify->corrupt++;
    return 1;
  }
  if (!verify->started) {
    verify->start = verify->next = position;
    verify->misaligned = position % verify->frame != 0;
  } else {
    verify->torn++;
    take_gap(verify, 0, position);
  }
  verify->started = 1;
  verify->lost = 0;
  return 0;
}

/* Bytes from the front that continue the run. */
static size_t follow(struct verify *verify, const uint8_t *bytes,
                     size_t length) {
  size_t odd = (size_t)(-verify->next & 7);
  if (odd > length) odd = length;
  size_t at = run_length(bytes, odd, verify->next);
  if (at == odd) {
    uint64_t word = stream_word(verify->next + at), found;
    for (; length - at >= sizeof word; at += sizeof word) {
      memcpy(&found, bytes + at, sizeof found);
      if (found != word) break;
      word += sizeof word;
    }
  } else {
    at = 0;
  }
  verify->length += at;
  verify->next += at;
  return at;
}

size_t verify_feed(struct verify *verify, const uint8_t *bytes, size_t length) {
  size_t at = 0;
  for (;;) {
    if (verify->started && !verify->lost) {
      at += follow(verify, bytes + at, length - at);
      if (length - at < VERIFY_WINDOW) return length - at;
      at += resolve(verify, bytes + at);
    } else {
      if (length - at < VERIFY_WINDOW) return length - at;
      at += begin(verify, bytes + at);
    }
  }
}

void verify_finish(struct verify *verify, const uint8_t *bytes, size_t length) {
  if (!verify->started || verify->lost) {
    verify->corrupt += length;
    return;
  }
  size_t kept = run_length(bytes, length, verify->next);
  verify->length += kept;
  verify->next += kept;
  verify->corrupt += length - kept;
}

int verify_contiguous(const struct verify *verify) {
  return verify->started && !verify->misaligned && verify->gaps == 0 &&
         verify->corrupt == 0;
}
