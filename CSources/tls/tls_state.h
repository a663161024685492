/* tls_state.h - TLS as its own parts see it. */
#ifndef WEIR_TLS_STATE_H
#define WEIR_TLS_STATE_H

#include <openssl/ssl.h>

#include "weir_tls.h"

#pragma GCC visibility push(hidden)

/* What seals and opens tickets. */
typedef struct weir__ticket_key {
  uint8_t name[16];
  uint8_t cipher[32]; /* AES-256 */
  uint8_t mac[32];    /* HMAC-SHA-256 */
  uint8_t is_there;
} weir__ticket_key_t;

struct weir_tls_context {
  SSL_CTX *ssl;
  BIO_METHOD *method; /* of its connections */
  uint64_t rekey;
  int64_t not_before; /* seconds since 1970 */
  int64_t not_after;
  uint32_t references; /* the owner's, and its connections' */
  uint64_t (*clock)(void *context);
  void *clock_context;
  uint64_t ticket_time;              /* ns that a key seals */
  uint64_t ticket_since;             /* when the first of them began to */
  weir__ticket_key_t ticket_keys[2]; /* the one that seals, that before it */
  uint8_t record[WEIR_TLS_RECORD];   /* one that is put together */
};

/* What is known of the hello that a client is sending. */
typedef struct weir__hello {
  uint32_t length; /* of the message */
  uint32_t left;   /* of it, to come */
  uint16_t record; /* bytes of the record to come */
  uint8_t type;    /* of the record */
  uint8_t header;  /* bytes of its header that have come */
  uint8_t message; /* the same of the message's */
  uint8_t is_over; /* what comes is something else */
} weir__hello_t;

struct weir_tls {
  SSL *ssl;
  weir_tls_context_t *context;
  const char *failure;
  uint8_t *held; /* NULL until the socket refused something */
  size_t held_length;
  size_t held_sent;
  uint64_t records; /* since it has these keys */
  int fd;
  int error; /* what its socket said last, or what it failed of */
  int wants;
  weir__hello_t hello;
  uint8_t begun; /* the peer has sent something */
  uint8_t plain; /* which is no TLS but HTTP */
  uint8_t broken;
};

/* The functions by which OpenSSL reaches a connection's socket. NULL. */
BIO_METHOD *weir__tls_method(void);

/* Whether a hello is no longer than it may be, as far as these bytes say, which
 * follow those before. */
int weir__tls_hello_fits(weir__hello_t *hello, const SSL *ssl,
                         const uint8_t *bytes, size_t length);

/* Makes the first key of a context's tickets; wipes all of them. */
int weir__tls_tickets(weir_tls_context_t *context);
void weir__tls_forget_tickets(weir_tls_context_t *context);

#pragma GCC visibility pop

#endif
