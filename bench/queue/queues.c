/* queues.c - Weir's queues, and a heap with an index of the same kind. */
#include <stdlib.h>

#include "contenders.h"
#include "weir.h"

#define FACTOR UINT64_C(0x9E3779B97F4A7C15)

static void *checked(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

/* ---- weir ---- */

static void *create_with(uint32_t capacity, uint8_t bonus, uint64_t fresh_for) {
  weir_queue_t *queue = NULL;
  weir_queue_options_t options = {.size = sizeof options,
                                  .capacity = capacity,
                                  .fresh_bonus = bonus,
                                  .fresh_for = fresh_for,
                                  .aging_cap = WEIR_QUEUE_NEVER};
  if (weir_queue_create(&queue, &options) != 0) abort();
  return queue;
}

static void *queue_create(uint32_t capacity) {
  return create_with(capacity, 0, 0);
}

/* The clock counts jobs: at half the length most age before they leave. */
static void *queue_create_ageing(uint32_t capacity) {
  return create_with(capacity, 15, capacity / 2 + 1);
}

static int queue_push(void *queue, uint64_t id, uint8_t priority,
                      uint64_t now) {
  weir_job_t job = {.id = id, .submitted = now, .priority = priority};
  return weir_queue_push(queue, &job, now, NULL) == WEIR_QUEUE_ADDED;
}

static uint64_t queue_pop(void *queue, uint64_t now) {
  weir_job_t job;
  if (!weir_queue_pop(queue, now, &job)) abort();
  return job.id;
}

static void queue_destroy(void *queue) {
  weir_queue_destroy(queue);
}

static double hold_queue(work_t *work) {
  return hold(work, queue_create, queue_push, queue_pop, queue_destroy);
}

static double hold_queue_ageing(work_t *work) {
  return hold(work, queue_create_ageing, queue_push, queue_pop, queue_destroy);
}

const contender_t weir_queue = {"weir", hold_queue};
const contender_t weir_queue_ageing = {"weir, ageing", hold_queue_ageing};

static void *fifo_create(uint32_t capacity) {
  weir_fifo_t *fifo = NULL;
  if (weir_fifo_create(&fifo, capacity, NULL) != 0) abort();
  return fifo;
}

static int fifo_push(void *fifo, uint64_t id, uint8_t priority, uint64_t now) {
  (void)priority;
  (void)now;
  return weir_fifo_push(fifo, id) == 0;
}

static uint64_t fifo_pop(void *fifo, uint64_t now) {
  uint64_t id = 0;
  (void)now;
  if (!weir_fifo_pop(fifo, &id)) abort();
  return id;
}

static void fifo_destroy(void *fifo) {
  weir_fifo_destroy(fifo);
}

static double hold_fifo(work_t *work) {
  return hold(work, fifo_create, fifo_push, fifo_pop, fifo_destroy);
}

const contender_t weir_fifo = {"weir", hold_fifo};

/* ---- a binary heap ---- */

#define NIL UINT32_MAX

/* Least key first: what is not the priority, then a count of pushes. */
typedef struct slot {
  uint64_t key;
  uint32_t node;
} slot_t;

typedef struct node {
  uint64_t id;
  uint32_t next, previous; /* in the chain of its hash; next of the free */
} node_t;

typedef struct heap {
  slot_t *slots;
  node_t *nodes;
  uint32_t *chains;
  uint64_t pushed;
  uint32_t length;
  uint32_t free;
  uint32_t shift;
} heap_t;

static void *heap_create(uint32_t capacity) {
  heap_t *heap = checked(calloc(1, sizeof *heap));
  heap->shift = 63;
  while (UINT32_C(1) << (64 - heap->shift) < 2 * capacity)
    heap->shift--;
  uint32_t chains = UINT32_C(1) << (64 - heap->shift);
  heap->slots = checked(calloc(capacity, sizeof *heap->slots));
  heap->nodes = checked(calloc(capacity, sizeof *heap->nodes));
  heap->chains = checked(calloc(chains, sizeof *heap->chains));
  for (uint32_t i = 0; i < chains; i++)
    heap->chains[i] = NIL;
  for (uint32_t i = 0; i < capacity; i++)
    heap->nodes[i].next = i + 1 < capacity ? i + 1 : NIL;
  return heap;
}

static uint32_t *chain_of(heap_t *heap, uint64_t id) {
  return &heap->chains[id * FACTOR >> heap->shift];
}

static int heap_push(void *queue, uint64_t id, uint8_t priority, uint64_t now) {
  heap_t *heap = queue;
  (void)now;
  uint32_t *chain = chain_of(heap, id);
  for (uint32_t node = *chain; node != NIL; node = heap->nodes[node].next)
    if (heap->nodes[node].id == id) return 0;
  uint32_t new = heap->free;
  if (new == NIL) abort();
  heap->free = heap->nodes[new].next;
  heap->nodes[new] = (node_t){id, *chain, NIL};
  if (*chain != NIL) heap->nodes[*chain].previous = new;
  *chain = new;
  uint64_t key = (uint64_t)(255 - priority) << 56 | heap->pushed++;
  uint32_t at = heap->length++;
  while (at > 0 && heap->slots[(at - 1) / 2].key > key) {
    heap->slots[at] = heap->slots[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap->slots[at] = (slot_t){key, new};
  return 1;
}

static uint64_t heap_pop(void *queue, uint64_t now) {
  heap_t *heap = queue;
  (void)now;
  if (heap->length == 0) abort();
  slot_t *slots = heap->slots;
  uint32_t node = slots[0].node, length = --heap->length, at = 0;
  slot_t last = slots[length];
  for (;;) {
    uint32_t child = 2 * at + 1;
    if (child >= length) break;
    child += child + 1 < length && slots[child + 1].key < slots[child].key;
    if (slots[child].key >= last.key) break;
    slots[at] = slots[child];
    at = child;
  }
  slots[at] = last;
  node_t *nodes = heap->nodes;
  uint32_t next = nodes[node].next, previous = nodes[node].previous;
  if (next != NIL) nodes[next].previous = previous;
  if (previous != NIL)
    nodes[previous].next = next;
  else
    *chain_of(heap, nodes[node].id) = next;
  nodes[node].next = heap->free;
  heap->free = node;
  return nodes[node].id;
}

static void heap_destroy(void *queue) {
  heap_t *heap = queue;
  free(heap->slots);
  free(heap->nodes);
  free(heap->chains);
  free(heap);
}

static double hold_heap(work_t *work) {
  return hold(work, heap_create, heap_push, heap_pop, heap_destroy);
}

const contender_t binary_heap = {"binary heap", hold_heap};

/* ---- Concurrency Kit ---- */

#if __has_include(<ck_fifo.h>)
#include <ck_fifo.h>

/* One thread, both ends; entries that were used are used again. */
typedef struct ck {
  ck_fifo_spsc_t fifo;
  ck_fifo_spsc_entry_t *entries;
  uint32_t given;
  uint32_t capacity;
} ck_t;

static void *ck_create(uint32_t capacity) {
  ck_t *ck = checked(calloc(1, sizeof *ck));
  /* One stands before the first, one is read before it can be used again. */
  ck->capacity = capacity + 2;
  ck->entries = checked(calloc(ck->capacity, sizeof *ck->entries));
  ck_fifo_spsc_init(&ck->fifo, &ck->entries[ck->given++]);
  return ck;
}

static int ck_push(void *queue, uint64_t id, uint8_t priority, uint64_t now) {
  ck_t *ck = queue;
  (void)priority;
  (void)now;
  ck_fifo_spsc_entry_t *entry = ck_fifo_spsc_recycle(&ck->fifo);
  if (entry == NULL) {
    if (ck->given == ck->capacity) abort();
    entry = &ck->entries[ck->given++];
  }
  ck_fifo_spsc_enqueue(&ck->fifo, entry, (void *)(uintptr_t)id);
  return 1;
}

static uint64_t ck_pop(void *queue, uint64_t now) {
  ck_t *ck = queue;
  uintptr_t id = 0;
  (void)now;
  if (!ck_fifo_spsc_dequeue(&ck->fifo, &id)) abort();
  return id;
}

static void ck_destroy(void *queue) {
  ck_t *ck = queue;
  free(ck->entries);
  free(ck);
}

static double hold_ck(work_t *work) {
  return hold(work, ck_create, ck_push, ck_pop, ck_destroy);
}

const contender_t ck_spsc = {"ck_fifo (SPSC)", hold_ck};
#else
const contender_t ck_spsc = {0};
#endif
