/*
 * member.h - one listener of the audience: how it reads, and what it got.
 */
#ifndef WARM_MEMBER_H
#define WARM_MEMBER_H

#include <netinet/in.h>
#include <stddef.h>

#include "../../bench/fanout/latency.h"
#include "body.h"

#define MEMBER_HEAD_MAX 8192u
#define MEMBER_READ_MAX 262144u

enum member_kind {
  MEMBER_HEALTHY, /* reads whatever comes */
  MEMBER_SLOW,    /* reads less than there is, for a while */
  MEMBER_STALL,   /* reads nothing for a while, within the files' reach */
  MEMBER_PAST,    /* the same for longer than the files reach */
  MEMBER_KINDS
};

enum member_state {
  MEMBER_WAITING, /* to join later */
  MEMBER_CONNECTING,
  MEMBER_HEAD,
  MEMBER_BODY,
  MEMBER_LEFT,    /* by itself */
  MEMBER_REFUSED, /* no 200 */
  MEMBER_LOST     /* the server ended it */
};

/* What all share. */
struct audience {
  int epoll;
  struct sockaddr_in server;
  const char *path;
  double stay;               /* seconds that a healthy one listens */
  double hold[MEMBER_KINDS]; /* seconds that the others read less or nothing */
  double slow_rate;          /* bytes a second */
  double patience;           /* seconds until it has to have caught up */
  int is_lossy, is_mixed;
  int stays;            /* nobody leaves, or ends its lag */
  uint8_t *scratch;     /* MEMBER_READ_MAX bytes */
  struct latency lag;   /* of healthy ones that have caught up */
  struct latency first; /* from connect to the first byte of the body */
};

struct member {
  int fd;
  uint32_t index;
  uint8_t kind, state, is_caught_up, is_deaf;
  uint8_t has_held; /* its time of reading less is over */
  const char *warm; /* the value of ?warm= */
  int status, error;
  uint16_t port; /* its own */
  uint64_t join_at, opened, began, hold_until, leave_at, give_up;
  uint64_t allowance_at; /* since when a slow one may read */
  uint64_t first_byte;   /* ns from connect */
  uint64_t bytes;        /* of the body */
  double catching_up;    /* seconds, from joining or reading again on */
  uint64_t position;     /* X-Weir-Position */
  double warm_seconds;   /* X-Weir-Warm-Seconds; -1: not said */
  double first_age;      /* of the first packet when it came, seconds */
  char *head;
  size_t head_length;
  struct body body;
};

/* Connects. What goes wrong ends it. */
void member_join(struct audience *audience, struct member *member);

/* Something came, or the connection is there. */
void member_event(struct audience *audience, struct member *member);

/* Its clock: called every few milliseconds. */
void member_tick(struct audience *audience, struct member *member,
                 uint64_t now);

void member_leave(struct member *member, enum member_state how);

/* A line of JSON. */
void member_print(const struct member *member);

const char *member_kind_name(enum member_kind kind);

#endif
