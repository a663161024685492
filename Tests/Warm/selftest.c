/*
 * selftest.c - the check of bodies must accept what is right and see
 * everything that is wrong: bodies are cut from a real stream (standard input,
 * as source.c writes it) and spoilt in one way each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "body.h"

#define PACKETS_MAX 40000u
#define UNSAID      0x1fffu /* a PID that the stream does not have */

static uint8_t *stream;
static size_t packets;
static unsigned checks, failures;

static const uint8_t *at(size_t index) {
  return stream + index * PACKET;
}

static int is_key(size_t index) {
  return packet_pid(at(index)) == packet_video_pid(0) &&
         packet_flag(at(index), 0x40u);
}

static size_t key_after(size_t index) {
  while (index < packets && !is_key(index))
    index++;
  return index;
}

/* The counter of the last packet of a PID before one. */
static unsigned counter_before(size_t index, uint16_t pid) {
  while (index-- > 0)
    if (packet_pid(at(index)) == pid) return packet_counter(at(index));
  return 0x0f;
}

static void put_marker(uint8_t packet[PACKET], uint16_t pid, size_t index) {
  memset(packet, 0xFF, PACKET);
  packet[0] = PACKET_SYNC;
  packet[1] = (uint8_t)(pid >> 8);
  packet[2] = (uint8_t)pid;
  packet[3] = (uint8_t)(0x20u | counter_before(index, pid));
  packet[4] = 183;
  packet[5] = 0x80;
}

/* What a joiner is sent before the packet at `index`. */
static void put_preamble(uint8_t out[2 * PACKET], size_t index) {
  uint16_t pids[2] = {0, packet_pmt_pid(0)};
  uint8_t section[64];
  for (size_t i = 0; i < 2; i++) {
    uint8_t *packet = out + i * PACKET;
    memset(packet, 0xFF, PACKET);
    packet[0] = PACKET_SYNC;
    packet[1] = (uint8_t)(0x40u | pids[i] >> 8);
    packet[2] = (uint8_t)pids[i];
    packet[3] = (uint8_t)(0x10u | counter_before(index, pids[i]));
    packet[4] = 0;
    size_t length = i == 0 ? packet_pat(section, 0) : packet_pmt(section, 0);
    memcpy(packet + 5, section, length);
  }
}

/* Two thousand packets of it from a key, in pieces of any length. */
static uint8_t bytes[8000 * PACKET];
static size_t length;

static size_t begin(void) {
  size_t key = key_after(packets / 4);
  put_preamble(bytes, key);
  memcpy(bytes + 2 * PACKET, at(key), 2000 * PACKET);
  length = 2002 * PACKET;
  return key;
}

static struct body read_bytes(void) {
  struct body body;
  body_init(&body);
  for (size_t done = 0; done < length;) {
    size_t piece = 1 + (size_t)(drand48() * 1000);
    if (piece > length - done) piece = length - done;
    body_feed(&body, bytes + done, piece);
    done += piece;
  }
  return body;
}

static void expect(int right, const char *what) {
  checks++;
  if (right) return;
  failures++;
  printf("warm-selftest: not so: %s\n", what);
}

/* Appends the stream from `index` on. */
static void append(size_t index, size_t count) {
  memcpy(bytes + length, at(index), count * PACKET);
  length += count * PACKET;
}

/* What announces that a PID goes on with the packet at `index` or later. */
static void append_marker(uint16_t pid, size_t index) {
  put_marker(bytes + length, pid, index);
  length += PACKET;
}

static void append_skip(size_t index, size_t count) {
  append_marker(packet_video_pid(0), index);
  append(index, count);
}

/* Makes the last packet one of the source's second run. */
static void renumber(uint64_t number) {
  uint8_t *packet = bytes + length - PACKET;
  struct packet_trailer trailer = packet_trailer(packet);
  trailer.number = (uint64_t)1 << PACKET_RUN_BITS | number;
  memcpy(packet + PACKET_TRAILER, &trailer, sizeof trailer);
  trailer.hash = packet_hash(packet);
  memcpy(packet + PACKET_TRAILER, &trailer, sizeof trailer);
}

/* The stream from `index` on, as what it is or as a second run, each PID behind
 * a marker, but one. */
static void append_gap(size_t index, size_t count, int is_run,
                       uint16_t unmarked) {
  uint16_t marked[3] = {unmarked, unmarked, unmarked};
  for (size_t i = 0, found = 0; i < count; i++, index++) {
    uint16_t pid = packet_pid(at(index));
    if (pid != marked[0] && pid != marked[1] && pid != marked[2]) {
      append_marker(pid, index);
      marked[found++] = pid;
    }
    append(index, 1);
    if (is_run) renumber(i);
  }
}

static void accepts(void) {
  size_t key = begin();
  struct body body = read_bytes();
  expect(body_faults(&body) == 0, "a body as it should be has no fault");
  expect(body.packets == 2000 && body.position == key * PACKET &&
             body.preamble == 2 && body.segments == 1,
         "its packets are counted");
  size_t landing = key_after(key + 4000);
  append_skip(landing, 2000);
  body = read_bytes();
  expect(body_faults(&body) == 0 && body.skips == 1 && body.markers == 1 &&
             body.skipped == (landing - key - 2000) * PACKET &&
             body.segments == 2,
         "a skip behind a marker is no fault, and is counted");
  begin();
  append_gap(key + 2000, 2000, 0, UNSAID);
  body = read_bytes();
  expect(body_faults(&body) == 0 && body.kept == 3 && body.markers == 3 &&
             body.skips == 0,
         "markers without a loss are no skip");
  begin();
  append_gap(landing, 2000, 1, UNSAID);
  body = read_bytes();
  expect(body_faults(&body) == 0 && body.runs == 1 && body.markers == 3 &&
             body.skips == 0,
         "another run behind markers is no skip");
}

static void refuses(void) {
  size_t key = begin();
  bytes[1000 * PACKET + 100] ^= 1;
  expect(read_bytes().forged == 1, "one wrong bit is seen");
  begin();
  memmove(bytes + 500 * PACKET, bytes + 501 * PACKET, 1501 * PACKET);
  length -= PACKET;
  expect(read_bytes().broken == 1, "one packet that is missing is seen");
  begin();
  memmove(bytes + 501 * PACKET, bytes + 500 * PACKET, 1501 * PACKET);
  length += PACKET;
  expect(read_bytes().broken > 0, "one packet that stands twice is seen");
  begin();
  memmove(bytes + 500 * PACKET + 7, bytes + 500 * PACKET + 9, 1500 * PACKET);
  expect(read_bytes().torn > 0, "two bytes that are missing are seen");
  begin();
  memcpy(bytes + 700 * PACKET, at(key + 699), PACKET);
  memcpy(bytes + 701 * PACKET, at(key + 698), PACKET);
  expect(read_bytes().broken > 0, "two packets that are swapped are seen");
  begin();
  memmove(bytes, bytes + PACKET, length -= PACKET);
  expect(read_bytes().unsaid > 0, "a missing PAT is seen");
  begin();
  bytes[10] ^= 1;
  expect(read_bytes().unsaid > 0, "a wrong PAT is seen");
  begin();
  bytes[3] = (uint8_t)((bytes[3] & 0xF0u) | ((bytes[3] + 3u) & 0x0Fu));
  expect(read_bytes().counted > 0, "a colliding counter is seen");
  put_preamble(bytes, key + 1);
  length = 2 * PACKET;
  append(key + 1, 1000);
  expect(read_bytes().blind == 1, "a start beside a key is seen");
  begin();
  size_t landing = key_after(key + 4000);
  append(landing, 500);
  expect(read_bytes().broken == 1, "a skip without a marker is seen");
  begin();
  append_skip(landing + 1, 500);
  expect(read_bytes().blind == 1, "a landing beside a key is seen");
  begin();
  append_marker(packet_video_pid(0), landing);
  append_skip(landing, 500);
  expect(read_bytes().doubled == 1, "a second marker of a skip is seen");
  begin();
  append_marker(packet_pmt_pid(0), landing);
  append_skip(landing, 500);
  expect(read_bytes().doubled == 1, "a skip's marker of another PID is seen");
  begin();
  append_marker(packet_pmt_pid(0), landing);
  append(landing, 500);
  expect(read_bytes().unsaid == 1, "a marker of the wrong PID is seen");
  begin();
  append_skip(landing, 500);
  bytes[length - 501 * PACKET + 3] ^= 1;
  expect(read_bytes().counted == 1, "a marker of another counter is seen");
  begin();
  append_marker(packet_video_pid(0), key + 2000);
  append_gap(key + 2000, 2000, 0, UNSAID);
  expect(read_bytes().doubled == 1, "a marker too many of a gap is seen");
  begin();
  append_gap(landing, 2000, 1, packet_pmt_pid(0));
  expect(read_bytes().counted == 1, "a PID of a gap without one is seen");
  begin();
  append_gap(landing, 2000, 1, packet_video_pid(0));
  expect(read_bytes().broken == 1, "a run that begins without one is seen");
  begin();
  append_skip(key, 500);
  expect(read_bytes().broken == 1, "a jump backwards is seen");
}

int main(void) {
  stream = malloc((size_t)PACKETS_MAX * PACKET);
  if (stream == NULL) return 1;
  packets = fread(stream, PACKET, PACKETS_MAX, stdin);
  if (packets < 20000) {
    printf("warm-selftest: %zu packets are too few\n", packets);
    return 1;
  }
  srand48(1);
  accepts();
  refuses();
  free(stream);
  printf("warm-selftest: %u passed, %u failed\n", checks - failures, failures);
  return failures != 0;
}
