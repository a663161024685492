/* libcurl as Swift sees it. Its setopt and getinfo are variadic, which Swift
 * cannot call: the ones with one type each are in CWeirHTTP. */
#include <curl/curl.h>

/* 7.87: CURLOPT_QUICK_EXIT, without which taking back a request waits for a
 * name server; 7.88: TLS is written with MSG_NOSIGNAL. */
#if LIBCURL_VERSION_NUM < 0x075800
#error "Weir needs libcurl 7.88 or later"
#endif
