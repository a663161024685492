/* OpenSSL as Swift and CWeirTLS see it: digests, and their keyed kind; TLS. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
