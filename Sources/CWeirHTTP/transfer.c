/* transfer.c - one request: its options, its end, and what Swift does to it. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_state.h"

/* Bytes of a buffer that a spare transfer keeps. */
#define KEPT 16384u

/* --- Events -------------------------------------------------------------- */

void weir__transfer_post(weir_transfer_t *transfer, unsigned events) {
  weir_client_t *client = transfer->client;
  transfer->events |= events;
  if (transfer->is_queued) return;
  transfer->is_queued = 1;
  transfer->next = NULL;
  if (client->last) {
    client->last->next = transfer;
  } else {
    client->first = transfer;
  }
  client->last = transfer;
}

static void unqueue(weir_transfer_t *transfer) {
  weir_client_t *client = transfer->client;
  weir_transfer_t *before = NULL;
  if (!transfer->is_queued) return;
  if (client->first != transfer) {
    for (before = client->first; before->next != transfer;)
      before = before->next;
  }
  *(before ? &before->next : &client->first) = transfer->next;
  if (client->last == transfer) client->last = before;
  transfer->is_queued = 0;
  transfer->next = NULL;
}

void weir__transfer_resume(weir_transfer_t *transfer, unsigned hold) {
  int pause = CURLPAUSE_CONT;
  CURLcode result;
  if (!(transfer->held & hold)) return;
  transfer->held &= ~hold;
  if (!transfer->is_running) return;
  if (transfer->held & WEIR__HELD_RECEIVING) pause |= CURLPAUSE_RECV;
  if (transfer->held & WEIR__HELD_SENDING) pause |= CURLPAUSE_SEND;
  result = curl_easy_pause(transfer->easy, pause);
  /* It may have called back, and come to the end. If it could not tell what
   * it had kept, it says so here only, and waits for nothing any more. */
  if (result != CURLE_OK && result != CURLE_BAD_FUNCTION_ARGUMENT)
    weir__transfer_done(transfer, result);
  weir__client_wake(transfer->client);
}

/* --- Its end ------------------------------------------------------------- */

static void close_end(weir__watch_t **watch) {
  weir__watch_t *end = *watch;
  int fd;
  if (!end) return;
  *watch = NULL;
  fd = end->fd;
  weir__watch_close(end);
  close(fd);
}

static void stop(weir_transfer_t *transfer) {
  if (!transfer->is_running) return;
  transfer->is_running = 0;
  transfer->client->running--;
  curl_multi_remove_handle(transfer->client->multi, transfer->easy);
  weir__client_unwatch(transfer);
}

void weir__transfer_done(weir_transfer_t *transfer, CURLcode result) {
  stop(transfer);
  if (transfer->is_spoiled) {
    /* Nothing of it was sent. Another connection: each such try closes one. */
    transfer->is_spoiled = 0;
    transfer->socket = CURL_SOCKET_BAD;
    result = weir_transfer_start(transfer);
    if (result == CURLE_OK) return;
  }
  transfer->result = result;
  close_end(&transfer->from);
  if (transfer->into && transfer->in_used > 0 && !transfer->has_sunk) {
    /* The descriptor has not taken all that came, cut or whole:
     * weir__into_ready comes back. */
    transfer->held |= WEIR__HELD_RECEIVING;
    return;
  }
  close_end(&transfer->into);
  transfer->is_done = 1;
  weir__transfer_post(transfer, WEIR_TRANSFER_DONE);
}

/* Frees a buffer that is larger than what is worth keeping. */
static void trim(char **buffer, size_t *room) {
  if (*room <= KEPT) return;
  free(*buffer);
  *buffer = NULL;
  *room = 0;
}

static void discard(weir_transfer_t *transfer) {
  curl_easy_cleanup(transfer->easy);
  free(transfer->head);
  free(transfer->in);
  free(transfer->out);
  free(transfer);
}

void weir_transfer_release(weir_transfer_t *transfer) {
  weir_client_t *client = transfer->client;
  if (transfer->magic != WEIR__TRANSFER_MAGIC) return;
  stop(transfer);
  unqueue(transfer);
  close_end(&transfer->from);
  close_end(&transfer->into);
  if (transfer->fields || !transfer->is_plain) {
    transfer->is_plain = 0;
    curl_easy_reset(transfer->easy);
    curl_slist_free_all(transfer->fields);
  }
  transfer->magic = 0;
  if (client->spare_count >= WEIR_CLIENT_SPARES) {
    discard(transfer);
    return;
  }
  trim(&transfer->head, &transfer->head_room);
  trim(&transfer->in, &transfer->in_room);
  trim(&transfer->out, &transfer->out_room);
  transfer->next = client->spares;
  client->spares = transfer;
  client->spare_count++;
}

/* --- Its beginning ------------------------------------------------------- */

void weir_transfer_is_plain(weir_transfer_t *transfer) {
  transfer->is_plain = 1;
}

weir_transfer_t *weir_transfer_take(weir_client_t *client, void *data,
                                    int *is_set) {
  weir_transfer_t *transfer = client->spares;
  *is_set = 0;
  if (transfer) {
    struct weir_transfer kept;
    memcpy(&kept, transfer, offsetof(weir_transfer_t, reason));
    client->spares = kept.next;
    client->spare_count--;
    *is_set = kept.is_plain;
    memset(transfer, 0, offsetof(weir_transfer_t, reason) + 1);
    transfer->easy = kept.easy;
    transfer->head = kept.head, transfer->head_room = kept.head_room;
    transfer->in = kept.in, transfer->in_room = kept.in_room;
    transfer->out = kept.out, transfer->out_room = kept.out_room;
    transfer->url = kept.is_plain ? kept.url : 0;
  } else {
    transfer = calloc(1, sizeof *transfer);
    if (transfer) transfer->easy = curl_easy_init();
    if (!transfer || !transfer->easy) {
      free(transfer);
      return NULL;
    }
  }
  transfer->magic = WEIR__TRANSFER_MAGIC;
  transfer->client = client;
  transfer->data = data;
  transfer->socket = CURL_SOCKET_BAD;
  transfer->watched = CURL_SOCKET_BAD;
  if (!*is_set) weir__transfer_hook(transfer);
  return transfer;
}

void weir_transfer_reset(weir_transfer_t *transfer) {
  curl_easy_reset(transfer->easy);
  transfer->url = 0;
  weir__transfer_hook(transfer);
}

CURLcode weir_transfer_set_url(weir_transfer_t *transfer, const char *url,
                               uint64_t number) {
  if (number != 0 && transfer->url == number) return CURLE_OK;
  transfer->url = number;
  return curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
}

void weir__client_discard_spares(weir_client_t *client) {
  while (client->spares) {
    weir_transfer_t *spare = client->spares;
    client->spares = spare->next;
    discard(spare);
  }
}

CURLcode weir_transfer_set_text(weir_transfer_t *transfer, CURLoption option,
                                const char *text) {
  return curl_easy_setopt(transfer->easy, option, text);
}

CURLcode weir_transfer_set_number(weir_transfer_t *transfer, CURLoption option,
                                  int64_t number) {
  if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
    return curl_easy_setopt(transfer->easy, option, (curl_off_t)number);
  return curl_easy_setopt(transfer->easy, option, (long)number);
}

int weir_transfer_field(weir_transfer_t *transfer, const char *line) {
  struct curl_slist *more = curl_slist_append(transfer->fields, line);
  if (!more) return UV_ENOMEM;
  transfer->fields = more;
  return 0;
}

void weir_transfer_follow(weir_transfer_t *transfer, int limit) {
  transfer->follows = limit > 0;
  curl_easy_setopt(transfer->easy, CURLOPT_FOLLOWLOCATION, limit > 0 ? 1L : 0L);
  curl_easy_setopt(transfer->easy, CURLOPT_MAXREDIRS, (long)limit);
}

/* Room for so many bytes of the request's body. */
static int make_room(weir_transfer_t *transfer, size_t room) {
  char *out;
  if (transfer->out_room >= room) return 0;
  out = realloc(transfer->out, room);
  if (!out) return UV_ENOMEM;
  transfer->out = out;
  transfer->out_room = room;
  return 0;
}

int weir_transfer_body(weir_transfer_t *transfer, const void *bytes,
                       size_t length) {
  transfer->is_whole = 1;
  transfer->has_finished = 1;
  if (length == 0) return 0;
  if (make_room(transfer, length) < 0) return UV_ENOMEM;
  memcpy(transfer->out, bytes, length);
  transfer->out_used = length;
  return 0;
}

int weir_transfer_from(weir_transfer_t *transfer, int fd) {
  int status;
  transfer->from =
      weir__watch_open(transfer->client->loop, fd, transfer, &status);
  return status;
}

int weir_transfer_into(weir_transfer_t *transfer, int fd) {
  /* What Shoutcast answers instead of `HTTP/1.0 200 OK`. */
  static char icy[] = "ICY 200 OK";
  static struct curl_slist aliases = {icy, NULL};
  int status;
  curl_easy_setopt(transfer->easy, CURLOPT_HTTP200ALIASES, &aliases);
  transfer->into =
      weir__watch_open(transfer->client->loop, fd, transfer, &status);
  if (status == 0)
    uv_poll_start(&transfer->into->poll, UV_DISCONNECT, weir__into_ready);
  return status;
}

CURLcode weir_transfer_start(weir_transfer_t *transfer) {
  weir_client_t *client = transfer->client;
  if (transfer->fields)
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields);
  if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK)
    return CURLE_OUT_OF_MEMORY;
  transfer->is_running = 1;
  client->running++;
  return CURLE_OK;
}

/* --- Looking at it ------------------------------------------------------- */

void weir_transfer_state(const weir_transfer_t *transfer,
                         weir_transfer_state_t *state) {
  unsigned hold = transfer->phase == WEIR_PHASE_SENDING ? WEIR__HELD_SENDING
                  : transfer->phase == WEIR_PHASE_RECEIVING
                      ? WEIR__HELD_RECEIVING
                      : 0;
  state->phase = transfer->phase;
  state->is_held = (transfer->held & hold) != 0 || transfer->is_ready;
  state->is_done = transfer->is_done;
  state->has_sunk = transfer->has_sunk;
  state->refusal = transfer->refusal;
  state->result = transfer->result;
  state->moved = transfer->moved;
  state->received = transfer->received;
  state->sent = transfer->sent;
  state->reason = transfer->reason;
}

int weir_transfer_is_connected(const weir_transfer_t *transfer) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return transfer->socket != CURL_SOCKET_BAD &&
         getpeername(transfer->socket, (struct sockaddr *)&peer, &length) == 0;
}

const char *weir_transfer_head(const weir_transfer_t *transfer,
                               size_t *length) {
  *length = transfer->head_used;
  return transfer->head;
}

int64_t weir_transfer_number(const weir_transfer_t *transfer, CURLINFO info) {
  if ((info & CURLINFO_TYPEMASK) == CURLINFO_OFF_T) {
    curl_off_t number = 0;
    curl_easy_getinfo(transfer->easy, info, &number);
    return number;
  }
  long number = 0;
  curl_easy_getinfo(transfer->easy, info, &number);
  return number;
}

const char *weir_transfer_text(const weir_transfer_t *transfer, CURLINFO info) {
  char *text = NULL;
  curl_easy_getinfo(transfer->easy, info, &text);
  return text;
}

/* --- Bodies -------------------------------------------------------------- */

size_t weir_transfer_waiting(const weir_transfer_t *transfer, int *is_ready) {
  int is_held = (transfer->held & WEIR__HELD_RECEIVING) != 0;
  *is_ready = transfer->is_ready || (transfer->is_alone && is_held);
  return transfer->into ? 0 : transfer->in_used;
}

size_t weir_transfer_read(weir_transfer_t *transfer, void *to, size_t room) {
  size_t taken = transfer->in_used;
  if (room < taken) return 0;
  transfer->wanted = 0;
  if (transfer->is_ready) {
    transfer->is_ready = 0;
    weir__client_rouse(transfer);
  }
  transfer->in_used = 0;
  if (taken > 0) {
    memcpy(to, transfer->in, taken);
    /* Else it goes on when its reader comes back, without a buffer. */
    if (!transfer->is_alone)
      weir__transfer_resume(transfer, WEIR__HELD_RECEIVING);
    return taken;
  }
  transfer->to = to;
  transfer->to_used = 0;
  transfer->to_room = room;
  weir__transfer_resume(transfer, WEIR__HELD_RECEIVING);
  if (!(transfer->held & WEIR__HELD_RECEIVING)) weir__client_receive(transfer);
  transfer->to = NULL;
  return transfer->to_used;
}

void weir_transfer_want(weir_transfer_t *transfer) {
  transfer->wanted = 1;
  if (transfer->in_used == 0) return;
  weir__transfer_post(transfer, WEIR_TRANSFER_READABLE);
  weir__client_wake(transfer->client);
}

size_t weir_transfer_write(weir_transfer_t *transfer, const void *bytes,
                           size_t length) {
  size_t taken;
  if (transfer->out_used > 0 || transfer->has_finished) return 0;
  if (make_room(transfer, WEIR_TRANSFER_UPLOAD) < 0) return 0;
  taken = length < transfer->out_room ? length : transfer->out_room;
  if (taken == 0) return 0;
  memcpy(transfer->out, bytes, taken);
  transfer->out_used = taken;
  transfer->out_sent = 0;
  weir__transfer_resume(transfer, WEIR__HELD_SENDING);
  return taken;
}

void weir__transfer_sent(weir_transfer_t *transfer) {
  if (transfer->phase == WEIR_PHASE_SENDING && transfer->has_finished &&
      !transfer->from && transfer->out_sent == transfer->out_used)
    transfer->phase = WEIR_PHASE_WAITING;
}

void weir_transfer_finish(weir_transfer_t *transfer) {
  transfer->has_finished = 1;
  weir__transfer_sent(transfer);
  weir__transfer_resume(transfer, WEIR__HELD_SENDING);
}
