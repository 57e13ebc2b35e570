#define _GNU_SOURCE /* sched_getaffinity: cores this process may use, not cores of the machine */
#include "src/base/team.h"

#include "src/base/arena.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#define SPINS_BEFORE_SLEEP 2000

struct uda_team {
    int threads;
    int started;
    pthread_t *thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    /* The loop in progress. Written under the mutex before `round` moves on. */
    void (*task)(void *, int64_t);
    void *args;
    int64_t tasks;
    _Atomic int64_t next;
    _Atomic uint64_t round;
    _Atomic int working; /* workers that have not yet finished this round */
    bool quit;
};

int uda_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return CPU_COUNT(&set);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

static void take_tasks(struct uda_team *team)
{
    for (;;) {
        int64_t i = atomic_fetch_add(&team->next, 1);
        if (i >= team->tasks) {
            return;
        }
        team->task(team->args, i);
    }
}

/* Waits until the round differs from `seen`: first spinning, then asleep. */
static uint64_t wait_round(struct uda_team *team, uint64_t seen)
{
    for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        uint64_t round = atomic_load_explicit(&team->round, memory_order_acquire);
        if (round != seen) {
            return round;
        }
    }
    (void)pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->round) == seen) {
        (void)pthread_cond_wait(&team->wake, &team->mutex);
    }
    uint64_t round = atomic_load(&team->round);
    (void)pthread_mutex_unlock(&team->mutex);
    return round;
}

static void *worker(void *argument)
{
    struct uda_team *team = argument;
    uint64_t seen = 0;
    for (;;) {
        seen = wait_round(team, seen);
        if (team->quit) {
            return NULL;
        }
        take_tasks(team);
        if (atomic_fetch_sub(&team->working, 1) == 1) {
            (void)pthread_mutex_lock(&team->mutex);
            (void)pthread_cond_signal(&team->done);
            (void)pthread_mutex_unlock(&team->mutex);
        }
    }
}

static void begin_round(struct uda_team *team)
{
    (void)pthread_mutex_lock(&team->mutex);
    atomic_store(&team->working, team->started);
    atomic_fetch_add_explicit(&team->round, 1, memory_order_release);
    (void)pthread_cond_broadcast(&team->wake);
    (void)pthread_mutex_unlock(&team->mutex);
}

void uda_team_run(struct uda_team *team, int64_t tasks, void (*task)(void *, int64_t), void *args)
{
    if (team == NULL || team->started == 0 || tasks <= 1) {
        for (int64_t i = 0; i < tasks; i++) {
            task(args, i);
        }
        return;
    }
    team->task = task;
    team->args = args;
    team->tasks = tasks;
    atomic_store(&team->next, 0);
    begin_round(team);
    take_tasks(team);
    for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        if (atomic_load_explicit(&team->working, memory_order_acquire) == 0) {
            return;
        }
    }
    (void)pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->working) != 0) {
        (void)pthread_cond_wait(&team->done, &team->mutex);
    }
    (void)pthread_mutex_unlock(&team->mutex);
}

int uda_team_create(struct uda_team **team, int threads, struct uda_err *err)
{
    struct uda_team *t = uda_calloc(sizeof *t);
    if (t == NULL) {
        return uda_fail(err, UDA_NOMEM, "team: out of memory");
    }
    t->threads = threads > 0 ? threads : uda_cores();
    (void)pthread_mutex_init(&t->mutex, NULL);
    (void)pthread_cond_init(&t->wake, NULL);
    (void)pthread_cond_init(&t->done, NULL);
    t->thread = uda_calloc((size_t)t->threads * sizeof *t->thread);
    if (t->thread == NULL) {
        uda_team_destroy(&t);
        return uda_fail(err, UDA_NOMEM, "team: out of memory");
    }
    for (int i = 0; i < t->threads - 1; i++) {
        if (pthread_create(&t->thread[i], NULL, worker, t) != 0) {
            int started = t->started;
            uda_team_destroy(&t);
            return uda_fail(err, UDA_NOMEM, "team: the system gave %d of %d threads", started + 1,
                            threads);
        }
        t->started++;
    }
    *team = t;
    return 0;
}

void uda_team_destroy(struct uda_team **team)
{
    struct uda_team *t = *team;
    if (t == NULL) {
        return;
    }
    if (t->started > 0) {
        t->quit = true;
        begin_round(t);
        for (int i = 0; i < t->started; i++) {
            (void)pthread_join(t->thread[i], NULL);
        }
    }
    (void)pthread_cond_destroy(&t->done);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_mutex_destroy(&t->mutex);
    uda_free(t->thread);
    uda_free(t);
    *team = NULL;
}

int uda_team_threads(const struct uda_team *team) { return team == NULL ? 1 : team->threads; }
