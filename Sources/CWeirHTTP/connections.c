/*
 * connections.c - the sockets of a client, and whether a kept one can be used.
 *
 * HTTP/1 knows the response to a request by its place. What a server sends
 * while nothing is asked, a 408 for a connection that was idle for too long as
 * often as something worse, would be read as the response to the next request:
 * libcurl looks for an end there at most. So the socket is looked at once more
 * before a request goes over it. What comes after that look cannot be told from
 * a response by anybody.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_state.h"

int weir__connections_add(weir_client_t *client, curl_socket_t fd) {
  if (client->sockets == client->open_room) {
    size_t room = client->open_room > 0 ? 2 * client->open_room : 16;
    weir__connection_t *grown = realloc(client->open, room * sizeof *grown);
    if (!grown) return UV_ENOMEM;
    client->open = grown;
    client->open_room = room;
  }
  client->open[client->sockets++] = (weir__connection_t){.fd = fd};
  return 0;
}

void weir__connections_remove(weir_client_t *client, curl_socket_t fd) {
  uint32_t place = 0;
  while (place < client->sockets && client->open[place].fd != fd)
    place++;
  if (place == client->sockets) return;
  /* The last takes its place. */
  client->open[place] = client->open[--client->sockets];
}

/* A socket's own port; 0 before it has one, or when it has none. */
static uint16_t port_of(curl_socket_t fd) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
  } own;
  socklen_t length = sizeof own;
  if (getsockname(fd, &own.any, &length) < 0) return 0;
  if (own.any.sa_family == AF_INET) return ntohs(own.v4.sin_port);
  if (own.any.sa_family == AF_INET6) return ntohs(own.v6.sin6_port);
  return 0;
}

/* The connection with this port on our side: libcurl says no more of the one
 * that it has chosen. NULL when it is not known. Two of one port, to different
 * hosts, can be mistaken for each other; a connection is then given up for
 * nothing, at the worst. O(connections). */
static weir__connection_t *find(weir_client_t *client, int port) {
  for (uint32_t i = 0; i < client->sockets; i++) {
    weir__connection_t *connection = &client->open[i];
    if (connection->port == 0) connection->port = port_of(connection->fd);
    if (connection->port == port) return connection;
  }
  return NULL;
}

/* With TLS unread bytes are no sign: session tickets come when they like, and
 * HTTP/2 numbers its responses. */
static int is_encrypted(weir_transfer_t *transfer) {
  struct curl_tlssessioninfo *session = NULL;
  curl_easy_getinfo(transfer->easy, CURLINFO_TLS_SSL_PTR, &session);
  return session && session->internals;
}

/* Whether something lies there already. At an end, libcurl takes another. */
static int is_spoiled(curl_socket_t fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

int weir__connected(void *context, char *to, char *from, int to_port,
                    int from_port) {
  weir_transfer_t *transfer = context;
  weir__connection_t *connection;
  (void)to, (void)from, (void)to_port;
  connection = find(transfer->client, from_port);
  if (connection && !connection->is_kept) {
    connection->is_kept = 1;
  } else if (connection && !is_encrypted(transfer) &&
             is_spoiled(connection->fd)) {
    if (!transfer->has_moved) {
      transfer->is_spoiled = 1;
      return CURL_PREREQFUNC_ABORT;
    }
    /* From the beginning again would ask twice what led here. libcurl itself
     * takes another connection when it cannot send over this one. */
    shutdown(connection->fd, SHUT_RDWR);
  }
  transfer->phase = WEIR_PHASE_SENDING;
  weir__transfer_sent(transfer);
  return CURL_PREREQFUNC_OK;
}

/* Counted; and no child inherits it. */
curl_socket_t weir__open_socket(void *context, curlsocktype purpose,
                                struct curl_sockaddr *address) {
  weir_transfer_t *transfer = context;
  (void)purpose;
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  if (weir__client_opened(transfer->client, fd) < 0) {
    close(fd);
    return CURL_SOCKET_BAD;
  }
  transfer->socket = fd;
  return fd;
}

int weir__close_socket(void *context, curl_socket_t fd) {
  weir__client_closes(context, fd);
  return close(fd);
}
