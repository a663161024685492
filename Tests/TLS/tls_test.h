/*
 * tls_test.h - what the tests of TLS share: certificates that are made for the
 * test, and a client on memory BIOs, so that it decides how many bytes go over
 * the socket at a time, and in which direction.
 */
#ifndef WEIR_TLS_TEST_H
#define WEIR_TLS_TEST_H

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "weir_tls.h"

/* ---- certificates ---- */

typedef struct test_files {
  char directory[32];
  char certificate[64];
  char key[64];
} test_files_t;

static inline FILE *test_file(const test_files_t *files, const char *name,
                              char path[64]) {
  (void)snprintf(path, 64, "%s/%s", files->directory, name);
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  return file;
}

/* A certificate that `key` signs itself, valid from `from` to `to` seconds from
 * now. */
static inline X509 *test_certificate(EVP_PKEY *key, const char *name, long from,
                                     long to) {
  X509 *certificate = X509_new();
  CHECK(certificate != NULL);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), to);
  X509_set_pubkey(certificate, key);
  X509_NAME *subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  return certificate;
}

static inline void test_files_open(test_files_t *files) {
  strcpy(files->directory, "/tmp/weir-tls-XXXXXX");
  CHECK(mkdtemp(files->directory) != NULL);
  EVP_PKEY *key = EVP_EC_gen("P-256");
  CHECK(key != NULL);
  X509 *certificate = test_certificate(key, "localhost", -60, 86400);
  FILE *file = test_file(files, "cert.pem", files->certificate);
  /* With a chain that a small socket has no room for at once. */
  for (int i = 0; i < 20; i++)
    CHECK_EQ(PEM_write_X509(file, certificate), 1);
  fclose(file);
  file = test_file(files, "key.pem", files->key);
  CHECK_EQ(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
  fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

/* The test removes what else it made. */
static inline void test_files_close(test_files_t *files) {
  (void)unlink(files->certificate);
  (void)unlink(files->key);
  CHECK_EQ(rmdir(files->directory), 0);
}

static inline weir_tls_context_t *test_context(const test_files_t *files,
                                               uint64_t rekey) {
  weir_tls_context_t *context = NULL;
  weir_tls_problem_t problem;
  weir_tls_options_t options = {.size = sizeof options,
                                .certificate = files->certificate,
                                .key = files->key,
                                .rekey = rekey};
  CHECK_EQ(weir_tls_context_create(&context, &options, &problem), 0);
  return context;
}

/* ---- sockets ---- */

/* Two ends that do not block, with as little room as the system allows. */
static inline void test_pair(int ends[2], int room) {
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  if (room > 0)
    CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
}

/* ---- a client ---- */

typedef struct test_client {
  SSL_CTX *context;
  SSL *ssl;
  int fd;
  int ended;         /* the server's FIN has come */
  uint64_t received; /* encrypted bytes */
} test_client_t;

static inline void test_client_open(test_client_t *client, int fd,
                                    int version) {
  memset(client, 0, sizeof *client);
  client->fd = fd;
  client->context = SSL_CTX_new(TLS_client_method());
  CHECK(client->context != NULL);
  if (version != 0) {
    /* Below 1.2 only at level 0. */
    SSL_CTX_set_security_level(client->context, 0);
    CHECK_EQ(SSL_CTX_set_min_proto_version(client->context, version), 1);
    CHECK_EQ(SSL_CTX_set_max_proto_version(client->context, version), 1);
  }
  client->ssl = SSL_new(client->context);
  SSL_set_bio(client->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(client->ssl);
}

static inline void test_client_close(test_client_t *client) {
  SSL_free(client->ssl);
  SSL_CTX_free(client->context);
  if (client->fd >= 0) CHECK_EQ(close(client->fd), 0);
  ERR_clear_error();
}

/* Takes at most `most` bytes from the socket. How many. */
static inline size_t test_client_take(test_client_t *client, size_t most) {
  uint8_t bytes[65536];
  if (most == 0) return 0; /* as a receive of nothing would */
  if (most > sizeof bytes) most = sizeof bytes;
  ssize_t n = recv(client->fd, bytes, most, MSG_DONTWAIT);
  if (n == 0) client->ended = 1;
  if (n <= 0) return 0;
  client->received += (uint64_t)n;
  CHECK_EQ(BIO_write(SSL_get_rbio(client->ssl), bytes, (int)n), n);
  return (size_t)n;
}

/* Sends at most `most` bytes of what the client has to say. How many. */
static inline size_t test_client_give(test_client_t *client, size_t most) {
  uint8_t bytes[65536];
  if (most > sizeof bytes) most = sizeof bytes;
  int n = BIO_read(SSL_get_wbio(client->ssl), bytes, (int)most);
  if (n <= 0) return 0;
  CHECK_EQ(send(client->fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
  return (size_t)n;
}

/* Decrypts what is there: bytes, 0 when a record is not whole, -1 at
 * close_notify. Anything else fails the test. */
static inline int test_client_read(test_client_t *client, void *bytes,
                                   int length) {
  ERR_clear_error();
  int n = SSL_read(client->ssl, bytes, length);
  if (n > 0) return n;
  int error = SSL_get_error(client->ssl, n);
  if (error == SSL_ERROR_ZERO_RETURN) return -1;
  if (error != SSL_ERROR_WANT_READ) ERR_print_errors_fp(stderr);
  CHECK_EQ(error, SSL_ERROR_WANT_READ);
  return 0;
}

/* Shakes hands, `step` bytes at a time. What the server's side came to. */
static inline int test_shake(weir_tls_t *tls, test_client_t *client,
                             size_t step) {
  int server = UV_EAGAIN;
  for (int turn = 0; turn < 1000000; turn++) {
    ERR_clear_error();
    int done = SSL_do_handshake(client->ssl) == 1;
    size_t moved = test_client_give(client, step);
    if (server == UV_EAGAIN) server = weir_tls_handshake(tls);
    moved += test_client_take(client, step);
    if (server != 0 && server != UV_EAGAIN) return server;
    if (server == 0 && done && moved == 0) return 0;
  }
  CHECK(0 && "the handshake does not end");
  return UV_ETIMEDOUT;
}

/* A connection that has shaken hands, and its client. */
static inline weir_tls_t *test_connect(weir_tls_context_t *context,
                                       test_client_t *client, int version,
                                       int room, int *fd) {
  int ends[2];
  weir_tls_t *tls = NULL;
  test_pair(ends, room);
  CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
  test_client_open(client, ends[1], version);
  CHECK_EQ(test_shake(tls, client, 65536), 0);
  *fd = ends[0];
  return tls;
}

#endif
