/*
 * truth.c - the scanner beside a reference and beside ffprobe, on a stream
 * that FFmpeg made.
 *
 *   truth STREAM NOTES     NOTES as make-streams writes them
 *
 * The reference has the whole file in memory and tries everything: it was
 * written from the rules, not from the scanner. Both are given the stream as
 * it is, with random_access_indicator taken out, with packets of 204 bytes,
 * and with things that have happened to it. Key frames, rate and duration are
 * compared with what ffprobe says.
 */
#include <stdarg.h>

#include "../Core/scale.h"
#include "../Core/test.h"

#define MUTANTS 200 /* of each stream; times WEIR_SCALE */
#define ROOM    ((size_t)4 << 20)
#define MANY    65536u

typedef struct list {
  size_t count;
  uint64_t at[MANY];
} list_t;

typedef struct input {
  const uint8_t *bytes;
  size_t length;
} input_t;

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static void add(list_t *list, uint64_t at) {
  CHECK(list->count < MANY);
  list->at[list->count++] = at;
}

/* --- The reference ------------------------------------------------------- */

static int has_sync(input_t in, size_t at) {
  return at < in.length && in.bytes[at] == 0x47;
}

/* Whether a packet may begin here, by the bytes of its header that exist. */
static int may_begin(input_t in, size_t at) {
  if (!has_sync(in, at)) return 0;
  if (at + 3 >= in.length) return 1;
  int has_field = in.bytes[at + 3] >> 5 & 1;
  int has_payload = in.bytes[at + 3] >> 4 & 1;
  if (!has_field && !has_payload) return 0;
  if (!has_field || at + 4 >= in.length) return 1;
  int length = in.bytes[at + 4];
  return has_payload ? length <= 182 : length == 183;
}

/* Whether packets begin here: five, or at the end as many as there are, if
 * three. */
static int begins(input_t in, size_t at, size_t stride) {
  size_t count = 0;
  for (size_t k = 0; k < 5; k++) {
    if (at + k * stride >= in.length) break;
    if (!may_begin(in, at + k * stride)) return 0;
    count++;
  }
  return count >= 3;
}

typedef struct truth {
  list_t packets; /* where they begin */
  size_t locks, losses, dropped;
} truth_t;

static void find_truth(input_t in, truth_t *truth) {
  static const size_t strides[] = {188, 192, 204};
  memset(truth, 0, sizeof *truth);
  size_t from = 0;
  while (from < in.length) {
    size_t stride = 0;
    for (; from < in.length && stride == 0; from += stride == 0)
      for (int i = 2; i >= 0; i--)
        if (begins(in, from, strides[i])) stride = strides[i];
    if (stride == 0) return;
    truth->locks++;
    for (;; from += stride) {
      if (from >= in.length) return;
      if (has_sync(in, from)) {
        if (from + 188 <= in.length) add(&truth->packets, from);
        continue;
      }
      if (has_sync(in, from + stride) || has_sync(in, from + 2 * stride) ||
          from + 2 * stride >= in.length) {
        /* One packet, or two, or the input ends before it can be told. */
        if (from + 188 <= in.length) truth->dropped++;
        continue;
      }
      break;
    }
    truth->losses++;
  }
}

/* --- The scanner --------------------------------------------------------- */

typedef struct seen {
  input_t in;
  list_t accesses;
  size_t packets;
  const list_t *expected;
  weir_ts_counters_t counters;
  double bitrate, seconds;
  int kinds[3];
} seen_t;

static void on_packets(weir_ts_t *ts, const uint8_t *packets, size_t count,
                       uint64_t first) {
  seen_t *seen = weir_ts_data(ts);
  CHECK_EQ(first, seen->packets);
  for (size_t i = 0; i < count; i++) {
    size_t k = seen->packets++;
    if (k >= seen->expected->count) continue;
    CHECK(memcmp(packets + 188 * i, seen->in.bytes + seen->expected->at[k],
                 188) == 0);
  }
}

static void on_access(weir_ts_t *ts, const weir_ts_access_t *access) {
  seen_t *seen = weir_ts_data(ts);
  CHECK_EQ(access->offset, seen->expected->at[access->packet]);
  seen->kinds[access->kind]++;
  /* In the order of the packets, also when one is known later. */
  size_t at = seen->accesses.count;
  add(&seen->accesses, 0);
  for (; at > 0 && seen->accesses.at[at - 1] > access->offset; at--)
    seen->accesses.at[at] = seen->accesses.at[at - 1];
  seen->accesses.at[at] = access->offset;
}

static void scan(input_t in, const truth_t *truth, uint64_t *seed,
                 seen_t *seen) {
  memset(seen, 0, sizeof *seen);
  seen->in = in;
  seen->expected = &truth->packets;
  weir_ts_options_t options = {
      .size = sizeof options,
      .settings = {.on_packets = on_packets, .on_access = on_access},
      .data = seen};
  weir_ts_t *ts;
  CHECK_EQ(weir_ts_create(&ts, &options), 0);
  for (size_t at = 0; at < in.length;) {
    size_t some = 1 + (size_t)(test_random(seed) >> 20) % 20000;
    if (some > in.length - at) some = in.length - at;
    CHECK_EQ(weir_ts_push(ts, in.bytes + at, some), 0);
    at += some;
  }
  CHECK_EQ(weir_ts_end(ts), truth->packets.count > 0 ? 0 : WEIR_ENOTTS);
  weir_ts_counters(ts, &seen->counters);
  seen->bitrate = weir_ts_bitrate(ts);
  seen->seconds = (double)weir_ts_duration(ts) / WEIR_TS_CLOCK;
  weir_ts_destroy(ts);
  CHECK_EQ(seen->packets, truth->packets.count);
  CHECK_EQ(seen->counters.locks, truth->locks);
  CHECK_EQ(seen->counters.losses, truth->losses);
  CHECK_EQ(seen->counters.dropped, truth->dropped);
}

/* --- Comparison ---------------------------------------------------------- */

static truth_t truth;
static seen_t seen;

static void compare_access(const char *what, const list_t *expected,
                           uint64_t scale, uint64_t base, uint64_t skew) {
  for (size_t i = 0; i < expected->count || i < seen.accesses.count; i++) {
    uint64_t want = i < expected->count ? expected->at[i] / base * scale + skew
                                        : UINT64_MAX;
    uint64_t have = i < seen.accesses.count ? seen.accesses.at[i] : UINT64_MAX;
    if (want != have)
      die("%s: access point %zu at %" PRIu64 ", ffprobe says %" PRIu64, what, i,
          have, want);
  }
}

/* Garbage put in, bytes taken out or damaged, the rest or the beginning cut
 * off. Returns the new length. */
static size_t mutate(uint8_t *bytes, size_t length, uint64_t *seed) {
  size_t at = (size_t)(test_random(seed) >> 20) % (length - 1000);
  size_t some = 1 + (size_t)(test_random(seed) >> 20) % 600;
  switch (test_random(seed) >> 32 & 3) {
    case 0:
      memmove(bytes + at + some, bytes + at, length - at);
      for (size_t i = 0; i < some; i++)
        bytes[at + i] = (uint8_t)(test_random(seed) >> 32);
      return length + some;
    case 1:
      memmove(bytes + at, bytes + at + some, length - at - some);
      return length - some;
    case 2: /* sync bytes, one to four in a row */
      for (size_t i = 0; i <= some % 4; i++) {
        while (at < length && bytes[at] != 0x47)
          at++;
        if (at < length) bytes[at] = (uint8_t)(some % 0x47);
        at += 188;
      }
      return length;
    default:
      if (at > length / 8) return length;
      memmove(bytes, bytes + at, length - at - some);
      return length - at - some;
  }
}

static void check_mutants(const char *name, input_t in, uint8_t *copy) {
  uint64_t count = MUTANTS * test_scale();
  uint64_t lost = 0;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t seed = 77 + i * 1000003;
    memcpy(copy, in.bytes, in.length);
    size_t length = in.length;
    size_t things = 1 + i % 8;
    for (size_t k = 0; k < things; k++)
      length = mutate(copy, length, &seed);
    input_t mutant = {copy, length};
    find_truth(mutant, &truth);
    scan(mutant, &truth, &seed, &seen);
    /* What was not damaged is found: a thing costs the packets it touches,
     * and a run of less than five between two things. */
    size_t least = length / 204 > 12 * things ? length / 204 - 12 * things : 0;
    if (truth.packets.count < least) die("%s: %" PRIu64, name, i);
    lost += truth.losses;
  }
  printf("%s: %" PRIu64 " mutants, %" PRIu64 " losses, all as the reference\n",
         name, count, lost);
}

static void check_204(input_t in, uint8_t *copy, const list_t *keys) {
  uint64_t seed = 204;
  size_t length = 0;
  for (size_t at = 0; at < in.length; at += 188) {
    memcpy(copy + length, in.bytes + at, 188);
    for (size_t i = 188; i < 204; i++)
      copy[length + i] = (uint8_t)(test_random(&seed) >> 32);
    length += 204;
  }
  input_t padded = {copy, length};
  find_truth(padded, &truth);
  scan(padded, &truth, &seed, &seen);
  CHECK_EQ(seen.packets, in.length / 188);
  compare_access("204", keys, 204, 188, 0);
}

static void check_stripped(input_t in, uint8_t *copy, size_t stride,
                           const list_t *keys) {
  uint64_t seed = 7;
  size_t header = stride == 192 ? 4 : 0;
  memcpy(copy, in.bytes, in.length);
  for (size_t at = header; at + 188 <= in.length; at += stride)
    if (copy[at + 3] & 0x20 && copy[at + 4] > 0) copy[at + 5] &= 0xbf;
  input_t stripped = {copy, in.length};
  find_truth(stripped, &truth);
  scan(stripped, &truth, &seed, &seen);
  CHECK_EQ(seen.kinds[WEIR_TS_ACCESS_INDICATOR], 0);
  compare_access("stripped", keys, 1, 1, header);
}

/* Bits a second between the first PCR of the file and the last of its PID. */
static double true_rate(input_t in, const list_t *packets) {
  size_t first = 0;
  size_t last = 0;
  double from = 0;
  double to = 0;
  int pid = -1;
  for (size_t i = 0; i < packets->count; i++) {
    const uint8_t *p = in.bytes + packets->at[i];
    if (!(p[3] & 0x20) || p[4] < 7 || !(p[5] & 0x10)) continue;
    int its = (p[1] & 0x1f) << 8 | p[2];
    if (pid >= 0 && its != pid) continue;
    double base = p[6] * 33554432.0 + p[7] * 131072.0 + p[8] * 512.0 +
                  p[9] * 2.0 + (p[10] >> 7);
    to = base / 90000 + ((p[10] & 1) * 256 + p[11]) / 27e6;
    last = i;
    if (pid >= 0) continue;
    pid = its;
    first = i;
    from = to;
  }
  CHECK(last > first && to > from);
  return (double)(last - first) * 188 * 8 / (to - from);
}

/* Beside the rate it was made with, if that is constant, and that of the
 * file. */
static void check_rate(const char *name, double rate, double duration,
                       input_t in) {
  double mean = true_rate(in, &truth.packets);
  if (rate > 0 && (seen.bitrate < 0.99 * rate || seen.bitrate > 1.01 * rate))
    die("%s: %.0f bits/s, made with %.0f", name, seen.bitrate, rate);
  if (seen.bitrate < 0.99 * mean || seen.bitrate > 1.01 * mean)
    die("%s: %.0f bits/s, the file has %.0f", name, seen.bitrate, mean);
  if (seen.seconds < duration - 0.5 || seen.seconds > duration + 0.5)
    die("%s: %.3f s, ffprobe says %.3f", name, seen.seconds, duration);
  printf(
      "%s: %zu packets, %zu access points, %.0f bits/s (file: %.0f), %.3f s "
      "(ffprobe: %.3f)\n",
      name, seen.packets, seen.accesses.count, seen.bitrate,
      rate > 0 ? rate : mean, seen.seconds, duration);
}

int main(int argc, char **argv) {
  if (argc != 3) die("usage: truth STREAM NOTES");
  const char *slash = strrchr(argv[1], '/');
  const char *name = slash != NULL ? slash + 1 : argv[1];
  uint8_t *bytes = malloc(ROOM);
  uint8_t *copy = malloc(ROOM);
  CHECK(bytes != NULL && copy != NULL);
  FILE *file = fopen(argv[1], "rb");
  if (file == NULL) die("%s cannot be read", argv[1]);
  input_t in = {bytes, fread(bytes, 1, ROOM / 2, file)};
  fclose(file);

  static list_t keys;
  double rate;
  double duration;
  uint64_t at;
  file = fopen(argv[2], "r");
  if (file == NULL || fscanf(file, "%lf %lf", &rate, &duration) != 2)
    die("%s cannot be read", argv[2]);
  while (fscanf(file, "%" SCNu64, &at) == 1)
    add(&keys, at);
  fclose(file);
  CHECK(keys.count >= 5);

  uint64_t seed = 1;
  find_truth(in, &truth);
  CHECK(truth.packets.count > 100 && truth.losses == 0);
  size_t stride = truth.packets.at[1] - truth.packets.at[0];
  scan(in, &truth, &seed, &seen);
  CHECK_EQ(seen.packets, in.length / stride);
  CHECK_EQ(seen.counters.continuity, 0);
  CHECK_EQ(seen.counters.bad_sections, 0);
  compare_access(name, &keys, 1, 1, stride == 192 ? 4 : 0);
  check_rate(name, rate, duration, in);
  check_stripped(in, copy, stride, &keys);
  if (stride == 188) check_204(in, copy, &keys);
  check_mutants(name, in, copy);
  free(bytes);
  free(copy);
  return 0;
}
