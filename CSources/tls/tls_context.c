/* tls_context.c - a certificate and its key, and what is spoken with them. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "options.h"
#include "tls_state.h"
#include "weir/errors.h"

/* Mozilla, Server Side TLS 5.7, intermediate, without DHE. */
#define CIPHERS                                                \
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

/* ---- what is wrong ---- */

__attribute__((format(printf, 3, 4))) static int problem_is(
    weir_tls_problem_t *problem, int of_key, const char *format, ...) {
  va_list arguments;
  problem->of_key = of_key;
  va_start(arguments, format);
  (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  return UV_EINVAL;
}

/* What OpenSSL said first about a file that has no `what` in it. */
static int is_unreadable(weir_tls_problem_t *problem, int of_key,
                         const char *what) {
  unsigned long error = ERR_peek_error();
  const char *reason = ERR_reason_error_string(error);
  if (ERR_GET_LIB(error) == ERR_LIB_PEM &&
      ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
    return problem_is(problem, of_key, "holds no %s; expected one in PEM",
                      what);
  return problem_is(problem, of_key, "cannot be used: %s; expected a %s in PEM",
                    reason != NULL ? reason : "unknown error", what);
}

/* A pipe would be waited for, a device read for ever. */
static int check_file(const char *path, weir_tls_problem_t *problem,
                      int of_key) {
  struct stat status;
  FILE *file = NULL;
  if (stat(path, &status) != 0)
    return problem_is(problem, of_key, "cannot be read: %s", strerror(errno));
  if (!S_ISREG(status.st_mode))
    return problem_is(problem, of_key, "is no file; expected one in PEM");
  if ((uint64_t)status.st_size > WEIR_TLS_FILE_MAX)
    return problem_is(problem, of_key, "is larger than 1 MiB; expected PEM");
  file = fopen(path, "re");
  if (file == NULL)
    return problem_is(problem, of_key, "cannot be read: %s", strerror(errno));
  (void)fclose(file);
  return 0;
}

/* ---- certificate and key ---- */

/* Instead of asking on the terminal. */
static int no_password(char *bytes, int size, int writing, void *asked) {
  (void)bytes;
  (void)size;
  (void)writing;
  if (asked != NULL) *(int *)asked = 1;
  return -1;
}

static int64_t seconds(const ASN1_TIME *time) {
  struct tm tm;
  return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int use_certificate(weir_tls_context_t *context, const char *path,
                           weir_tls_problem_t *problem) {
  int error = check_file(path, problem, 0);
  if (error < 0) return error;
  SSL_CTX_set_default_passwd_cb(context->ssl, no_password);
  if (SSL_CTX_use_certificate_chain_file(context->ssl, path) != 1)
    return is_unreadable(problem, 0, "certificate");
  const X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
  context->not_before = seconds(X509_get0_notBefore(certificate));
  context->not_after = seconds(X509_get0_notAfter(certificate));
  return 0;
}

static int use_key(weir_tls_context_t *context, const char *path,
                   weir_tls_problem_t *problem) {
  int asked = 0;
  int error = check_file(path, problem, 1);
  if (error < 0) return error;
  BIO *file = BIO_new_file(path, "r");
  if (file == NULL) return is_unreadable(problem, 1, "private key");
  EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_password, &asked);
  BIO_free(file);
  if (key == NULL && asked)
    return problem_is(
        problem, 1, "is encrypted; expected a private key without a password");
  if (key == NULL)
    return problem_is(problem, 1, "holds no private key; expected one in PEM");
  const X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
  if (X509_check_private_key(certificate, key) != 1)
    error = problem_is(problem, 1,
                       "does not belong to the certificate; expected its key");
  else if (SSL_CTX_use_PrivateKey(context->ssl, key) != 1)
    error = is_unreadable(problem, 1, "private key");
  EVP_PKEY_free(key);
  return error;
}

/* ---- what is spoken ---- */

/* http/1.1 for a peer that names it, none for one that names nothing. One that
 * speaks others only is told so (RFC 7301 §3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **chosen,
                           unsigned char *length, const unsigned char *offered,
                           unsigned int offered_length, void *context) {
  static const unsigned char http[] = "\x08http/1.1";
  unsigned char *found = NULL;
  (void)ssl;
  (void)context;
  if (SSL_select_next_proto(&found, length, http, sizeof http - 1, offered,
                            offered_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

static int configure(SSL_CTX *ssl) {
  static const unsigned char name[] = "weir";
  (void)SSL_CTX_set_options(ssl,
                            SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  /* Buffers of 16 KiB each way are there while they are used only. */
  (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  /* A read would go on for as long as a peer sends messages without bytes. */
  (void)SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
  (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
  return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_session_id_context(ssl, name, sizeof name - 1) == 1 &&
         SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1 &&
         SSL_CTX_set1_groups_list(ssl, GROUPS) == 1;
}

int weir_tls_context_create(weir_tls_context_t **context,
                            const weir_tls_options_t *options,
                            weir_tls_problem_t *problem) {
  weir_tls_options_t given;
  int error = weir__options_read(&given, sizeof given, options,
                                 WEIR__OPTIONS_TO(weir_tls_options_t, rekey));
  if (error < 0 || given.certificate == NULL || given.key == NULL)
    return WEIR_EOPTION;
  weir_tls_context_t *made = calloc(1, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  ERR_clear_error();
  made->references = 1;
  made->rekey = given.rekey != 0 ? given.rekey : WEIR_TLS_DEFAULT_REKEY;
  made->ticket_time =
      given.ticket_time != 0 ? given.ticket_time : WEIR_TLS_DEFAULT_TICKET_TIME;
  made->clock = given.clock;
  made->clock_context = given.clock_context;
  made->method = weir__tls_method();
  made->ssl = SSL_CTX_new(TLS_server_method());
  if (made->method == NULL || made->ssl == NULL || !configure(made->ssl) ||
      !weir__tls_tickets(made))
    error = UV_ENOMEM;
  if (error == 0) error = use_certificate(made, given.certificate, problem);
  if (error == 0) error = use_key(made, given.key, problem);
  ERR_clear_error();
  if (error == 0)
    *context = made;
  else
    weir_tls_context_release(made);
  return error;
}

void weir_tls_context_release(weir_tls_context_t *context) {
  if (context == NULL || --context->references > 0) return;
  SSL_CTX_free(context->ssl);
  BIO_meth_free(context->method);
  weir__tls_forget_tickets(context);
  free(context);
}

int64_t weir_tls_context_not_before(const weir_tls_context_t *context) {
  return context->not_before;
}

int64_t weir_tls_context_not_after(const weir_tls_context_t *context) {
  return context->not_after;
}
