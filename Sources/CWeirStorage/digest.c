/*
 * digest.c - SHA-256 and HMAC by OpenSSL's own states.
 *
 * An EVP context lives on the heap, and reusing one for HMAC copies another: a
 * signature of S3's takes a third longer by it. These states are values, so
 * that a key can be kept with its pads hashed, and used by any thread. They are
 * deprecated since OpenSSL 3.0, and there.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "CWeirStorage.h"

_Static_assert(sizeof(SHA256_CTX) == sizeof(weir_sha256_t),
               "a state is OpenSSL's");

void weir_sha256_begin(weir_sha256_t *sha) {
  SHA256_Init((SHA256_CTX *)(void *)sha);
}

void weir_sha256_add(weir_sha256_t *sha, const void *bytes, size_t length) {
  if (length > 0) SHA256_Update((SHA256_CTX *)(void *)sha, bytes, length);
}

void weir_sha256_end(weir_sha256_t *sha, uint8_t digest[WEIR_SHA256_SIZE]) {
  SHA256_Final(digest, (SHA256_CTX *)(void *)sha);
}

void weir_sha256(const void *bytes, size_t length,
                 uint8_t digest[WEIR_SHA256_SIZE]) {
  weir_sha256_t sha;
  weir_sha256_begin(&sha);
  weir_sha256_add(&sha, bytes, length);
  weir_sha256_end(&sha, digest);
}

/* The state behind one block of the key, and something. */
static void pad(uint32_t state[8], const uint8_t key[SHA256_CBLOCK],
                uint8_t with) {
  uint8_t block[SHA256_CBLOCK];
  SHA256_CTX sha;
  size_t at;
  for (at = 0; at < sizeof(block); at++)
    block[at] = key[at] ^ with;
  SHA256_Init(&sha);
  SHA256_Update(&sha, block, sizeof(block));
  memcpy(state, sha.h, sizeof(sha.h));
  OPENSSL_cleanse(block, sizeof(block));
}

void weir_hmac_key(weir_hmac_key_t *key, const void *secret, size_t length) {
  uint8_t block[SHA256_CBLOCK] = {0};
  if (length > sizeof(block)) {
    weir_sha256(secret, length, block);
  } else if (length > 0) {
    memcpy(block, secret, length);
  }
  pad(key->inner, block, 0x36);
  pad(key->outer, block, 0x5c);
  OPENSSL_cleanse(block, sizeof(block));
}

/* A digest that goes on behind one block. */
static void resume(SHA256_CTX *sha, const uint32_t state[8]) {
  memset(sha, 0, sizeof(*sha));
  memcpy(sha->h, state, sizeof(sha->h));
  sha->Nl = SHA256_CBLOCK * 8;
  sha->md_len = SHA256_DIGEST_LENGTH;
}

void weir_hmac(const weir_hmac_key_t *key, const void *bytes, size_t length,
               uint8_t mac[WEIR_SHA256_SIZE]) {
  SHA256_CTX sha;
  resume(&sha, key->inner);
  if (length > 0) SHA256_Update(&sha, bytes, length);
  SHA256_Final(mac, &sha);
  resume(&sha, key->outer);
  SHA256_Update(&sha, mac, WEIR_SHA256_SIZE);
  SHA256_Final(mac, &sha);
}

/* Without a branch or a table, so that compilers make vectors of it. */
void weir_sha256_hex(const uint8_t digest[WEIR_SHA256_SIZE],
                     char text[2 * WEIR_SHA256_SIZE]) {
  size_t at;
  for (at = 0; at < WEIR_SHA256_SIZE; at++) {
    uint8_t high = digest[at] >> 4;
    uint8_t low = digest[at] & 15;
    text[2 * at] = (char)(high + '0' + (high > 9 ? 'a' - '0' - 10 : 0));
    text[2 * at + 1] = (char)(low + '0' + (low > 9 ? 'a' - '0' - 10 : 0));
  }
}
