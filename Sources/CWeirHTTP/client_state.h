/* client_state.h - what the files of the client share. */
#ifndef WEIR_CLIENT_STATE_H
#define WEIR_CLIENT_STATE_H

#include "CWeirHTTP.h"

#pragma GCC visibility push(hidden)

#define WEIR__CLIENT_MAGIC   0x77436c69u /* "wCli" */
#define WEIR__TRANSFER_MAGIC 0x77547261u /* "wTra" */

/* A watched descriptor. Freed by its close callback, on its own. */
typedef struct weir__watch {
  uv_poll_t poll;
  void *owner;
  curl_socket_t fd;
  int events;          /* of the poll; 0 while it is stopped */
  int asked;           /* by libcurl, last */
  unsigned overlooked; /* times that it was ready for nothing, in a row */
  int is_used;
} weir__watch_t;

/* A socket that open_socket() made. Its watch stays while the connection is
 * idle: its next request then costs no call of epoll. */
typedef struct weir__socket {
  weir__watch_t *watch;
  weir_transfer_t *transfer; /* that waits for it; one of them in HTTP/2 */
  int is_ours;
} weir__socket_t;

/* The same, as a request meets it. */
typedef struct weir__connection {
  curl_socket_t fd;
  uint16_t port;    /* on our side; 0 until it was asked for */
  uint16_t is_kept; /* a request went over it */
} weir__connection_t;

struct weir_client {
  uint32_t magic;
  uint32_t connections;
  uint32_t host_connections;
  uint32_t sockets;
  uint32_t running;
  uint32_t spare_count;
  int is_due; /* libcurl wants to be called, at the loop's next turn */
  int is_closing;
  int open_handles;
  uv_loop_t *loop;
  CURLM *multi;
  weir__socket_t *table; /* by descriptor */
  size_t table_room;
  weir__connection_t *open; /* `sockets` of them */
  size_t open_room;
  uv_timer_t timer;
  uv_idle_t turn;
  weir_transfer_t *first; /* with events to tell, in their order */
  weir_transfer_t *last;
  weir_transfer_t *spares;
  void (*on_event)(void *data, unsigned events);
  void (*on_closed)(void *data);
  void *closed_data;
};

/* Whom a transfer waits for itself. */
enum { WEIR__HELD_RECEIVING = 1, WEIR__HELD_SENDING = 2 };

struct weir_transfer {
  uint32_t magic;
  unsigned events;
  weir_client_t *client;
  CURL *easy;
  void *data;
  weir_transfer_t *next; /* of the client's events, or of its spares */
  struct curl_slist *fields;
  weir_transfer_phase_t phase;
  CURLcode result;
  unsigned held;
  unsigned is_running : 1; /* libcurl has it */
  unsigned is_done : 1;
  unsigned is_queued : 1;
  unsigned in_head : 1;
  unsigned has_head : 1;
  unsigned has_location : 1;
  unsigned has_length : 1; /* the head says one, `length` */
  unsigned follows : 1;
  unsigned has_moved : 1;  /* a redirect was followed */
  unsigned is_spoiled : 1; /* as was its connection: it starts once more */
  unsigned wanted : 1;
  unsigned is_alone : 1; /* on its connection: HTTP/1 */
  unsigned is_ready : 1; /* its socket has bytes that its reader is to fetch */
  unsigned is_whole : 1; /* the request's body is all there, and stays */
  unsigned has_finished : 1;
  unsigned has_sunk : 1;
  unsigned is_plain : 1; /* its options serve the next request, too */
  weir_refusal_t refusal;
  uint64_t length;
  size_t heads; /* bytes of heads and trailers of this response */
  uint64_t moved;
  uint64_t received;
  uint64_t sent;
  char *head;
  size_t head_used, head_room;
  char *in; /* of the response's body; of a descriptor's unit, its rest */
  size_t in_used, in_room;
  char *out; /* of the request's body */
  size_t out_used, out_sent, out_room;
  char *to; /* where its reader wants them, while it fetches */
  size_t to_used, to_room;
  curl_socket_t watched; /* libcurl waits for it, or CURL_SOCKET_BAD */
  curl_socket_t socket;  /* opened last, or CURL_SOCKET_BAD; libcurl's */
  weir__watch_t *into;   /* NULL: the body is fetched, or taken */
  weir__watch_t *from;
  weir_body_take_t take; /* NULL: the body is fetched */
  void *take_data;
  weir_body_give_t give;
  void *give_data;
  uint64_t give_left; /* bytes that it still owes */
  uint64_t url;       /* which one `easy` has; 0 for one that is not known */
  char reason[CURL_ERROR_SIZE];
};

/* Descriptors. A watch neither keeps the loop alive nor owns its fd. */
weir__watch_t *weir__watch_open(uv_loop_t *loop, int fd, void *owner,
                                int *status);
void weir__watch_close(weir__watch_t *watch);

/* The socket is ours from now on, or is about to be closed. UV_ENOMEM. */
int weir__client_opened(weir_client_t *client, curl_socket_t fd);
void weir__client_closes(weir_client_t *client, curl_socket_t fd);

/* The transfer lets go of the socket that it waits for. */
void weir__client_unwatch(weir_transfer_t *transfer);
/* The loop looks at that socket again, if it rested for want of a reader. */
void weir__client_rouse(weir_transfer_t *transfer);
/* Lets libcurl read from that socket, once. */
void weir__client_receive(weir_transfer_t *transfer);

/* Calls libcurl at the loop's next turn, and tells events then. */
void weir__client_wake(weir_client_t *client);
/* Tells what happened, now that libcurl has returned. */
void weir__client_settle(weir_client_t *client);

/* Frees the transfers that are kept for later. */
void weir__client_discard_spares(weir_client_t *client);

/* Puts events on the client's list. */
void weir__transfer_post(weir_transfer_t *transfer, unsigned events);
/* libcurl has done with it. */
void weir__transfer_done(weir_transfer_t *transfer, CURLcode result);
/* If all of the request's body is on its way, the response is waited for. */
void weir__transfer_sent(weir_transfer_t *transfer);
/* Takes a hold away and lets libcurl go on. */
void weir__transfer_resume(weir_transfer_t *transfer, unsigned hold);

/* One socket more, of those that libcurl holds down, or one less: UV_ENOMEM,
 * O(connections). */
int weir__connections_add(weir_client_t *client, curl_socket_t fd);
void weir__connections_remove(weir_client_t *client, curl_socket_t fd);

/* libcurl's callbacks of connections: one stands, and the request is about to
 * be sent; one is needed; one is done with. */
int weir__connected(void *context, char *to, char *from, int to_port,
                    int from_port);
curl_socket_t weir__open_socket(void *context, curlsocktype purpose,
                                struct curl_sockaddr *address);
int weir__close_socket(void *context, curl_socket_t fd);

/* A piece of a body that goes by function; what libcurl's callback says. */
size_t weir__direct_take(weir_transfer_t *transfer, const char *bytes,
                         size_t length);
size_t weir__direct_give(weir_transfer_t *transfer, char *to, size_t room);

/* libcurl's other callbacks, and those of the two descriptors. */
void weir__transfer_hook(weir_transfer_t *transfer);
void weir__into_ready(uv_poll_t *poll, int status, int events);
void weir__from_ready(uv_poll_t *poll, int status, int events);

#pragma GCC visibility pop

#endif
