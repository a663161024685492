/*
 * client.c - libcurl's multi handle on a libuv loop.
 *
 * libcurl says which sockets it waits for and when it wants to be called; both
 * only note that down, since it must not be called from its own callbacks. A
 * timeout of nothing is an idle handle, so that it is called at the loop's next
 * turn and not a millisecond later, once for all that started in this one.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client_state.h"

/* Bytes at the end of the heap that stay with the process. */
#define KEPT_HEAP 4194304u

/* --- Watches ------------------------------------------------------------- */

static void watch_closed(uv_handle_t *handle) {
  free(handle);
}

weir__watch_t *weir__watch_open(uv_loop_t *loop, int fd, void *owner,
                                int *status) {
  weir__watch_t *watch = calloc(1, sizeof *watch);
  *status = watch ? uv_poll_init(loop, &watch->poll, fd) : UV_ENOMEM;
  if (*status < 0) {
    free(watch);
    return NULL;
  }
  uv_unref((uv_handle_t *)&watch->poll);
  watch->owner = owner;
  watch->fd = fd;
  return watch;
}

void weir__watch_close(weir__watch_t *watch) {
  if (!watch) return;
  uv_poll_stop(&watch->poll);
  uv_close((uv_handle_t *)&watch->poll, watch_closed);
}

/* --- Calling libcurl ----------------------------------------------------- */

void weir__client_settle(weir_client_t *client) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(client->multi, &left))) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    CURLcode result = message->data.result;
    char *transfer = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    weir__transfer_done((weir_transfer_t *)transfer, result);
  }
  while (client->first && !client->is_closing) {
    weir_transfer_t *transfer = client->first;
    unsigned events = transfer->events;
    client->first = transfer->next;
    if (!client->first) client->last = NULL;
    transfer->next = NULL;
    transfer->is_queued = 0;
    transfer->events = 0;
    client->on_event(transfer->data, events);
  }
}

static void call(weir_client_t *client, curl_socket_t socket, int events) {
  int running;
  if (client->is_closing) return;
  curl_multi_socket_action(client->multi, socket, events, &running);
  weir__client_settle(client);
}

static void turned(uv_idle_t *handle) {
  weir_client_t *client = handle->data;
  uv_idle_stop(handle);
  if (!client->is_due) {
    weir__client_settle(client);
    return;
  }
  client->is_due = 0;
  call(client, CURL_SOCKET_TIMEOUT, 0);
}

void weir__client_wake(weir_client_t *client) {
  if (!client->is_closing) uv_idle_start(&client->turn, turned);
}

static void timed_out(uv_timer_t *handle) {
  call(handle->data, CURL_SOCKET_TIMEOUT, 0);
}

static int timeout_changed(CURLM *multi, long milliseconds, void *context) {
  weir_client_t *client = context;
  (void)multi;
  if (client->is_closing) return 0;
  client->is_due = milliseconds == 0;
  if (milliseconds < 0) {
    uv_timer_stop(&client->timer);
  } else {
    /* One that is due now is called sooner; this one then finds nothing. */
    uint64_t delay = milliseconds > 0 ? (uint64_t)milliseconds : 1;
    uv_timer_start(&client->timer, timed_out, delay, 0);
    if (client->is_due) weir__client_wake(client);
  }
  return 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events);

/* What the loop looks for. Nothing is done when it does so already. */
static void look_for(weir__watch_t *watch, int events) {
  if (watch->events == events) return;
  watch->events = events;
  if (events) {
    uv_poll_start(&watch->poll, events, socket_ready);
  } else {
    uv_poll_stop(&watch->poll);
  }
}

/* It is ready, and nobody wants to know. */
static void overlook(weir__watch_t *watch) {
  if (++watch->overlooked >= WEIR_CLIENT_OVERLOOKED) look_for(watch, 0);
}

/* Whether the bytes are left to the transfer's reader, who waits for them: it
 * has libcurl read them then, into its own memory. */
static int leave_to_reader(weir_client_t *client, weir__watch_t *watch) {
  weir_transfer_t *transfer = client->table[watch->fd].transfer;
  if (!transfer || !transfer->is_alone) return 0;
  if (transfer->is_ready) {
    /* It was told and has not come: its socket rests until it does. */
    overlook(watch);
    return 1;
  }
  if (!transfer->wanted || transfer->in_used > 0) return 0;
  transfer->wanted = 0;
  transfer->is_ready = 1;
  weir__transfer_post(transfer, WEIR_TRANSFER_READABLE);
  weir__client_settle(client);
  return 1;
}

static void watch_for(weir_transfer_t *transfer, curl_socket_t fd) {
  weir__client_unwatch(transfer);
  transfer->watched = fd;
  transfer->client->table[fd].transfer = transfer;
}

void weir__client_unwatch(weir_transfer_t *transfer) {
  weir_client_t *client = transfer->client;
  curl_socket_t fd = transfer->watched;
  if (fd == CURL_SOCKET_BAD) return;
  transfer->watched = CURL_SOCKET_BAD;
  if (client->table[fd].transfer == transfer) client->table[fd].transfer = NULL;
}

void weir__client_rouse(weir_transfer_t *transfer) {
  weir_client_t *client = transfer->client;
  weir__watch_t *watch;
  if (client->is_closing || transfer->watched == CURL_SOCKET_BAD) return;
  watch = client->table[transfer->watched].watch;
  if (!watch || !watch->is_used) return;
  watch->overlooked = 0;
  look_for(watch, watch->asked);
}

void weir__client_receive(weir_transfer_t *transfer) {
  weir_client_t *client = transfer->client;
  int running;
  if (client->is_closing || transfer->watched == CURL_SOCKET_BAD) return;
  curl_multi_socket_action(client->multi, transfer->watched, CURL_CSELECT_IN,
                           &running);
  weir__client_wake(client);
}

int weir_transfer_is_stirring(const weir_transfer_t *transfer) {
  const weir__watch_t *watch;
  struct pollfd poll_fd;
  if (transfer->watched == CURL_SOCKET_BAD) return 0;
  watch = transfer->client->table[transfer->watched].watch;
  poll_fd.fd = transfer->watched;
  poll_fd.events = 0;
  poll_fd.revents = 0;
  if (watch && watch->events & UV_READABLE) poll_fd.events |= POLLIN;
  if (watch && watch->events & UV_WRITABLE) poll_fd.events |= POLLOUT;
  return poll(&poll_fd, 1, 0) > 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events) {
  weir__watch_t *watch = (weir__watch_t *)poll;
  int flags = 0;
  if (status < 0) {
    /* An error of the socket, and libuv has stopped the watch. libcurl is to
     * read it from there: told as an error it would neither know which it is,
     * nor replace a kept connection that the peer has reset. */
    flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    watch->events = 0;
  }
  if (!watch->is_used) {
    /* Its reader is slow; or its peer has gone, as libcurl sees when it looks.
     */
    overlook(watch);
    return;
  }
  if (status == 0 && events == UV_READABLE &&
      leave_to_reader(watch->owner, watch))
    return;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  call(watch->owner, watch->fd, flags);
}

/* The table's entry of a descriptor, which grows with it; NULL without memory.
 */
static weir__socket_t *entry(weir_client_t *client, curl_socket_t fd) {
  size_t room = client->table_room ? client->table_room : 64;
  weir__socket_t *grown;
  if ((size_t)fd < client->table_room) return &client->table[fd];
  while (room <= (size_t)fd)
    room *= 2;
  grown = realloc(client->table, room * sizeof *grown);
  if (!grown) return NULL;
  memset(grown + client->table_room, 0,
         (room - client->table_room) * sizeof *grown);
  client->table = grown;
  client->table_room = room;
  return &grown[fd];
}

int weir__client_opened(weir_client_t *client, curl_socket_t fd) {
  weir__socket_t *socket = entry(client, fd);
  if (!socket || weir__connections_add(client, fd) < 0) return UV_ENOMEM;
  socket->is_ours = 1;
  return 0;
}

void weir__client_closes(weir_client_t *client, curl_socket_t fd) {
  weir__socket_t *socket = &client->table[fd];
  weir__connections_remove(client, fd);
  if (socket->transfer) weir__client_unwatch(socket->transfer);
  weir__watch_close(socket->watch);
  memset(socket, 0, sizeof *socket);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *context,
                          void *unused) {
  weir_client_t *client = context;
  weir__socket_t *socket = entry(client, fd);
  weir__watch_t *watch;
  char *transfer = NULL;
  int events = 0;
  (void)unused;
  /* An error would end every transfer for good: this one's time runs out. */
  if (!socket) return 0;
  watch = socket->watch;
  if (socket->transfer) weir__client_unwatch(socket->transfer);
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
  if (what == CURL_POLL_REMOVE) {
    if (!watch) return 0;
    watch->is_used = 0;
    if (!socket->is_ours || watch->events & UV_WRITABLE) {
      /* libcurl may close it untold; or it would be ready all the time. */
      weir__watch_close(watch);
      socket->watch = NULL;
    }
    return 0;
  }
  if (!watch) {
    int status;
    watch = weir__watch_open(client->loop, fd, client, &status);
    if (!watch) return 0;
    socket->watch = watch;
  }
  if (transfer) watch_for((weir_transfer_t *)transfer, fd);
  if (what & CURL_POLL_IN) events |= UV_READABLE;
  if (what & CURL_POLL_OUT) events |= UV_WRITABLE;
  watch->is_used = 1;
  watch->overlooked = 0;
  watch->asked = events;
  look_for(watch, events);
  return 0;
}

/* --- The multi handle ---------------------------------------------------- */

static int make_multi(weir_client_t *client) {
  long most = (long)client->connections;
  CURLM *multi = curl_multi_init();
  if (!multi) return UV_ENOMEM;
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timeout_changed);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                    (long)client->host_connections);
  /* Else it keeps four for each request under way, and closes the others. */
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most);
  client->multi = multi;
  return 0;
}

void weir_client_forget(weir_client_t *client) {
  CURLM *old = client->multi;
  if (client->running > 0 || client->sockets == 0) return;
  /* libcurl has no other way to close what is idle. */
  if (make_multi(client) < 0) return;
  curl_multi_cleanup(old);
  uv_timer_stop(&client->timer);
  client->is_due = 0;
}

/* libcurl takes a buffer for each request and frees it after it. At the end of
 * the heap glibc would give its pages back to the kernel each time, and fault
 * them in again: a twentieth of a small request. It keeps twice as much as the
 * largest mapped block that was ever freed; this is one, of untouched pages. */
static void keep_heap(void) {
  char *volatile block = malloc(KEPT_HEAP / 2);
  free(block);
}

int weir_client_open(uv_loop_t *loop, weir_client_t **client,
                     uint32_t connections, uint32_t host_connections,
                     void (*on_event)(void *data, unsigned events)) {
  weir_client_t *made;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return UV_ENOMEM;
  keep_heap();
  made = calloc(1, sizeof *made);
  if (!made) {
    curl_global_cleanup();
    return UV_ENOMEM;
  }
  made->magic = WEIR__CLIENT_MAGIC;
  made->connections = connections;
  made->host_connections = host_connections;
  made->loop = loop;
  made->on_event = on_event;
  if (make_multi(made) < 0) {
    free(made);
    curl_global_cleanup();
    return UV_ENOMEM;
  }
  uv_timer_init(loop, &made->timer);
  uv_idle_init(loop, &made->turn);
  made->open_handles = 2;
  made->timer.data = made;
  made->turn.data = made;
  uv_unref((uv_handle_t *)&made->timer);
  uv_unref((uv_handle_t *)&made->turn);
  *client = made;
  return 0;
}

uint32_t weir_client_sockets(const weir_client_t *client) {
  return client->sockets;
}

static void handle_closed(uv_handle_t *handle) {
  weir_client_t *client = handle->data;
  void (*done)(void *) = client->on_closed;
  void *data = client->closed_data;
  if (--client->open_handles > 0) return;
  client->magic = 0;
  free(client->table);
  free(client->open);
  free(client);
  curl_global_cleanup();
  done(data);
}

void weir_client_close(weir_client_t *client, void (*done)(void *data),
                       void *data) {
  if (client->magic != WEIR__CLIENT_MAGIC || client->is_closing) return;
  client->is_closing = 1;
  client->on_closed = done;
  client->closed_data = data;
  weir__client_discard_spares(client);
  curl_multi_cleanup(client->multi);
  uv_close((uv_handle_t *)&client->timer, handle_closed);
  uv_close((uv_handle_t *)&client->turn, handle_closed);
}
