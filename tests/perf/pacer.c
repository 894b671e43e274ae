/* An inference server with no model that keeps time and remembers when it did what: the ground truth of `make perf`.
 *
 *   pacer OUT TTFT_US ITL_US STAGGERED     prints its port; on SIGTERM writes OUT and ends
 *
 * Lockstep: every stream's tokens leave on common ticks, as an engine's batch steps do. Staggered: each stream has its
 * own phase; both in one send per token. ITL_US 0: as fast as the sockets take them, BURST tokens in a send. One thread; a
 * late token does not delay those after it. OUT holds, per request, int64s: id, kernel arrival, user-space read, tokens, then the send stamp of
 * each token (taken just before its send), then how late each was. CLOCK_MONOTONIC nanoseconds throughout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 16384
#define MAX_REQUEST (1 << 20)
#define BURST 8
#define MAX_MESSAGE (512 * (BURST + 2))
#define IDLE_NS 200000000
#define BATCH 256

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n";

typedef struct {
    int64_t id, arrived, read, tokens;
    int64_t *sent, *late;
} Request;

typedef struct {
    int fd, armed; /* armed: waits for the socket to take more */
    char *in;
    size_t in_len, in_size;
    Request *request; /* the one being answered */
    int64_t next, due, prompt_tokens;
    char out[MAX_MESSAGE]; /* unsent bytes of the current message */
    size_t out_len, out_at;
} Stream;

static Stream *streams[MAX_STREAMS]; /* by file descriptor */
static Stream *heap[MAX_STREAMS];    /* by due time: streams with a token to send */
static int heap_len, loop_fd;
static Request **requests;
static size_t n_requests, requests_size;
static int64_t ttft_ns, itl_ns, staggered, wall_offset;
static volatile sig_atomic_t stopping;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static void refresh_offset(void) {
    int64_t best = INT64_MAX;
    for (int i = 0; i < 8; i++) {
        int64_t before = now_ns(), wall = clock_ns(CLOCK_REALTIME), after = now_ns();
        if (after - before < best) best = after - before, wall_offset = wall - (before + after) / 2;
    }
}

static void swap(int a, int b) {
    Stream *kept = heap[a];
    heap[a] = heap[b], heap[b] = kept;
}

static void push(Stream *stream) {
    int at = heap_len++;
    heap[at] = stream;
    for (; at && heap[(at - 1) / 2]->due > heap[at]->due; at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

static void sift(void) { /* after the root's due time grew */
    for (int at = 0;;) {
        int child = 2 * at + 1;
        if (child >= heap_len) return;
        if (child + 1 < heap_len && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[at]->due <= heap[child]->due) return;
        swap(at, child), at = child;
    }
}

static void pop(void) {
    heap[0] = heap[--heap_len];
    sift();
}

static void watch(Stream *stream, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = stream->fd};
    if (epoll_ctl(loop_fd, operation, stream->fd, &event)) die("epoll_ctl");
}

static void hang_up(Stream *stream) {
    for (int at = 0; at < heap_len; at++)
        if (heap[at] == stream) { /* rare: order is restored by rebuilding */
            int left = heap_len - 1;
            heap[at] = heap[left], heap_len = 0;
            for (int i = 0; i < left; i++) push(heap[i]);
            break;
        }
    streams[stream->fd] = NULL;
    close(stream->fd);
    free(stream->in);
    free(stream);
}

/* The next token (one in every tokenizer: tools count the text's again), written at `out`; with the last one also usage, [DONE] and the end. Returns where the bytes end. */
static char *compose(const Stream *stream, char *out) {
    const Request *request = stream->request;
    char event[512];
    int last = stream->next + 1 == request->tokens;
    int n = snprintf(event, sizeof event,
                     "data: {\"id\":\"cmpl-%08llx\",\"object\":\"text_completion\",\"created\":1790000000,"
                     "\"model\":\"paced\",\"choices\":[{\"index\":0,\"text\":\" a\",\"logprobs\":null,"
                     "\"finish_reason\":%s,\"stop_reason\":null}],\"usage\":null}\n\n",
                     (unsigned long long)request->id, last ? "\"length\"" : "null");
    if (stream->next == 0) out = stpcpy(out, HEAD);
    out += sprintf(out, "%x\r\n%s\r\n", n, event);
    if (last) {
        n = snprintf(event, sizeof event,
                     "data: {\"id\":\"cmpl-%08llx\",\"object\":\"text_completion\",\"created\":1790000000,"
                     "\"model\":\"paced\",\"choices\":[],\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld,"
                     "\"completion_tokens\":%lld}}\n\n",
                     (unsigned long long)request->id, (long long)stream->prompt_tokens,
                     (long long)(stream->prompt_tokens + request->tokens), (long long)request->tokens);
        out += sprintf(out, "%x\r\n%s\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", n, event);
    }
    return out;
}

/* 1 when the message has left, 0 when the socket takes no more for now, -1 when the peer is gone. */
static int flush(Stream *stream) {
    while (stream->out_at < stream->out_len) {
        ssize_t sent = send(stream->fd, stream->out + stream->out_at, stream->out_len - stream->out_at, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? 0 : -1;
        stream->out_at += sent;
    }
    stream->out_len = stream->out_at = 0;
    return 1;
}

/* Sends the root's token; the stream is off the heap while its socket is full or its answer is over. */
static void step(void) {
    Stream *stream = heap[0];
    Request *request = stream->request;
    int64_t now = now_ns(), burst = itl_ns ? 1 : BURST;
    char *end = stream->out;
    for (int64_t i = 0; i < burst && stream->next < request->tokens; i++, stream->next++) {
        end = compose(stream, end);
        request->late[stream->next] = now - stream->due;
        request->sent[stream->next] = now;
    }
    stream->out_len = end - stream->out;
    if (itl_ns) { /* composing took its time */
        now = request->sent[stream->next - 1] = now_ns();
        request->late[stream->next - 1] = now - stream->due;
    }
    int gone = flush(stream);
    stream->due = itl_ns ? stream->due + itl_ns : now;
    if (gone < 0 || stream->next == request->tokens) {
        stream->request = NULL;
        pop();
    } else if (gone == 0) {
        pop();
    } else {
        sift();
    }
    if (gone == 0) stream->armed = 1, watch(stream, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    if (gone < 0) hang_up(stream);
}

static int64_t number_after(const char *text, const char *key, int64_t otherwise) {
    const char *at = strcasestr(text, key);
    return at ? atoll(at + strlen(key)) : otherwise;
}

/* A tool's own request id may be anything; only a whole number is one of ours. */
static int64_t id_of(const char *head) {
    const char *at = strcasestr(head, "\r\nX-Request-Id:");
    if (!at) return n_requests;
    at += strlen("\r\nX-Request-Id:");
    while (*at == ' ') at++;
    size_t digits = strspn(at, "0123456789");
    return digits && digits < 16 && at[digits] == '\r' ? atoll(at) : (int64_t)n_requests;
}

static int64_t count_prompt(const char *body) {
    const char *at = strstr(body, "\"prompt\":");
    int64_t commas = 0;
    for (; at && *at && *at != ']'; at++) commas += *at == ',';
    return commas + 1;
}

static Request *new_request(int64_t id, int64_t tokens) {
    if (n_requests == requests_size) {
        requests_size = requests_size ? 2 * requests_size : 1024;
        requests = realloc(requests, requests_size * sizeof *requests);
    }
    Request *request = calloc(1, sizeof *request);
    request->id = id, request->tokens = tokens;
    request->sent = calloc(tokens, 2 * sizeof *request->sent);
    request->late = request->sent + tokens;
    return requests[n_requests++] = request;
}

/* Tools ask which models there are, and whether the server lives, before they load it. */
static void answer_question(Stream *stream) {
    static const char BODY[] = "{\"object\":\"list\",\"data\":[{\"id\":\"paced\",\"object\":\"model\",\"created\":1790000000,"
                               "\"owned_by\":\"paced\",\"max_model_len\":8192}]}";
    stream->out_len = sprintf(stream->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              sizeof BODY - 1, BODY);
    stream->in_len = 0;
    if (flush(stream) < 0) hang_up(stream);
}

/* Begins the answer if the whole request is here. */
static void take_request(Stream *stream, int64_t arrived, int64_t read) {
    char *end = memmem(stream->in, stream->in_len, "\r\n\r\n", 4);
    if (!end) return;
    if (!memcmp(stream->in, "GET ", 4)) {
        answer_question(stream);
        return;
    }
    end[2] = 0;
    size_t whole = end + 4 - stream->in + number_after(stream->in, "\r\nContent-Length:", 0);
    if (stream->in_len < whole) {
        end[2] = '\r';
        return;
    }
    stream->in[stream->in_len] = 0;
    const char *body = end + 4;
    int64_t id = id_of(stream->in);
    Request *request = stream->request = new_request(id, number_after(body, "\"max_tokens\":", 16));
    request->arrived = arrived, request->read = read;
    stream->prompt_tokens = count_prompt(body);
    stream->next = 0;
    stream->due = arrived + ttft_ns;
    if (itl_ns && staggered) stream->due += (id * 618033989LL % 1000000000LL) * itl_ns / 1000000000LL;
    if (itl_ns && !staggered) stream->due = (stream->due + itl_ns - 1) / itl_ns * itl_ns;
    stream->in_len = 0;
    push(stream);
}

static void receive(Stream *stream) {
    char control[128];
    if (stream->in_size - stream->in_len < 65536) {
        stream->in_size = stream->in_size ? 2 * stream->in_size : 131072;
        if (stream->in_size > MAX_REQUEST) die("request too large");
        stream->in = realloc(stream->in, stream->in_size);
    }
    struct iovec part = {stream->in + stream->in_len, stream->in_size - stream->in_len - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(stream->fd, &message, 0);
    int64_t read = now_ns(), arrived = read;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        hang_up(stream);
        return;
    }
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
        if (one->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec *stamp = (struct timespec *)CMSG_DATA(one);
            arrived = stamp->tv_sec * 1000000000LL + stamp->tv_nsec - wall_offset;
        }
    stream->in_len += got;
    if (!stream->request) take_request(stream, arrived, read);
}

static void welcome(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        int on = 1;
        if (fd >= MAX_STREAMS) die("too many streams");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        streams[fd] = calloc(1, sizeof(Stream));
        streams[fd]->fd = fd;
        watch(streams[fd], EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void handle(Stream *stream, uint32_t events) {
    if (stream->armed && events & EPOLLOUT && flush(stream)) {
        stream->armed = 0;
        watch(stream, EPOLL_CTL_MOD, EPOLLIN);
        if (stream->request) push(stream);
    }
    if (events & ~EPOLLOUT) receive(stream);
}

static void poll_sockets(int listener, int64_t wait_ns) {
    struct epoll_event events[BATCH];
    if (heap_len == 0 || wait_ns > IDLE_NS) wait_ns = IDLE_NS;
    struct timespec wait = {0, wait_ns > 0 ? wait_ns : 0};
    int n = epoll_pwait2(loop_fd, events, BATCH, &wait, NULL);
    for (int i = 0; i < n; i++) {
        int fd = events[i].data.fd;
        if (fd == listener)
            welcome(listener);
        else if (streams[fd])
            handle(streams[fd], events[i].events);
    }
}

static void write_truth(const char *path) {
    FILE *out = fopen(path, "wb");
    if (!out) die(path);
    for (size_t i = 0; i < n_requests; i++) {
        fwrite(requests[i], sizeof(int64_t), 4, out);
        fwrite(requests[i]->sent, sizeof(int64_t), 2 * requests[i]->tokens, out);
    }
    if (fclose(out)) die(path);
}

static void stop(int number) { stopping = number; }

int main(int argc, char **argv) {
    if (argc != 5) return fputs("usage: pacer OUT TTFT_US ITL_US STAGGERED\n", stderr), 2;
    ttft_ns = atoll(argv[2]) * 1000, itl_ns = atoll(argv[3]) * 1000, staggered = atoll(argv[4]);
    prctl(PR_SET_TIMERSLACK, 1); /* wake when due, not up to 50 us later; no spinning: real-time spinners are throttled */
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (void *)&address, length) || listen(listener, 4096)) die("listen");
    getsockname(listener, (void *)&address, &length);
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, listener, &event);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int64_t refreshed = 0; !stopping;) {
        int64_t now = now_ns();
        if (now - refreshed > 200000000) refresh_offset(), refreshed = now;
        poll_sockets(listener, heap_len ? heap[0]->due - now : 0);
        for (int sent = 0; heap_len && sent < BATCH && heap[0]->due <= now_ns(); sent++) step();
    }
    write_truth(argv[1]);
    return 0;
}
