/* The least a client can do: send, wait, read, notice the end. The floor that `make perf` holds the load client against.
 *
 *   reader PORT STREAMS REQUESTS TOKENS   prints "chunks cpu_ns wall_ns requests reads"
 *
 * One thread, epoll, one buffer that is overwritten.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 1024
#define END "\r\n0\r\n\r\n"
#define END_LEN (sizeof END - 1)

static char buffer[65536], request[4096];
static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void issue(int fd, size_t length) {
    if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) perror("send"), exit(1);
}

static int dial(int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&address, sizeof address)) perror("connect"), exit(1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 5) return fputs("usage: reader PORT STREAMS REQUESTS TOKENS\n", stderr), 2;
    int streams = atoi(argv[2]), requests = atoi(argv[3]), tokens = atoi(argv[4]), issued = 0, ended = 0;
    char body[1024];
    int body_len = snprintf(body, sizeof body,
                            "{\"model\":\"paced\",\"prompt\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],"
                            "\"max_tokens\":%d,\"stream\":true}", tokens);
    size_t length = snprintf(request, sizeof request,
                             "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                             "Content-Length: %d\r\n\r\n%s", body_len, body);
    int loop_fd = epoll_create1(0);
    int *fds = calloc(streams, sizeof *fds);
    for (int i = 0; i < streams; i++) {
        fds[i] = dial(atoi(argv[1]));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        epoll_ctl(loop_fd, EPOLL_CTL_ADD, fds[i], &event);
    }
    int64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), reads = 0;
    for (int i = 0; i < streams && issued < requests; i++, issued++) issue(fds[i], length);
    while (ended < requests) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(loop_fd, events, BATCH, 1000);
        for (int i = 0; i < n; i++) {
            ssize_t got = recv(events[i].data.fd, buffer, sizeof buffer, 0);
            if (got <= 0) return fputs("the server hung up\n", stderr), 1;
            reads++;
            if (got < (ssize_t)END_LEN || memcmp(buffer + got - END_LEN, END, END_LEN)) continue;
            ended++;
            if (issued < requests) issue(events[i].data.fd, length), issued++;
        }
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, wall = clock_ns(CLOCK_MONOTONIC) - wall;
    printf("%lld %lld %lld %d %lld\n", (long long)requests * tokens, (long long)cpu, (long long)wall, ended,
           (long long)reads);
    return 0;
}
