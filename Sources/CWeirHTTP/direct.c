/*
 * direct.c - bodies that a function takes where libcurl has them, or gives to
 * where libcurl sends them from.
 *
 * A function that has no room, or nothing yet, pauses its direction, and TCP
 * holds the peer. libcurl gives a piece that was not taken again.
 */
#include <string.h>

#include "client_state.h"

/* --- Taking -------------------------------------------------------------- */

/* To the function: 0, or why not. */
static int pass(weir_transfer_t *transfer, const char *bytes, size_t length) {
  int status = transfer->take(transfer->take_data, bytes, length);
  if (status == WEIR_BODY_HELD) {
    transfer->held |= WEIR__HELD_RECEIVING;
  } else if (status != 0) {
    transfer->has_sunk = 1;
  }
  return status;
}

size_t weir__direct_take(weir_transfer_t *transfer, const char *bytes,
                         size_t length) {
  int status;
  if (transfer->in_used > 0) {
    transfer->held |= WEIR__HELD_RECEIVING;
    return CURL_WRITEFUNC_PAUSE;
  }
  status = pass(transfer, bytes, length);
  if (status == WEIR_BODY_HELD) return CURL_WRITEFUNC_PAUSE;
  if (status != 0) return 0;
  transfer->received += length;
  transfer->moved += length;
  return length;
}

void weir_transfer_take_by(weir_transfer_t *transfer, weir_body_take_t take,
                           void *data) {
  transfer->take = take;
  transfer->take_data = data;
  transfer->wanted = 0;
  /* libcurl reads whenever the socket has something: there is no reader. */
  transfer->is_alone = 0;
  transfer->is_ready = 0;
  weir__client_rouse(transfer);
  weir_transfer_take_more(transfer);
}

void weir_transfer_take_more(weir_transfer_t *transfer) {
  size_t done = 0;
  int status = 0;
  if (!transfer->take) return;
  while (status == 0 && done < transfer->in_used) {
    size_t length = transfer->in_used - done;
    if (length > WEIR_TRANSFER_PIECE) length = WEIR_TRANSFER_PIECE;
    status = pass(transfer, transfer->in + done, length);
    if (status == 0) done += length;
  }
  if (done > 0) {
    transfer->in_used -= done;
    memmove(transfer->in, transfer->in + done, transfer->in_used);
  }
  if (status == 0) {
    weir__transfer_resume(transfer, WEIR__HELD_RECEIVING);
  } else if (status != WEIR_BODY_HELD && transfer->is_running) {
    weir__transfer_done(transfer, CURLE_WRITE_ERROR);
    weir__client_wake(transfer->client);
  }
}

int weir_body_discard(void *data, const void *bytes, size_t length) {
  (void)data, (void)bytes, (void)length;
  return 0;
}

/* --- Giving -------------------------------------------------------------- */

void weir_transfer_give(weir_transfer_t *transfer, weir_body_give_t give,
                        void *data, uint64_t length) {
  transfer->give = give;
  transfer->give_data = data;
  transfer->give_left = length;
}

size_t weir__direct_give(weir_transfer_t *transfer, char *to, size_t room) {
  int64_t count;
  if (room > transfer->give_left) room = (size_t)transfer->give_left;
  if (room == 0) return 0;
  count = transfer->give(transfer->give_data, to, room);
  if (count == WEIR_BODY_HELD) {
    transfer->held |= WEIR__HELD_SENDING;
    return CURL_READFUNC_PAUSE;
  }
  if (count <= 0 || (uint64_t)count > room) return CURL_READFUNC_ABORT;
  transfer->give_left -= (uint64_t)count;
  transfer->sent += (uint64_t)count;
  transfer->moved += (uint64_t)count;
  if (transfer->give_left == 0) transfer->phase = WEIR_PHASE_WAITING;
  return (size_t)count;
}

void weir_transfer_give_more(weir_transfer_t *transfer) {
  weir__transfer_resume(transfer, WEIR__HELD_SENDING);
}
