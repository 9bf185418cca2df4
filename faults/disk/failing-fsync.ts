/**
 * Failing fsync: the disk takes bytes and then says that it could not keep them.
 *
 * Owns the shim that a program is preloaded with, and the scenarios. While a flag file exists every fsync below a
 * folder fails, and what was written since the last one is gone, as Linux may have it: it marks pages clean that it
 * could not write. Whoever calls fsync a second time is told that all is well. Promises that what was resolved or
 * acknowledged is there all the same.
 */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { WHOSE } from './damage.ts';
import type { Scenario } from './scenario.ts';
import { NoDisk } from './small-disk.ts';

const run = promisify(execFile);

const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept { dev_t device; ino_t file; off_t size; };
static struct kept table[4096];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct kept *entry_of(const struct stat *status) {
  for (int i = 0; i < count; i++)
    if (table[i].file == status->st_ino && table[i].device == status->st_dev) return &table[i];
  if (count == 4096) return NULL;
  table[count] = (struct kept){ status->st_dev, status->st_ino, 0 };
  return &table[count++];
}

static int fails_for(int fd) {
  const char *below = getenv("FSYNC_FAILS_BELOW"), *when = getenv("FSYNC_FAILS_WHEN");
  if (!below || !when || access(when, F_OK) != 0) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 0 && (path[length] = 0, strncmp(path, below, strlen(below)) == 0);
}

static int sync_with(const char *name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  struct stat status;
  int is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (fails_for(fd)) {
    if (is_file) {
      pthread_mutex_lock(&lock);
      struct kept *kept = entry_of(&status);
      if (kept && status.st_size > kept->size && ftruncate(fd, kept->size)) { /* then it stays */ }
      pthread_mutex_unlock(&lock);
    }
    errno = EIO;
    return -1;
  }
  int result = real(fd);
  if (result == 0 && is_file) {
    pthread_mutex_lock(&lock);
    struct kept *kept = entry_of(&status);
    if (kept && status.st_size > kept->size) kept->size = status.st_size;
    pthread_mutex_unlock(&lock);
  }
  return result;
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }
`;

/** How long the disk goes on failing. */
const FAILING_MS = 1_500;

export const failingFsync: readonly Scenario[] = (['device', 'gateway'] as const).map((side) => ({
  fault: `fsync that fails under ${WHOSE[side]}`,
  async env(folder) {
    const library = await makeShim(folder);
    const below = join(folder, side === 'device' ? 'pump-7' : 'gateway');
    return { LD_PRELOAD: library, FSYNC_FAILS_BELOW: below, FSYNC_FAILS_WHEN: flagIn(folder) };
  },
  async strike({ pair, folder, random }) {
    await pair.startBoth();
    await writeFile(flagIn(folder), '');
    if (side === 'device') await pair.until('the device has not told of it', () => pair.faults.has('io'));
    else await pair.until('the device was not told', () => pair.link.code === 'store-unavailable');
    await sleep(random() * FAILING_MS);
    // What was not kept is found out by who goes on, and by who has to begin again.
    const isKilled = random() < 0.5;
    if (isKilled) await pair.kill(side);
    await rm(flagIn(folder));
    if (isKilled) await pair.start(side);
    return await pair.untilCounting('nothing was counted once fsync worked again');
  },
}));

function flagIn(folder: string): string {
  return join(folder, 'fsync-fails');
}

async function makeShim(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const [source, library] = [join(folder, 'fsync-shim.c'), join(folder, 'fsync-shim.so')];
  await writeFile(source, SHIM);
  try {
    await run('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl', '-lpthread']);
  } catch (error) {
    throw new NoDisk(`needs a C compiler: \`apt-get install -y gcc\` (${(error as Error).message.split('\n')[0]})`);
  }
  return library;
}
