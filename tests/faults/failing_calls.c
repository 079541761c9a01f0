/* Preloaded into a process: once armed, the n-th call of one function of the C library fails with an errno. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static char armed[32];
static int left, code, failed;

void fail_call(const char *name, int nth, int error) {
    strncpy(armed, name, sizeof armed - 1);
    left = nth;
    code = error;
    failed = 0;
}

int has_failed(void) { return failed; }

static int fails(const char *name) {
    if (left <= 0 || strcmp(name, armed) != 0 || __sync_sub_and_fetch(&left, 1) != 0)
        return 0;
    failed = 1;
    errno = code;
    return 1;
}

#define CALL(type, name, parameters, arguments, error)                                                                 \
    type name parameters {                                                                                             \
        static type(*real) parameters;                                                                                 \
        if (!real)                                                                                                     \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                                        \
        return fails(#name) ? (error) : real arguments;                                                                \
    }

CALL(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), -1)
/* What ftruncate is called where file sizes have 64 bits. */
int ftruncate64(int fd, off64_t size) {
    static int (*real)(int, off64_t);
    if (!real)
        real = (int (*)(int, off64_t))dlsym(RTLD_NEXT, "ftruncate64");
    return fails("ftruncate") ? -1 : real(fd, size);
}

CALL(int, socketpair, (int domain, int type, int protocol, int *fds), (domain, type, protocol, fds), -1)
CALL(int, pipe2, (int *fds, int flags), (fds, flags), -1)
CALL(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), -1)
CALL(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), -1)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1)
CALL(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
