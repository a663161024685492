/*
 * queue.c - buckets of equal priority under a bitmap.
 *
 * Jobs are nodes of a slab, a cache line each, linked in three ways:
 *
 *   order  a bucket, for each tier and priority; a bitmap of four words says
 *          which are not empty, so the first is found by counting zeros.
 *   age    one list of all jobs by submission. It falls into three runs, the
 *          overdue, the aged and the fresh, and ageing moves the places where
 *          they meet. Fresh and aged jobs have a tier of buckets each; a job
 *          that is overdue is in none, since the list is their order.
 *   chain  the jobs whose ids hash alike. An intrusive chain because a job
 *          then leaves without a search; closing the gaps of open addressing
 *          costs four times as much as all the rest.
 *
 * Lists are circular through their head, so that linking has no cases. The
 * queue, its heads and its nodes are one block of memory, and a link is a
 * place in it, in units of links: that is half the size of a pointer.
 */
#include "weir/queue.h"

#include <stddef.h>
#include <uv.h>

#include "allocation.h"
#include "options.h"
#include "weir/errors.h"

enum { LINE = 64, PRIORITIES = 256, WORDS = PRIORITIES / 64 };
typedef enum tier_name { FRESH, AGED, OVERDUE, TIERS = OVERDUE } tier_name_t;

/* At a multiple of its size, so that a place is a whole number. */
typedef struct link {
  _Alignas(8) uint32_t next;
  uint32_t previous;
} link_t;

typedef struct node {
  _Alignas(LINE) uint64_t id;
  link_t chain;
  uint64_t submitted;
  link_t age;
  void *data; /* of a node that is free: the next one */
  link_t order;
  uint8_t priority;
  uint8_t tier;
} node_t;

typedef struct tier {
  uint64_t words[WORDS]; /* a bit for each bucket that is not empty */
  unsigned int used;     /* a bit for each word that is not 0 */
  link_t buckets[PRIORITIES];
} tier_t;

struct weir_queue {
  uint64_t factor; /* odd, unknown outside */
  uint32_t shift;  /* of a product, to the index of a chain */
  uint32_t length;
  uint32_t capacity;
  uint16_t bonus;
  uint8_t evicts;
  uint64_t now;
  uint64_t fresh_for;
  uint64_t aging_cap;
  link_t ages;
  link_t *waiting; /* the oldest that is not overdue, or the list's head */
  link_t *fresh;   /* the oldest that is fresh, or the list's head */
  link_t *recent;  /* the one that came last, or its neighbour */
  node_t *free;    /* NULL: none */
  tier_t tiers[TIERS];
  weir_queue_counters_t counters;
  weir_allocator_t allocator;
  size_t bytes;
  link_t chains[]; /* and, from the next line on, the nodes */
};

_Static_assert(sizeof(node_t) == LINE, "a node is a cache line");

/* ---- lists ---- */

#define NODE(link, name) ((node_t *)((char *)(link)-offsetof(node_t, name)))

static inline link_t *at(const weir_queue_t *queue, uint32_t place) {
  return (link_t *)queue + place;
}

static inline uint32_t place_of(const weir_queue_t *queue, const link_t *link) {
  return (uint32_t)(link - (const link_t *)queue);
}

static inline void make_empty(const weir_queue_t *queue, link_t *head) {
  head->next = head->previous = place_of(queue, head);
}

/* Links before another; before the head is at the end. */
static inline void insert(const weir_queue_t *queue, link_t *next,
                          link_t *link) {
  uint32_t place = place_of(queue, link);
  link->next = place_of(queue, next);
  link->previous = next->previous;
  at(queue, next->previous)->next = place;
  next->previous = place;
}

/* Whether the list is empty then. */
static inline uint64_t take_out(const weir_queue_t *queue, const link_t *link) {
  at(queue, link->previous)->next = link->next;
  at(queue, link->next)->previous = link->previous;
  return link->next == link->previous;
}

/* ---- order ---- */

static inline void enter(weir_queue_t *queue, node_t *node, tier_name_t name) {
  node->tier = (uint8_t)name;
  if (name == OVERDUE) return;
  tier_t *tier = &queue->tiers[name];
  tier->words[node->priority / 64] |= UINT64_C(1) << node->priority % 64;
  tier->used |= 1u << node->priority / 64;
  insert(queue, &tier->buckets[node->priority], &node->order);
}

/* Without a branch: which bucket becomes empty nobody can predict. */
static inline void leave(weir_queue_t *queue, const node_t *node) {
  if (node->tier == OVERDUE) return;
  tier_t *tier = &queue->tiers[node->tier];
  uint64_t is_empty = take_out(queue, &node->order);
  unsigned int word = node->priority / 64;
  tier->words[word] &= ~(is_empty << node->priority % 64);
  tier->used &= ~((unsigned int)(tier->words[word] == 0) << word);
}

/* The highest priority that a job of the tier has, or -1. */
static inline int highest(const tier_t *tier) {
  if (tier->used == 0) return -1;
  int word = 31 - __builtin_clz(tier->used);
  return 64 * word + 63 - __builtin_clzll(tier->words[word]);
}

static inline int lowest(const tier_t *tier) {
  if (tier->used == 0) return -1;
  int word = __builtin_ctz(tier->used);
  return 64 * word + __builtin_ctzll(tier->words[word]);
}

static inline uint16_t rank_of(const weir_queue_t *queue, tier_name_t tier,
                               uint8_t priority) {
  if (tier == OVERDUE) return WEIR_QUEUE_OVERDUE;
  return (uint16_t)(priority + (tier == FRESH ? queue->bonus : 0));
}

/* Among equal ranks the aged go first: they came earlier. */
static inline tier_name_t leading(const weir_queue_t *queue, int fresh,
                                  int aged) {
  return fresh >= 0 && fresh + queue->bonus > aged ? FRESH : AGED;
}

/* The job to leave first, or NULL. */
static inline node_t *first_of(const weir_queue_t *queue) {
  if (queue->length == 0) return NULL;
  const link_t *oldest = at(queue, queue->ages.next);
  if (oldest != queue->waiting) return NODE(oldest, age);
  int fresh = highest(&queue->tiers[FRESH]);
  int aged = highest(&queue->tiers[AGED]);
  tier_name_t tier = leading(queue, fresh, aged);
  const link_t *bucket =
      &queue->tiers[tier].buckets[tier == FRESH ? fresh : aged];
  return NODE(at(queue, bucket->next), order);
}

/* The job to leave last, or NULL when all are overdue. */
static node_t *last_of(const weir_queue_t *queue) {
  int fresh = lowest(&queue->tiers[FRESH]);
  int aged = lowest(&queue->tiers[AGED]);
  const link_t *bucket = NULL;
  if (fresh >= 0 && (aged < 0 || fresh + queue->bonus <= aged))
    bucket = &queue->tiers[FRESH].buckets[fresh];
  else if (aged >= 0)
    bucket = &queue->tiers[AGED].buckets[aged];
  return bucket != NULL ? NODE(at(queue, bucket->previous), order) : NULL;
}

/* ---- age ---- */

static inline tier_name_t tier_at(const weir_queue_t *queue,
                                  uint64_t submitted) {
  uint64_t age = queue->now - submitted;
  if (age > queue->aging_cap) return OVERDUE;
  return age < queue->fresh_for ? FRESH : AGED;
}

static inline link_t *after(const weir_queue_t *queue, const link_t *link) {
  return at(queue, link->next);
}

static inline tier_name_t tier_of(const weir_queue_t *queue,
                                  const link_t *link) {
  return tier_at(queue, NODE(link, age)->submitted);
}

/* Tells the queue the time: jobs whose tier is another by now change it. */
static inline void advance(weir_queue_t *queue, uint64_t now) {
  if (now <= queue->now) return;
  queue->now = now;
  const link_t *end = &queue->ages;
  for (link_t *link = queue->fresh;
       link != end && tier_of(queue, link) != FRESH;
       queue->fresh = link = after(queue, link)) {
    leave(queue, NODE(link, age));
    enter(queue, NODE(link, age), AGED);
    queue->counters.aged++;
  }
  for (link_t *link = queue->waiting;
       link != end && tier_of(queue, link) == OVERDUE;
       queue->waiting = link = after(queue, link)) {
    leave(queue, NODE(link, age));
    enter(queue, NODE(link, age), OVERDUE);
    queue->counters.overdue++;
  }
}

/* Puts a node into a tier, and into its place among the ages. */
static inline void place(weir_queue_t *queue, node_t *node, tier_name_t tier) {
  link_t *end = &queue->ages, *before = at(queue, end->previous), *next;
  /* Jobs come in the order of their ages, or many old ones together. */
  if (before != end && NODE(before, age)->submitted > node->submitted)
    before = queue->recent;
  while (before != end && NODE(before, age)->submitted > node->submitted)
    before = at(queue, before->previous);
  while ((next = after(queue, before)) != end &&
         NODE(next, age)->submitted <= node->submitted)
    before = next;
  insert(queue, next, &node->age);
  queue->recent = &node->age;
  enter(queue, node, tier);
  if (tier == OVERDUE)
    queue->counters.overdue++;
  else if (queue->waiting == next)
    queue->waiting = &node->age;
  if (tier == FRESH && queue->fresh == next) queue->fresh = &node->age;
}

/* ---- ids ---- */

/* Multiply-shift hashing (Dietzfelbinger and others, 1997). */
static inline link_t *chain_of(weir_queue_t *queue, uint64_t id) {
  return &queue->chains[id * queue->factor >> queue->shift];
}

static inline node_t *search(const weir_queue_t *queue, const link_t *chain,
                             uint64_t id) {
  for (link_t *link = after(queue, chain); link != chain;
       link = after(queue, link))
    if (NODE(link, chain)->id == id) return NODE(link, chain);
  return NULL;
}

static node_t *find(const weir_queue_t *queue, uint64_t id) {
  return search(queue, chain_of((weir_queue_t *)queue, id), id);
}

static inline void hand_out(const weir_queue_t *queue, const node_t *node,
                            weir_job_t *job) {
  job->id = node->id;
  job->submitted = node->submitted;
  job->data = node->data;
  job->priority = node->priority;
  job->rank = rank_of(queue, node->tier, node->priority);
}

static inline void take(weir_queue_t *queue, node_t *node, weir_job_t *job) {
  if (job != NULL) hand_out(queue, node, job);
  if (queue->waiting == &node->age) queue->waiting = after(queue, &node->age);
  if (queue->fresh == &node->age) queue->fresh = after(queue, &node->age);
  if (queue->recent == &node->age) queue->recent = after(queue, &node->age);
  leave(queue, node);
  take_out(queue, &node->age);
  take_out(queue, &node->chain);
  node->data = queue->free;
  queue->free = node;
  queue->length--;
}

/* ---- the interface ---- */

static size_t chains_of(const weir_queue_t *queue) {
  return (size_t)1 << (64 - queue->shift);
}

static void prepare(weir_queue_t *queue) {
  make_empty(queue, &queue->ages);
  queue->waiting = queue->fresh = queue->recent = &queue->ages;
  for (int i = 0; i < TIERS * PRIORITIES; i++)
    make_empty(queue, &queue->tiers[i / PRIORITIES].buckets[i % PRIORITIES]);
  for (size_t i = 0; i < chains_of(queue); i++)
    make_empty(queue, &queue->chains[i]);
  uintptr_t nodes = (uintptr_t)&queue->chains[chains_of(queue)];
  node_t *node = (node_t *)((nodes + LINE - 1) / LINE * LINE);
  for (uint32_t i = 0; i < queue->capacity; i++, node++) {
    node->data = queue->free;
    queue->free = node;
  }
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
  weir_queue_t like = {.allocator = allocator};
  like.capacity = read.capacity > 0 ? read.capacity : WEIR_QUEUE_CAPACITY;
  like.evicts = read.full == WEIR_QUEUE_EVICT_LOWEST;
  like.bonus = read.fresh_bonus;
  like.fresh_for = read.fresh_for > 0 ? read.fresh_for : WEIR_QUEUE_FRESH_FOR;
  if (like.bonus == 0) like.fresh_for = 0;
  like.aging_cap = read.aging_cap > 0 ? read.aging_cap : WEIR_QUEUE_AGING_CAP;
  status = uv_random(NULL, NULL, &like.factor, sizeof like.factor, 0, NULL);
  if (status != 0) return status;
  like.factor |= 1;
  like.shift = 63;
  while (chains_of(&like) < 4 * like.capacity)
    like.shift--;
  like.bytes = sizeof like + chains_of(&like) * sizeof(link_t) +
               ((size_t)like.capacity + 1) * sizeof(node_t);
  weir_queue_t *made = weir__allocate(&allocator, like.bytes);
  if (made == NULL) return UV_ENOMEM;
  *made = like;
  prepare(made);
  *queue = made;
  return 0;
}

/* Makes room for a job of a rank, or says that there is none. */
static int make_room(weir_queue_t *queue, uint16_t rank, weir_job_t *evicted) {
  node_t *last = queue->evicts ? last_of(queue) : NULL;
  if (last == NULL || rank_of(queue, last->tier, last->priority) >= rank) {
    queue->counters.refused++;
    return WEIR_EFULL;
  }
  take(queue, last, evicted);
  queue->counters.evicted++;
  return WEIR_QUEUE_EVICTED;
}

static void set_priority(weir_queue_t *queue, node_t *node, uint8_t priority) {
  leave(queue, node);
  node->priority = priority;
  enter(queue, node, node->tier);
}

int weir_queue_push(weir_queue_t *queue, const weir_job_t *job, uint64_t now,
                    weir_job_t *evicted) {
  /* One by one, before *evicted, which may be the same, is written: what was
   * stored in parts is slow to be loaded as a whole. */
  uint64_t id = job->id, submitted = job->submitted;
  void *data = job->data;
  uint8_t priority = job->priority;
  advance(queue, now);
  link_t *chain = chain_of(queue, id);
  node_t *node = search(queue, chain, id);
  if (node != NULL) {
    if (priority > node->priority) set_priority(queue, node, priority);
    queue->counters.duplicates++;
    return WEIR_QUEUE_DUPLICATE;
  }
  if (submitted > queue->now) submitted = queue->now;
  tier_name_t tier = tier_at(queue, submitted);
  int status = WEIR_QUEUE_ADDED;
  if (queue->free == NULL) {
    status = make_room(queue, rank_of(queue, tier, priority), evicted);
    if (status < 0) return status;
  }
  node = queue->free;
  queue->free = node->data;
  node->submitted = submitted;
  node->id = id;
  node->data = data;
  node->priority = priority;
  insert(queue, chain, &node->chain);
  place(queue, node, tier);
  queue->counters.added++;
  if (++queue->length > queue->counters.most)
    queue->counters.most = queue->length;
  return status;
}

int weir_queue_pop(weir_queue_t *queue, uint64_t now, weir_job_t *job) {
  advance(queue, now);
  node_t *node = first_of(queue);
  if (node == NULL) return 0;
  take(queue, node, job);
  queue->counters.popped++;
  return 1;
}

int weir_queue_peek(weir_queue_t *queue, uint64_t now, weir_job_t *job) {
  advance(queue, now);
  const node_t *node = first_of(queue);
  if (node == NULL) return 0;
  hand_out(queue, node, job);
  return 1;
}

int weir_queue_find(const weir_queue_t *queue, uint64_t id, weir_job_t *job) {
  const node_t *node = find(queue, id);
  if (node == NULL) return 0;
  if (job != NULL) hand_out(queue, node, job);
  return 1;
}

int weir_queue_cancel(weir_queue_t *queue, uint64_t id, weir_job_t *job) {
  node_t *node = find(queue, id);
  if (node == NULL) return 0;
  take(queue, node, job);
  queue->counters.cancelled++;
  return 1;
}

int weir_queue_update(weir_queue_t *queue, uint64_t id, uint8_t priority,
                      uint64_t now) {
  advance(queue, now);
  node_t *node = find(queue, id);
  if (node == NULL) return 0;
  if (node->priority != priority) set_priority(queue, node, priority);
  return 1;
}

/* The next lower priority that a job of the tier has, or -1. */
static int lower(const weir_queue_t *queue, tier_name_t tier, int priority) {
  const link_t *buckets = queue->tiers[tier].buckets;
  do
    priority--;
  while (priority >= 0 &&
         after(queue, &buckets[priority]) == &buckets[priority]);
  return priority;
}

size_t weir_queue_snapshot(weir_queue_t *queue, uint64_t now, weir_job_t *jobs,
                           size_t capacity) {
  advance(queue, now);
  size_t count = 0;
  const link_t *link = after(queue, &queue->ages);
  for (; link != queue->waiting && count < capacity; link = after(queue, link))
    hand_out(queue, NODE(link, age), &jobs[count++]);
  int tops[TIERS] = {lower(queue, FRESH, PRIORITIES),
                     lower(queue, AGED, PRIORITIES)};
  while (count < capacity && (tops[FRESH] >= 0 || tops[AGED] >= 0)) {
    tier_name_t tier = leading(queue, tops[FRESH], tops[AGED]);
    const link_t *bucket = &queue->tiers[tier].buckets[tops[tier]];
    for (link = after(queue, bucket); link != bucket && count < capacity;
         link = after(queue, link))
      hand_out(queue, NODE(link, order), &jobs[count++]);
    tops[tier] = lower(queue, tier, tops[tier]);
  }
  return count;
}

uint32_t weir_queue_length(const weir_queue_t *queue) {
  return queue->length;
}

int weir_queue_oldest(const weir_queue_t *queue, uint64_t *submitted) {
  if (queue->length == 0) return 0;
  *submitted = NODE(at(queue, queue->ages.next), age)->submitted;
  return 1;
}

void weir_queue_counters(const weir_queue_t *queue,
                         weir_queue_counters_t *counters) {
  *counters = queue->counters;
}

void weir_queue_destroy(weir_queue_t *queue) {
  if (queue != NULL) weir__release(&queue->allocator, queue, queue->bytes);
}
