/* visibility.h - linkage of the public functions. */
#ifndef WEIR_VISIBILITY_H
#define WEIR_VISIBILITY_H

#ifdef __cplusplus
#define WEIR_BEGIN_DECLS extern "C" {
#define WEIR_END_DECLS   }
#else
#define WEIR_BEGIN_DECLS
#define WEIR_END_DECLS
#endif

#if defined(__GNUC__)
#define WEIR_EXTERN    __attribute__((visibility("default")))
#define WEIR_NODISCARD __attribute__((warn_unused_result))
#else
#define WEIR_EXTERN
#define WEIR_NODISCARD
#endif

#endif
