/* rtp_test.h - what the tests of RTP share: datagrams, and an ear for what is
 * delivered. */
#ifndef WEIR_RTP_TEST_H
#define WEIR_RTP_TEST_H

#include "rtp.h"
#include "test.h"

#ifndef TEST_MS /* as fanout_test.h has it */
#define TEST_MS 1000000ull
#endif

typedef struct test_order {
  weir__rtp_t rtp;
  weir_source_datagrams_t counters;
  uint32_t delivered[200000]; /* the numbers that payloads carry */
  uint32_t count;
  uint32_t restarts;
} test_order_t;

static inline void test_rtp_deliver(void *context, const uint8_t *bytes,
                                    size_t length) {
  test_order_t *order = context;
  CHECK(weir__rtp_is_transport(bytes, length));
  CHECK(order->count < 200000);
  memcpy(&order->delivered[order->count++], bytes + 4, 4);
}

static inline void test_rtp_restart(void *context) {
  ((test_order_t *)context)->restarts++;
}

static inline void test_order_start(test_order_t *order) {
  memset(order, 0, sizeof *order);
  order->rtp.counters = &order->counters;
  order->rtp.deliver = test_rtp_deliver;
  order->rtp.restart = test_rtp_restart;
  order->rtp.context = order;
}

/* A datagram of `packets` transport packets that carry `number`. */
static inline size_t test_datagram(uint8_t *to, uint32_t number,
                                   uint32_t sequence, uint32_t ssrc,
                                   uint32_t packets) {
  memset(to, 0, 12 + packets * WEIR_TS_PACKET);
  to[0] = 0x80;
  to[1] = 33;
  to[2] = (uint8_t)(sequence >> 8);
  to[3] = (uint8_t)sequence;
  for (int i = 0; i < 4; i++)
    to[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
  for (uint32_t i = 0; i < packets; i++) {
    uint8_t *packet = to + 12 + i * WEIR_TS_PACKET;
    packet[0] = WEIR_TS_SYNC;
    packet[3] = 0x10;
    memcpy(packet + 4, &number, 4);
  }
  return 12 + packets * WEIR_TS_PACKET;
}

static inline void test_rtp_take(test_order_t *order, uint32_t number,
                                 uint32_t sequence, uint32_t ssrc,
                                 uint64_t now) {
  uint8_t bytes[12 + WEIR_TS_PACKET];
  size_t length = test_datagram(bytes, number, sequence, ssrc, 1);
  weir__rtp_take(&order->rtp, bytes, length, now);
}

#endif
