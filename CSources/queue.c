/*
 * queue.c - buckets of equal priority under a bitmap.
 *
 * Jobs are nodes of a slab, a cache line each, linked by index in three ways:
 *
 *   ORDER  a bucket, for each tier and priority; a bitmap of four words says
 *          which are not empty, so the first is found by counting zeros. (A
 *          node that is free is in none: it uses the same link.)
 *   AGE    one list of all jobs by submission. It falls into three runs, the
 *          overdue, the aged and the fresh, and ageing moves the places where
 *          they meet. Fresh and aged jobs have a tier of buckets each; a job
 *          that is overdue is in none, since the list is their order.
 *   CHAIN  the jobs whose ids hash alike. An intrusive chain because a job
 *          then leaves without a search; closing the gaps of open addressing
 *          costs four times as much as all the rest.
 */
#include "weir/queue.h"

#include <string.h>
#include <uv.h>

#include "allocation.h"
#include "options.h"
#include "weir/errors.h"

enum { LINE = 64, PRIORITIES = 256, WORDS = PRIORITIES / 64 };
enum { ORDER, AGE, CHAIN, KINDS };
typedef enum tier_name { FRESH, AGED, OVERDUE, TIERS = OVERDUE } tier_name_t;

#define NIL UINT32_MAX

typedef struct node {
  _Alignas(LINE) uint64_t id;
  uint64_t submitted;
  void *data;
  struct {
    uint32_t next, previous;
  } links[KINDS];
  uint32_t chain;
  uint8_t priority;
  uint8_t tier;
} node_t;

typedef struct list {
  uint32_t first, last;
} list_t;

typedef struct tier {
  uint64_t words[WORDS];
  list_t buckets[PRIORITIES];
} tier_t;

struct weir_queue {
  node_t *nodes;
  list_t *chains;
  uint64_t factor; /* odd, unknown outside */
  uint32_t shift;  /* of a product, to the index of a chain */
  uint32_t free;   /* the first node that is */
  uint32_t length;
  uint32_t capacity;
  uint64_t now;
  list_t ages;
  uint32_t waiting; /* the oldest that is not overdue */
  uint32_t fresh;   /* the oldest that is fresh */
  uint16_t bonus;
  uint8_t evicts;
  uint64_t fresh_for;
  uint64_t aging_cap;
  tier_t tiers[TIERS];
  weir_queue_counters_t counters;
  void *memory; /* of the nodes, before it is aligned */
  weir_allocator_t allocator;
};

_Static_assert(sizeof(node_t) == LINE, "a node is a cache line");

/* ---- lists ---- */

/* Links a node before another, or at the end when that is NIL. */
static inline void insert(node_t *nodes, list_t *list, int kind, uint32_t node,
                          uint32_t next) {
  uint32_t previous =
      next == NIL ? list->last : nodes[next].links[kind].previous;
  nodes[node].links[kind].next = next;
  nodes[node].links[kind].previous = previous;
  *(previous == NIL ? &list->first : &nodes[previous].links[kind].next) = node;
  *(next == NIL ? &list->last : &nodes[next].links[kind].previous) = node;
}

static inline void take_out(node_t *nodes, list_t *list, int kind,
                            uint32_t node) {
  uint32_t next = nodes[node].links[kind].next;
  uint32_t previous = nodes[node].links[kind].previous;
  *(previous == NIL ? &list->first : &nodes[previous].links[kind].next) = next;
  *(next == NIL ? &list->last : &nodes[next].links[kind].previous) = previous;
}

/* ---- order ---- */

static inline void enter(weir_queue_t *queue, uint32_t node, tier_name_t name) {
  node_t *job = &queue->nodes[node];
  job->tier = (uint8_t)name;
  if (name == OVERDUE) return;
  tier_t *tier = &queue->tiers[name];
  tier->words[job->priority / 64] |= UINT64_C(1) << job->priority % 64;
  insert(queue->nodes, &tier->buckets[job->priority], ORDER, node, NIL);
}

static inline void leave(weir_queue_t *queue, uint32_t node) {
  const node_t *job = &queue->nodes[node];
  if (job->tier == OVERDUE) return;
  tier_t *tier = &queue->tiers[job->tier];
  list_t *bucket = &tier->buckets[job->priority];
  take_out(queue->nodes, bucket, ORDER, node);
  if (bucket->first == NIL)
    tier->words[job->priority / 64] &= ~(UINT64_C(1) << job->priority % 64);
}

/* The highest priority below `limit` that a job of the tier has, or -1. */
static inline int highest(const tier_t *tier, int limit) {
  for (int word = (limit - 1) >> 6; word >= 0; word--) {
    uint64_t bits = tier->words[word];
    int above = limit - 64 * word; /* bits that are below the limit */
    if (above < 64) bits &= (UINT64_C(1) << above) - 1;
    if (bits != 0) return 64 * word + 63 - __builtin_clzll(bits);
  }
  return -1;
}

/* The lowest priority that a job of the tier has, or -1. */
static inline int lowest(const tier_t *tier) {
  for (int word = 0; word < WORDS; word++)
    if (tier->words[word] != 0)
      return 64 * word + __builtin_ctzll(tier->words[word]);
  return -1;
}

static inline uint16_t rank_of(const weir_queue_t *queue, const node_t *job) {
  if (job->tier == OVERDUE) return WEIR_QUEUE_OVERDUE;
  return (uint16_t)(job->priority + (job->tier == FRESH ? queue->bonus : 0));
}

/* The job to leave first, or NIL. */
static uint32_t first_of(const weir_queue_t *queue) {
  if (queue->ages.first != queue->waiting) return queue->ages.first;
  int fresh = highest(&queue->tiers[FRESH], PRIORITIES);
  int aged = highest(&queue->tiers[AGED], PRIORITIES);
  if (fresh >= 0 && fresh + queue->bonus > aged)
    return queue->tiers[FRESH].buckets[fresh].first;
  return aged >= 0 ? queue->tiers[AGED].buckets[aged].first : NIL;
}

/* The job to leave last, or NIL when all are overdue. */
static uint32_t last_of(const weir_queue_t *queue) {
  int fresh = lowest(&queue->tiers[FRESH]);
  int aged = lowest(&queue->tiers[AGED]);
  if (fresh >= 0 && (aged < 0 || fresh + queue->bonus <= aged))
    return queue->tiers[FRESH].buckets[fresh].last;
  return aged >= 0 ? queue->tiers[AGED].buckets[aged].last : NIL;
}

/* ---- age ---- */

static inline tier_name_t tier_at(const weir_queue_t *queue,
                                  uint64_t submitted) {
  uint64_t age = queue->now - submitted;
  if (age > queue->aging_cap) return OVERDUE;
  return age < queue->fresh_for ? FRESH : AGED;
}

static uint32_t after(const weir_queue_t *queue, uint32_t node) {
  return queue->nodes[node].links[AGE].next;
}

/* Tells the queue the time: jobs whose tier is another by now change it. */
static inline void advance(weir_queue_t *queue, uint64_t now) {
  if (now <= queue->now) return;
  queue->now = now;
  node_t *nodes = queue->nodes;
  while (queue->fresh != NIL &&
         tier_at(queue, nodes[queue->fresh].submitted) != FRESH) {
    leave(queue, queue->fresh);
    enter(queue, queue->fresh, AGED);
    queue->counters.aged++;
    queue->fresh = after(queue, queue->fresh);
  }
  while (queue->waiting != NIL &&
         tier_at(queue, nodes[queue->waiting].submitted) == OVERDUE) {
    leave(queue, queue->waiting);
    enter(queue, queue->waiting, OVERDUE);
    queue->counters.overdue++;
    queue->waiting = after(queue, queue->waiting);
  }
}

/* Puts a node into its place among the ages and into its tier. */
static void place(weir_queue_t *queue, uint32_t node) {
  const node_t *nodes = queue->nodes;
  uint64_t submitted = nodes[node].submitted;
  uint32_t previous = queue->ages.last;
  while (previous != NIL && nodes[previous].submitted > submitted)
    previous = nodes[previous].links[AGE].previous;
  uint32_t next = previous == NIL ? queue->ages.first : after(queue, previous);
  insert(queue->nodes, &queue->ages, AGE, node, next);
  tier_name_t tier = tier_at(queue, submitted);
  enter(queue, node, tier);
  if (tier == OVERDUE)
    queue->counters.overdue++;
  else if (queue->waiting == next)
    queue->waiting = node;
  if (tier == FRESH && queue->fresh == next) queue->fresh = node;
}

/* ---- ids ---- */

/* Multiply-shift hashing (Dietzfelbinger and others, 1997). */
static inline uint32_t chain_of(const weir_queue_t *queue, uint64_t id) {
  return (uint32_t)(id * queue->factor >> queue->shift);
}

static inline uint32_t search(const weir_queue_t *queue, uint64_t id) {
  uint32_t node = queue->chains[chain_of(queue, id)].first;
  while (node != NIL && queue->nodes[node].id != id)
    node = queue->nodes[node].links[CHAIN].next;
  return node;
}

static inline void hand_out(const weir_queue_t *queue, uint32_t node,
                            weir_job_t *job) {
  const node_t *from = &queue->nodes[node];
  *job = (weir_job_t){.id = from->id,
                      .submitted = from->submitted,
                      .data = from->data,
                      .priority = from->priority,
                      .rank = rank_of(queue, from)};
}

static inline void take(weir_queue_t *queue, uint32_t node, weir_job_t *job) {
  node_t *nodes = queue->nodes;
  if (job != NULL) hand_out(queue, node, job);
  if (queue->waiting == node) queue->waiting = after(queue, node);
  if (queue->fresh == node) queue->fresh = after(queue, node);
  leave(queue, node);
  take_out(nodes, &queue->ages, AGE, node);
  take_out(nodes, &queue->chains[nodes[node].chain], CHAIN, node);
  nodes[node].links[ORDER].next = queue->free;
  queue->free = node;
  queue->length--;
}

/* ---- the interface ---- */

static void prepare(weir_queue_t *queue, uint32_t chains) {
  queue->free = queue->waiting = queue->fresh = NIL;
  queue->ages = (list_t){NIL, NIL};
  memset(queue->chains, 0xff, chains * sizeof *queue->chains);
  for (int i = 0; i < TIERS; i++)
    memset(queue->tiers[i].buckets, 0xff, sizeof queue->tiers[i].buckets);
  for (uint32_t node = queue->capacity; node-- > 0; queue->free = node)
    queue->nodes[node].links[ORDER].next = queue->free;
}

/* One more line, to align them. */
static size_t bytes_of_nodes(const weir_queue_t *queue) {
  return ((size_t)queue->capacity + 1) * sizeof(node_t);
}

static uint32_t chains_of(const weir_queue_t *queue) {
  return UINT32_C(1) << (64 - queue->shift);
}

int weir_queue_create(weir_queue_t **queue,
                      const weir_queue_options_t *options) {
  weir_queue_options_t read;
  int status = weir__options_read(&read, sizeof read, options, sizeof read);
  if (status != 0) return status;
  if (read.capacity > WEIR_QUEUE_MAX_CAPACITY ||
      read.full > WEIR_QUEUE_EVICT_LOWEST)
    return WEIR_EOPTION;
  weir_allocator_t allocator = weir__allocator(read.allocator);
  weir_queue_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->allocator = allocator;
  made->capacity = read.capacity > 0 ? read.capacity : WEIR_QUEUE_CAPACITY;
  made->evicts = read.full == WEIR_QUEUE_EVICT_LOWEST;
  made->bonus = read.fresh_bonus;
  made->fresh_for = read.fresh_for > 0 ? read.fresh_for : WEIR_QUEUE_FRESH_FOR;
  if (made->bonus == 0) made->fresh_for = 0;
  made->aging_cap = read.aging_cap > 0 ? read.aging_cap : WEIR_QUEUE_AGING_CAP;
  made->shift = 63;
  while (chains_of(made) < 2 * made->capacity)
    made->shift--;
  made->chains =
      weir__allocate(&allocator, chains_of(made) * sizeof *made->chains);
  made->memory = weir__allocate(&allocator, bytes_of_nodes(made));
  status =
      made->chains != NULL && made->memory != NULL
          ? uv_random(NULL, NULL, &made->factor, sizeof made->factor, 0, NULL)
          : UV_ENOMEM;
  if (status != 0) {
    weir_queue_destroy(made);
    return status;
  }
  made->factor |= 1;
  made->nodes =
      (node_t *)(((uintptr_t)made->memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
  prepare(made, chains_of(made));
  *queue = made;
  return 0;
}

/* Makes room for a job of a rank, or says that there is none. */
static int make_room(weir_queue_t *queue, uint16_t rank, weir_job_t *evicted) {
  uint32_t last = queue->evicts ? last_of(queue) : NIL;
  if (last == NIL || rank_of(queue, &queue->nodes[last]) >= rank) {
    queue->counters.refused++;
    return WEIR_EFULL;
  }
  take(queue, last, evicted);
  queue->counters.evicted++;
  return WEIR_QUEUE_EVICTED;
}

static void set_priority(weir_queue_t *queue, uint32_t node, uint8_t priority) {
  tier_name_t tier = queue->nodes[node].tier;
  leave(queue, node);
  queue->nodes[node].priority = priority;
  enter(queue, node, tier);
}

int weir_queue_push(weir_queue_t *queue, const weir_job_t *job, uint64_t now,
                    weir_job_t *evicted) {
  advance(queue, now);
  uint32_t node = search(queue, job->id);
  if (node != NIL) {
    if (job->priority > queue->nodes[node].priority)
      set_priority(queue, node, job->priority);
    queue->counters.duplicates++;
    return WEIR_QUEUE_DUPLICATE;
  }
  node_t new = {
      .id = job->id,
      .submitted = job->submitted < queue->now ? job->submitted : queue->now,
      .data = job->data,
      .chain = chain_of(queue, job->id),
      .priority = job->priority};
  int status = WEIR_QUEUE_ADDED;
  if (queue->free == NIL) {
    new.tier = (uint8_t)tier_at(queue, new.submitted);
    status = make_room(queue, rank_of(queue, &new), evicted);
    if (status < 0) return status;
  }
  node = queue->free;
  queue->free = queue->nodes[node].links[ORDER].next;
  queue->nodes[node] = new;
  insert(queue->nodes, &queue->chains[new.chain], CHAIN, node, NIL);
  place(queue, node);
  queue->counters.added++;
  queue->length++;
  if (queue->length > queue->counters.most)
    queue->counters.most = queue->length;
  return status;
}

int weir_queue_pop(weir_queue_t *queue, uint64_t now, weir_job_t *job) {
  advance(queue, now);
  uint32_t node = first_of(queue);
  if (node == NIL) return 0;
  take(queue, node, job);
  queue->counters.popped++;
  return 1;
}

int weir_queue_peek(weir_queue_t *queue, uint64_t now, weir_job_t *job) {
  advance(queue, now);
  uint32_t node = first_of(queue);
  if (node == NIL) return 0;
  hand_out(queue, node, job);
  return 1;
}

int weir_queue_find(const weir_queue_t *queue, uint64_t id, weir_job_t *job) {
  uint32_t node = search(queue, id);
  if (node == NIL) return 0;
  if (job != NULL) hand_out(queue, node, job);
  return 1;
}

int weir_queue_cancel(weir_queue_t *queue, uint64_t id, weir_job_t *job) {
  uint32_t node = search(queue, id);
  if (node == NIL) return 0;
  take(queue, node, job);
  queue->counters.cancelled++;
  return 1;
}

int weir_queue_update(weir_queue_t *queue, uint64_t id, uint8_t priority,
                      uint64_t now) {
  advance(queue, now);
  uint32_t node = search(queue, id);
  if (node == NIL) return 0;
  if (queue->nodes[node].priority != priority)
    set_priority(queue, node, priority);
  return 1;
}

size_t weir_queue_snapshot(weir_queue_t *queue, uint64_t now, weir_job_t *jobs,
                           size_t capacity) {
  advance(queue, now);
  size_t count = 0;
  uint32_t node = queue->ages.first;
  for (; node != queue->waiting && count < capacity; node = after(queue, node))
    hand_out(queue, node, &jobs[count++]);
  int fresh = PRIORITIES, aged = PRIORITIES;
  fresh = highest(&queue->tiers[FRESH], fresh);
  aged = highest(&queue->tiers[AGED], aged);
  while (count < capacity && (fresh >= 0 || aged >= 0)) {
    tier_name_t name = fresh >= 0 && fresh + queue->bonus > aged ? FRESH : AGED;
    int *priority = name == FRESH ? &fresh : &aged;
    const tier_t *tier = &queue->tiers[name];
    node = tier->buckets[*priority].first;
    for (; node != NIL && count < capacity;
         node = queue->nodes[node].links[ORDER].next)
      hand_out(queue, node, &jobs[count++]);
    *priority = highest(tier, *priority);
  }
  return count;
}

uint32_t weir_queue_length(const weir_queue_t *queue) {
  return queue->length;
}

int weir_queue_oldest(const weir_queue_t *queue, uint64_t *submitted) {
  if (queue->ages.first == NIL) return 0;
  *submitted = queue->nodes[queue->ages.first].submitted;
  return 1;
}

void weir_queue_counters(const weir_queue_t *queue,
                         weir_queue_counters_t *counters) {
  *counters = queue->counters;
}

void weir_queue_destroy(weir_queue_t *queue) {
  if (queue == NULL) return;
  weir_allocator_t allocator = queue->allocator;
  weir__release(&allocator, queue->chains,
                chains_of(queue) * sizeof *queue->chains);
  weir__release(&allocator, queue->memory, bytes_of_nodes(queue));
  weir__release(&allocator, queue, sizeof *queue);
}
