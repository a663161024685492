/* errors.h - error numbers: libuv's, and these of Weir's own. */
#ifndef WEIR_ERRORS_H
#define WEIR_ERRORS_H

#include "visibility.h"

WEIR_BEGIN_DECLS

/*
 * Numbers are pinned: they never change their meaning, and are sparse so that
 * related ones can be added beside each other. libuv uses -1 ... -4095.
 */
#define WEIR_ERRNO_MAP(XX)                                            \
  XX(EOPTION, -20010, "an option is out of its range")                \
  XX(EUNALIGNED, -20020, "a position is not on a unit boundary")      \
  XX(EBEHIND, -20021, "the position is older than what is kept")      \
  XX(EAHEAD, -20022, "the position is newer than what was written")   \
  XX(ENOTWAV, -20030, "not a RIFF/WAVE header")                       \
  XX(EWAVHEADER, -20031, "a damaged WAV header")                      \
  XX(EWAVFORMAT, -20032, "a WAV sample format that is not supported") \
  XX(EFORMAT, -20033, "the format differs from the running stream's") \
  XX(ENOTTS, -20034, "not a transport stream")                        \
  XX(ENOPCR, -20035, "a transport stream without a clock (PCR)")      \
  XX(EHTTP, -20040, "not an HTTP/1.x request head")                   \
  XX(EHTTPTOOLARGE, -20041, "the request head is too large")          \
  XX(EHTTPTARGET, -20046, "the request target is too long")           \
  XX(EHTTPVERSION, -20042, "an HTTP version that is not supported")   \
  XX(EHTTPLENGTH, -20043, "conflicting or malformed message length")  \
  XX(EHTTPCODING, -20044, "a transfer coding that is not supported")  \
  XX(EHTTPHOST, -20045, "a missing, repeated or malformed Host")      \
  XX(EHTTPBODY, -20047, "the body was cut short")                     \
  XX(ENOEXEC, -20050, "not a program this machine can execute")       \
  XX(EFULL, -20060, "there is no room for more")

typedef enum {
#define XX(name, number, text) WEIR_##name = number,
  WEIR_ERRNO_MAP(XX)
#undef XX
      WEIR_ERRNO_MAX = -29999
} weir_errno_t;

/*
 * A sentence in English without a full stop for a Weir or libuv error number;
 * "unknown error" for any other. Static storage, any thread.
 */
WEIR_EXTERN const char *weir_strerror(int error);

/* The symbolic name ("EFORMAT", "ENOMEM"), "UNKNOWN" for any other number.
 * Static storage, any thread. */
WEIR_EXTERN const char *weir_err_name(int error);

WEIR_END_DECLS

#endif
