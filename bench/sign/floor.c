/*
 * floor.c - what signatures cost elsewhere in C, on the same bytes as Weir's.
 *
 *   floor NAME [ROUNDS]
 *
 * prints nanoseconds of CPU time for one: median and least of 11 runs. With
 * ROUNDS it runs so many, untimed, for who counts instructions.
 *
 *   states     one SHA-256 and one HMAC by OpenSSL's states, the key prepared
 *   evp        the same by EVP contexts that are kept
 *   evp_copy   the same, the key's two pads in EVP contexts that are copied
 *   one_shot   the key derived each time, all by HMAC() and SHA256()
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS   11
#define ROUNDS 20000

static const char canonical[] =
    "GET\n/media/books/0042/page-0017.jpg\n\n"
    "host:account.r2.cloudflarestorage.com\n"
    "x-amz-content-sha256:UNSIGNED-PAYLOAD\n"
    "x-amz-date:20260101T120000Z\n\n"
    "host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD";
static const char message[] =
    "AWS4-HMAC-SHA256\n20260101T120000Z\n20260101/auto/s3/aws4_request\n"
    "0000000000000000000000000000000000000000000000000000000000000000";
static const char secret[] =
    "AWS400112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static unsigned char digest[32];

static SHA256_CTX inner, outer;

static void states(void) {
  SHA256_CTX sha;
  SHA256_Init(&sha);
  SHA256_Update(&sha, canonical, sizeof(canonical) - 1);
  SHA256_Final(digest, &sha);
  sha = inner;
  SHA256_Update(&sha, message, sizeof(message) - 1);
  SHA256_Final(digest, &sha);
  sha = outer;
  SHA256_Update(&sha, digest, sizeof(digest));
  SHA256_Final(digest, &sha);
}

static EVP_MD_CTX *md;
static EVP_MAC_CTX *mac;
static EVP_MD *sha256;

static void evp(void) {
  unsigned size = sizeof(digest);
  size_t length = sizeof(digest);
  EVP_DigestInit_ex2(md, sha256, NULL);
  EVP_DigestUpdate(md, canonical, sizeof(canonical) - 1);
  EVP_DigestFinal_ex(md, digest, &size);
  EVP_MAC_init(mac, NULL, 0, NULL);
  EVP_MAC_update(mac, (const unsigned char *)message, sizeof(message) - 1);
  EVP_MAC_final(mac, digest, &length, sizeof(digest));
}

static EVP_MD_CTX *kept_inner, *kept_outer;

static void evp_copy(void) {
  unsigned size = sizeof(digest);
  EVP_DigestInit_ex2(md, sha256, NULL);
  EVP_DigestUpdate(md, canonical, sizeof(canonical) - 1);
  EVP_DigestFinal_ex(md, digest, &size);
  EVP_MD_CTX_copy_ex(md, kept_inner);
  EVP_DigestUpdate(md, message, sizeof(message) - 1);
  EVP_DigestFinal_ex(md, digest, &size);
  EVP_MD_CTX_copy_ex(md, kept_outer);
  EVP_DigestUpdate(md, digest, sizeof(digest));
  EVP_DigestFinal_ex(md, digest, &size);
}

static void one_shot(void) {
  static const char *const parts[] = {"20260101", "auto", "s3", "aws4_request"};
  unsigned char key[32];
  unsigned size = sizeof(key);
  size_t at;
  HMAC(EVP_sha256(), secret, sizeof(secret) - 1,
       (const unsigned char *)parts[0], strlen(parts[0]), key, &size);
  for (at = 1; at < 4; at++)
    HMAC(EVP_sha256(), key, sizeof(key), (const unsigned char *)parts[at],
         strlen(parts[at]), key, &size);
  SHA256((const unsigned char *)canonical, sizeof(canonical) - 1, digest);
  HMAC(EVP_sha256(), key, sizeof(key), (const unsigned char *)message,
       sizeof(message) - 1, digest, &size);
}

static void prepare(void) {
  unsigned char pad[64];
  OSSL_PARAM parameters[2];
  EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  memset(pad, 0x36, sizeof(pad));
  SHA256_Init(&inner);
  SHA256_Update(&inner, pad, sizeof(pad));
  sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  md = EVP_MD_CTX_new();
  kept_inner = EVP_MD_CTX_new();
  EVP_DigestInit_ex2(kept_inner, sha256, NULL);
  EVP_DigestUpdate(kept_inner, pad, sizeof(pad));
  memset(pad, 0x5c, sizeof(pad));
  SHA256_Init(&outer);
  SHA256_Update(&outer, pad, sizeof(pad));
  kept_outer = EVP_MD_CTX_new();
  EVP_DigestInit_ex2(kept_outer, sha256, NULL);
  EVP_DigestUpdate(kept_outer, pad, sizeof(pad));
  mac = EVP_MAC_CTX_new(hmac);
  parameters[0] = OSSL_PARAM_construct_utf8_string("digest", "SHA256", 0);
  parameters[1] = OSSL_PARAM_construct_end();
  EVP_MAC_init(mac, pad, 32, parameters);
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

static void measure(void (*body)(void)) {
  double runs[RUNS];
  int run;
  int round;
  for (run = 0; run < RUNS; run++) {
    double begin = now();
    for (round = 0; round < ROUNDS; round++)
      body();
    runs[run] = (now() - begin) / ROUNDS;
  }
  qsort(runs, RUNS, sizeof(*runs), compare);
  printf("%.1f %.1f\n", runs[RUNS / 2], runs[0]);
}

int main(int count, char **words) {
  void (*body)(void) = NULL;
  if (count >= 2 && strcmp(words[1], "states") == 0) body = states;
  if (count >= 2 && strcmp(words[1], "evp") == 0) body = evp;
  if (count >= 2 && strcmp(words[1], "evp_copy") == 0) body = evp_copy;
  if (count >= 2 && strcmp(words[1], "one_shot") == 0) body = one_shot;
  if (!body) {
    fprintf(stderr, "usage: floor states|evp|evp_copy|one_shot [ROUNDS]\n");
    return 2;
  }
  prepare();
  if (count > 2) {
    long rounds = atol(words[2]);
    while (rounds-- > 0)
      body();
  } else {
    measure(body);
  }
  return 0;
}
