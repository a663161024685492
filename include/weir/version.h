/* version.h - which Weir this is. Semantic Versioning 2.0.0. */
#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H

#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_VERSION_MAJOR  0
#define WEIR_VERSION_MINOR  1
#define WEIR_VERSION_PATCH  0
#define WEIR_VERSION_STRING "0.1.0"
#define WEIR_VERSION_HEX \
  ((WEIR_VERSION_MAJOR << 16) | (WEIR_VERSION_MINOR << 8) | WEIR_VERSION_PATCH)

/* The version of the library that is linked, as 0xMMmmpp. Any thread. */
WEIR_EXTERN unsigned int weir_version(void);

/* The same as text, such as "0.1.0". Static storage, any thread. */
WEIR_EXTERN const char *weir_version_string(void);

WEIR_END_DECLS

#endif
