/*
 * ts_search.c - where the packets in a run of bytes begin.
 *
 * A place with WEIR_TS_LOCK_PACKETS plausible headers at one stride is a
 * candidate. What decides is whether there are others beside it: payload can
 * hold sync bytes at a distance of a packet too, on purpose or because it is
 * a transport stream itself, and in M2TS the time before each packet can begin
 * with one. So the phases within one packet of a candidate are looked at. If
 * no other has more than two wrong packets among its five, the candidate
 * locks. Otherwise all of them are compared over WEIR__TS_EVIDENCE packets:
 * headers that are wrong and continuity counters that do not count weigh
 * against a phase, counters that do and starts of PES packets or of a PAT for
 * it (ISO/IEC 13818-1 2.4.3.3, 2.4.3.7, 2.4.4.3). The best one locks; if it
 * has a damaged packet among its five, nothing locks here and the search goes
 * on. On a tie the phase of the lock before stays, then the stride of 188 goes
 * before 192 and 204, then the earlier phase.
 *
 * Each of these decisions depends on bytes within WEIR__TS_WINDOW of the
 * place, and waits until they are there: that is why chunks do not matter.
 */
#include "ts_search.h"

#include <string.h>

static const size_t strides[] = {188, 192, 204};
#define STRIDES (sizeof strides / sizeof strides[0])

/* How much a contradiction weighs, and a start that is what it should be,
 * against one counter that counts. */
#define CONTRADICTION 8
#define START         64

/* Whether a packet can begin here, as far as the `length` > 0 bytes tell. */
static int is_plausible(const uint8_t *bytes, size_t length) {
  if (bytes[0] != WEIR_TS_SYNC) return 0;
  if (length < 4) return 1;
  uint32_t control = bytes[3] >> 4 & 3;
  if (control == 0) return 0;
  if (control == 1 || length < WEIR__TS_HEADER) return 1;
  return control == 2 ? bytes[4] == 183 : bytes[4] <= 182;
}

typedef struct run {
  uint32_t whole; /* headers that are there to their end */
  uint32_t begun; /* and those of which there is a part */
  uint32_t wrong;
} run_t;

#define WRONG_MAX (WEIR_TS_LOCK_PACKETS - WEIR_TS_LOCK_AT_END)

/* The first packets of a phase, as far as they are there and until more are
 * wrong than a rival may have. */
static run_t look(const uint8_t *bytes, size_t length, size_t at,
                  size_t stride) {
  run_t run = {0};
  for (size_t k = 0; k < WEIR_TS_LOCK_PACKETS && at < length; k++) {
    if (run.wrong > WRONG_MAX) break;
    run.begun++;
    run.whole += length - at >= WEIR__TS_HEADER;
    run.wrong += !is_plausible(bytes + at, length - at);
    at += stride;
  }
  return run;
}

/* 1: packets may begin with this run, 0: no, -1: it takes more bytes. */
static int is_candidate(run_t run, int is_end) {
  if (run.wrong > 0) return 0;
  if (run.whole == WEIR_TS_LOCK_PACKETS) return 1;
  if (!is_end) return -1;
  return run.begun >= WEIR_TS_LOCK_AT_END;
}

static int is_rival(run_t run, int is_end) {
  uint32_t right = run.begun - run.wrong;
  if (is_end) return right >= WEIR_TS_LOCK_AT_END;
  return run.wrong <= WRONG_MAX;
}

/* Whether a payload that starts with the packet is a PES packet or a PAT. */
static int is_start(const uint8_t *packet, size_t length) {
  size_t at = packet[3] & 0x20 ? 5u + packet[4] : 4;
  if (at + 3 > length || at + 3 > WEIR_TS_PACKET) return 0;
  const uint8_t *payload = packet + at;
  int is_pat = (packet[1] & 0x1f) == 0 && packet[2] == 0;
  if (is_pat) return payload[0] == 0 && payload[1] == 0 && payload[2] >> 6 == 2;
  return payload[0] == 0 && payload[1] == 0 && payload[2] == 1;
}

static int score(const uint8_t *bytes, size_t length, size_t at,
                 size_t stride) {
  struct {
    uint16_t pid;
    uint8_t counter;
    uint8_t is_repeated;
  } seen[WEIR__TS_EVIDENCE];
  size_t pids = 0;
  int points = 0;
  int started = 0;
  for (size_t k = 0; k < WEIR__TS_EVIDENCE; k++, at += stride) {
    if (at + WEIR__TS_HEADER > length) break;
    const uint8_t *packet = bytes + at;
    if (!is_plausible(packet, length - at)) {
      points -= CONTRADICTION;
      continue;
    }
    uint16_t pid = (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
    if (pid == WEIR_TS_NO_PID) continue;
    if ((packet[3] & 0x10) == 0) continue;
    if (packet[1] & 0x40) started |= is_start(packet, length - at);
    uint8_t counter = packet[3] & 15;
    size_t i = 0;
    while (i < pids && seen[i].pid != pid)
      i++;
    if (i < pids) {
      int repeats = counter == seen[i].counter;
      if (counter == ((seen[i].counter + 1) & 15))
        points++;
      else if (!repeats || seen[i].is_repeated)
        points -= CONTRADICTION;
      seen[i].is_repeated = (uint8_t)repeats;
    } else {
      seen[i].pid = pid;
      seen[i].is_repeated = 0;
      pids++;
    }
    seen[i].counter = counter;
  }
  return points + (started ? START : 0);
}

static int has_rival(const uint8_t *bytes, size_t length, size_t at,
                     size_t stride, int is_end) {
  for (size_t i = 0; i < STRIDES; i++)
    for (size_t q = at; q < at + stride && q < length; q++) {
      if (q == at && strides[i] == stride) continue;
      if (is_rival(look(bytes, length, q, strides[i]), is_end)) return 1;
    }
  return 0;
}

/* Whether the input has earned a contest at this offset. */
static int may_contest(weir__ts_search_t *search, uint64_t offset) {
  uint64_t earned = (offset - search->earned) / WEIR__TS_CONTEST_BYTES;
  uint64_t owed = search->contests - search->forgiven;
  search->earned += earned * WEIR__TS_CONTEST_BYTES;
  search->forgiven += earned < owed ? earned : owed;
  return search->contests - search->forgiven < WEIR__TS_CONTESTS_MAX;
}

/* The candidate at `at`, with one of `stride`, against those beside it: 1:
 * packets begin at *where with a stride of *which; 0: not here; -1: it takes
 * more bytes. */
static int contest(weir__ts_search_t *search, const uint8_t *bytes,
                   size_t length, size_t at, size_t stride, uint64_t offset,
                   int is_end, size_t *where, uint32_t *which) {
  *where = at;
  *which = (uint32_t)stride;
  if (!may_contest(search, offset + at)) return 1;
  if (!has_rival(bytes, length, at, stride, is_end)) return 1;
  if (!is_end && length - at < WEIR__TS_WINDOW) {
    /* When its rivals are known to their fifth packets, nothing more is
     * learnt from a byte more. */
    if (length - at > (WEIR_TS_LOCK_PACKETS + 1) * WEIR__TS_STRIDE_MAX)
      search->wait = offset + at + WEIR__TS_WINDOW;
    return -1;
  }
  int best = INT32_MIN;
  int lockable = INT32_MIN;
  for (size_t i = 0; i < STRIDES; i++)
    for (size_t q = at; q < at + stride && q < length; q++) {
      run_t run = look(bytes, length, q, strides[i]);
      if (!is_rival(run, is_end)) continue;
      int points = 2 * score(bytes, length, q, strides[i]);
      if (strides[i] == search->stride &&
          (offset + q - search->anchor) % search->stride == 0)
        points++;
      if (points > best) best = points;
      if (is_candidate(run, is_end) == 1 && points > lockable) {
        lockable = points;
        *where = q;
        *which = (uint32_t)strides[i];
      }
    }
  search->contests++;
  int is_last = search->contests - search->forgiven == WEIR__TS_CONTESTS_MAX;
  return lockable == best || is_last;
}

size_t weir__ts_search(weir__ts_search_t *search, const uint8_t *bytes,
                       size_t length, size_t from, size_t to, uint64_t offset,
                       int is_end, uint32_t *stride) {
  size_t sieved =
      length > WEIR__TS_STRIDE_MAX ? length - WEIR__TS_STRIDE_MAX : 0;
  if (sieved > to) sieved = to;
  *stride = 0;
  if (!is_end && offset + length < search->wait) return from;
  for (; from < to; from++) {
    if (from < sieved) {
      from = search->find(bytes, from, sieved);
      if (from == to) return to;
    }
    if (from >= sieved) {
      const uint8_t *hit = memchr(bytes + from, WEIR_TS_SYNC, to - from);
      if (hit == NULL) return to;
      from = (size_t)(hit - bytes);
    }
    if (!is_plausible(bytes + from, length - from)) continue;
    for (size_t i = 0; i < STRIDES; i++) {
      run_t run = look(bytes, length, from, strides[i]);
      int decided = is_candidate(run, is_end);
      if (decided == 1) {
        size_t where;
        uint32_t which;
        decided = contest(search, bytes, length, from, strides[i], offset,
                          is_end, &where, &which);
        if (decided == 1) {
          *stride = which;
          return where;
        }
      }
      if (decided < 0) return from;
    }
  }
  return to;
}

int64_t weir_ts_find_sync(const void *bytes, size_t length, size_t from,
                          uint32_t *stride) {
  weir__ts_search_t search = {.find = weir__ts_finder(WEIR__TS_SIMD_256)};
  uint32_t found = 0;
  if (bytes == NULL || from >= length) return -1;
  size_t at =
      weir__ts_search(&search, bytes, length, from, length, 0, 1, &found);
  if (found == 0) return -1;
  if (stride != NULL) *stride = found;
  return (int64_t)at;
}
