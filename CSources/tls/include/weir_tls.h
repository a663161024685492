/*
 * weir_tls.h - TLS for a server's sockets, by OpenSSL: a certificate, the
 * connections that show it, and the sink and the reader through which a fan-out
 * writes to one and a source reads from one.
 *
 * The core does not need this; it is a library beside it. TLS 1.2 and 1.3 with
 * the ciphers and groups of Mozilla's "intermediate" (5.7), without those that
 * take a file of parameters; ALPN http/1.1; tickets, with keys for each context
 * that change with time; no compression, no renegotiation, no early data, no
 * session cache.
 *
 * A connection never blocks and never leaves a record half accepted. What it
 * has encrypted and the socket did not take, at most one record, it holds; that
 * goes first, before anything else is encrypted. So bytes once accepted reach
 * the peer in their order whatever the writer does next, and a writer that is
 * told UV_EAGAIN may offer others instead.
 *
 * Everything here on one thread at a time: that of the loop. The memory is
 * malloc's, of OpenSSL as well.
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <weir/fanout.h>
#include <weir/source.h>
#include <weir/visibility.h>

WEIR_BEGIN_DECLS

#define WEIR_TLS_RECORD        16384u   /* bytes of a record, RFC 8446 §5.1 */
#define WEIR_TLS_HELD_MAX      16896u   /* bytes held: one such, encrypted */
#define WEIR_TLS_HELLO_MAX     16384u   /* bytes of a client's first message */
#define WEIR_TLS_FILE_MAX      1048576u /* bytes of a file */
#define WEIR_TLS_TEXT_MAX      199u     /* bytes of a problem's text */
#define WEIR_TLS_DEFAULT_REKEY 4194304u /* records: 2^22 */
/* Nanoseconds: 12 hours. */
#define WEIR_TLS_DEFAULT_TICKET_TIME 43200000000000ull

/* Of weir_tls_handshake(): the peer speaks HTTP without TLS. */
#define WEIR_TLS_PLAIN 1

typedef struct weir_tls_context weir_tls_context_t;
typedef struct weir_tls weir_tls_t;

typedef struct weir_tls_options {
  size_t size;
  const char *certificate; /* file, PEM: the server's, then those between */
  const char *key;         /* file, PEM, without a password */
  /* Records after which a connection of TLS 1.3 gets new keys (RFC 8446 §5.5:
   * fewer than 2^24.5 with AES-GCM; one that listens for weeks gets there).
   * Default WEIR_TLS_DEFAULT_REKEY. */
  uint64_t rekey;
  /* Nanoseconds after which tickets are sealed with another key; the one before
   * opens what it has sealed for as long again. Default
   * WEIR_TLS_DEFAULT_TICKET_TIME. A ticket is good for two hours. */
  uint64_t ticket_time;
  /* Monotonic nanoseconds; NULL: uv_hrtime(). */
  uint64_t (*clock)(void *context);
  void *clock_context;
} weir_tls_options_t;

/* Why there is no context: which file, and what is wrong with it. */
typedef struct weir_tls_problem {
  int of_key; /* of the key's file, else of the certificate's */
  char text[WEIR_TLS_TEXT_MAX + 1]; /* "is ...; expected ...", in English */
} weir_tls_problem_t;

/* Reads both files, blocking. WEIR_EOPTION, UV_ENOMEM, or UV_EINVAL with
 * *problem set. */
WEIR_EXTERN WEIR_NODISCARD int weir_tls_context_create(
    weir_tls_context_t **context, const weir_tls_options_t *options,
    weir_tls_problem_t *problem);

/* Gives the context up; it goes when its last connection has. NULL is a
 * no-op. */
WEIR_EXTERN void weir_tls_context_release(weir_tls_context_t *context);

/* From when until when the certificate is valid, seconds since 1970. */
WEIR_EXTERN int64_t
weir_tls_context_not_before(const weir_tls_context_t *context);
WEIR_EXTERN int64_t
weir_tls_context_not_after(const weir_tls_context_t *context);

/* The server's side of a connection on a non-blocking stream socket, which
 * stays the caller's. UV_ENOMEM. */
WEIR_EXTERN WEIR_NODISCARD int weir_tls_create(weir_tls_t **tls,
                                               weir_tls_context_t *context,
                                               int fd);

/*
 * Goes on with the handshake: 0 when it is done, UV_EAGAIN when it waits for
 * what weir_tls_wants() says, WEIR_TLS_PLAIN when the first byte is of an HTTP
 * request (what was read of it is lost), or what ended it: UV_EPROTO with
 * weir_tls_failure(), UV_ECONNRESET when the peer left, another of the
 * socket's. The peer has been sent its alert.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_tls_handshake(weir_tls_t *tls);

/* After UV_EAGAIN: UV_READABLE or UV_WRITABLE. */
WEIR_EXTERN int weir_tls_wants(const weir_tls_t *tls);

/* What was wrong, after UV_EPROTO; else NULL. Static storage. */
WEIR_EXTERN const char *weir_tls_failure(const weir_tls_t *tls);

/* "TLSv1.3", "TLSv1.2". Static storage. */
WEIR_EXTERN const char *weir_tls_version(const weir_tls_t *tls);

/*
 * Bytes of one record, > 0; 0 when the peer said that there are no more;
 * UV_EAGAIN, UV_ECONNRESET (also an end without that word), UV_EPROTO, ... With
 * room for WEIR_TLS_RECORD nothing stays behind in memory: a socket that is not
 * readable then has nothing more. It returns after a record that held no bytes,
 * with UV_EAGAIN, so that a peer which sends nothing else is one of many.
 */
WEIR_EXTERN int64_t weir_tls_read(weir_tls_t *tls, void *bytes, size_t length);

/*
 * How many bytes were accepted, > 0; UV_EAGAIN for none; an error, which the
 * connection does not survive. Pieces that are shorter than a record are put
 * together into one.
 */
WEIR_EXTERN int64_t weir_tls_write(weir_tls_t *tls, const struct iovec *iov,
                                   int count);

/* Passes on what is held, as weir_sink_t's flush does. */
WEIR_EXTERN int weir_tls_flush(weir_tls_t *tls);

/* From now on its socket is `fd`: another descriptor of the same. */
WEIR_EXTERN void weir_tls_move(weir_tls_t *tls, int fd);

/*
 * Ends it; the socket stays open, and is not touched again: reading and writing
 * fail with UV_ECANCELED. With `clean` the peer gets what is held and then
 * close_notify (RFC 8446 §6.1), never one within a record: for what the socket
 * has no room for its send buffer is made larger, as far as the system lets it.
 */
WEIR_EXTERN void weir_tls_end(weir_tls_t *tls, int clean);

/* Ends and frees it. NULL is a no-op. */
WEIR_EXTERN void weir_tls_close(weir_tls_t *tls, int clean);

/* For a listener's `sink`, with the connection as its context: the handshake is
 * done, and connection and socket are the fan-out's. Static storage. */
WEIR_EXTERN const weir_sink_t *weir_tls_sink(void);

/* For a source's `reader`, with the connection as its context, whose handshake
 * is done; both stay the caller's. Static storage. */
WEIR_EXTERN const weir_reader_t *weir_tls_reader(void);

/* "3.0.19": OpenSSL's, as it is linked now. Static storage, any thread. */
WEIR_EXTERN const char *weir_tls_library(void);

WEIR_END_DECLS

#endif
