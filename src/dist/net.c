#include "src/dist/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A caller must say its name within this time. */
#define HELLO_MS 5000
#define CONNECT_MS 3000

struct hello {
    unsigned char token[16];
    int32_t rank;
};

double uda_net_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void set_up(int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

bool uda_net_transfer(int fd, void *data, size_t bytes, bool out, int ms)
{
    unsigned char *at = data;
    double end = uda_net_now() + 1e-3 * ms;
    while (bytes > 0) {
        ssize_t n = out ? send(fd, at, bytes, MSG_NOSIGNAL) : recv(fd, at, bytes, 0);
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return false;
        } else {
            struct pollfd p = {.fd = fd, .events = out ? POLLOUT : POLLIN};
            double left = end - uda_net_now();
            if (left <= 0.0 || poll(&p, 1, (int)(1e3 * left) + 1) < 0) {
                return false;
            }
        }
    }
    return true;
}

/* The addresses of this machine, its own loop first. */
static void list_addresses(struct uda_net_place *place)
{
    struct ifaddrs *all = NULL;
    place->address[place->addresses++] = htonl(INADDR_LOOPBACK);
    if (getifaddrs(&all) != 0) {
        return;
    }
    for (const struct ifaddrs *i = all; i != NULL && place->addresses < UDA_NET_ADDRESSES;
         i = i->ifa_next) {
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET) {
            struct sockaddr_in in;
            memcpy(&in, i->ifa_addr, sizeof in);
            if (in.sin_addr.s_addr != htonl(INADDR_LOOPBACK)) {
                place->address[place->addresses++] = in.sin_addr.s_addr;
            }
        }
    }
    freeifaddrs(all);
}

static bool draw_token(unsigned char token[16])
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, token, 16);
    if (fd >= 0) {
        (void)close(fd);
    }
    return n == 16;
}

/* A listening socket on a port; 0: one that the system chooses. *port: which it is. */
static int listen_on(int *out, int32_t *port, struct uda_err *err)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)*port),
                              .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t bytes = sizeof any;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&any, &bytes) != 0) {
        int rc = uda_fail(err, UDA_COMM, "ranks: cannot listen on port %d: %s", (int)*port,
                          strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    *port = ntohs(any.sin_port);
    *out = fd;
    return 0;
}

int uda_net_listen(int *fd, struct uda_net_place *place, struct uda_err *err)
{
    memset(place, 0, sizeof *place);
    if (!draw_token(place->token)) {
        return uda_fail(err, UDA_COMM, "ranks: cannot read /dev/urandom");
    }
    UDA_TRY(listen_on(fd, &place->port, err));
    list_addresses(place);
    return 0;
}

int uda_net_listen_at(int *fd, const struct uda_net_place *place, struct uda_err *err)
{
    int32_t port = place->port;
    return listen_on(fd, &port, err);
}

int uda_net_resolve(struct uda_net_place *place, const char *host, struct uda_err *err)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &all);
    if (failed != 0) {
        return uda_fail(err, UDA_COMM, "ranks: machine '%s': %s", host, gai_strerror(failed));
    }
    place->addresses = 0;
    for (const struct addrinfo *i = all; i != NULL && place->addresses < UDA_NET_ADDRESSES;
         i = i->ai_next) {
        struct sockaddr_in in;
        memcpy(&in, i->ai_addr, sizeof in);
        place->address[place->addresses++] = in.sin_addr.s_addr;
    }
    freeaddrinfo(all);
    return 0;
}

int uda_net_accept(int *peer, int *rank, int fd, const unsigned char token[16], int seconds,
                   struct uda_err *err)
{
    double end = uda_net_now() + seconds;
    for (double left = seconds; left > 0.0; left = end - uda_net_now()) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)(1e3 * left) + 1) <= 0) {
            continue;
        }
        int caller = accept(fd, NULL, NULL);
        if (caller < 0) {
            continue;
        }
        struct hello hello;
        set_up(caller);
        if (uda_net_transfer(caller, &hello, sizeof hello, false, HELLO_MS) &&
            memcmp(hello.token, token, sizeof hello.token) == 0) {
            *peer = caller;
            *rank = hello.rank;
            return 0;
        }
        (void)close(caller);
    }
    return uda_fail(err, UDA_COMM, "ranks: not all of them called within %d s", seconds);
}

/* A connection to one address, or -1. */
static int connect_to(uint32_t address, int32_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = address};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        return -1;
    }
    set_up(fd);
    int failed = 0;
    socklen_t bytes = sizeof failed;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 &&
        (errno != EINPROGRESS || poll(&p, 1, CONNECT_MS) != 1 ||
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &bytes) != 0 || failed != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int uda_net_call(int *out, const struct uda_net_place *place, int rank, int seconds,
                 struct uda_err *err)
{
    struct hello hello = {.rank = rank};
    memcpy(hello.token, place->token, sizeof hello.token);
    double end = uda_net_now() + seconds;
    do {
        for (int i = 0; i < place->addresses && i < UDA_NET_ADDRESSES; i++) {
            int fd = connect_to(place->address[i], place->port);
            if (fd >= 0 && uda_net_transfer(fd, &hello, sizeof hello, true, HELLO_MS)) {
                *out = fd;
                return 0;
            }
            if (fd >= 0) {
                (void)close(fd);
            }
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    } while (uda_net_now() < end);
    return uda_fail(err, UDA_COMM, "ranks: another rank cannot be reached over TCP at port %d",
                    (int)place->port);
}
