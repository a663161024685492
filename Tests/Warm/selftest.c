/*
 * selftest.c - the check of bodies must accept what is right and see
 * everything that is wrong: bodies are cut from a real stream (standard input,
 * as source.c writes it) and spoilt in one way each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "body.h"

#define PACKETS_MAX 40000u

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

/* What announces that the stream goes on with the packet at `index`. */
static void append_markers(size_t index) {
  uint16_t pids[] = {packet_video_pid(0), 0, packet_pmt_pid(0)};
  for (size_t i = 0; i < 3; i++, length += PACKET)
    put_marker(bytes + length, pids[i], index);
}

static void accepts(void) {
  size_t key = begin();
  struct body body = read_bytes();
  expect(body_faults(&body) == 0, "a body as it should be has no fault");
  expect(body.packets == 2000 && body.position == key * PACKET &&
             body.preamble == 2 && body.segments == 1,
         "its packets are counted");
  size_t landing = key_after(key + 4000);
  append_markers(landing);
  append(landing, 500);
  body = read_bytes();
  expect(body_faults(&body) == 0 && body.skips == 1 && body.markers == 3 &&
             body.skipped == (landing - key - 2000) * PACKET &&
             body.segments == 2,
         "a skip behind markers is no fault, and is counted");
  begin();
  append_markers(key + 2000);
  append(key + 2000, 100);
  body = read_bytes();
  expect(body_faults(&body) == 0 && body.kept == 1 && body.skips == 0,
         "markers without a loss are no skip");
}

static void refuses(void) {
  struct body body;
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
  append_markers(landing + 1);
  append(landing + 1, 500);
  expect(read_bytes().blind == 1, "a landing beside a key is seen");
  begin();
  append_markers(landing);
  append_markers(landing);
  append(landing, 500);
  expect(read_bytes().doubled == 3, "two markers of a PID are seen");
  for (unsigned i = 1; i < 3; i++) {
    begin();
    append_markers(landing);
    length -= (3 - i) * PACKET;
    append(landing, 2000);
    body = read_bytes();
    expect(body.broken + body.counted == 3 - i, "a PID without one is seen");
  }
  begin();
  append_markers(landing);
  bytes[length - 3 * PACKET + 3] ^= 1;
  append(landing, 500);
  expect(read_bytes().counted == 1, "a marker of another counter is seen");
  begin();
  append_markers(key);
  append(key, 500);
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
