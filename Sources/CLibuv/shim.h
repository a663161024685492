/* libuv as Swift sees it. */
#include <sys/socket.h>
#include <uv.h>

/* glibc shows these to _GNU_SOURCE only, which Swift's importer does not set. */
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
