#include "member.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Behind no more than this, one has caught up. */
#define CAUGHT_UP_NS 400000000u
/* What a joiner is given of the past is no lag: it counts from then on. */
#define SETTLED_NS 1000000000u
/* The kernel keeps little for those who read less. */
#define SMALL_BUFFER 131072
/* Bytes that one reads before the others have their turn. */
#define TURN_MAX (4u * MEMBER_READ_MAX)

static const char *const kinds[] = {"healthy", "slow", "stall", "past"};
static const char *const states[] = {"waiting", "connecting", "head", "body",
                                     "left",    "refused",    "lost"};

const char *member_kind_name(enum member_kind kind) {
  return kinds[kind];
}

void member_leave(struct member *member, enum member_state how) {
  if (member->fd < 0) return;
  close(member->fd);
  member->fd = -1;
  member->state = (uint8_t)how;
  free(member->head);
  member->head = NULL;
}

static void lose(struct member *member, int error) {
  member->error = error;
  member_leave(member,
               member->state == MEMBER_BODY ? MEMBER_LOST : MEMBER_REFUSED);
}

static void listen_to(struct audience *audience, struct member *member,
                      int wanted) {
  struct epoll_event event = {.events = wanted ? EPOLLIN : 0,
                              .data.u32 = member->index};
  epoll_ctl(audience->epoll, EPOLL_CTL_MOD, member->fd, &event);
  member->is_deaf = !wanted;
}

void member_join(struct audience *audience, struct member *member) {
  int size = SMALL_BUFFER;
  member->opened = packet_now();
  member->state = MEMBER_CONNECTING;
  member->give_up = member->opened + (uint64_t)(audience->patience * 1e9);
  body_init(&member->body);
  member->body.is_lossy = (uint8_t)audience->is_lossy;
  member->body.is_mixed = (uint8_t)audience->is_mixed;
  member->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (member->fd < 0) {
    member->state = MEMBER_REFUSED;
    member->error = errno;
    return;
  }
  if (member->kind != MEMBER_HEALTHY)
    setsockopt(member->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (connect(member->fd, (struct sockaddr *)&audience->server,
              sizeof audience->server) != 0 &&
      errno != EINPROGRESS) {
    lose(member, errno);
    return;
  }
  struct epoll_event event = {.events = EPOLLOUT, .data.u32 = member->index};
  if (epoll_ctl(audience->epoll, EPOLL_CTL_ADD, member->fd, &event) != 0)
    lose(member, errno);
}

static void ask(struct audience *audience, struct member *member) {
  char request[512];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(member->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  struct sockaddr_in own;
  socklen_t own_size = sizeof own;
  if (getsockname(member->fd, (struct sockaddr *)&own, &own_size) == 0)
    member->port = ntohs(own.sin_port);
  int length =
      snprintf(request, sizeof request,
               "GET %s%s%s HTTP/1.1\r\nHost: localhost\r\n"
               "User-Agent: audience\r\nConnection: close\r\n\r\n",
               audience->path, member->warm[0] ? "?warm=" : "", member->warm);
  if (error == 0 && send(member->fd, request, (size_t)length, MSG_NOSIGNAL) !=
                        (ssize_t)length)
    error = errno;
  member->head = malloc(MEMBER_HEAD_MAX);
  if (member->head == NULL) error = ENOMEM;
  if (error != 0) {
    lose(member, error);
    return;
  }
  member->state = MEMBER_HEAD;
  listen_to(audience, member, 1);
}

/* The value of a field, or NULL. */
static const char *field(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line != NULL;
       line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, length) == 0 && line[length] == ':')
      return line + length + 1;
  }
  return NULL;
}

static void begin_body(struct audience *audience, struct member *member,
                       uint64_t now) {
  const char *position = field(member->head, "X-Weir-Position");
  const char *seconds = field(member->head, "X-Weir-Warm-Seconds");
  member->position = position != NULL ? strtoull(position, NULL, 10) : 0;
  member->warm_seconds = seconds != NULL ? atof(seconds) : -1;
  member->state = MEMBER_BODY;
  member->began = now;
  double some = 0.5 + drand48(); /* of it all */
  member->leave_at = now + (uint64_t)(audience->stay * some * 1e9);
}

/* Since when it could have caught up. */
static uint64_t since(const struct member *member) {
  return member->has_held ? member->hold_until : member->began;
}

static void take(struct audience *audience, struct member *member,
                 const uint8_t *bytes, size_t length, uint64_t now) {
  if (length == 0) return;
  if (member->bytes == 0) {
    member->first_byte = now - member->opened;
    latency_record(&audience->first, member->first_byte);
  }
  uint64_t before = member->body.packets;
  member->bytes += length;
  body_feed(&member->body, bytes, length);
  if (member->body.packets == before) return;
  uint64_t written = member->body.written;
  uint64_t age = now > written ? now - written : 0;
  if (before == 0) member->first_age = (double)age / 1e9;
  int is_near = age <= CAUGHT_UP_NS;
  if (is_near && !member->is_caught_up)
    member->catching_up = (double)(now - since(member)) / 1e9;
  int is_settled = member->is_caught_up && now - member->began > SETTLED_NS;
  if (is_settled && member->kind == MEMBER_HEALTHY)
    latency_record(&audience->lag, age);
  if (is_near || member->has_held) member->is_caught_up = (uint8_t)is_near;
}

static ssize_t read_head(struct audience *audience, struct member *member,
                         uint64_t now) {
  size_t room = MEMBER_HEAD_MAX - 1 - member->head_length;
  if (room == 0) {
    lose(member, EPROTO);
    return 0;
  }
  ssize_t n = recv(member->fd, member->head + member->head_length, room, 0);
  if (n <= 0) return n;
  member->head_length += (size_t)n;
  member->head[member->head_length] = '\0';
  char *end = memmem(member->head, member->head_length, "\r\n\r\n", 4);
  if (end == NULL) return n;
  end[2] = '\0';
  member->status = atoi(member->head + 9);
  if (member->status != 200) {
    member_leave(member, MEMBER_REFUSED);
    return n;
  }
  begin_body(audience, member, now);
  size_t at = (size_t)(end - member->head) + 4;
  take(audience, member, (uint8_t *)member->head + at, member->head_length - at,
       now);
  free(member->head);
  member->head = NULL;
  return n;
}

/* Bytes that it may read now. */
static size_t allowed(struct audience *audience, struct member *member,
                      uint64_t now) {
  if (member->kind != MEMBER_SLOW || member->hold_until == 0 ||
      member->has_held)
    return TURN_MAX;
  double due = (double)(now - member->allowance_at) / 1e9 * audience->slow_rate;
  member->allowance_at = now;
  return (size_t)due + 1;
}

static void read_some(struct audience *audience, struct member *member) {
  uint64_t now = packet_now();
  size_t room = allowed(audience, member, now);
  while (member->fd >= 0 && room > 0) {
    size_t most = room < MEMBER_READ_MAX ? room : MEMBER_READ_MAX;
    int in_head = member->state == MEMBER_HEAD;
    ssize_t n = in_head ? read_head(audience, member, now)
                        : recv(member->fd, audience->scratch, most, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      if (member->fd >= 0) lose(member, n < 0 ? errno : 0);
      return;
    }
    if (in_head) continue;
    take(audience, member, audience->scratch, (size_t)n, now);
    room -= (size_t)n;
    if ((size_t)n < most) return;
  }
}

void member_event(struct audience *audience, struct member *member) {
  if (member->fd < 0) return;
  if (member->state == MEMBER_CONNECTING)
    ask(audience, member);
  else if (!member->is_deaf)
    read_some(audience, member);
}

/* After a second, more or less, it begins to read less. */
static void hold(struct audience *audience, struct member *member,
                 uint64_t now) {
  double some = 0.8 + 0.4 * drand48();
  double seconds = audience->hold[member->kind] * some;
  member->hold_until = now + (uint64_t)(seconds * 1e9);
  member->allowance_at = now;
  member->is_caught_up = 0;
  listen_to(audience, member, 0);
}

static void serve(struct audience *audience, struct member *member,
                  uint64_t now) {
  if (member->hold_until == 0) {
    uint64_t since = now - member->began;
    if (member->is_caught_up && since > 300000000u) hold(audience, member, now);
  } else if (!member->has_held && now >= member->hold_until &&
             !audience->stays) {
    member->has_held = 1;
    member->hold_until = now;
    listen_to(audience, member, 1);
  } else if (!member->has_held && member->kind == MEMBER_SLOW) {
    read_some(audience, member);
  }
}

void member_tick(struct audience *audience, struct member *member,
                 uint64_t now) {
  if (member->fd < 0) return;
  if (now >= member->give_up) {
    member->error = ETIMEDOUT;
    member_leave(member,
                 member->state == MEMBER_BODY ? MEMBER_LEFT : MEMBER_REFUSED);
    return;
  }
  if (member->state != MEMBER_BODY) return;
  if (member->kind != MEMBER_HEALTHY) serve(audience, member, now);
  int is_done = member->kind == MEMBER_HEALTHY || member->has_held;
  uint64_t least = member->kind == MEMBER_HEALTHY
                       ? member->leave_at
                       : member->hold_until + 500000000u;
  if (member->fd >= 0 && !audience->stays && is_done && member->is_caught_up &&
      now >= least)
    member_leave(member, MEMBER_LEFT);
}

void member_print(const struct member *member) {
  const struct body *body = &member->body;
  printf(
      "{\"event\": \"listener\", \"port\": %u, \"kind\": \"%s\", "
      "\"warm\": \"%s\", \"state\": \"%s\", \"status\": %d, "
      "\"error\": %d, \"caught_up\": %s, \"position\": %llu, "
      "\"warm_seconds\": %.4f, \"bytes\": %llu, ",
      member->port, kinds[member->kind], member->warm, states[member->state],
      member->status, member->error, member->is_caught_up ? "true" : "false",
      (unsigned long long)member->position, member->warm_seconds,
      (unsigned long long)member->bytes);
  printf(
      "\"first_ms\": %.3f, \"first_age\": %.3f, \"catching_up\": %.3f, "
      "\"first\": %llu, \"preamble\": %llu, \"packets\": %llu, "
      "\"markers\": %llu, \"skips\": %llu, \"skipped\": %llu, "
      "\"kept\": %llu, \"runs\": %llu, \"missing\": %llu, "
      "\"turned\": %llu, \"early\": %llu, ",
      (double)member->first_byte / 1e6, member->first_age, member->catching_up,
      (unsigned long long)(body->position / PACKET),
      (unsigned long long)body->preamble, (unsigned long long)body->packets,
      (unsigned long long)body->markers, (unsigned long long)body->skips,
      (unsigned long long)body->skipped, (unsigned long long)body->kept,
      (unsigned long long)body->runs, (unsigned long long)body->missing,
      (unsigned long long)body->turned, (unsigned long long)body->early);
  printf(
      "\"faults\": {\"torn\": %llu, \"forged\": %llu, \"broken\": %llu, "
      "\"doubled\": %llu, \"blind\": %llu, \"unsaid\": %llu, "
      "\"counted\": %llu}, \"segments\": [",
      (unsigned long long)body->torn, (unsigned long long)body->forged,
      (unsigned long long)body->broken, (unsigned long long)body->doubled,
      (unsigned long long)body->blind, (unsigned long long)body->unsaid,
      (unsigned long long)body->counted);
  uint32_t kept =
      body->segments < BODY_SEGMENTS ? body->segments : BODY_SEGMENTS;
  for (uint32_t i = 0; i < kept; i++)
    printf("%s[%llu, %llu, %llu]", i > 0 ? ", " : "",
           (unsigned long long)(body->segment[i].first >> PACKET_RUN_BITS),
           (unsigned long long)(body->segment[i].first & PACKET_INDEX),
           (unsigned long long)body->segment[i].count);
  printf("]}\n");
}
