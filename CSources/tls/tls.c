/* tls.c - a connection: handshake, records in and out, its end. */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sink.h"
#include "tls_state.h"

int weir_tls_create(weir_tls_t **tls, weir_tls_context_t *context, int fd) {
  weir_tls_t *made = calloc(1, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->fd = fd;
  made->wants = UV_READABLE;
  made->context = context;
  context->references++;
  made->ssl = SSL_new(context->ssl);
  BIO *bio = BIO_new(context->method);
  if (made->ssl == NULL || bio == NULL) {
    BIO_free(bio);
    weir_tls_close(made, 0);
    return UV_ENOMEM;
  }
  BIO_set_data(bio, made);
  SSL_set_bio(made->ssl, bio, bio);
  SSL_set_accept_state(made->ssl);
  *tls = made;
  return 0;
}

/* What a call of OpenSSL's came to that did not do what it was asked. */
static int outcome(weir_tls_t *tls, int result) {
  switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      tls->wants = UV_READABLE;
      return UV_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
      tls->wants = UV_WRITABLE;
      return UV_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
      return UV_EOF;
    case SSL_ERROR_SSL:
      tls->failure = ERR_reason_error_string(ERR_peek_error());
      tls->error = UV_EPROTO;
      break;
    default:
      break; /* the socket's: its error is there */
  }
  tls->broken = 1;
  return tls->error < 0 ? tls->error : (tls->error = UV_EPROTO);
}

/* Nothing is held afterwards, or what it waits for is room for that: the peer
 * has no reason to say more before it has all of what was said to it. */
static int pass_on(weir_tls_t *tls) {
  int held = weir_tls_flush(tls);
  return held == 1 ? UV_EAGAIN : held;
}

int weir_tls_handshake(weir_tls_t *tls) {
  int held = pass_on(tls);
  if (held < 0) return held;
  ERR_clear_error();
  int result = SSL_do_handshake(tls->ssl);
  int error = result == 1 ? 0 : outcome(tls, result);
  ERR_clear_error();
  if (tls->plain) return WEIR_TLS_PLAIN;
  if (error == 0 || error == UV_EAGAIN) held = pass_on(tls);
  if (held < 0) return held;
  if (error == 0) {
    /* A long chain of certificates may have been the only time. */
    free(tls->held);
    tls->held = NULL;
  }
  return error;
}

int weir_tls_wants(const weir_tls_t *tls) {
  return tls->wants;
}

const char *weir_tls_failure(const weir_tls_t *tls) {
  return tls->failure;
}

const char *weir_tls_version(const weir_tls_t *tls) {
  return SSL_get_version(tls->ssl);
}

int64_t weir_tls_read(weir_tls_t *tls, void *bytes, size_t length) {
  size_t n = 0;
  if (tls->broken) return tls->error;
  ERR_clear_error();
  int result = SSL_read_ex(tls->ssl, bytes, length, &n);
  tls->wants = UV_READABLE;
  if (result == 1) return (int64_t)n;
  int error = outcome(tls, result);
  return error == UV_EOF ? 0 : error;
}

/* New keys, before these have encrypted too much. The message that says so is
 * a record like others: what follows waits until nothing of it is held. */
static int renew_keys(weir_tls_t *tls) {
  if (tls->records < tls->context->rekey ||
      SSL_version(tls->ssl) != TLS1_3_VERSION)
    return 0;
  tls->records = 0;
  int result = SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
  if (result == 1) result = SSL_do_handshake(tls->ssl);
  if (result != 1) return outcome(tls, result);
  return tls->held_length > 0 ? UV_EAGAIN : 0;
}

/* Whether the next record can be encrypted. */
static int make_room(weir_tls_t *tls) {
  int error = pass_on(tls);
  if (error < 0) return error;
  ERR_clear_error();
  return renew_keys(tls);
}

/* How far into the pieces what is written has come. */
typedef struct place {
  const struct iovec *piece;
  const struct iovec *end;
  size_t at;
} place_t;

static size_t step(place_t *place, size_t most) {
  size_t length = place->piece->iov_len - place->at;
  if (length > most) {
    place->at += most;
    return most;
  }
  place->piece++;
  place->at = 0;
  return length;
}

/* The next record's bytes, of which there may be none: where they lie, if that
 * is in one piece. Else they are put together: what frames a stream are a few
 * bytes, and a record costs 22 and its own encryption. */
static const void *gather(weir_tls_t *tls, place_t *place, size_t *length) {
  while (place->piece < place->end && place->piece->iov_len == 0)
    place->piece++;
  *length = 0;
  if (place->piece == place->end) return NULL;
  const uint8_t *first = (uint8_t *)place->piece->iov_base + place->at;
  *length = step(place, WEIR_TLS_RECORD);
  if (*length == WEIR_TLS_RECORD || place->piece == place->end) return first;
  uint8_t *record = tls->context->record;
  memcpy(record, first, *length);
  while (*length < WEIR_TLS_RECORD && place->piece < place->end) {
    const uint8_t *next = (uint8_t *)place->piece->iov_base + place->at;
    size_t run = step(place, WEIR_TLS_RECORD - *length);
    if (run > 0) memcpy(record + *length, next, run);
    *length += run;
  }
  return record;
}

int64_t weir_tls_write(weir_tls_t *tls, const struct iovec *iov, int count) {
  place_t place = {iov, iov + count, 0};
  int64_t taken = 0;
  while (1) {
    int error = tls->held_length > 0 && taken > 0 ? UV_EAGAIN : make_room(tls);
    if (error < 0) return taken > 0 ? taken : error;
    size_t length, n;
    const void *bytes = gather(tls, &place, &length);
    if (length == 0) return taken;
    int result = SSL_write_ex(tls->ssl, bytes, length, &n);
    if (result != 1) {
      error = outcome(tls, result);
      return taken > 0 ? taken : error;
    }
    tls->records++;
    taken += (int64_t)n;
  }
}

/* What is held, even if the socket is full: the kernel gets room for it. */
static int push(weir_tls_t *tls) {
  int bytes = 0;
  socklen_t length = sizeof bytes;
  if (weir_tls_flush(tls) == 0) return 1;
  if (tls->broken) return 0;
  /* It says double what it was asked for. */
  (void)getsockopt(tls->fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length);
  bytes = bytes / 2 + 4 * (int)WEIR_TLS_HELD_MAX;
  (void)setsockopt(tls->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return weir_tls_flush(tls) == 0;
}

void weir_tls_move(weir_tls_t *tls, int fd) {
  tls->fd = fd;
}

void weir_tls_end(weir_tls_t *tls, int clean) {
  if (clean && !tls->broken && SSL_is_init_finished(tls->ssl) && push(tls)) {
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    (void)push(tls);
  }
  tls->broken = 1;
  tls->error = UV_ECANCELED;
}

void weir_tls_close(weir_tls_t *tls, int clean) {
  if (tls == NULL) return;
  weir_tls_end(tls, clean);
  SSL_free(tls->ssl);
  ERR_clear_error();
  free(tls->held);
  weir_tls_context_release(tls->context);
  free(tls);
}

const char *weir_tls_library(void) {
  return OpenSSL_version(OPENSSL_VERSION_STRING);
}

/* ---- the sink ---- */

static int64_t sink_write(void *context, int fd, const struct iovec *iov,
                          int count) {
  (void)fd;
  return weir_tls_write(context, iov, count);
}

static int sink_flush(void *context, int fd) {
  (void)fd;
  return weir_tls_flush(context);
}

static void sink_close(void *context, int fd, int clean) {
  weir_tls_close(context, clean);
  weir__plain_sink.close(NULL, fd, clean);
}

const weir_sink_t *weir_tls_sink(void) {
  static const weir_sink_t sink = {
      .write = sink_write, .close = sink_close, .flush = sink_flush};
  return &sink;
}

/* ---- the reader ---- */

static int64_t reader_read(void *context, void *bytes, size_t length) {
  weir_tls_t *tls = context;
  /* An answer may wait in there. */
  if (tls->held_length > 0) (void)weir_tls_flush(tls);
  return weir_tls_read(tls, bytes, length);
}

static int reader_waits(void *context) {
  const weir_tls_t *tls = context;
  if (SSL_pending(tls->ssl) > 0) return 0;
  return tls->held_length > 0 ? tls->wants | UV_WRITABLE : tls->wants;
}

const weir_reader_t *weir_tls_reader(void) {
  static const weir_reader_t reader = {.read = reader_read,
                                       .waits = reader_waits};
  return &reader;
}
