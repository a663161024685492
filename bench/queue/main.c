/*
 * main.c - what it costs to take a job off a queue and put another one in.
 *
 *   queues [--runs N] [--operations N] [--messages N]
 *   queues --only CONTENDER --kind priority|fifo --size N --operations N
 *
 * A line of JSON for each run. All contenders take turns on the same ids and
 * priorities, and must take them off in the same order: it ends with 1
 * otherwise. With --only one runs, untimed, for who counts instructions.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contenders.h"

static const uint32_t sizes[] = {1, 50, 500, 100000};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 4 };

typedef struct kind {
  const char *name;
  const contender_t *contenders[MOST];
  int same[MOST]; /* whose order is the first one's */
} kind_t;

static const kind_t kinds[] = {
    {"priority", {&weir_queue, &binary_heap, &weir_queue_ageing}, {1, 1, 0}},
    {"fifo", {&weir_fifo, &ck_spsc, &std_deque, &camel_queue}, {1, 1, 1, 1}}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static uint8_t priorities[PRIORITIES];

/* What scores are as a rule: 70 to 185. */
static void draw_priorities(void) {
  uint64_t x = 1;
  for (uint32_t i = 0; i < PRIORITIES; i++) {
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    priorities[i] = (uint8_t)(70 + (x * 0x2545F4914F6CDD1DULL >> 32) % 116);
  }
}

static int run_holds(int run, uint64_t operations) {
  int wrong = 0;
  for (int k = 0; k < KINDS; k++)
    for (int s = 0; s < SIZES; s++) {
      uint64_t first = 0;
      for (int c = 0; c < MOST; c++) {
        const contender_t *contender = kinds[k].contenders[c];
        work_t work = {sizes[s], operations, priorities, 0};
        if (contender == NULL || contender->name == NULL) continue;
        double ns = contender->hold(&work);
        if (c == 0) first = work.order;
        if (kinds[k].same[c] && work.order != first) {
          fprintf(stderr, "%s, %u: another order\n", contender->name, sizes[s]);
          wrong = 1;
        }
        printf(
            "{\"kind\": \"%s\", \"contender\": \"%s\", \"size\": %u, "
            "\"run\": %d, \"nanoseconds\": %.3f}\n",
            kinds[k].name, contender->name, sizes[s], run, ns);
        fflush(stdout);
      }
    }
  return wrong;
}

static void run_delivery(int run, uint64_t messages, const char *name,
                         delivery_t (*deliver)(uint64_t)) {
  delivery_t delivery = deliver(messages);
  printf(
      "{\"kind\": \"delivery\", \"contender\": \"%s\", \"run\": %d, "
      "\"messages\": %llu, \"nanoseconds\": %.3f, \"wakeups\": %llu}\n",
      name, run, (unsigned long long)messages,
      delivery.nanoseconds / (double)messages,
      (unsigned long long)delivery.wakeups);
  fflush(stdout);
}

static int run_only(const char *name, const char *kind, uint32_t size,
                    uint64_t operations) {
  for (int k = 0; k < KINDS; k++)
    for (int c = 0; c < MOST; c++) {
      const contender_t *contender = kinds[k].contenders[c];
      if (strcmp(kinds[k].name, kind) != 0 || contender == NULL ||
          contender->name == NULL || strcmp(contender->name, name) != 0)
        continue;
      work_t work = {size, operations, priorities, 0};
      (void)contender->hold(&work);
      return 0;
    }
  fprintf(stderr, "queues: there is no %s in %s\n", name, kind);
  return 2;
}

static uint64_t number(const char *text, uint64_t most) {
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  if (*end != '\0' || value == 0 || value > most) {
    fprintf(stderr, "queues: %s is not a number from 1 to %llu\n", text,
            (unsigned long long)most);
    exit(2);
  }
  return value;
}

int main(int count, char **arguments) {
  static const struct option options[] = {
      {"runs", required_argument, NULL, 'r'},
      {"operations", required_argument, NULL, 'o'},
      {"messages", required_argument, NULL, 'm'},
      {"only", required_argument, NULL, 'c'},
      {"kind", required_argument, NULL, 'k'},
      {"size", required_argument, NULL, 's'},
      {NULL, 0, NULL, 0}};
  const char *only = NULL, *kind = "priority";
  uint64_t operations = 1000000, messages = 4000000, runs = 3, size = 500;
  for (int option;
       (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
    switch (option) {
      case 'r':
        runs = number(optarg, 1000);
        break;
      case 'o':
        operations = number(optarg, 1000000000);
        break;
      case 'm':
        messages = number(optarg, 1000000000);
        break;
      case 'c':
        only = optarg;
        break;
      case 'k':
        kind = optarg;
        break;
      case 's':
        size = number(optarg, 10000000);
        break;
      default:
        return 2;
    }
  }
  draw_priorities();
  if (only != NULL) return run_only(only, kind, (uint32_t)size, operations);
  int wrong = 0;
  for (int run = 0; run < (int)runs; run++) {
    wrong |= run_holds(run, operations);
    run_delivery(run, messages, "weir", deliver_by_mailbox);
    run_delivery(run, messages, "mutex, a wake-up each", deliver_by_mutex);
  }
  return wrong;
}
