/*
 * mailbox.c - a stack that is taken whole.
 *
 * Who pushes puts a message on top by compare-and-swap; the loop swaps the
 * whole stack for an empty one and turns it round. As nothing is ever taken
 * off singly there is no ABA, and a sender that is stopped half way holds up
 * nobody.
 *
 * The loop must be woken by whoever finds the stack empty. uv_async_send()
 * begins with a plain load, to return when the loop was told already, so it
 * must not be moved before the push: each side stores and then looks at what
 * the other has stored. The push is a barrier on x86 and not everywhere, so
 * there is a fence; on the loop's side libuv clears its flag by an atomic
 * operation before it calls us.
 *
 * `gate` is all that has to change together: the credits that are taken, the
 * senders that may call uv_async_send(), and whether it is shut. Once it is
 * shut and the rest of it is 0, nobody is inside any more, and the handle can
 * be closed.
 */
#include "weir/mailbox.h"

#include <stdatomic.h>

#include "allocation.h"
#include "options.h"
#include "weir/errors.h"

#define CREDIT UINT64_C(1)         /* 32 bits of them */
#define SENDER (UINT64_C(1) << 32) /* 31 bits */
#define SHUT   (UINT64_C(1) << 63)

enum { LINE = 64 };

struct weir_mailbox {
  uv_async_t async;
  void (*on_messages)(weir_mailbox_t *mailbox, weir_message_t *first,
                      uint32_t count);
  void *data;
  void (*closed)(void *data);
  uint64_t received;
  uint64_t batches;
  weir_allocator_t allocator;
  uint32_t credits;
  /* What other threads write is not in a line with the rest. */
  char padding[LINE];
  _Atomic uint64_t gate;
  _Atomic(weir_message_t *) top;
  _Atomic uint64_t wakeups;
};

/* ---- senders ---- */

static void wake(weir_mailbox_t *mailbox) {
  atomic_fetch_add_explicit(&mailbox->wakeups, 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst);
  (void)uv_async_send(&mailbox->async);
}

int weir_mailbox_push(weir_mailbox_t *mailbox, weir_message_t *message) {
  uint64_t gate = atomic_load_explicit(&mailbox->gate, memory_order_relaxed);
  do {
    if (gate & SHUT) return UV_ECANCELED;
    if ((uint32_t)gate >= mailbox->credits) return WEIR_EFULL;
  } while (!atomic_compare_exchange_weak_explicit(
      &mailbox->gate, &gate, gate + CREDIT, memory_order_acquire,
      memory_order_relaxed));

  /* From the moment it is published the message is the loop's, and so is its
   * credit: who is going to wake the loop says so before. */
  int sender = 0;
  weir_message_t *top =
      atomic_load_explicit(&mailbox->top, memory_order_relaxed);
  do {
    if (top == NULL && !sender) {
      atomic_fetch_add_explicit(&mailbox->gate, SENDER, memory_order_relaxed);
      sender = 1;
    }
    message->next = top;
  } while (!atomic_compare_exchange_weak(&mailbox->top, &top, message));
  if (top == NULL) wake(mailbox);
  if (sender)
    atomic_fetch_sub_explicit(&mailbox->gate, SENDER, memory_order_release);
  return 0;
}

uint32_t weir_mailbox_length(const weir_mailbox_t *mailbox) {
  return (uint32_t)atomic_load_explicit(&mailbox->gate, memory_order_relaxed);
}

/* ---- the loop ---- */

static void receive(weir_mailbox_t *mailbox) {
  weir_message_t *top = atomic_exchange(&mailbox->top, NULL);
  weir_message_t *first = NULL;
  uint32_t count = 0;
  for (; top != NULL; count++) {
    weir_message_t *next = top->next;
    top->next = first;
    first = top;
    top = next;
  }
  if (count == 0) return;
  mailbox->received += count;
  mailbox->batches++;
  mailbox->on_messages(mailbox, first, count);
  atomic_fetch_sub_explicit(&mailbox->gate, count * CREDIT,
                            memory_order_release);
}

static void on_closed(uv_handle_t *handle) {
  weir_mailbox_t *mailbox = handle->data;
  if (mailbox->closed != NULL) mailbox->closed(mailbox->data);
}

static void on_async(uv_async_t *async) {
  weir_mailbox_t *mailbox = async->data;
  receive(mailbox);
  uint64_t gate = atomic_load_explicit(&mailbox->gate, memory_order_acquire);
  if (!(gate & SHUT)) return;
  if (gate == SHUT)
    uv_close((uv_handle_t *)async, on_closed);
  else
    (void)uv_async_send(async); /* somebody is still in weir_mailbox_push() */
}

int weir_mailbox_create(uv_loop_t *loop, weir_mailbox_t **mailbox,
                        const weir_mailbox_options_t *options) {
  weir_mailbox_options_t read;
  int status = weir__options_read(&read, sizeof read, options, sizeof read);
  if (status != 0) return status;
  if (loop == NULL || read.on_messages == NULL ||
      read.credits > WEIR_MAILBOX_MAX_CREDITS)
    return WEIR_EOPTION;
  weir_allocator_t allocator = weir__allocator(read.allocator);
  weir_mailbox_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->allocator = allocator;
  made->credits = read.credits > 0 ? read.credits : WEIR_MAILBOX_CREDITS;
  made->on_messages = read.on_messages;
  made->data = read.data;
  made->async.data = made;
  status = uv_async_init(loop, &made->async, on_async);
  if (status != 0) {
    weir_mailbox_destroy(made);
    return status;
  }
  uv_unref((uv_handle_t *)&made->async);
  *mailbox = made;
  return 0;
}

void *weir_mailbox_data(const weir_mailbox_t *mailbox) {
  return mailbox->data;
}

void weir_mailbox_counters(const weir_mailbox_t *mailbox,
                           weir_mailbox_counters_t *counters) {
  *counters = (weir_mailbox_counters_t){
      mailbox->received, mailbox->batches,
      atomic_load_explicit(&mailbox->wakeups, memory_order_relaxed)};
}

void weir_mailbox_close(weir_mailbox_t *mailbox, void (*closed)(void *data)) {
  uint64_t gate =
      atomic_fetch_or_explicit(&mailbox->gate, SHUT, memory_order_acquire);
  if (gate & SHUT) return;
  mailbox->closed = closed;
  uv_ref((uv_handle_t *)&mailbox->async);
  (void)uv_async_send(&mailbox->async);
}

void weir_mailbox_destroy(weir_mailbox_t *mailbox) {
  if (mailbox == NULL) return;
  weir__release(&mailbox->allocator, mailbox, sizeof *mailbox);
}
