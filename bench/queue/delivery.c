/* delivery.c - messages from one thread to a loop on another: by Weir's
 * mailbox, and by a list under a mutex with a wake-up for each message. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "contenders.h"
#include "weir.h"

/* Messages under way, at most; there are twice as many to use in turn. */
#define CREDITS 16384u

typedef struct letter {
  weir_message_t message; /* first: a message is its letter */
  uint64_t number;
} letter_t;

typedef struct post {
  uint64_t messages;
  uint64_t received;
  uint64_t wakeups;
  letter_t *letters;
  uv_loop_t loop;
  weir_mailbox_t *mailbox;
  uv_async_t async; /* of the mutex's; keeps the loop for the mailbox */
  pthread_mutex_t mutex;
  weir_message_t *first, **last;
  uint64_t under_way;
} post_t;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static letter_t *letter_of(post_t *post, uint64_t number) {
  letter_t *letter = &post->letters[number % (2 * CREDITS)];
  letter->number = number;
  return letter;
}

/* Each in its turn, or what is measured is not a delivery. */
static void receive(post_t *post, const weir_message_t *first) {
  for (; first != NULL; first = first->next)
    if (((const letter_t *)first)->number != post->received++) abort();
  if (post->received == post->messages)
    uv_close((uv_handle_t *)&post->async, NULL);
}

static delivery_t run(post_t *post, void *(*sender)(void *)) {
  pthread_t thread;
  uint64_t begin = now();
  if (pthread_create(&thread, NULL, sender, post) != 0) abort();
  uv_run(&post->loop, UV_RUN_DEFAULT);
  uint64_t end = now();
  pthread_join(thread, NULL);
  return (delivery_t){(double)(end - begin), post->wakeups};
}

static void open_post(post_t *post, uint64_t messages, uv_async_cb on_async) {
  *post = (post_t){.messages = messages};
  post->letters = calloc(2 * CREDITS, sizeof *post->letters);
  if (post->letters == NULL || uv_loop_init(&post->loop) != 0 ||
      uv_async_init(&post->loop, &post->async, on_async) != 0)
    abort();
  post->async.data = post;
}

static void close_post(post_t *post) {
  uv_run(&post->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&post->loop) != 0) abort();
  free(post->letters);
}

/* ---- the mailbox ---- */

static void on_messages(weir_mailbox_t *mailbox, weir_message_t *first,
                        uint32_t count) {
  (void)count;
  receive(weir_mailbox_data(mailbox), first);
}

static void *send_to_mailbox(void *argument) {
  post_t *post = argument;
  for (uint64_t i = 0; i < post->messages; i++) {
    weir_message_t *message = &letter_of(post, i)->message;
    while (weir_mailbox_push(post->mailbox, message) != 0)
      sched_yield();
  }
  return NULL;
}

delivery_t deliver_by_mailbox(uint64_t messages) {
  post_t post;
  open_post(&post, messages, NULL);
  weir_mailbox_options_t options = {.size = sizeof options,
                                    .credits = CREDITS,
                                    .on_messages = on_messages,
                                    .data = &post};
  if (weir_mailbox_create(&post.loop, &post.mailbox, &options) != 0) abort();
  delivery_t delivery = run(&post, send_to_mailbox);
  weir_mailbox_counters_t counters;
  weir_mailbox_counters(post.mailbox, &counters);
  delivery.wakeups = counters.wakeups;
  weir_mailbox_close(post.mailbox, NULL);
  close_post(&post);
  weir_mailbox_destroy(post.mailbox);
  return delivery;
}

/* ---- the mutex ---- */

static void on_async(uv_async_t *async) {
  post_t *post = async->data;
  pthread_mutex_lock(&post->mutex);
  weir_message_t *first = post->first;
  post->first = NULL;
  post->last = &post->first;
  post->under_way = 0;
  pthread_mutex_unlock(&post->mutex);
  receive(post, first);
}

static void *send_by_mutex(void *argument) {
  post_t *post = argument;
  for (uint64_t i = 0; i < post->messages;) {
    pthread_mutex_lock(&post->mutex);
    int is_full = post->under_way == CREDITS;
    if (!is_full) {
      weir_message_t *message = &letter_of(post, i++)->message;
      message->next = NULL;
      *post->last = message;
      post->last = &message->next;
      post->under_way++;
    }
    pthread_mutex_unlock(&post->mutex);
    if (is_full) {
      sched_yield();
      continue;
    }
    uv_async_send(&post->async);
    post->wakeups++;
  }
  return NULL;
}

delivery_t deliver_by_mutex(uint64_t messages) {
  post_t post;
  open_post(&post, messages, on_async);
  pthread_mutex_init(&post.mutex, NULL);
  post.last = &post.first;
  delivery_t delivery = run(&post, send_by_mutex);
  close_post(&post);
  pthread_mutex_destroy(&post.mutex);
  return delivery;
}
