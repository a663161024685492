/*
 * CWeirHTTP.h - HTTP requests on a libuv loop: libcurl's multi-socket
 * interface.
 *
 * A client is one multi handle with its connections; a transfer is one request
 * on it. Sockets, bodies and buffers are handled here, without Swift for each
 * piece: a body lies in a bounded buffer until it is fetched, or goes from and
 * to a descriptor by itself, or is given to a function where it lies. What a
 * request says, when it is too late, and who goes first is decided above.
 *
 * All of it on the loop's thread. No callback is called from within a call,
 * nor from within libcurl: events wait until libcurl has returned.
 */
#ifndef CWEIRHTTP_H
#define CWEIRHTTP_H

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "byte_source.h"
#include "sender.h"

#pragma GCC visibility push(hidden)

/* Bytes of a response's body that wait for their reader, at most; the peer is
 * held then. */
#define WEIR_TRANSFER_BUFFER 262144u
/* Bytes that libcurl reads from a socket at once. */
#define WEIR_TRANSFER_READ 65536u
/* Bytes of a request's body that wait for the socket, at most. */
#define WEIR_TRANSFER_UPLOAD 65536u
/* Bytes of a response's head, at most, interim ones and trailers with it. */
#define WEIR_TRANSFER_HEAD 65536u
/* Turns of the loop in which a socket may be ready while its reader is away,
 * before the loop stops looking at it: that costs three calls of epoll. */
#define WEIR_CLIENT_OVERLOOKED 8u
/* Transfers kept for the next requests, at most. */
#define WEIR_CLIENT_SPARES 64u

/* Bytes that a function is given of a response's body at once, at most. */
#define WEIR_TRANSFER_PIECE 16384u

typedef struct weir_client weir_client_t;
typedef struct weir_transfer weir_transfer_t;

/* What has happened to a transfer, in one set. */
enum {
  WEIR_TRANSFER_HEADED = 1,   /* the head of the final response is there */
  WEIR_TRANSFER_READABLE = 2, /* bytes of the body, which were asked for */
  WEIR_TRANSFER_WRITABLE = 4, /* all that was written is on its way */
  WEIR_TRANSFER_DONE = 8      /* the last event; see `result` */
};

/* What a transfer waits for. */
typedef enum weir_transfer_phase {
  WEIR_PHASE_CONNECTING = 0, /* name, connection, TLS */
  WEIR_PHASE_SENDING,        /* the request's body */
  WEIR_PHASE_WAITING,        /* the head of the response */
  WEIR_PHASE_RECEIVING       /* the body of the response */
} weir_transfer_phase_t;

/* What of a response's head is not taken. */
typedef enum weir_refusal {
  WEIR_REFUSAL_NONE = 0,
  WEIR_REFUSAL_HEAD,   /* larger than WEIR_TRANSFER_HEAD */
  WEIR_REFUSAL_CODING, /* a transfer coding that was not asked for */
  WEIR_REFUSAL_LENGTHS /* several lengths that differ */
} weir_refusal_t;

typedef struct weir_transfer_state {
  weir_transfer_phase_t phase;
  int is_held;  /* waits for its own reader or writer, not for the peer */
  int is_done;  /* `result` says how */
  int has_sunk; /* the descriptor's reader has gone, or `take` has failed */
  weir_refusal_t refusal;
  CURLcode result;
  uint64_t moved; /* bytes either way, heads included */
  uint64_t received;
  uint64_t sent;
  const char *reason; /* libcurl's words; empty when it said nothing */
} weir_transfer_state_t;

/* --- Clients ------------------------------------------------------------- */

/*
 * Makes a client on a loop. `connections` at most are open at once, and
 * `host_connections` to each host (0: no limit of their own). `on_event` is
 * called from the loop with the transfer's `data`; it may do anything to any
 * transfer, and close the client. A libuv error, or UV_ENOMEM.
 */
int weir_client_open(uv_loop_t *loop, weir_client_t **client,
                     uint32_t connections, uint32_t host_connections,
                     void (*on_event)(void *data, unsigned events));

/* Closes connections that no transfer uses. Only while none runs. */
void weir_client_forget(weir_client_t *client);

/* Sockets that are open now. */
uint32_t weir_client_sockets(const weir_client_t *client);

/* After every transfer was released: closes what is open. `done` is called
 * from the loop, when nothing of it is left. */
void weir_client_close(weir_client_t *client, void (*done)(void *data),
                       void *data);

/* --- Transfers ----------------------------------------------------------- */

/* A transfer, NULL without memory. `*is_set`: it has the options of a request
 * that was plain, all but the URL, the fields and redirects. Else they are
 * libcurl's defaults. */
weir_transfer_t *weir_transfer_take(weir_client_t *client, void *data,
                                    int *is_set);

/* Its options serve other requests of the client as well: a GET that has no
 * body, no descriptor, and nothing of its own but what was said above. */
void weir_transfer_is_plain(weir_transfer_t *transfer);

/* Sets the URL, unless the transfer was plain and has it from the last request:
 * `number` says which it is, 0 none that could come again. */
CURLcode weir_transfer_set_url(weir_transfer_t *transfer, const char *url,
                               uint64_t number);

/* libcurl's defaults again, before the start. */
void weir_transfer_reset(weir_transfer_t *transfer);

/* Options of libcurl, by type. Before the start. A text is copied. */
CURLcode weir_transfer_set_text(weir_transfer_t *transfer, CURLoption option,
                                const char *text);
CURLcode weir_transfer_set_number(weir_transfer_t *transfer, CURLoption option,
                                  int64_t number);

/* Adds a line to the head; 0, or UV_ENOMEM. */
int weir_transfer_field(weir_transfer_t *transfer, const char *line);

/* So many redirects are followed, and their heads not told; 0 for none. */
void weir_transfer_follow(weir_transfer_t *transfer, int limit);

/* The whole body, copied: it can be sent again when the peer asks for that. 0,
 * or UV_ENOMEM. */
int weir_transfer_body(weir_transfer_t *transfer, const void *bytes,
                       size_t length);

/* The body comes from a pipe or socket; the response's goes to a socket. The
 * descriptor is the transfer's, and closed at the end, on success. UV_EPERM for
 * a regular file. */
int weir_transfer_from(weir_transfer_t *transfer, int fd);
int weir_transfer_into(weir_transfer_t *transfer, int fd);

/*
 * A body by function, without a copy of its own. Called from within libcurl, so
 * it calls nothing of this header, and does not wait.
 *
 * `take` is given a piece of a response where libcurl has it, of
 * WEIR_TRANSFER_PIECE at most, and takes all of it (0), or nothing:
 * WEIR_BODY_HELD until weir_transfer_take_more(), or WEIR_BODY_FAILED, which
 * ends the transfer. `give` writes into memory that libcurl sends from, and
 * returns how many bytes, one at least, or one of the two.
 */
enum { WEIR_BODY_HELD = -1, WEIR_BODY_FAILED = -2 };
typedef int (*weir_body_take_t)(void *data, const void *bytes, size_t length);
typedef int64_t (*weir_body_give_t)(void *data, void *to, size_t room);

/* Before the start: `length` bytes come from `give`. */
void weir_transfer_give(weir_transfer_t *transfer, weir_body_give_t give,
                        void *data, uint64_t length);
/* What has come of the body goes to `take`, and what comes from now on. What it
 * has not taken at the end is read as if there was none. Before the start: if
 * the status is below 300; another's body is read. */
void weir_transfer_take_by(weir_transfer_t *transfer, weir_body_take_t take,
                           void *data);

/* After WEIR_BODY_HELD: the function is called again. */
void weir_transfer_give_more(weir_transfer_t *transfer);
void weir_transfer_take_more(weir_transfer_t *transfer);

/* Takes everything, for bodies that nobody needs. */
int weir_body_discard(void *data, const void *bytes, size_t length);

/* Off it goes; once. */
CURLcode weir_transfer_start(weir_transfer_t *transfer);

/* Ends it without a further event, its connection with it if it was under way,
 * and lets go of it. */
void weir_transfer_release(weir_transfer_t *transfer);

void weir_transfer_state(const weir_transfer_t *transfer,
                         weir_transfer_state_t *state);

/* Whether the last connection that was tried stands, TLS or not. */
int weir_transfer_is_connected(const weir_transfer_t *transfer);

/* Whether its socket has something that the loop has not come to: of a loop
 * that was away, its peer cannot be said to be silent. One call of poll(2). */
int weir_transfer_is_stirring(const weir_transfer_t *transfer);

/* The head as it came, without the empty line; until the release. */
const char *weir_transfer_head(const weir_transfer_t *transfer, size_t *length);

/* libcurl's information, 0 or NULL when there is none. */
int64_t weir_transfer_number(const weir_transfer_t *transfer, CURLINFO info);
const char *weir_transfer_text(const weir_transfer_t *transfer, CURLINFO info);

/* Bytes of the body that wait to be read. `*is_ready`: the socket has some that
 * libcurl has not read yet, most likely. */
size_t weir_transfer_waiting(const weir_transfer_t *transfer, int *is_ready);

/* Takes the bytes that wait, for which there must be room; without any, what
 * the socket has by now, straight into `to`: as long as there is room for
 * WEIR_TRANSFER_READ. Returns how many; none says nothing of the end. */
size_t weir_transfer_read(weir_transfer_t *transfer, void *to, size_t room);

/* WEIR_TRANSFER_READABLE once there are bytes, here or in the socket. */
void weir_transfer_want(weir_transfer_t *transfer);

/* Adds to the body; returns how many bytes it took, none while those before
 * wait for the socket: WEIR_TRANSFER_WRITABLE follows. */
size_t weir_transfer_write(weir_transfer_t *transfer, const void *bytes,
                           size_t length);

/* Nothing more is written. */
void weir_transfer_finish(weir_transfer_t *transfer);

#pragma GCC visibility pop

#endif
