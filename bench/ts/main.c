/*
 * main.c - measures every contender, in turns, and prints one line of JSON
 * for each run of each.
 *
 *   ts [--mib 256] [--runs 7] [--chunk 65536] [--file STREAM]
 *
 * STREAM is repeated until it fills the buffer; its packets are of 188 bytes.
 * Time is the thread's own CPU time: what else runs on the machine takes the
 * memory's bandwidth, but not the clock. A contender that did not find what it
 * had to ends the program with 1.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contenders.h"
#include "data.h"

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 0: it found what it had to. */
static int measure(const struct contender *contender, const struct input *input,
                   int run) {
  double begin = seconds();
  uint64_t found = contender->scan(input);
  double took = seconds() - begin;
  printf(
      "{\"contender\":\"%s\",\"data\":\"%s\",\"run\":%d,\"bytes\":%zu,"
      "\"seconds\":%.9f,\"found\":%" PRIu64 "}\n",
      contender->name, data_names[contender->data], run, input->length, took,
      found);
  fflush(stdout);
  if (contender->expected == NULL || found == contender->expected(input))
    return 0;
  fprintf(stderr, "ts: %s, %s: found %" PRIu64 ", not %" PRIu64 "\n",
          contender->name, data_names[contender->data], found,
          contender->expected(input));
  return 1;
}

static size_t number(const char *text, size_t most) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text != '\0' && *end == '\0' && value > 0 && value <= most)
    return (size_t)value;
  fprintf(stderr, "ts: %s is not a number from 1 to %zu\n", text, most);
  exit(2);
}

int main(int count, char **words) {
  static const struct option known[] = {{"mib", 1, NULL, 'm'},
                                        {"runs", 1, NULL, 'r'},
                                        {"chunk", 1, NULL, 'c'},
                                        {"file", 1, NULL, 'f'},
                                        {NULL, 0, NULL, 0}};
  size_t bytes = (size_t)256 << 20, runs = 7, chunk = 65536;
  const char *file = NULL;
  for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;)
    switch (option) {
      case 'm':
        bytes = number(optarg, 4096) << 20;
        break;
      case 'r':
        runs = number(optarg, 1000);
        break;
      case 'c':
        chunk = number(optarg, (size_t)1 << 30);
        break;
      case 'f':
        file = optarg;
        break;
      default:
        return 2;
    }

  struct input inputs[DATA_COUNT];
  for (int i = 0; i < DATA_COUNT; i++) {
    int is_stream = i == STREAM || i == MEDIA;
    if (i == MEDIA && file == NULL) continue;
    /* A stream is whole packets. */
    size_t length = is_stream ? bytes - bytes % PACKET : bytes;
    uint8_t *to = data_allocate(length);
    if (!is_stream) {
      data_random(to, length, i == NOISE, 2);
    } else if (i == STREAM) {
      data_stream(to, length, 1);
    } else if (data_file(to, length, file) != 0) {
      fprintf(stderr, "ts: %s: no packets in it\n", file);
      return 1;
    }
    inputs[i] = (struct input){to, length, chunk};
  }

  int failed = 0;
  for (size_t run = 0; run < runs; run++)
    for (const struct contender *c = contenders; c->name != NULL; c++)
      if ((has_ffmpeg || strncmp(c->name, "ffmpeg", 6) != 0) &&
          (file != NULL || c->data != MEDIA))
        failed |= measure(c, &inputs[c->data], (int)run);
  return failed;
}
