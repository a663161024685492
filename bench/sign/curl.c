/*
 * curl.c - requests by libcurl over one kept connection, signed by libcurl's
 * own signer, or with a header that is ready made. The difference is what its
 * signatures cost.
 *
 *   curl URL signed|ready [ROUNDS]
 *
 * prints nanoseconds of CPU time for one request: median and least of 11 runs.
 * With ROUNDS it makes so many, untimed, for who counts instructions.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS   11
#define ROUNDS 1000

static CURL *easy;

static size_t discard(char *bytes, size_t unit, size_t count, void *context) {
  (void)bytes, (void)context;
  return unit * count;
}

static void once(void) {
  CURLcode code = curl_easy_perform(easy);
  if (code == CURLE_OK) return;
  fprintf(stderr, "curl: %s\n", curl_easy_strerror(code));
  exit(1);
}

/* What the signer adds, as long as it is. */
static struct curl_slist *ready_made(void) {
  struct curl_slist *list = NULL;
  list = curl_slist_append(
      list,
      "Authorization: AWS4-HMAC-SHA256 "
      "Credential=0123456789abcdef0123456789abcdef/20260101/auto/s3/"
      "aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
      "Signature="
      "0000000000000000000000000000000000000000000000000000000000000000");
  return curl_slist_append(list, "X-Amz-Date: 20260101T120000Z");
}

static void prepare(const char *url, int is_signed) {
  struct curl_slist *list = is_signed ? NULL : ready_made();
  /* libcurl 7.88 has no content hash of its own for S3. */
  list = curl_slist_append(list, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  if (!is_signed) return;
  curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, "aws:amz:auto:s3");
  curl_easy_setopt(easy, CURLOPT_USERPWD,
                   "0123456789abcdef0123456789abcdef:"
                   "00112233445566778899aabbccddeeff"
                   "00112233445566778899aabbccddeeff");
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *one, const void *other) {
  double a = *(const double *)one;
  double b = *(const double *)other;
  return (a > b) - (a < b);
}

static void measure(void) {
  double runs[RUNS];
  int run, round;
  for (run = 0; run < RUNS; run++) {
    double begin = now();
    for (round = 0; round < ROUNDS; round++)
      once();
    runs[run] = (now() - begin) / ROUNDS;
  }
  qsort(runs, RUNS, sizeof(*runs), compare);
  printf("%.1f %.1f\n", runs[RUNS / 2], runs[0]);
}

int main(int count, char **words) {
  if (count < 3 ||
      (strcmp(words[2], "signed") != 0 && strcmp(words[2], "ready") != 0)) {
    fprintf(stderr, "usage: curl URL signed|ready [ROUNDS]\n");
    return 2;
  }
  prepare(words[1], strcmp(words[2], "signed") == 0);
  once();
  if (count > 3) {
    long rounds = atol(words[3]);
    while (rounds-- > 0)
      once();
  } else {
    measure();
  }
  return 0;
}
