/* Makes the n-th call of one function of the C library fail; loaded before a program, with libfiu.

   NTH_NAME   the function, as libfiu calls it: posix/io/rw/write, posix/io/sync/fsync, ...
   NTH        which call fails; 0 for none
   NTH_ON     when it is set, every call after it fails too, as on a disk that stays full
   NTH_ERROR  with which errno
   NTH_COUNT  a file that is told how many calls there were */

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

int fiu_init(unsigned int flags);
int fiu_disable(const char *name);
int fiu_enable_external(const char *name, int failnum, void *failinfo, unsigned int flags,
                        int (*due)(const char *, int *, void **, unsigned int *));

static atomic_long calls;
static long nth;
static int on;

static int due(const char *name, int *failnum, void **failinfo, unsigned int *flags) {
    (void)name, (void)failnum, (void)failinfo, (void)flags;
    long call = atomic_fetch_add(&calls, 1) + 1;
    return nth != 0 && (call == nth || (on && call > nth));
}

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("NTH_NAME"), *number = getenv("NTH"), *error = getenv("NTH_ERROR");
    if (name == NULL || number == NULL || error == NULL) return;
    nth = atol(number);
    on = getenv("NTH_ON") != NULL;
    if (fiu_init(0) != 0 || fiu_enable_external(name, 1, (void *)atol(error), 0, due) != 0) abort();
}

__attribute__((destructor)) static void end(void) {
    const char *name = getenv("NTH_NAME"), *path = getenv("NTH_COUNT");
    if (name == NULL || path == NULL) return;
    long counted = atomic_load(&calls);
    fiu_disable(name);
    FILE *file = fopen(path, "w");
    if (file == NULL) return;
    fprintf(file, "%ld\n", counted);
    fclose(file);
}
