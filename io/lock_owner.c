#include "io/lock_owner.h"

#include "src/base/hash.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNREADABLE_LEASE_S 10.0
#define LONGEST_LEASE_S 86400.0

static void read_line(char *text, size_t bytes, const char *path)
{
    FILE *f = fopen(path, "r");
    text[0] = '\0';
    if (f != NULL) {
        if (fgets(text, (int)bytes, f) == NULL) {
            text[0] = '\0';
        }
        text[strcspn(text, "\r\n")] = '\0';
        (void)fclose(f);
    }
}

/* What /proc/PID/stat says. */
struct process_facts {
    char state;
    int64_t threads, started; /* started: clock ticks */
};

/* False if there is no such file. */
static bool process_facts(struct process_facts *facts, const char *pid)
{
    char path[64], line[1024];
    (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
    read_line(line, sizeof line, path);
    /* The second field is the command in parentheses, which may hold anything. */
    const char *at = strrchr(line, ')');
    if (at == NULL || at[1] != ' ') {
        return false;
    }
    at += 2;
    *facts = (struct process_facts){.state = *at};
    for (int field = 4; field <= 22 && (at = strchr(at, ' ')) != NULL; field++) {
        at++;
        facts->threads = field == 20 ? (int64_t)strtoll(at, NULL, 10) : facts->threads;
        facts->started = field == 22 ? (int64_t)strtoll(at, NULL, 10) : facts->started;
    }
    return true;
}

void uda_lock_host(char host[UDA_LOCK_TEXT_BYTES])
{
    memset(host, 0, UDA_LOCK_TEXT_BYTES);
    if (gethostname(host, UDA_LOCK_TEXT_BYTES - 1) != 0 || host[0] == '\0') {
        (void)snprintf(host, UDA_LOCK_TEXT_BYTES, "unknown");
    }
    host[strcspn(host, "\r\n")] = '\0';
}

void uda_lock_owner_self(struct uda_lock_owner *self, double lease_s)
{
    struct timespec now = {0}, tick = {0};
    struct tm utc;
    struct process_facts facts = {0};
    char text[UDA_DIGEST_TEXT_BYTES];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)clock_gettime(CLOCK_MONOTONIC, &tick);
    memset(self, 0, sizeof *self); /* padding as well: the digest below reads every byte */
    self->pid = (int64_t)getpid();
    self->lease_s = lease_s;
    uda_lock_host(self->host);
    read_line(self->boot, sizeof self->boot, "/proc/sys/kernel/random/boot_id");
    ssize_t n = readlink("/proc/self/ns/pid", self->space, sizeof self->space - 1);
    self->space[n > 0 ? n : 0] = '\0';
    self->started = process_facts(&facts, "self") ? facts.started : 0;
    if (gmtime_r(&now.tv_sec, &utc) != NULL) {
        (void)strftime(self->since, sizeof self->since, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    struct {
        struct uda_lock_owner owner;
        struct timespec now, tick;
    } all;
    memset(&all, 0, sizeof all);
    memcpy(&all.owner, self, sizeof *self);
    all.now = now;
    all.tick = tick;
    uda_digest_text(text, uda_digest_of(&all, sizeof all));
    (void)snprintf(self->key, sizeof self->key, "%.16s", text);
}

size_t uda_lock_owner_write(char record[UDA_LOCK_RECORD_BYTES], const struct uda_lock_owner *owner)
{
    int n = snprintf(record, UDA_LOCK_RECORD_BYTES,
                     "pid: %lld\nhost: %s\nboot: %s\nspace: %s\nstarted: %lld\nsince: %s\n"
                     "lease: %.3f\nkey: %s\n",
                     (long long)owner->pid, owner->host, owner->boot, owner->space,
                     (long long)owner->started, owner->since, owner->lease_s, owner->key);
    return (size_t)n; /* four texts of 128 bytes at most */
}

/* Value of a "key: value" line of a record, "" if it has none. */
static void field(char *value, size_t value_bytes, const char *record, const char *key)
{
    size_t key_bytes = strlen(key);
    value[0] = '\0';
    for (const char *line = record; *line != '\0'; line += line[0] == '\n') {
        size_t bytes = strcspn(line, "\n");
        if (bytes > key_bytes + 2 && strncmp(line, key, key_bytes) == 0 && line[key_bytes] == ':') {
            (void)snprintf(value, value_bytes, "%.*s", (int)(bytes - key_bytes - 2),
                           line + key_bytes + 2);
            return;
        }
        line += bytes;
    }
}

void uda_lock_owner_read(struct uda_lock_owner *owner, const char *record)
{
    char number[UDA_LOCK_TEXT_BYTES];
    memset(owner, 0, sizeof *owner);
    field(owner->host, sizeof owner->host, record, "host");
    field(owner->boot, sizeof owner->boot, record, "boot");
    field(owner->space, sizeof owner->space, record, "space");
    field(owner->since, sizeof owner->since, record, "since");
    field(owner->key, sizeof owner->key, record, "key");
    field(number, sizeof number, record, "started");
    owner->started = (int64_t)strtoll(number, NULL, 10);
    field(number, sizeof number, record, "lease");
    owner->lease_s = strtod(number, NULL);
    field(number, sizeof number, record, "pid");
    owner->pid = (int64_t)strtoll(number, NULL, 10);
    /* The key is the last line: with it the record is whole. It becomes part of a file's name. */
    bool whole = owner->pid > 0 && owner->pid <= INT32_MAX && strlen(owner->key) == UDA_LOCK_KEY_BYTES - 1 &&
                 strspn(owner->key, "0123456789abcdef") == UDA_LOCK_KEY_BYTES - 1 &&
                 owner->lease_s > 0.0 && owner->lease_s <= LONGEST_LEASE_S;
    if (!whole) {
        memset(owner, 0, sizeof *owner);
        (void)snprintf(owner->key, sizeof owner->key, "unknown");
        owner->lease_s = UNREADABLE_LEASE_S;
    }
}

bool uda_lock_owner_here(const struct uda_lock_owner *owner, const struct uda_lock_owner *self)
{
    return owner->pid > 0 && owner->boot[0] != '\0' && strcmp(owner->boot, self->boot) == 0 &&
           owner->space[0] != '\0' && strcmp(owner->space, self->space) == 0;
}

bool uda_lock_owner_lives(const struct uda_lock_owner *owner)
{
    char pid[24];
    struct process_facts facts;
    (void)snprintf(pid, sizeof pid, "%lld", (long long)owner->pid);
    if (!process_facts(&facts, pid)) {
        /* Gone between two looks, or there is no /proc and the pid alone must do. */
        return kill((pid_t)owner->pid, 0) == 0 || errno != ESRCH;
    }
    /* A process whose first thread has ended is a zombie to look at while the others still write. */
    bool ended = (facts.state == 'Z' || facts.state == 'X') && facts.threads <= 1;
    return !ended && (owner->started == 0 || facts.started == owner->started);
}
