#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

void options_wrong(const char *what) {
  fprintf(stderr, "listeners: %s\n", what);
  exit(2);
}

void options_parse(struct options *options, int argc, char **argv) {
  enum {
    URL = 1,
    COUNT,
    SECONDS,
    WARMUP,
    RAMP,
    JOIN,
    SAMPLE,
    EXPECT,
    PATTERN,
    FRAME,
    OUT,
    STALL,
    TRICKLE,
    TRICKLE_BYTES,
    STALL_BUFFER,
    SOURCES,
    TIMEOUT,
    WAKE,
    SEED,
    CPU,
    QUIET
  };
  static const struct option names[] = {
      {"url", 1, NULL, URL},
      {"count", 1, NULL, COUNT},
      {"seconds", 1, NULL, SECONDS},
      {"warmup", 1, NULL, WARMUP},
      {"ramp", 1, NULL, RAMP},
      {"join-within", 1, NULL, JOIN},
      {"sample", 1, NULL, SAMPLE},
      {"expect", 1, NULL, EXPECT},
      {"pattern", 1, NULL, PATTERN},
      {"frame", 1, NULL, FRAME},
      {"verify-out", 1, NULL, OUT},
      {"stall", 1, NULL, STALL},
      {"trickle", 1, NULL, TRICKLE},
      {"trickle-bytes", 1, NULL, TRICKLE_BYTES},
      {"stall-buffer", 1, NULL, STALL_BUFFER},
      {"sources", 1, NULL, SOURCES},
      {"connect-timeout", 1, NULL, TIMEOUT},
      {"wake-after", 1, NULL, WAKE},
      {"seed", 1, NULL, SEED},
      {"cpu", 1, NULL, CPU},
      {"quiet", 0, NULL, QUIET},
      {NULL, 0, NULL, 0}};
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (c) {
      case URL:
        options->url = optarg;
        break;
      case COUNT:
        options->count = (uint32_t)atoi(optarg);
        break;
      case SECONDS:
        options->seconds = atof(optarg);
        break;
      case WARMUP:
        options->warmup = atof(optarg);
        break;
      case RAMP:
        options->ramp = atof(optarg);
        break;
      case JOIN:
        options->join_within = atof(optarg);
        break;
      case SAMPLE:
        options->sample = (uint32_t)atoi(optarg);
        break;
      case EXPECT:
        options->expect = atof(optarg);
        break;
      case PATTERN:
        options->positions = strcmp(optarg, "position") == 0;
        break;
      case FRAME:
        options->frame = (uint32_t)atoi(optarg);
        break;
      case OUT:
        options->verify_out = optarg;
        break;
      case STALL:
        options->stall = (uint32_t)atoi(optarg);
        break;
      case TRICKLE:
        options->trickle = (uint32_t)atoi(optarg);
        break;
      case TRICKLE_BYTES:
        options->trickle_bytes = (size_t)atol(optarg);
        break;
      case STALL_BUFFER:
        options->stall_buffer = atoi(optarg);
        break;
      case SOURCES:
        options->sources = (uint32_t)atoi(optarg);
        break;
      case TIMEOUT:
        options->connect_timeout = atof(optarg);
        break;
      case WAKE:
        options->wake_after = atof(optarg);
        break;
      case SEED:
        options->seed = (unsigned)atoi(optarg);
        break;
      case CPU:
        options->cpu = atoi(optarg);
        break;
      case QUIET:
        options->quiet = 1;
        break;
      default:
        exit(2);
    }
  }
  if (options->url == NULL || optind < argc)
    options_wrong("wants --url and --count");
  if (options->count == 0 || options->sample == 0 || options->frame == 0 ||
      !(options->ramp > 0) || options->sources > 60000 ||
      options->stall + options->trickle > options->count ||
      options->trickle_bytes > CLIENT_READ_MAX)
    options_wrong("bad option value");
}
