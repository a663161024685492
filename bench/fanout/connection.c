#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void end(struct connection *connection, int error) {
  connection->error = error;
  connection->state =
      connection->state == STATE_BODY ? STATE_LOST : STATE_REFUSED;
  connection_leave(connection);
}

void connection_leave(struct connection *connection) {
  if (connection->fd < 0) return;
  if (connection->verify != NULL && connection->sampled)
    verify_finish(connection->verify, connection->carry,
                  connection->carry_length);
  free(connection->head);
  connection->head = NULL;
  connection->carry_length = 0;
  close(connection->fd);
  connection->fd = -1;
}

void connection_open(struct client *client, struct connection *connection,
                     uint32_t index) {
  int on = 1;
  connection->opened = monotonic_ns();
  connection->state = STATE_CONNECTING;
  connection->fd =
      socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) {
    connection->state = STATE_REFUSED;
    connection->error = errno;
    return;
  }
  int fd = connection->fd;
  if (connection->kind != KIND_READER && client->stall_buffer > 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &client->stall_buffer,
               sizeof client->stall_buffer);
  if (client->source_addresses > 0) {
    uint32_t number = 257 + index % client->source_addresses;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7F000000u + number)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) {
      end(connection, errno);
      return;
    }
  }
  struct epoll_event event = {
      .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = index};
  if (connect(fd, (struct sockaddr *)&client->server, sizeof client->server) !=
          0 &&
      errno != EINPROGRESS) {
    end(connection, errno);
    return;
  }
  if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    end(connection, errno);
}

static void send_request(struct client *client, struct connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  size_t length = strlen(client->request);
  if (error == 0 && send(connection->fd, client->request, length,
                         MSG_NOSIGNAL) != (ssize_t)length)
    error = errno;
  connection->head = malloc(RESPONSE_MAX);
  if (connection->head == NULL) error = ENOMEM;
  if (error != 0)
    end(connection, error);
  else
    connection->state = STATE_HEAD;
}

/* `length` bytes of the body stand in scratch, behind the headroom. */
static void take(struct client *client, struct connection *connection,
                 size_t length) {
  if (length == 0) return;
  uint64_t now = monotonic_ns();
  int reader = connection->kind == KIND_READER;
  if (reader && connection->received == 0)
    latency_record(client->join, now - connection->opened);
  connection->received += length;
  if (!connection->sampled) return;
  uint8_t *bytes = client->scratch + CLIENT_HEADROOM - connection->carry_length;
  memcpy(bytes, connection->carry, connection->carry_length);
  length += connection->carry_length;
  size_t carry = connection->verify != NULL
                     ? verify_feed(connection->verify, bytes, length)
                     : stamps_feed(&connection->stamps, bytes, length, now,
                                   reader ? client->latency : NULL);
  memcpy(connection->carry, bytes + length - carry, carry);
  connection->carry_length = (uint8_t)carry;
}

static ssize_t read_head(struct client *client, struct connection *connection) {
  ssize_t n = recv(connection->fd, connection->head + connection->head_length,
                   RESPONSE_MAX - connection->head_length, 0);
  if (n <= 0) return n;
  connection->head_length += (uint32_t)n;
  int at = response_parse(connection->head, connection->head_length,
                          &connection->status);
  if (at == RESPONSE_MORE) return n;
  if (at == RESPONSE_BAD || connection->status != 200) {
    end(connection, at == RESPONSE_BAD ? EPROTO : 0);
    return n;
  }
  size_t rest = connection->head_length - (size_t)at;
  memcpy(client->scratch + CLIENT_HEADROOM, connection->head + at, rest);
  free(connection->head);
  connection->head = NULL;
  connection->state = STATE_BODY;
  take(client, connection, rest);
  return n;
}

/* Bytes that nobody looks at are not copied (tcp(7), MSG_TRUNC). */
static ssize_t read_body(struct client *client, struct connection *connection) {
  int discard = !connection->sampled;
  ssize_t n = recv(connection->fd, client->scratch + CLIENT_HEADROOM,
                   CLIENT_READ_MAX, discard ? MSG_TRUNC : 0);
  if (n > 0) take(client, connection, (size_t)n);
  return n;
}

void connection_event(struct client *client, struct connection *connection,
                      uint32_t events) {
  if (connection->state == STATE_CONNECTING) send_request(client, connection);
  int ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (connection->kind == KIND_STALLED && !connection->awake) {
    /* It shows no end as long as bytes are unread before it, but a reset. */
    if ((events & EPOLLERR) && connection->fd >= 0) end(connection, ECONNRESET);
    return;
  }
  while (connection->fd >= 0) {
    int body = connection->state == STATE_BODY;
    if (body && connection->kind == KIND_TRICKLER && !ending) return;
    ssize_t n =
        body ? read_body(client, connection) : read_head(client, connection);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      end(connection, n < 0 ? errno : 0);
      return;
    }
    /* A short read empties the socket; what comes later is a new edge. */
    if (body && !ending && n < (ssize_t)CLIENT_READ_MAX) return;
  }
}

void connection_wake(struct client *client, struct connection *connection) {
  connection->awake = 1;
  if (connection->fd >= 0) connection_event(client, connection, EPOLLIN);
}

void connection_trickle(struct client *client, struct connection *connection) {
  if (connection->state != STATE_BODY || client->trickle == 0) return;
  ssize_t n = recv(connection->fd, client->scratch + CLIENT_HEADROOM,
                   client->trickle, 0);
  if (n > 0)
    take(client, connection, (size_t)n);
  else if (n == 0 || errno != EAGAIN)
    end(connection, n < 0 ? errno : 0);
}
