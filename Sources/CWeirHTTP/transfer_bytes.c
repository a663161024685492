/*
 * transfer_bytes.c - what libcurl calls while it moves a transfer's bytes.
 *
 * A callback that can take nothing, or has nothing to give, pauses its
 * direction: libcurl then stops reading from the socket, and the peer is held
 * by TCP. It gives the same bytes again later, so what cannot be taken whole is
 * not taken at all; only a descriptor that took a part leaves a rest here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_state.h"

/* Makes room for more bytes by doubling. UV_ENOMEM; UV_E2BIG past the limit. */
static int grow(char **buffer, size_t *room, size_t need, size_t least,
                size_t limit) {
  size_t size = *room > 0 ? *room : least;
  char *grown;
  if (need <= *room) return 0;
  if (need > limit) return UV_E2BIG;
  while (size < need)
    size *= 2;
  grown = realloc(*buffer, size);
  if (!grown) return UV_ENOMEM;
  *buffer = grown;
  *room = size;
  return 0;
}

/* --- The head ------------------------------------------------------------ */

/* The value of a field, without spaces around it, if it has this name; else
 * NULL. */
static const char *value_of(const char *line, size_t length, const char *name,
                            size_t *value_length) {
  size_t at = strlen(name);
  if (length <= at || strncasecmp(line, name, at) != 0) return NULL;
  while (at < length && (line[at] == ' ' || line[at] == '\t'))
    at++;
  while (length > at && (line[length - 1] == ' ' || line[length - 1] == '\t' ||
                         line[length - 1] == '\r' || line[length - 1] == '\n'))
    length--;
  *value_length = length - at;
  return line + at;
}

/* `Content-Length`, if the line is that: 0, or -1 when it differs from one
 * before. */
static int check_length(weir_transfer_t *transfer, const char *line,
                        size_t length) {
  size_t count;
  const char *value = value_of(line, length, "content-length:", &count);
  uint64_t stated = 0;
  if (!value) return 0;
  /* Of 2^64 and more libcurl makes nothing either. */
  for (size_t i = 0; i < count && value[i] >= '0' && value[i] <= '9'; i++)
    stated = stated * 10 + (uint64_t)(value[i] - '0');
  if (transfer->has_length && stated != transfer->length) {
    transfer->refusal = WEIR_REFUSAL_LENGTHS;
    return -1;
  }
  transfer->has_length = 1;
  transfer->length = stated;
  return 0;
}

/* What the fields that frame a response must not say, RFC 9112 section 6: 0,
 * or -1. libcurl would undo a transfer coding that nobody asked for, without a
 * bound on what comes of it, and takes the last of several lengths. */
static int check_framing(weir_transfer_t *transfer, const char *line,
                         size_t length) {
  const char *value;
  size_t count;
  switch (line[0] | 0x20) {
    case 'l':
      value = value_of(line, length, "location:", &count);
      if (value && count > 0) transfer->has_location = 1;
      return 0;
    case 't':
      value = value_of(line, length, "transfer-encoding:", &count);
      if (!value) return 0;
      if (count == 7 && strncasecmp(value, "chunked", 7) == 0) return 0;
      if (count == 8 && strncasecmp(value, "identity", 8) == 0) return 0;
      transfer->refusal = WEIR_REFUSAL_CODING;
      return -1;
    case 'c':
      return check_length(transfer, line, length);
    default:
      return 0;
  }
}

/* The empty line behind a head. */
static void head_ended(weir_transfer_t *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  transfer->in_head = 0;
  if (status < 200) return; /* RFC 9110 section 15.2: another follows */
  if (transfer->follows && status >= 300 && status < 400 &&
      transfer->has_location) {
    transfer->phase = WEIR_PHASE_CONNECTING;
    transfer->has_moved = 1;
    transfer->heads = 0;
    transfer->is_plain = 0; /* it may have brought a user and a password */
    return;
  }
  transfer->has_head = 1;
  if (status >= 300) transfer->take = NULL; /* it is no answer to the request */
  transfer->is_alone = transfer->head_used > 6 &&
                       memcmp(transfer->head, "HTTP/1", 6) == 0 &&
                       !transfer->into && !transfer->take;
  transfer->phase = WEIR_PHASE_RECEIVING;
  weir__transfer_post(transfer, WEIR_TRANSFER_HEADED);
}

static size_t take_head(char *line, size_t unit, size_t count, void *context) {
  weir_transfer_t *transfer = context;
  size_t length = unit * count;
  int status;
  transfer->moved += length;
  /* Interim heads and trailers count, too: a peer could send them for ever. */
  transfer->heads += length;
  if (transfer->heads > WEIR_TRANSFER_HEAD) {
    transfer->refusal = WEIR_REFUSAL_HEAD;
    return 0;
  }
  if (transfer->has_head) return length; /* trailers: nobody asks for them */
  if (!transfer->in_head) {
    transfer->in_head = 1;
    transfer->has_location = 0;
    transfer->has_length = 0;
    transfer->head_used = 0;
  }
  if (length == 0 || line[0] == '\r' || line[0] == '\n') {
    head_ended(transfer);
    return length;
  }
  if (check_framing(transfer, line, length) < 0) return 0;
  status = grow(&transfer->head, &transfer->head_room,
                transfer->head_used + length, 1024, WEIR_TRANSFER_HEAD);
  if (status < 0) return 0;
  memcpy(transfer->head + transfer->head_used, line, length);
  transfer->head_used += length;
  return length;
}

/* --- The response's body ------------------------------------------------- */

static void count_received(weir_transfer_t *transfer, size_t length) {
  transfer->received += length;
  transfer->moved += length;
}

/* Sends to the descriptor: how many bytes it took, or -1 when its reader has
 * gone. */
static ssize_t pour(weir_transfer_t *transfer, const char *bytes,
                    size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t sent = send(transfer->into->fd, bytes + done, length - done,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      done += (size_t)sent;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      transfer->has_sunk = 1;
      return -1;
    }
  }
  return (ssize_t)done;
}

static size_t pour_body(weir_transfer_t *transfer, const char *bytes,
                        size_t length) {
  ssize_t taken;
  size_t rest;
  if (transfer->in_used > 0) {
    transfer->held |= WEIR__HELD_RECEIVING;
    return CURL_WRITEFUNC_PAUSE;
  }
  taken = pour(transfer, bytes, length);
  if (taken < 0) return 0;
  rest = length - (size_t)taken;
  if (rest > 0) {
    if (grow(&transfer->in, &transfer->in_room, rest, CURL_MAX_WRITE_SIZE,
             WEIR_TRANSFER_BUFFER) < 0)
      return 0;
    memcpy(transfer->in, bytes + taken, rest);
    transfer->in_used = rest;
    uv_poll_start(&transfer->into->poll, UV_DISCONNECT | UV_WRITABLE,
                  weir__into_ready);
  }
  count_received(transfer, length);
  return length;
}

void weir__into_ready(uv_poll_t *poll, int status, int events) {
  weir_transfer_t *transfer = ((weir__watch_t *)poll)->owner;
  weir_client_t *client = transfer->client;
  ssize_t taken = -1;
  if (status == 0 && !(events & UV_DISCONNECT)) {
    taken = pour(transfer, transfer->in, transfer->in_used);
  } else {
    transfer->has_sunk = 1;
  }
  if (taken < 0) {
    weir__transfer_done(transfer, CURLE_WRITE_ERROR);
    weir__client_settle(client);
    return;
  }
  transfer->in_used -= (size_t)taken;
  if (transfer->in_used > 0) {
    memmove(transfer->in, transfer->in + taken, transfer->in_used);
    return;
  }
  if (!transfer->is_running) {
    weir__transfer_done(transfer, transfer->result);
  } else {
    uv_poll_start(poll, UV_DISCONNECT, weir__into_ready);
    weir__transfer_resume(transfer, WEIR__HELD_RECEIVING);
  }
  weir__client_settle(client);
}

/* Into the memory of the reader, who fetches. libcurl reads again and again
 * while the socket has something: it is told to stop before a read that might
 * not fit. The pieces of the read that is under way still come. */
static size_t hand_over(weir_transfer_t *transfer, const char *bytes,
                        size_t length) {
  memcpy(transfer->to + transfer->to_used, bytes, length);
  transfer->to_used += length;
  count_received(transfer, length);
  if (transfer->to_room - transfer->to_used < WEIR_TRANSFER_READ &&
      !(transfer->held & WEIR__HELD_RECEIVING)) {
    /* One direction alone would have libcurl look at the socket at once, read
     * what it has, and keep that in a buffer of its own. */
    int has_body =
        transfer->from || transfer->out_used > 0 || !transfer->has_finished;
    int sending = !has_body || transfer->held & WEIR__HELD_SENDING;
    transfer->held |= WEIR__HELD_RECEIVING;
    curl_easy_pause(transfer->easy, sending ? CURLPAUSE_ALL : CURLPAUSE_RECV);
  }
  return length;
}

static size_t take_body(char *bytes, size_t unit, size_t count, void *context) {
  weir_transfer_t *transfer = context;
  size_t length = unit * count;
  size_t used = transfer->in_used + length;
  if (transfer->into) return pour_body(transfer, bytes, length);
  if (transfer->take) return weir__direct_take(transfer, bytes, length);
  if (transfer->to && transfer->in_used == 0 &&
      transfer->to_room - transfer->to_used >= length)
    return hand_over(transfer, bytes, length);
  if (used > WEIR_TRANSFER_BUFFER) {
    transfer->held |= WEIR__HELD_RECEIVING;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (grow(&transfer->in, &transfer->in_room, used, CURL_MAX_WRITE_SIZE,
           WEIR_TRANSFER_BUFFER) < 0)
    return 0;
  memcpy(transfer->in + transfer->in_used, bytes, length);
  transfer->in_used = used;
  count_received(transfer, length);
  if (transfer->wanted) {
    transfer->wanted = 0;
    weir__transfer_post(transfer, WEIR_TRANSFER_READABLE);
  }
  return length;
}

/* --- The request's body -------------------------------------------------- */

static size_t count_sent(weir_transfer_t *transfer, size_t length) {
  transfer->sent += length;
  transfer->moved += length;
  return length;
}

/* From the descriptor. */
static size_t draw_body(weir_transfer_t *transfer, char *to, size_t room) {
  ssize_t count;
  do {
    count = read(transfer->from->fd, to, room);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return count_sent(transfer, (size_t)count);
  if (count == 0) {
    curl_off_t length = -1;
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_UPLOAD_T,
                      &length);
    /* The peer would wait for the rest. */
    if (length > 0 && transfer->sent < (uint64_t)length)
      return CURL_READFUNC_ABORT;
    transfer->phase = WEIR_PHASE_WAITING;
    return 0;
  }
  if (errno != EAGAIN) return CURL_READFUNC_ABORT;
  transfer->held |= WEIR__HELD_SENDING;
  uv_poll_start(&transfer->from->poll, UV_READABLE, weir__from_ready);
  return CURL_READFUNC_PAUSE;
}

void weir__from_ready(uv_poll_t *poll, int status, int events) {
  weir_transfer_t *transfer = ((weir__watch_t *)poll)->owner;
  (void)status;
  (void)events;
  uv_poll_stop(poll);
  weir__transfer_resume(transfer, WEIR__HELD_SENDING);
}

static size_t give_body(char *to, size_t unit, size_t count, void *context) {
  weir_transfer_t *transfer = context;
  size_t room = unit * count;
  size_t left = transfer->out_used - transfer->out_sent;
  if (transfer->from) return draw_body(transfer, to, room);
  if (transfer->give) return weir__direct_give(transfer, to, room);
  if (left == 0) {
    if (transfer->has_finished) return 0;
    transfer->held |= WEIR__HELD_SENDING;
    return CURL_READFUNC_PAUSE;
  }
  if (left > room) left = room;
  memcpy(to, transfer->out + transfer->out_sent, left);
  transfer->out_sent += left;
  if (!transfer->is_whole && transfer->out_sent == transfer->out_used) {
    transfer->out_sent = transfer->out_used = 0;
    weir__transfer_post(transfer, WEIR_TRANSFER_WRITABLE);
  }
  weir__transfer_sent(transfer);
  return count_sent(transfer, left);
}

/* Once more from the beginning: a redirect, or a kept connection that turned
 * out to be closed. */
static int rewind_body(void *context, curl_off_t offset, int origin) {
  weir_transfer_t *transfer = context;
  if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_FAIL;
  if (!transfer->is_whole) {
    int is_untouched = transfer->sent == 0 && !transfer->from;
    return is_untouched ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
  }
  transfer->out_sent = 0;
  return CURL_SEEKFUNC_OK;
}

/* --- Hooks --------------------------------------------------------------- */

void weir__transfer_hook(weir_transfer_t *transfer) {
  CURL *easy = transfer->easy;
  weir_client_t *client = transfer->client;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
  curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, weir__connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, weir__open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, weir__close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
}
