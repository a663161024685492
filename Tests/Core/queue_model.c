/* Whatever is done to a queue, it does what a plain list would that is searched
 * from end to end each time: the same order, the same answers. */
#include "queue_test.h"
#include "scale.h"

#define OPERATIONS 3000000u

enum { FRESH, AGED, OVERDUE };

typedef struct entry {
  weir_job_t job;
  uint64_t arrived; /* by number of its push */
  uint64_t entered; /* its rank, by number of all such events */
  int tier;
} entry_t;

typedef struct model {
  weir_queue_options_t options;
  entry_t *entries;
  uint32_t length;
  uint64_t now;
  uint64_t events;
  weir_queue_counters_t counters;
} model_t;

/* ---- the model ---- */

static uint16_t rank_of(const model_t *model, const entry_t *entry) {
  if (entry->tier == OVERDUE) return WEIR_QUEUE_OVERDUE;
  uint8_t bonus = entry->tier == FRESH ? model->options.fresh_bonus : 0;
  return (uint16_t)(entry->job.priority + bonus);
}

static int is_older(const entry_t *a, const entry_t *b) {
  if (a->job.submitted != b->job.submitted)
    return a->job.submitted < b->job.submitted;
  return a->arrived < b->arrived;
}

static int goes_before(const model_t *model, const entry_t *a,
                       const entry_t *b) {
  if (rank_of(model, a) != rank_of(model, b))
    return rank_of(model, a) > rank_of(model, b);
  if (a->tier == OVERDUE) return is_older(a, b);
  if (a->tier != b->tier) return a->tier == AGED;
  return a->entered < b->entered;
}

static int tier_at(const model_t *model, uint64_t submitted) {
  uint64_t age = model->now - submitted;
  if (age > model->options.aging_cap) return OVERDUE;
  return model->options.fresh_bonus > 0 && age < model->options.fresh_for
             ? FRESH
             : AGED;
}

/* The oldest of those that have to become aged, or overdue. */
static entry_t *due(model_t *model, int tier) {
  entry_t *found = NULL;
  for (uint32_t i = 0; i < model->length; i++) {
    entry_t *entry = &model->entries[i];
    int now = tier_at(model, entry->job.submitted);
    int is_due = tier == OVERDUE ? now == OVERDUE && entry->tier != OVERDUE
                                 : now != FRESH && entry->tier == FRESH;
    if (is_due && (found == NULL || is_older(entry, found))) found = entry;
  }
  return found;
}

static void model_time(model_t *model, uint64_t now) {
  if (now <= model->now) return;
  model->now = now;
  for (int tier = AGED; tier <= OVERDUE; tier++) {
    entry_t *entry;
    while ((entry = due(model, tier)) != NULL) {
      entry->tier = tier;
      entry->entered = ++model->events;
      *(tier == AGED ? &model->counters.aged : &model->counters.overdue) += 1;
    }
  }
}

static entry_t *model_find(model_t *model, uint64_t id) {
  for (uint32_t i = 0; i < model->length; i++)
    if (model->entries[i].job.id == id) return &model->entries[i];
  return NULL;
}

/* The one that goes first, or last. */
static entry_t *model_end(model_t *model, int is_first) {
  entry_t *found = NULL;
  for (uint32_t i = 0; i < model->length; i++) {
    entry_t *entry = &model->entries[i];
    if (found == NULL || goes_before(model, entry, found) == is_first)
      found = entry;
  }
  return found;
}

static weir_job_t shown(const model_t *model, const entry_t *entry) {
  weir_job_t job = entry->job;
  job.rank = rank_of(model, entry);
  return job;
}

static weir_job_t model_take(model_t *model, entry_t *entry) {
  weir_job_t job = shown(model, entry);
  *entry = model->entries[--model->length];
  return job;
}

static int model_update(model_t *model, uint64_t id, uint8_t priority) {
  entry_t *entry = model_find(model, id);
  if (entry == NULL) return 0;
  if (entry->job.priority != priority) entry->entered = ++model->events;
  entry->job.priority = priority;
  return 1;
}

static int model_push(model_t *model, const weir_job_t *job,
                      weir_job_t *evicted) {
  entry_t *there = model_find(model, job->id);
  if (there != NULL) {
    if (job->priority > there->job.priority)
      model_update(model, job->id, job->priority);
    model->counters.duplicates++;
    return WEIR_QUEUE_DUPLICATE;
  }
  entry_t new = {.job = *job};
  if (new.job.submitted > model->now) new.job.submitted = model->now;
  new.arrived = new.entered = ++model->events;
  new.tier = tier_at(model, new.job.submitted);
  int status = WEIR_QUEUE_ADDED;
  if (model->length == model->options.capacity) {
    entry_t *last = model_end(model, 0);
    if (model->options.full == WEIR_QUEUE_REJECT ||
        rank_of(model, last) >= rank_of(model, &new)) {
      model->counters.refused++;
      return WEIR_EFULL;
    }
    *evicted = model_take(model, last);
    model->counters.evicted++;
    status = WEIR_QUEUE_EVICTED;
  }
  model->entries[model->length++] = new;
  model->counters.added++;
  if (new.tier == OVERDUE) model->counters.overdue++;
  if (model->counters.most < model->length)
    model->counters.most = model->length;
  return status;
}

/* ---- both ---- */

typedef struct bench {
  weir_queue_t *queue;
  model_t model;
  uint64_t seed;
  weir_job_t *jobs;
  entry_t *sorted;
} bench_t;

static uint64_t below(bench_t *bench, uint64_t bound) {
  return test_random(&bench->seed) % bound;
}

static void check_same(const weir_job_t *job, const weir_job_t *expected) {
  CHECK_EQ(job->id, expected->id);
  CHECK_EQ(job->submitted, expected->submitted);
  CHECK_EQ(job->priority, expected->priority);
  CHECK_EQ(job->rank, expected->rank);
  CHECK(job->data == expected->data);
}

/* Twice as many as there is room for, and the first and the last number. */
static uint64_t some_id(bench_t *bench) {
  uint64_t number = below(bench, 2 * bench->model.options.capacity + 2);
  if (number < 2) return number == 0 ? 0 : UINT64_MAX;
  return number * UINT64_C(0x9E3779B97F4A7C15) << number % 3 * 16;
}

/* Past every age that matters. */
static uint64_t longest(const weir_queue_options_t *options) {
  int is_capped = options->aging_cap != WEIR_QUEUE_NEVER;
  return options->fresh_for + (is_capped ? options->aging_cap : 0) + 100;
}

static uint64_t some_time(bench_t *bench, uint64_t now) {
  uint64_t choice = below(bench, 64);
  if (choice == 0) return now + below(bench, 1000);
  if (choice < 12) {
    uint64_t age = below(bench, longest(&bench->model.options));
    return now > age ? now - age : 0;
  }
  return now;
}

static void push(bench_t *bench, uint64_t now) {
  weir_job_t job = {.id = some_id(bench),
                    .submitted = some_time(bench, now),
                    .data = &bench->jobs[below(bench, 7)],
                    .rank = 3}; /* is not read */
  /* Few priorities, so that many are equal, or all of them. */
  job.priority =
      (uint8_t)(below(bench, 2) ? 60 + below(bench, 6) : below(bench, 256));
  weir_job_t evicted = {.id = 42}, expected = evicted;
  model_time(&bench->model, now);
  int status = model_push(&bench->model, &job, &expected);
  CHECK_EQ(weir_queue_push(bench->queue, &job, now, &evicted), status);
  check_same(&evicted, &expected);
}

static void pop_or_peek(bench_t *bench, uint64_t now, int is_pop) {
  weir_job_t job = {.id = 43}, expected = job;
  model_time(&bench->model, now);
  entry_t *first = model_end(&bench->model, 1);
  if (first != NULL && is_pop) {
    expected = model_take(&bench->model, first);
    bench->model.counters.popped++;
  } else if (first != NULL) {
    expected = shown(&bench->model, first);
  }
  CHECK_EQ(is_pop ? weir_queue_pop(bench->queue, now, &job)
                  : weir_queue_peek(bench->queue, now, &job),
           first != NULL);
  check_same(&job, &expected);
}

static void cancel_or_find(bench_t *bench, int is_cancel) {
  uint64_t id = some_id(bench);
  weir_job_t job = {.id = 44}, expected = job;
  entry_t *there = model_find(&bench->model, id);
  if (there != NULL && is_cancel) {
    expected = model_take(&bench->model, there);
    bench->model.counters.cancelled++;
  } else if (there != NULL) {
    expected = shown(&bench->model, there);
  }
  CHECK_EQ(is_cancel ? weir_queue_cancel(bench->queue, id, &job)
                     : weir_queue_find(bench->queue, id, &job),
           there != NULL);
  check_same(&job, &expected);
}

static void update(bench_t *bench, uint64_t now) {
  uint64_t id = some_id(bench);
  uint8_t priority = (uint8_t)(below(bench, 2) ? 62 : below(bench, 256));
  model_time(&bench->model, now);
  CHECK_EQ(weir_queue_update(bench->queue, id, priority, now),
           model_update(&bench->model, id, priority));
}

static void check_snapshot(bench_t *bench, uint64_t now) {
  model_t copy = bench->model;
  model_time(&bench->model, now);
  copy = bench->model;
  copy.entries = bench->sorted;
  memcpy(copy.entries, bench->model.entries, copy.length * sizeof(entry_t));
  size_t capacity = (size_t)below(bench, copy.options.capacity + 2u);
  size_t count = weir_queue_snapshot(bench->queue, now, bench->jobs, capacity);
  CHECK_EQ(count, capacity < copy.length ? capacity : copy.length);
  for (size_t i = 0; i < count; i++) {
    weir_job_t expected = model_take(&copy, model_end(&copy, 1));
    check_same(&bench->jobs[i], &expected);
  }
}

static void check_sums(bench_t *bench) {
  weir_queue_counters_t counters;
  uint64_t oldest = 45, expected = 45;
  const entry_t *first = NULL;
  for (uint32_t i = 0; i < bench->model.length; i++) {
    const entry_t *entry = &bench->model.entries[i];
    if (first == NULL || is_older(entry, first)) first = entry;
  }
  if (first != NULL) expected = first->job.submitted;
  CHECK_EQ(weir_queue_oldest(bench->queue, &oldest), first != NULL);
  CHECK_EQ(oldest, expected);
  weir_queue_counters(bench->queue, &counters);
  CHECK(memcmp(&counters, &bench->model.counters, sizeof counters) == 0);
}

static void step(bench_t *bench, uint64_t now, int is_filling) {
  uint64_t choice = below(bench, 100);
  if (choice < (is_filling ? 60u : 20u)) {
    push(bench, now);
  } else if (choice < 70) {
    pop_or_peek(bench, now, 1);
  } else if (choice < 80) {
    cancel_or_find(bench, 1);
  } else if (choice < 90) {
    update(bench, now);
  } else if (choice < 95) {
    cancel_or_find(bench, 0);
  } else {
    pop_or_peek(bench, now, 0);
  }
  CHECK_EQ(weir_queue_length(bench->queue), bench->model.length);
  if (choice == 99) check_sums(bench);
  if (choice == 98 && below(bench, 8) == 0) check_snapshot(bench, now);
}

/* `pace`: how often, in a thousand, the clock moves on; by little, or by so
 * much that everything ages. */
static void run(weir_queue_options_t options, uint64_t pace,
                uint64_t operations) {
  bench_t bench = {.seed = 0x9E3779B97F4A7C15u + options.capacity};
  uint64_t now = 5000;
  bench.queue = test_queue(options);
  bench.model.options = options;
  bench.model.entries = calloc(options.capacity, sizeof(entry_t));
  bench.sorted = calloc(options.capacity, sizeof(entry_t));
  bench.jobs = calloc(options.capacity + 8u, sizeof(weir_job_t));
  CHECK(bench.model.entries && bench.sorted && bench.jobs);
  for (uint64_t i = 0; i < operations; i++) {
    if (below(&bench, 1000) < pace) now += below(&bench, 6);
    if (below(&bench, 1000) == 0) now += below(&bench, longest(&options));
    uint64_t told = below(&bench, 50) == 0 ? now - below(&bench, 100) : now;
    step(&bench, told, i / (4 * options.capacity + 16) % 2 == 0);
  }
  check_sums(&bench);
  const weir_queue_counters_t *counters = &bench.model.counters;
  CHECK(counters->popped > 100 && counters->cancelled > 100);
  CHECK(counters->duplicates > 100);
  CHECK(counters->most == options.capacity);
  CHECK(options.full == WEIR_QUEUE_REJECT ? counters->refused > 100
                                          : counters->evicted > 100);
  CHECK(options.fresh_bonus == 0 || counters->aged > 20);
  CHECK(options.aging_cap == WEIR_QUEUE_NEVER || counters->overdue > 20);
  weir_queue_destroy(bench.queue);
  free(bench.model.entries);
  free(bench.sorted);
  free(bench.jobs);
}

int main(void) {
  uint64_t share = OPERATIONS / 10 * test_scale();
  for (uint32_t full = 0; full < 2; full++) {
    weir_queue_options_t options = {.capacity = 40,
                                    .full = full,
                                    .fresh_bonus = 15,
                                    .fresh_for = 300,
                                    .aging_cap = 1000};
    run(options, 900, share);
    options.fresh_bonus = 255;
    options.capacity = 7;
    run(options, 1000, share);
    options.capacity = 1;
    options.fresh_bonus = 1;
    run(options, 1000, share / 2);
    options.capacity = 25;
    options.fresh_bonus = 0;
    options.aging_cap = WEIR_QUEUE_NEVER;
    run(options, 200, share);
    options.capacity = 21;
    options.fresh_bonus = 40;
    options.fresh_for = 500;
    options.aging_cap = 200; /* overdue before they are aged */
    run(options, 500, share);
    options.capacity = 200;
    options.aging_cap = 3000;
    options.fresh_for = 900;
    run(options, 700, share / 2);
  }
  return 0;
}
