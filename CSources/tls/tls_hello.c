/*
 * tls_hello.c - how long a client's hello says it is, before OpenSSL believes
 * it: that takes memory for 128 KiB when nine bytes ask for it, for as long as
 * a handshake may last.
 *
 * Records are followed while they are plain and hold a hello: the first, and
 * the second that follows a HelloRetryRequest (RFC 8446 §4.1.4).
 */
#include "tls_state.h"

#define HANDSHAKE     0x16u /* types of records */
#define CHANGE_CIPHER 0x14u
#define CLIENT_HELLO  0x01u /* type of a message */

/* The next byte within a record of the handshake. 0 when it is too long. */
static int take(weir__hello_t *hello, uint8_t byte) {
  if (hello->left > 0) {
    hello->left--;
    return 1;
  }
  if (hello->message == 0 && byte != CLIENT_HELLO) {
    hello->is_over = 1;
    return 1;
  }
  hello->length = hello->message == 0 ? 0 : hello->length << 8 | byte;
  if (++hello->message < 4) return 1;
  hello->message = 0;
  hello->left = hello->length;
  return hello->length <= WEIR_TLS_HELLO_MAX;
}

int weir__tls_hello_fits(weir__hello_t *hello, const SSL *ssl,
                         const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length && !hello->is_over; i++) {
    if (hello->header < 5) {
      if (hello->header == 0) hello->type = bytes[i];
      if (hello->header >= 3)
        hello->record = (uint16_t)(hello->record << 8 | bytes[i]);
      hello->header++;
      /* Behind a change of cipher TLS 1.2 is encrypted under the same type;
       * before a second hello it means nothing (RFC 8446 D.4). */
      int is_empty_word =
          hello->type == CHANGE_CIPHER && SSL_version(ssl) == TLS1_3_VERSION;
      if (hello->type != HANDSHAKE && !is_empty_word) hello->is_over = 1;
    } else {
      if (hello->type == HANDSHAKE && !take(hello, bytes[i])) return 0;
      hello->record--;
    }
    /* One without anything in it, too. */
    if (hello->header == 5 && hello->record == 0) hello->header = 0;
  }
  return 1;
}
