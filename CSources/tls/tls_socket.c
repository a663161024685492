/*
 * tls_socket.c - a connection's socket, as OpenSSL reads and writes it.
 *
 * A write takes all that one record is: what the socket refuses is held. So
 * OpenSSL never has to be called again with the same bytes, which by then may
 * be overwritten or skipped. While something is held no other is taken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sink.h"
#include "tls_state.h"

static int64_t send_some(const weir_tls_t *tls, const void *bytes,
                         size_t length) {
  struct iovec iov = {(void *)(uintptr_t)bytes, length};
  return weir__plain_sink.write(NULL, tls->fd, &iov, 1);
}

int weir_tls_flush(weir_tls_t *tls) {
  int moved = 0;
  if (tls->broken) return tls->error;
  while (tls->held_length > 0) {
    int64_t n = send_some(tls, tls->held + tls->held_sent, tls->held_length);
    if (n == UV_EAGAIN) {
      tls->wants = UV_WRITABLE;
      return moved ? 1 : UV_EAGAIN;
    }
    if (n < 0) {
      tls->broken = 1;
      return tls->error = (int)n;
    }
    moved = 1;
    tls->held_sent += (size_t)n;
    tls->held_length -= (size_t)n;
  }
  tls->held_sent = 0;
  return 0;
}

static int on_write(BIO *bio, const char *bytes, size_t length, size_t *taken) {
  weir_tls_t *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (tls->held_length > 0) {
    int held = weir_tls_flush(tls);
    if (held >= 1 || held == UV_EAGAIN) BIO_set_retry_write(bio);
    if (held != 0) return 0;
  }
  int64_t n = send_some(tls, bytes, length);
  if (n == UV_EAGAIN) n = 0;
  if (n < 0) {
    tls->error = (int)n;
    return 0;
  }
  *taken = (size_t)n;
  size_t rest = length - *taken;
  if (rest == 0) return 1;
  if (rest > WEIR_TLS_HELD_MAX) rest = WEIR_TLS_HELD_MAX;
  if (tls->held == NULL) tls->held = malloc(WEIR_TLS_HELD_MAX);
  if (tls->held == NULL) {
    tls->error = UV_ENOMEM;
    return 0;
  }
  memcpy(tls->held, bytes + *taken, rest);
  tls->held_length = rest;
  *taken += rest;
  return 1;
}

/* The first byte of an HTTP method; TLS begins with 0x16. */
static int is_plain(weir_tls_t *tls, const char *bytes) {
  if (tls->begun) return 0;
  tls->begun = 1;
  return tls->plain = bytes[0] >= 'A' && bytes[0] <= 'Z';
}

static int on_read(BIO *bio, char *bytes, size_t length, size_t *taken) {
  weir_tls_t *tls = BIO_get_data(bio);
  ssize_t n;
  BIO_clear_retry_flags(bio);
  do
    n = recv(tls->fd, bytes, length, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0 && !is_plain(tls, bytes)) {
    *taken = (size_t)n;
    if (weir__tls_hello_fits(&tls->hello, tls->ssl, (uint8_t *)bytes, *taken))
      return 1;
    tls->failure = "hello too long";
    tls->error = UV_EPROTO;
    return 0;
  }
  if (n < 0 && errno == EAGAIN)
    BIO_set_retry_read(bio);
  else
    tls->error = n < 0 ? uv_translate_sys_error(errno) : UV_ECONNRESET;
  return 0;
}

static long on_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH; /* nothing waits but what is held */
}

static int on_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD *weir__tls_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir");
  if (method == NULL) return NULL;
  BIO_meth_set_write_ex(method, on_write);
  BIO_meth_set_read_ex(method, on_read);
  BIO_meth_set_ctrl(method, on_control);
  BIO_meth_set_create(method, on_create);
  return method;
}
