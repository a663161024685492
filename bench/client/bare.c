/*
 * bare.c - libcurl's multi interface and nothing else: gets a URL so often, so
 * many at once, and throws the bodies away. The floor for the client pools.
 *
 *   bare URL REQUESTS PARALLEL
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What the pools read at once, too; and what they say of themselves, near
 * enough: the requests are the same. */
#define READ_SIZE  65536L
#define USER_AGENT "weir/0.1.0"

static unsigned long long received;

static size_t discard(char *bytes, size_t unit, size_t count, void *context) {
  (void)bytes, (void)context;
  received += unit * count;
  return unit * count;
}

static double seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  long left, running_at_once, started = 0, done = 0, requests;
  double wall, cpu;
  int running = 0;
  CURLM *multi;
  if (argc != 4) return 2;
  requests = left = atol(argv[2]);
  running_at_once = atol(argv[3]);
  multi = curl_multi_init();
  if (!multi || requests < 1 || running_at_once < 1) return 2;
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, running_at_once);
  wall = seconds(CLOCK_MONOTONIC);
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (; started < running_at_once && left > 0; started++, left--) {
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_SIZE);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_multi_add_handle(multi, easy);
  }
  while (done < requests) {
    CURLMsg *message;
    int queued;
    curl_multi_perform(multi, &running);
    while ((message = curl_multi_info_read(multi, &queued))) {
      CURL *easy = message->easy_handle;
      if (message->msg != CURLMSG_DONE) continue;
      if (message->data.result != CURLE_OK) {
        fprintf(stderr, "bare: %s\n", curl_easy_strerror(message->data.result));
        return 1;
      }
      done++;
      curl_multi_remove_handle(multi, easy);
      if (left > 0) {
        left--;
        curl_multi_add_handle(multi, easy);
        running++;
      } else {
        curl_easy_cleanup(easy);
      }
    }
    if (done < requests) curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"bytes\": %llu}\n",
         seconds(CLOCK_MONOTONIC) - wall,
         seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, received);
  curl_multi_cleanup(multi);
  return 0;
}
