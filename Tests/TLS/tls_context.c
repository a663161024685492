/* A context is made of a certificate and its key, or says what is wrong with
 * which file. */
#include <sys/stat.h>
#include <time.h>

#include "tls_test.h"

static test_files_t files;

static void refused(const char *certificate, const char *key, int of_key,
                    const char *text) {
  weir_tls_context_t *context = NULL;
  weir_tls_problem_t problem = {0};
  weir_tls_options_t options = {
      .size = sizeof options, .certificate = certificate, .key = key};
  CHECK_EQ(weir_tls_context_create(&context, &options, &problem), UV_EINVAL);
  CHECK(context == NULL);
  CHECK_EQ(problem.of_key, of_key);
  if (strncmp(problem.text, text, strlen(text)) != 0)
    fprintf(stderr, "\"%s\" instead of \"%s\"\n", problem.text, text);
  CHECK(strncmp(problem.text, text, strlen(text)) == 0);
}

static void write_key(char path[64], const char *name, EVP_PKEY *key,
                      const char *password) {
  FILE *file = test_file(&files, name, path);
  CHECK_EQ(PEM_write_PrivateKey(
               file, key, password != NULL ? EVP_aes_128_cbc() : NULL,
               (const unsigned char *)password,
               password != NULL ? (int)strlen(password) : 0, NULL, NULL),
           1);
  fclose(file);
}

static void test_problems(void) {
  char other[64], rsa[64], encrypted[64], text[64], huge[64];
  EVP_PKEY *key = EVP_EC_gen("P-256");
  write_key(other, "other.pem", key, NULL);
  write_key(encrypted, "encrypted.pem", key, "secret");
  EVP_PKEY_free(key);
  key = EVP_RSA_gen(2048);
  write_key(rsa, "rsa.pem", key, NULL);
  EVP_PKEY_free(key);
  FILE *file = test_file(&files, "text.pem", text);
  fputs("this is no PEM\n", file);
  fclose(file);
  file = test_file(&files, "huge.pem", huge);
  CHECK_EQ(ftruncate(fileno(file), WEIR_TLS_FILE_MAX + 1), 0);
  fclose(file);

  const char *good = files.certificate;
  refused("/nowhere/cert.pem", files.key, 0,
          "cannot be read: No such file or directory");
  refused(good, "/nowhere/key.pem", 1,
          "cannot be read: No such file or directory");
  refused(files.directory, files.key, 0, "is no file; expected one in PEM");
  refused(good, "/dev/zero", 1, "is no file; expected one in PEM");
  refused(huge, files.key, 0, "is larger than 1 MiB");
  refused(text, files.key, 0, "holds no certificate; expected one in PEM");
  refused(files.key, files.key, 0, "holds no certificate; expected one in PEM");
  refused(good, text, 1, "holds no private key; expected one in PEM");
  refused(good, good, 1, "holds no private key; expected one in PEM");
  refused(good, encrypted, 1,
          "is encrypted; expected a private key without a password");
  refused(good, other, 1, "does not belong to the certificate");
  refused(good, rsa, 1, "does not belong to the certificate");
  const char *made[] = {other, rsa, encrypted, text, huge};
  for (size_t i = 0; i < sizeof made / sizeof *made; i++)
    CHECK_EQ(unlink(made[i]), 0);
}

static void test_times(void) {
  int64_t now = (int64_t)time(NULL);
  weir_tls_context_t *context = test_context(&files, 0);
  CHECK(weir_tls_context_not_before(context) >= now - 70);
  CHECK(weir_tls_context_not_before(context) <= now - 60);
  CHECK(weir_tls_context_not_after(context) >= now + 86390);
  CHECK(weir_tls_context_not_after(context) <= now + 86400);
  weir_tls_context_release(context);
  weir_tls_context_release(NULL);
}

static void test_options(void) {
  weir_tls_context_t *context = NULL;
  weir_tls_problem_t problem;
  weir_tls_options_t options = {.size = sizeof options,
                                .certificate = files.certificate};
  CHECK_EQ(weir_tls_context_create(&context, &options, &problem), WEIR_EOPTION);
  CHECK_EQ(weir_tls_context_create(&context, NULL, &problem), WEIR_EOPTION);
  options.key = files.key;
  /* That of the first version is the least. */
  options.size = offsetof(weir_tls_options_t, ticket_time);
  CHECK_EQ(weir_tls_context_create(&context, &options, &problem), 0);
  weir_tls_context_release(context);
  options.size--;
  CHECK_EQ(weir_tls_context_create(&context, &options, &problem), WEIR_EOPTION);
}

int main(void) {
  test_files_open(&files);
  test_problems();
  test_times();
  test_options();
  test_files_close(&files);
  return 0;
}
