/* The payload of an RTP datagram, whatever its header holds; and what is no
 * such datagram. RFC 3550 section 5.1. */
#include "rtp_test.h"

static uint8_t bytes[WEIR_SOURCE_DATAGRAM_MAX];

typedef struct parsed {
  int ok;
  const uint8_t *payload;
  size_t length;
  uint16_t sequence;
  uint32_t ssrc;
} parsed_t;

/* Parsed from a copy of just that size, so that a look beyond it is seen. */
static parsed_t parse(size_t length) {
  parsed_t parsed = {0};
  uint8_t *copy = malloc(length > 0 ? length : 1);
  memcpy(copy, bytes, length);
  parsed.ok = weir__rtp_parse(copy, length, &parsed.payload, &parsed.length,
                              &parsed.sequence, &parsed.ssrc);
  if (parsed.ok) {
    CHECK(parsed.payload >= copy);
    CHECK(parsed.payload + parsed.length <= copy + length);
    parsed.payload = bytes + (parsed.payload - copy);
  }
  free(copy);
  return parsed;
}

static void test_plain(void) {
  size_t length = test_datagram(bytes, 5, 0xfedc, 0x89abcdef, 7);
  parsed_t parsed = parse(length);
  CHECK(parsed.ok);
  CHECK(parsed.payload == bytes + 12);
  CHECK_EQ(parsed.length, 7 * WEIR_TS_PACKET);
  CHECK_EQ(parsed.sequence, 0xfedc);
  CHECK_EQ(parsed.ssrc, 0x89abcdef);
  CHECK(weir__rtp_is_transport(parsed.payload, parsed.length));
}

/* Contributing sources, an extension, padding, in every combination; and cut
 * at every length. */
static void test_forms(void) {
  for (uint32_t sources = 0; sources <= 15; sources++) {
    for (uint32_t words = 0; words <= 3; words++) {
      for (uint32_t padding = 0; padding <= 8; padding += 4) {
        size_t header = 12 + sources * 4 + (words > 0 ? 4 + words * 4 : 0);
        size_t length = header + 188 + padding;
        memset(bytes, 0xee, sizeof bytes);
        bytes[0] = (uint8_t)(0x80 | sources);
        bytes[1] = 0x80 | 33; /* with the marker bit */
        if (words > 0) {
          bytes[0] |= 0x10;
          bytes[12 + sources * 4 + 2] = 0;
          bytes[12 + sources * 4 + 3] = (uint8_t)words;
        }
        bytes[header] = WEIR_TS_SYNC;
        if (padding > 0) {
          bytes[0] |= 0x20;
          bytes[length - 1] = (uint8_t)padding;
        }
        parsed_t parsed = parse(length);
        CHECK(parsed.ok);
        CHECK(parsed.payload == bytes + header);
        CHECK_EQ(parsed.length, 188);
        for (size_t cut = 0; cut < length; cut++)
          CHECK(!parse(cut).ok || cut >= header);
      }
    }
  }
}

static void test_refused(void) {
  size_t length = test_datagram(bytes, 5, 1, 1, 1);
  CHECK(!parse(0).ok);
  CHECK(!parse(11).ok);
  for (uint32_t version = 0; version < 4; version++) {
    bytes[0] = (uint8_t)(version << 6);
    CHECK_EQ(parse(length).ok, version == 2);
  }
  bytes[0] = 0x80;
  for (uint32_t type = 0; type < 128; type++) {
    bytes[1] = (uint8_t)type;
    CHECK_EQ(parse(length).ok, type == 33 || type >= 96);
  }
  bytes[1] = 33;
  bytes[0] = 0xa0; /* padding that is longer than the payload */
  bytes[length - 1] = 189;
  CHECK(!parse(length).ok);
  bytes[length - 1] = 188; /* nothing but padding */
  CHECK(parse(length).ok);
  CHECK_EQ(parse(length).length, 0);
  bytes[0] = 0x90; /* an extension that is longer than the datagram */
  bytes[14] = 0xff;
  CHECK(!parse(length).ok);
  CHECK(!parse(15).ok);
}

/* What has a number, and nothing that could be played. */
static void test_payloads(void) {
  static test_order_t order;
  test_order_start(&order);
  test_rtp_take(&order, 0, 10, 1, 0);
  size_t length = test_datagram(bytes, 1, 11, 1, 1);
  weir__rtp_take(&order.rtp, bytes, length - 1, 0);
  length = test_datagram(bytes, 2, 12, 1, 1);
  bytes[12] = 0x48;
  weir__rtp_take(&order.rtp, bytes, length, 0);
  test_datagram(bytes, 3, 13, 1, 1);
  weir__rtp_take(&order.rtp, bytes, 12, 0);
  bytes[1] = 34; /* another type: no number of this stream's */
  weir__rtp_take(&order.rtp, bytes, length, 0);
  test_rtp_take(&order, 4, 14, 1, 0);
  CHECK_EQ(order.count, 2);
  CHECK_EQ(order.delivered[1], 4);
  CHECK_EQ(order.counters.foreign, 3);
  CHECK_EQ(order.counters.lost, 0);
}

int main(void) {
  test_plain();
  test_forms();
  test_refused();
  test_payloads();
  return 0;
}
