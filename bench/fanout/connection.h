/*
 * connection.h - one listener of the load client.
 */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include <netinet/in.h>

#include "latency.h"
#include "response.h"
#include "stamps.h"
#include "verify.h"

enum connection_kind {
  KIND_READER,   /* reads whatever comes at once */
  KIND_TRICKLER, /* reads a few bytes at every tick */
  KIND_STALLED   /* does not read, unless it is woken */
};

enum connection_state {
  STATE_WAITING, /* to be opened later */
  STATE_CONNECTING,
  STATE_HEAD,
  STATE_BODY,
  STATE_REFUSED, /* ended before a 200 */
  STATE_LOST     /* the server ended its body, or reset it */
};

struct connection {
  int fd;
  uint8_t kind;
  uint8_t state;
  uint8_t sampled; /* its bytes are looked at; the others' are discarded */
  uint8_t awake;   /* a stalled one that reads now */
  uint8_t carry_length;
  uint8_t carry[VERIFY_CARRY];
  int status; /* of the response; 0: none came */
  int error;  /* errno behind the end; 0: an orderly end */
  uint32_t head_length;
  char *head; /* while in STATE_HEAD */
  uint64_t opened;
  uint64_t received; /* bytes of the body, without a WAV header */
  uint64_t begin;    /* received, when measuring began */
  struct stamps stamps;
  struct verify *verify; /* NULL: the stream carries stamps */
};

/* What all connections share. */
struct client {
  int epoll;
  const char *request;
  struct sockaddr_in server;
  uint32_t source_addresses; /* 127.0.1.1 and on; 0: the system's choice */
  int stall_buffer;          /* SO_RCVBUF of stalled ones; 0: default */
  size_t trickle;            /* bytes a trickler takes at a time */
  uint8_t *scratch;          /* CLIENT_HEADROOM bytes, then room for reads */
  struct latency *latency;   /* NULL until measuring */
  struct latency *join;      /* from connect to the first byte of the body */
};

#define CLIENT_HEADROOM 64u
#define CLIENT_READ_MAX 262144u

/* Connects and watches. What goes wrong ends the connection. */
void connection_open(struct client *client, struct connection *connection,
                     uint32_t index);

/* Serves what epoll reported. */
void connection_event(struct client *client, struct connection *connection,
                      uint32_t events);

/* A trickler takes its bytes. */
void connection_trickle(struct client *client, struct connection *connection);

/* A stalled one begins to read. */
void connection_wake(struct client *client, struct connection *connection);

/* The client leaves: checks what was still carried, and closes. */
void connection_leave(struct connection *connection);

#endif
