/*
 * selftest.c - checks the checkers: stamps.c, verify.c and response.c at
 * every size of read, with skips, cuts, repeats and damage put in on purpose.
 */
#include <stdio.h>
#include <stdlib.h>

#include "response.h"
#include "stamps.h"
#include "verify.h"

#define BODY   8192u
#define PERIOD 320u

static int failures;

static void expect(const char *what, uint64_t got, uint64_t wanted) {
  if (got == wanted) return;
  fprintf(stderr, "%s: %llu, not %llu\n", what, (unsigned long long)got,
          (unsigned long long)wanted);
  failures++;
}

/* Feeds a body in reads of one size, carrying as the client does. */
static void feed(const uint8_t *body, size_t length, size_t step,
                 struct stamps *stamps, struct verify *verify,
                 struct latency *latency) {
  static uint8_t buffer[BODY * 2 + VERIFY_CARRY];
  size_t carry = 0;
  for (size_t at = 0; at < length; at += step) {
    size_t n = length - at < step ? length - at : step;
    memcpy(buffer + carry, body + at, n);
    n += carry;
    carry = stamps != NULL ? stamps_feed(stamps, buffer, n, 1000, latency)
                           : verify_feed(verify, buffer, n);
    expect("carry fits", carry <= (stamps ? STAMPS_CARRY : VERIFY_CARRY), 1);
    memmove(buffer, buffer + n - carry, carry);
  }
  if (verify != NULL) verify_finish(verify, buffer, carry);
}

/* The source's bytes `from` up to `to` of either pattern. */
static size_t append(uint8_t *body, size_t at, uint64_t from, uint64_t to,
                     int stamped) {
  for (uint64_t p = from; p < to; p++) {
    struct stream_stamp stamp = {.written = 400, .period = PERIOD};
    stamp.position = p - p % PERIOD;
    memcpy(stamp.magic, STREAM_MAGIC, STREAM_MAGIC_BYTES);
    size_t within = (size_t)(p % PERIOD);
    uint8_t byte = within < sizeof stamp ? ((uint8_t *)&stamp)[within] : 0;
    body[at++] = stamped ? byte : stream_byte(p);
  }
  return at;
}

static void check_stamps(size_t step) {
  static uint8_t body[BODY * 2];
  static struct latency latency;
  struct stamps stamps = {0};
  memset(&latency, 0, sizeof latency);
  /* Joined inside a block; 25 blocks follow. */
  size_t length = append(body, 0, 1000, 1000 + BODY, 1);
  feed(body, length, step, &stamps, NULL, &latency);
  expect("stamps found", stamps.found, 25);
  expect("no resync", stamps.resyncs, 0);
  expect("nothing skipped", stamps.skipped, 0);
  expect("latency counted", latency.count, 25);
  expect("latency", latency.max, 600);

  stamps = (struct stamps){0};
  length = append(body, 0, 1000, 3004, 1);
  length = append(body, length, 5008, 9000, 1);
  feed(body, length, step, &stamps, NULL, NULL);
  expect("one resync", stamps.resyncs, 1);
  expect("skip counted", stamps.skipped, 5008 - 3004);

  stamps = (struct stamps){0};
  length = append(body, 0, 0, 3200, 1);
  length = append(body, length, 32000, 35200, 1);
  feed(body, length, step, &stamps, NULL, NULL);
  expect("whole blocks skipped", stamps.skipped, 32000 - 3200);
  expect("without a resync", stamps.resyncs, 0);

  stamps = (struct stamps){0};
  length = append(body, 0, 0, 3200, 1);
  length = append(body, length, 0, 3200, 1);
  feed(body, length, step, &stamps, NULL, NULL);
  expect("restart", stamps.restarts, 1);
  expect("a restart skips nothing", stamps.skipped, 0);
}

static void check_contiguous(size_t step, uint64_t start, uint32_t frame) {
  static uint8_t body[BODY];
  struct verify verify = {.frame = frame};
  size_t length = append(body, 0, start, start + 4001, 0);
  feed(body, length, step, NULL, &verify, NULL);
  expect("contiguous", (uint64_t)verify_contiguous(&verify),
         start % frame == 0);
  expect("misaligned", verify.misaligned, start % frame != 0);
  expect("start", verify.start, start);
  expect("length", verify.length, 4001);
  expect("corrupt", verify.corrupt, 0);
}

static void check_gap(size_t step, uint32_t frame, uint64_t from, uint64_t to,
                      int clean) {
  static uint8_t body[BODY];
  struct verify verify = {.frame = frame};
  uint64_t start = (uint64_t)frame * 1000;
  size_t length = append(body, 0, start, start + from, 0);
  length = append(body, length, start + to, start + to + 2000, 0);
  feed(body, length, step, NULL, &verify, NULL);
  expect("gap", verify.gaps, 1);
  expect("torn", verify.torn, !clean);
  expect("gap not contiguous", (uint64_t)verify_contiguous(&verify), 0);
  expect("gap length", verify.length, from + 2000);
  expect("gap corrupt", verify.corrupt, 0);
  expect("gap skipped", verify.skipped, to > from ? to - from : 0);
  expect("gap repeats", verify.repeats, to <= from);
}

static void check_damage(size_t step) {
  static uint8_t body[BODY];
  struct verify verify = {.frame = 4};
  size_t length = append(body, 0, 4000, 8000, 0);
  body[1500] ^= 1;
  feed(body, length, step, NULL, &verify, NULL);
  expect("damage seen", verify.corrupt > 0, 1);
  expect("damage not contiguous", (uint64_t)verify_contiguous(&verify), 0);

  verify = (struct verify){.frame = 4};
  memset(body, 0, 500);
  feed(body, 500, step, NULL, &verify, NULL);
  expect("silence is no pattern", verify.corrupt, 500);
}

static void check_responses(void) {
  static const char wav[] =
      "HTTP/1.1 200 OK\r\n\r\nRIFF\xff\xff\xff\xffWAVE"
      "fmt \x02\0\0\0ab"
      "data\xff\xff\xff\xff";
  int status = 0, length = (int)sizeof wav - 1;
  for (int n = 0; n < length; n++) {
    int at = response_parse(wav, (size_t)n, &status);
    expect("needs more", (uint64_t)(at == RESPONSE_MORE), 1);
  }
  expect("behind the header",
         (uint64_t)response_parse(wav, (size_t)length, &status),
         (uint64_t)length);
  static const char raw[] = "HTTP/1.0 200 OK\r\n\r\nabcd";
  expect("raw body", (uint64_t)response_parse(raw, 23, &status), 19);
  static const char full[] = "HTTP/1.1 503 Full\r\n\r\n";
  expect("refusal", (uint64_t)response_parse(full, 21, &status), 21);
  expect("status", (uint64_t)status, 503);
  static const char chunked[] =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  expect("chunked is refused",
         response_parse(chunked, sizeof chunked - 1, &status) == RESPONSE_BAD,
         1);
}

static void check_latency(void) {
  static struct latency latency;
  for (uint64_t i = 1; i <= 100000; i++)
    latency_record(&latency, i * 1000);
  for (int percent = 1; percent <= 100; percent++) {
    double exact = percent * 1e6, got;
    got = (double)latency_quantile(&latency, percent / 100.0);
    expect("quantile", got >= exact && got <= exact * 1.016, 1);
  }
  expect("max", latency.max, 100000000);
}

int main(void) {
  for (size_t step = 1; step < 700; step++) {
    check_stamps(step);
    check_contiguous(step, 0, 4);
    check_contiguous(step, 4, 4);
    check_contiguous(step, 21000000004, 4);
    check_contiguous(step, 21000000003, 4);
    check_contiguous(step, 6006, 6);
    for (uint64_t cut = 1200; cut < 1248; cut += 4) {
      check_gap(step, 4, cut, 900000 + cut % 8, 1);
      check_gap(step, 4, cut, 1048576 * 5 + 4, 1);
      check_gap(step, 4, cut, 400, 1);
      check_gap(step, 6, cut * 3, 90006, 1);
    }
    check_gap(step, 4, 1202, 90004, 0);
    check_gap(step, 4, 1204, 90003, 0);
    check_gap(step, 6, 1204, 90006, 0);
    check_damage(step);
  }
  check_responses();
  check_latency();
  printf("bench selftest: %s\n", failures == 0 ? "ok" : "FAILED");
  return failures != 0;
}
