/* Titles come out of a stream whatever pieces it comes in, and leave its bytes
 * as they were. */
#include "test.h"
#include "weir/errors.h"

#define BYTES 3000u

static uint8_t body[BYTES];
static uint8_t wire[BYTES * 20];
static uint8_t left[BYTES * 20];

/* The stream with `texts` in turn behind every `interval` bytes; its length. */
static size_t make(uint32_t interval, const char *const *texts, size_t count) {
  size_t at = 0;
  size_t text = 0;
  for (size_t i = 0; i < BYTES; i++) {
    wire[at++] = body[i];
    if ((i + 1) % interval != 0) continue;
    size_t length = strlen(texts[text]);
    size_t blocks = (length + 15) / 16;
    wire[at++] = (uint8_t)blocks;
    memset(wire + at, 0, blocks * 16);
    memcpy(wire + at, texts[text], length);
    at += blocks * 16;
    text = (text + 1) % count;
  }
  return at;
}

/* Decodes in pieces as `seed` says, 0: at once. */
static void decode(weir_icy_t *icy, size_t length, uint64_t seed) {
  size_t out = 0;
  for (size_t at = 0; at < length;) {
    size_t run = seed == 0 ? length : 1 + test_random(&seed) % 40;
    if (run > length - at) run = length - at;
    uint8_t *piece = malloc(run);
    CHECK(piece != NULL);
    memcpy(piece, wire + at, run);
    size_t count = weir_icy_decode(icy, piece, run);
    CHECK(count <= run);
    memcpy(left + out, piece, count);
    out += count;
    at += run;
    free(piece);
  }
  CHECK_EQ(out, BYTES);
  CHECK(memcmp(left, body, BYTES) == 0);
}

static void test_splits(uint32_t interval, const char *const *texts,
                        size_t count, const char *last) {
  static weir_icy_t icy;
  size_t length = make(interval, texts, count);
  for (uint64_t seed = 0; seed < 50; seed++) {
    CHECK_EQ(weir_icy_init(&icy, interval), 0);
    decode(&icy, length, seed);
    CHECK_EQ(icy.is_changed, 1);
    CHECK_EQ(icy.text_length, strlen(last));
    CHECK(memcmp(icy.text, last, icy.text_length) == 0);
  }
}

/* The same text again, and none, are no news. */
static void test_news(void) {
  static weir_icy_t icy;
  uint8_t bytes[64] = {'a', 1, 'T'};
  CHECK_EQ(weir_icy_init(&icy, 1), 0);
  CHECK_EQ(weir_icy_decode(&icy, bytes, 18), 1);
  CHECK_EQ(icy.is_changed, 1);
  icy.is_changed = 0;
  memset(bytes, 0, sizeof bytes);
  bytes[1] = 1;
  bytes[2] = 'T';
  CHECK_EQ(weir_icy_decode(&icy, bytes, 18), 1); /* the same */
  memset(bytes, 0, sizeof bytes);
  CHECK_EQ(weir_icy_decode(&icy, bytes, 2), 1); /* length 0 */
  bytes[1] = 2;
  CHECK_EQ(weir_icy_decode(&icy, bytes, 34), 1); /* zeros only */
  CHECK_EQ(icy.is_changed, 0);
  CHECK_EQ(icy.text_length, 1);
  bytes[1] = 1;
  bytes[2] = 'U';
  CHECK_EQ(weir_icy_decode(&icy, bytes, 18), 1);
  CHECK_EQ(icy.is_changed, 1);
  CHECK_EQ(icy.text[0], 'U');
}

/* The longest text, of bytes without a zero. */
static void test_longest(void) {
  static weir_icy_t icy;
  static uint8_t bytes[2 * (WEIR_ICY_TEXT_MAX + 2)];
  memset(bytes, 0xFF, sizeof bytes);
  CHECK_EQ(weir_icy_init(&icy, 1), 0);
  CHECK_EQ(weir_icy_decode(&icy, bytes, sizeof bytes), 2);
  CHECK_EQ(icy.text_length, WEIR_ICY_TEXT_MAX);
}

int main(void) {
  static const char *const two[] = {"StreamTitle='A';", "StreamTitle='B';"};
  static const char *const one[] = {"", "", "StreamTitle='It's';x"};
  static weir_icy_t icy;
  for (size_t i = 0; i < BYTES; i++)
    body[i] = (uint8_t)(i * 7 + i / 251);
  test_splits(1, two, 2, "StreamTitle='B';");
  test_splits(750, two, 2, "StreamTitle='B';");
  test_splits(1000, two, 2, "StreamTitle='A';");
  test_splits(17, one, 3, "StreamTitle='It's';x");
  test_news();
  test_longest();
  CHECK_EQ(weir_icy_init(&icy, 0), WEIR_EOPTION);
  CHECK_EQ(weir_icy_init(&icy, WEIR_ICY_INTERVAL_MAX), 0);
  CHECK_EQ(weir_icy_init(&icy, WEIR_ICY_INTERVAL_MAX + 1), WEIR_EOPTION);
  return 0;
}
