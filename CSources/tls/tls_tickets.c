/*
 * tls_tickets.c - the keys that seal session tickets (RFC 5077 §4).
 *
 * Whoever gets hold of such a key can read what was said by those who came back
 * with a ticket of TLS 1.2, so none stays for long. A key seals for a while;
 * for as long again it opens what it has sealed, and then it is wiped. They
 * change when a ticket is made or brought, not by a timer: a server that nobody
 * calls does nothing.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "tls_state.h"

static uint64_t now(const weir_tls_context_t *context) {
  return context->clock != NULL ? context->clock(context->clock_context)
                                : uv_hrtime();
}

static int make_key(weir__ticket_key_t *key) {
  key->is_there = RAND_bytes(key->name, sizeof key->name) == 1 &&
                  RAND_bytes(key->cipher, sizeof key->cipher) == 1 &&
                  RAND_bytes(key->mac, sizeof key->mac) == 1;
  return key->is_there;
}

/* The first key is one that still seals afterwards, or there is none. */
static void renew(weir_tls_context_t *context) {
  weir__ticket_key_t *keys = context->ticket_keys;
  uint64_t time = now(context);
  uint64_t age = time - context->ticket_since;
  if (keys[0].is_there && age < context->ticket_time) return;
  OPENSSL_cleanse(&keys[1], sizeof keys[1]);
  /* One that was followed too late would open for longer than that. */
  if (age / 2 < context->ticket_time) keys[1] = keys[0];
  OPENSSL_cleanse(&keys[0], sizeof keys[0]);
  context->ticket_since = time;
  (void)make_key(&keys[0]);
}

static int use(const weir__ticket_key_t *key, const unsigned char *vector,
               EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals) {
  char digest[] = "SHA256";
  weir__ticket_key_t own = *key; /* OpenSSL's parameters are not const */
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, own.mac,
                                        sizeof own.mac),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  int done = EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
             EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, own.cipher,
                               vector, seals) == 1;
  OPENSSL_cleanse(&own, sizeof own);
  return done;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb() wants it: 1, or 2 for a ticket that
 * is to be followed by a new one, or 0 for none; -1 ends the handshake, for
 * which nothing here is a reason. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *vector,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals) {
  weir_tls_context_t *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  const weir__ticket_key_t *keys = context->ticket_keys;
  renew(context);
  if (seals) {
    if (!keys[0].is_there) return 0;
    if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
      return 0;
    memcpy(name, keys[0].name, sizeof keys[0].name);
    return use(&keys[0], vector, cipher, mac, 1);
  }
  for (int i = 0; i < 2; i++)
    if (keys[i].is_there &&
        CRYPTO_memcmp(name, keys[i].name, sizeof keys[i].name) == 0)
      return use(&keys[i], vector, cipher, mac, 0) ? 1 + i : 0;
  return 0;
}

int weir__tls_tickets(weir_tls_context_t *context) {
  context->ticket_since = now(context);
  SSL_CTX_set_app_data(context->ssl, context);
  return SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, on_ticket) == 1 &&
         make_key(&context->ticket_keys[0]);
}

void weir__tls_forget_tickets(weir_tls_context_t *context) {
  OPENSSL_cleanse(context->ticket_keys, sizeof context->ticket_keys);
}
