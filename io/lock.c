#include "io/lock.h"

#include "io/fault.h"
#include "io/lock_owner.h"
#include "src/base/arena.h"
#include "src/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 16
#define PATH_BYTES 4096
#define LONGEST_GAP_S 10.0 /* between two looks: more of it may have been the server's silence, or our own */
#define SIGNS_IN_LEASE 8.0
#define NEW_MARK ".new-"
#define BREAK_MARK ".break-"

struct uda_lock {
    char key[UDA_LOCK_KEY_BYTES];
    double lease_s;
    bool kept; /* the thread runs */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool end; /* under mutex */
    void (*lost)(const char *path, void *args);
    void *args;
    char path[];
};

/* ---- looking ---- */

enum verdict { ABSENT, ALIVE, DEAD };

/* Reads the lock's record and its last sign of life; false with errno when it cannot. Opening asks a
 * network file system for the truth, where stat may answer from memory. */
static bool read_lock(struct uda_lock_owner *owner, int64_t *sign_ns, const char *path)
{
    char record[UDA_LOCK_RECORD_BYTES];
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = pread(fd, record, sizeof record - 1, 0);
    bool good = n >= 0 && fstat(fd, &info) == 0;
    int error = errno;
    (void)close(fd);
    errno = error;
    if (good) {
        record[n] = '\0';
        uda_lock_owner_read(owner, record);
        *sign_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + (int64_t)info.st_mtim.tv_nsec;
    }
    return good;
}

static bool is_gone(int error) { return error == ENOENT || error == ESTALE; }

/* Adds up for how long the owner has given no sign. */
static void count_silence(struct uda_lock_sight *sight, const struct uda_lock_owner *owner, int64_t sign_ns)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    double gap = (double)(now.tv_sec - sight->looked.tv_sec) +
                 1e-9 * (double)(now.tv_nsec - sight->looked.tv_nsec);
    if (strcmp(sight->key, owner->key) == 0 && sight->sign_ns == sign_ns) {
        sight->silent_s += gap < LONGEST_GAP_S ? gap : LONGEST_GAP_S;
    } else {
        (void)snprintf(sight->key, sizeof sight->key, "%s", owner->key);
        sight->sign_ns = sign_ns;
        sight->silent_s = 0.0;
    }
    sight->looked = now;
}

static int look(enum verdict *verdict, struct uda_lock_owner *owner, bool *here, struct uda_lock_sight *sight,
                const char *path, struct uda_err *err)
{
    struct uda_lock_owner self;
    int64_t sign_ns = 0;
    if (!read_lock(owner, &sign_ns, path)) {
        *verdict = ABSENT;
        return is_gone(errno) ? 0 : uda_fail_errno(err, "'%s': the lock cannot be read", path);
    }
    count_silence(sight, owner, sign_ns);
    uda_lock_owner_self(&self, 0.0);
    *here = uda_lock_owner_here(owner, &self);
    bool alive = *here ? uda_lock_owner_lives(owner) : sight->silent_s < owner->lease_s;
    *verdict = alive ? ALIVE : DEAD;
    return 0;
}

/* ---- taking ---- */

/* Where there are no links: the file comes into being empty, and gets its record a moment later. */
static int create_exclusive(bool *taken, const char *path, const char *record, size_t bytes,
                            struct uda_err *err)
{
    int fd = uda_fault_open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) {
        return errno == EEXIST ? 0 : uda_fail_errno(err, "'%s': the lock cannot be made", path);
    }
    bool good = uda_fault_write(fd, record, bytes) == (ssize_t)bytes;
    good = close(fd) == 0 && good;
    if (!good) {
        int rc = uda_fail_errno(err, "'%s': the lock cannot be written", path);
        (void)unlink(path);
        return rc;
    }
    *taken = true;
    return 0;
}

static int write_new(const char *fresh, const char *path, const char *record, size_t bytes,
                     struct uda_err *err)
{
    int fd = uda_fault_open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0666);
    bool good = fd >= 0 && uda_fault_write(fd, record, bytes) == (ssize_t)bytes;
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        error = errno;
    }
    errno = error == 0 ? ENOSPC : error;
    return good ? 0 : uda_fail_errno(err, "'%s': the lock cannot be written", path);
}

/* Gives the path to our record if nobody has it; *taken says whether. */
static int create(bool *taken, const struct uda_lock_owner *self, const char *path, struct uda_err *err)
{
    char record[UDA_LOCK_RECORD_BYTES], fresh[PATH_BYTES];
    size_t bytes = uda_lock_owner_write(record, self);
    struct stat info;
    *taken = false;
    if (snprintf(fresh, sizeof fresh, "%s" NEW_MARK "%s", path, self->key) >= (int)sizeof fresh) {
        return uda_fail(err, UDA_IO, "'%s': the path is too long for a lock", path);
    }
    int rc = write_new(fresh, path, record, bytes, err);
    if (rc == 0) {
        bool linked = uda_fault_link(fresh, path) == 0;
        int error = errno;
        /* The answer of a network file system may be lost and its repetition refused: count the names. */
        *taken = linked || (error == EEXIST && stat(fresh, &info) == 0 && info.st_nlink == 2);
        if (!*taken && (error == EPERM || error == ENOTSUP || error == ENOSYS || error == EMLINK)) {
            rc = create_exclusive(taken, path, record, bytes, err);
        } else if (!*taken && error != EEXIST && !is_gone(error)) {
            errno = error;
            rc = uda_fail_errno(err, "'%s': the lock cannot be made", path);
        }
    }
    (void)uda_fault_unlink(fresh);
    return rc;
}

/* Removes the file if it holds the record with this key. */
static void drop(const char *path, const char *key)
{
    struct uda_lock_owner owner;
    int64_t sign_ns = 0;
    if (read_lock(&owner, &sign_ns, path) && strcmp(owner.key, key) == 0) {
        (void)uda_fault_unlink(path);
    }
}

static int take(bool *taken, struct uda_lock_owner *self, struct uda_lock_watch *watch, int level,
                const char *path, double lease_s, struct uda_err *err);

/* Removes a dead owner's lock, under a lock of its own; *removed = false: another process is at it. */
static int break_lock(bool *removed, struct uda_lock_watch *watch, int level, const char *path,
                      const struct uda_lock_owner *dead, struct uda_err *err)
{
    char guard[PATH_BYTES];
    struct uda_lock_owner self;
    *removed = false;
    if (level + 1 >= UDA_LOCK_LEVELS ||
        snprintf(guard, sizeof guard, "%s" BREAK_MARK "%s", path, dead->key) >= (int)sizeof guard) {
        return 0;
    }
    UDA_TRY(take(removed, &self, watch, level + 1, guard, UDA_LOCK_LEASE_S, err));
    if (*removed) {
        drop(path, dead->key);
        drop(guard, self.key);
    }
    return 0;
}

static int take(bool *taken, struct uda_lock_owner *self, struct uda_lock_watch *watch, int level,
                const char *path, double lease_s, struct uda_err *err)
{
    *taken = false;
    for (int i = 0; i < ATTEMPTS && !*taken; i++) {
        enum verdict verdict = ABSENT;
        struct uda_lock_owner owner;
        bool here = false;
        UDA_TRY(look(&verdict, &owner, &here, &watch->sight[level], path, err));
        if (level == 0 && verdict != ABSENT) {
            watch->owner = owner;
            watch->here = here;
        }
        if (verdict == ALIVE) {
            return 0;
        }
        if (verdict == DEAD) {
            bool removed = false;
            UDA_TRY(break_lock(&removed, watch, level, path, &owner, err));
            if (!removed) {
                return 0;
            }
            watch->took_over = watch->took_over || level == 0;
        }
        uda_lock_owner_self(self, lease_s);
        UDA_TRY(create(taken, self, path, err));
    }
    return 0;
}

static void say_takeover(const char *path, const struct uda_lock_watch *watch)
{
    const struct uda_lock_owner *o = &watch->owner;
    if (o->pid == 0) {
        uda_log(UDA_LOG_WARN, "'%s': held no record: taking it", path);
    } else if (watch->here) {
        uda_log(UDA_LOG_WARN, "'%s': process %lld on host '%s', owner since %s, ended without letting go: "
                              "taking over", path, (long long)o->pid, o->host, o->since);
    } else {
        uda_log(UDA_LOG_WARN, "'%s': process %lld on host '%s', owner since %s, gave no sign of life for "
                              "%.0f s: taking over", path, (long long)o->pid, o->host, o->since, o->lease_s);
    }
}

int uda_lock_try(struct uda_lock **lock, struct uda_lock_watch *watch, const char *path, double lease_s,
                 struct uda_err *err)
{
    size_t path_bytes = strlen(path) + 1;
    struct uda_lock_owner self;
    bool taken = false;
    struct uda_lock *l = uda_calloc(sizeof *l + path_bytes);
    if (l == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    watch->took_over = false;
    int rc = take(&taken, &self, watch, 0, path, lease_s, err);
    if (rc != 0 || !taken) {
        uda_free(l);
        *lock = NULL;
        return rc;
    }
    if (watch->took_over) {
        say_takeover(path, watch);
    }
    memcpy(l->path, path, path_bytes);
    memcpy(l->key, self.key, sizeof l->key);
    l->lease_s = lease_s;
    *lock = l;
    return 0;
}

/* ---- keeping ---- */

/* One sign of life; false when the lock is known to be lost. What cannot be read now is tried again. */
static bool give_sign(const struct uda_lock *lock)
{
    struct uda_lock_owner owner;
    int64_t sign_ns = 0;
    if (!read_lock(&owner, &sign_ns, lock->path)) {
        return errno != ENOENT;
    }
    if (strcmp(owner.key, lock->key) != 0) {
        return false;
    }
    (void)utimensat(AT_FDCWD, lock->path, NULL, 0);
    return true;
}

static void *keep(void *arg)
{
    struct uda_lock *lock = arg;
    double pause_s = lock->lease_s / SIGNS_IN_LEASE;
    bool ours = true;
    (void)pthread_mutex_lock(&lock->mutex);
    while (!lock->end && ours) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = (int64_t)until.tv_nsec + (int64_t)(pause_s * 1e9);
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        int rc = 0;
        while (!lock->end && rc == 0) {
            rc = pthread_cond_timedwait(&lock->wake, &lock->mutex, &until);
        }
        if (!lock->end) {
            (void)pthread_mutex_unlock(&lock->mutex);
            ours = give_sign(lock);
            (void)pthread_mutex_lock(&lock->mutex);
        }
    }
    bool ended = lock->end;
    (void)pthread_mutex_unlock(&lock->mutex);
    if (!ended && !ours) {
        lock->lost(lock->path, lock->args);
    }
    return NULL;
}

int uda_lock_keep(struct uda_lock *lock, void (*lost)(const char *path, void *args), void *args,
                  struct uda_err *err)
{
    pthread_condattr_t monotonic;
    lock->lost = lost;
    lock->args = args;
    int rc = pthread_condattr_init(&monotonic);
    if (rc == 0) {
        rc = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        rc = rc == 0 ? pthread_cond_init(&lock->wake, &monotonic) : rc;
        (void)pthread_condattr_destroy(&monotonic);
    }
    if (rc == 0) {
        (void)pthread_mutex_init(&lock->mutex, NULL);
        rc = pthread_create(&lock->thread, NULL, keep, lock);
        lock->kept = rc == 0;
        if (rc != 0) {
            (void)pthread_mutex_destroy(&lock->mutex);
            (void)pthread_cond_destroy(&lock->wake);
        }
    }
    errno = rc;
    return rc == 0 ? 0 : uda_fail_errno(err, "'%s': no thread for its signs of life", lock->path);
}

static void end_keeping(struct uda_lock *lock)
{
    if (!lock->kept) {
        return;
    }
    (void)pthread_mutex_lock(&lock->mutex);
    lock->end = true;
    (void)pthread_cond_signal(&lock->wake);
    (void)pthread_mutex_unlock(&lock->mutex);
    (void)pthread_join(lock->thread, NULL);
    (void)pthread_mutex_destroy(&lock->mutex);
    (void)pthread_cond_destroy(&lock->wake);
}

void uda_lock_release(struct uda_lock **lock)
{
    if (lock == NULL || *lock == NULL) {
        return;
    }
    end_keeping(*lock);
    drop((*lock)->path, (*lock)->key);
    uda_free(*lock);
    *lock = NULL;
}

/* ---- others' ---- */

int uda_lock_look(bool *held, struct uda_lock_watch *watch, const char *path, struct uda_err *err)
{
    enum verdict verdict = ABSENT;
    struct uda_lock_owner owner;
    bool here = false;
    UDA_TRY(look(&verdict, &owner, &here, &watch->sight[0], path, err));
    if (verdict != ABSENT) {
        watch->owner = owner;
        watch->here = here;
    }
    *held = verdict == ALIVE;
    return 0;
}

int uda_lock_peek(bool *held, struct uda_lock_owner *owner, double *silent_s, const char *path,
                  struct uda_err *err)
{
    struct uda_lock_owner found, self;
    struct timespec now;
    int64_t sign_ns = 0;
    *held = false;
    *silent_s = 0.0;
    if (!read_lock(&found, &sign_ns, path)) {
        return is_gone(errno) ? 0 : uda_fail_errno(err, "'%s': the lock cannot be read", path);
    }
    uda_lock_owner_self(&self, 0.0);
    bool here = uda_lock_owner_here(&found, &self);
    *held = !here || uda_lock_owner_lives(&found);
    if (!here) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        double age = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - 1e-9 * (double)sign_ns;
        *silent_s = age > 0.0 ? age : 0.0;
    }
    *owner = found;
    return 0;
}

int uda_lock_sweep(const char *folder, struct uda_err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return is_gone(errno) ? 0 : uda_fail_errno(err, "'%s': cannot list the folder", folder);
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[PATH_BYTES];
        struct uda_lock_owner owner, self;
        struct uda_lock_watch watch = {0};
        int64_t sign_ns = 0;
        bool taken = false;
        if ((strstr(entry->d_name, NEW_MARK) == NULL && strstr(entry->d_name, BREAK_MARK) == NULL) ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        uda_lock_owner_self(&self, 0.0);
        if (!read_lock(&owner, &sign_ns, path)) {
            continue;
        }
        bool dead = uda_lock_owner_here(&owner, &self) && !uda_lock_owner_lives(&owner);
        if (strstr(entry->d_name, NEW_MARK) != NULL && (dead || owner.pid == 0)) {
            (void)uda_fault_unlink(path); /* if its maker is just about to write it, it tries again */
        } else if (dead && take(&taken, &self, &watch, 0, path, UDA_LOCK_LEASE_S, err) != 0) {
            uda_err_clear(err); /* it stays: it is in nobody's way */
        } else if (taken) {
            drop(path, self.key);
        }
    }
    (void)closedir(dir);
    return 0;
}
