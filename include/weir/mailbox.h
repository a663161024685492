/*
 * mailbox.h - messages from any thread to a loop.
 *
 * Any number of threads push; the loop takes everything at once, oldest first.
 * A push is a few nanoseconds, takes no lock, makes no system call unless the
 * loop has nothing else to take yet, and allocates nothing: a message is a
 * link in memory of the host's own.
 *
 *     typedef struct order { weir_message_t message; int what; } order_t;
 *
 * The link is given over with the push and belongs to the receiver from then
 * on; when a push fails it is the sender's as before. Messages of one thread
 * arrive in the order in which it pushed them, those of several in the order
 * in which their pushes came through.
 *
 * It is bounded by credits: at most `credits` messages are accepted and not
 * yet handled. One more is refused at once; nobody waits.
 */
#ifndef WEIR_MAILBOX_H
#define WEIR_MAILBOX_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_MAILBOX_CREDITS     4096u      /* messages, by default */
#define WEIR_MAILBOX_MAX_CREDITS 0x1000000u /* 16 777 216 */

typedef struct weir_mailbox weir_mailbox_t;

typedef struct weir_message {
  struct weir_message *next;
} weir_message_t;

typedef struct weir_mailbox_options {
  size_t size;
  uint32_t credits; /* messages, at most WEIR_MAILBOX_MAX_CREDITS */
  /* Everything that was there, `count` messages, oldest first; the last one's
   * next is NULL. On the loop. The memory may be used for anything, other
   * pushes too: take `next` before. Their credits come back when it returns.
   * Required. */
  void (*on_messages)(weir_mailbox_t *mailbox, weir_message_t *first,
                      uint32_t count);
  const weir_allocator_t *allocator;
  void *data;
} weir_mailbox_options_t;

typedef struct weir_mailbox_counters {
  uint64_t received; /* messages that were handed over */
  uint64_t batches;  /* calls of on_messages */
  uint64_t wakeups;  /* calls of uv_async_send() */
} weir_mailbox_counters_t;

/* Makes one. Its handle is unreferenced. WEIR_EOPTION, UV_ENOMEM, UV_EMFILE
 * for the first async handle of a loop. */
WEIR_EXTERN WEIR_NODISCARD int weir_mailbox_create(
    uv_loop_t *loop, weir_mailbox_t **mailbox,
    const weir_mailbox_options_t *options);

/*
 * Any thread. O(1): the loop is woken by a push that finds the mailbox empty,
 * and by no other. WEIR_EFULL when there is no credit, UV_ECANCELED once it
 * was closed: then nothing has happened.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_mailbox_push(weir_mailbox_t *mailbox,
                                                 weir_message_t *message);

/* Messages that are accepted and not yet handled. Any thread; it may be out of
 * date when it arrives. */
WEIR_EXTERN uint32_t weir_mailbox_length(const weir_mailbox_t *mailbox);

WEIR_EXTERN void *weir_mailbox_data(const weir_mailbox_t *mailbox);

WEIR_EXTERN void weir_mailbox_counters(const weir_mailbox_t *mailbox,
                                       weir_mailbox_counters_t *counters);

/*
 * Shuts the door. From now on every push is refused with UV_ECANCELED, by
 * whichever thread. What was accepted before is still handed over, each
 * message exactly once, then `closed` (may be NULL) is called with
 * options.data, all from the loop, which is kept alive until then. May be
 * called from on_messages. Closing twice is harmless; the first counts.
 */
WEIR_EXTERN void weir_mailbox_close(weir_mailbox_t *mailbox,
                                    void (*closed)(void *data));

/* Frees it: after `closed` was called (or from it), and when no thread pushes
 * any more. Threads find out by UV_ECANCELED. NULL is a no-op. */
WEIR_EXTERN void weir_mailbox_destroy(weir_mailbox_t *mailbox);

WEIR_END_DECLS

#endif
