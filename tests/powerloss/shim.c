// A power cut for one folder, without cutting the power.
//
// Preloaded into a process, it notes in a side log what every write under POWERLOSS_DIR overwrites and every
// change of a name there, and which of them an fsync or fdatasync has made durable since. After the process
// is killed, tests/harness/powerloss.rs takes back what was not durable, all of it or some of it, as a disk
// might. sync_file_range makes nothing durable: it flushes neither the disk's cache nor the file's size.
//
// POWERLOSS_FAULT="<errno> <write|sync|rename|open> <n> <once|on>" makes the n-th such call (from 1), or it
// and all later ones, fail; the line "F" on standard output tells when that begins.
//
// The log is a sequence of records; see `struct record`. It is only ever appended to, and the kernel keeps it
// when the process is killed.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 4096

struct record {
  // W write, T truncate, C create, D mkdir, R rename, U unlink, S sync
  uint64_t kind;
  // Of the file that it is about. For S, also of a folder.
  uint64_t inode;
  // W: offset. T: new size. C, D, R, U: inode of the folder. S: how many records were there when it began.
  uint64_t a;
  // W, T: old size. R, U: number of the link that keeps the file that went, 0 for none.
  uint64_t b;
  // W: length of what is written.
  uint64_t c;
  // Lengths of two byte strings that follow. W, T: old bytes, none. C, D, U: path, none. R: old path, new path.
  uint64_t length1, length2;
};

static char folder[PATH_MAX];
static size_t folder_length;
static char graveyard[PATH_MAX];
static int log_fd = -1;
static uint64_t record_count, grave_count;
// Held from before a record is written until what it is about is done, so that the log has their order.
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

// For each descriptor of a file or folder that is watched: its inode, and one to read it by, or -1.
static struct { uint64_t inode; int reader; } files[FILES_MAX];

static int fault_errno, fault_on, fault_said;
static char fault_call[16];
static long fault_at, fault_seen;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

__attribute__((constructor)) static void start(void) {
  const char *dir = getenv("POWERLOSS_DIR"), *log = getenv("POWERLOSS_LOG");
  const char *fault = getenv("POWERLOSS_FAULT");
  if (!dir || !log) return;
  folder_length = strlen(dir);
  if (folder_length >= sizeof folder || strlen(log) + 8 >= sizeof graveyard) abort();
  strcpy(folder, dir);
  snprintf(graveyard, sizeof graveyard, "%s.graves", log);
  REAL(mkdir)(graveyard, 0700);
  log_fd = REAL(open64)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) abort();
  if (fault) {
    char how[8] = "";
    if (sscanf(fault, "%d %15s %ld %7s", &fault_errno, fault_call, &fault_at, how) != 4) abort();
    fault_on = !strcmp(how, "on");
  }
}

static int watched_path(const char *path) {
  return log_fd >= 0 && path && !strncmp(path, folder, folder_length) &&
         (path[folder_length] == '/' || path[folder_length] == 0);
}

static uint64_t watched_fd(int fd) {
  return log_fd >= 0 && fd >= 0 && fd < FILES_MAX ? files[fd].inode : 0;
}

// Whether this call is to fail. Sets errno.
static int faulty(const char *call) {
  if (!fault_at || strcmp(call, fault_call)) return 0;
  long seen = __atomic_add_fetch(&fault_seen, 1, __ATOMIC_SEQ_CST);
  if (fault_on ? seen < fault_at : seen != fault_at) return 0;
  if (!__atomic_exchange_n(&fault_said, 1, __ATOMIC_SEQ_CST)) REAL(write)(1, "F\n", 2);
  errno = fault_errno;
  return 1;
}

static void put(const void *bytes, size_t length) {
  ssize_t (*real_write)(int, const void *, size_t) = REAL(write);
  while (length > 0) {
    ssize_t done = real_write(log_fd, bytes, length);
    if (done <= 0) abort();
    bytes = (const char *)bytes + done;
    length -= (size_t)done;
  }
}

// With `order` held.
static void append(struct record record, const void *bytes1, const void *bytes2) {
  put(&record, sizeof record);
  put(bytes1, record.length1);
  put(bytes2, record.length2);
  record_count++;
}

static uint64_t inode_of(const char *path) {
  struct stat64 found;
  return REAL(lstat64)(path, &found) ? 0 : found.st_ino;
}

static uint64_t parent_of(const char *path) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash) *slash = 0;
  return inode_of(parent);
}

static void note_name(int kind, const char *path, uint64_t grave) {
  append((struct record){.kind = (uint64_t)kind, .inode = inode_of(path), .a = parent_of(path), .b = grave,
                         .length1 = strlen(path)}, path, "");
}

// Keeps a file that is about to lose its name, since an unsynced loss may not last.
static uint64_t bury(const char *path) {
  char grave[PATH_MAX + 32];
  snprintf(grave, sizeof grave, "%s/%llu", graveyard, (unsigned long long)++grave_count);
  return REAL(link)(path, grave) ? 0 : grave_count;
}

// Notes what a write or a truncation is about to change. With `order` held.
static void note_bytes(int kind, int fd, uint64_t offset, uint64_t length) {
  struct stat64 found;
  if (REAL(fstat64)(fd, &found)) abort();
  uint64_t size = (uint64_t)found.st_size, end = offset + length, old = 0;
  if (kind == 'T') end = size;
  if (end > size) end = size;
  if (offset < end) old = end - offset;
  char *bytes = malloc(old ? old : 1);
  if (!bytes) abort();
  ssize_t (*real_pread)(int, void *, size_t, off64_t) = REAL(pread64);
  for (uint64_t have = 0; have < old;) {
    ssize_t got = real_pread(files[fd].reader, bytes + have, old - have, (off64_t)(offset + have));
    if (got <= 0) abort();
    have += (uint64_t)got;
  }
  append((struct record){.kind = (uint64_t)kind, .inode = files[fd].inode, .a = offset, .b = size, .c = length,
                         .length1 = old}, bytes, "");
  free(bytes);
}

// ---- names

static int opened(int dirfd, const char *path, int flags, mode_t mode) {
  int (*real_open)(int, const char *, int, ...) = REAL(openat64);
  if (!watched_path(path)) return real_open(dirfd, path, flags, mode);
  if (faulty("open")) return -1;
  pthread_mutex_lock(&order);
  int existed = inode_of(path) != 0;
  // A truncation by opening is an opening and a truncation.
  int fd = real_open(dirfd, path, flags & ~O_TRUNC, mode), error = errno;
  if (fd >= FILES_MAX) abort();
  if (fd >= 0) {
    struct stat64 found;
    if (REAL(fstat64)(fd, &found)) abort();
    files[fd].inode = found.st_ino;
    files[fd].reader = S_ISREG(found.st_mode) ? real_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (!existed) note_name('C', path, 0);
    if (existed && (flags & O_TRUNC) && found.st_size > 0) {
      note_bytes('T', fd, 0, 0);
      if (REAL(ftruncate64)(fd, 0)) abort();
    }
  }
  pthread_mutex_unlock(&order);
  errno = error;
  return fd;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
    va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); \
  }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int dirfd, const char *path, int flags, ...) { MODE(flags) return opened(dirfd, path, flags, mode); }
int openat64(int dirfd, const char *path, int flags, ...) { MODE(flags) return opened(dirfd, path, flags, mode); }

int close(int fd) {
  if (watched_fd(fd)) {
    int reader = files[fd].reader;
    files[fd].inode = 0;
    if (reader >= 0) REAL(close)(reader);
  }
  return REAL(close)(fd);
}

int mkdir(const char *path, mode_t mode) {
  if (!watched_path(path)) return REAL(mkdir)(path, mode);
  pthread_mutex_lock(&order);
  int failed = REAL(mkdir)(path, mode), error = errno;
  if (!failed) note_name('D', path, 0);
  pthread_mutex_unlock(&order);
  errno = error;
  return failed;
}

int rename(const char *from, const char *to) {
  if (!watched_path(from) && !watched_path(to)) return REAL(rename)(from, to);
  if (faulty("rename")) return -1;
  pthread_mutex_lock(&order);
  uint64_t inode = inode_of(from), grave = inode_of(to) ? bury(to) : 0;
  int failed = REAL(rename)(from, to), error = errno;
  if (!failed)
    append((struct record){.kind = 'R', .inode = inode, .a = parent_of(to), .b = grave,
                           .length1 = strlen(from), .length2 = strlen(to)}, from, to);
  pthread_mutex_unlock(&order);
  errno = error;
  return failed;
}

int unlink(const char *path) {
  if (!watched_path(path)) return REAL(unlink)(path);
  pthread_mutex_lock(&order);
  uint64_t inode = inode_of(path), parent = parent_of(path), grave = inode ? bury(path) : 0;
  int failed = REAL(unlink)(path), error = errno;
  if (!failed)
    append((struct record){.kind = 'U', .inode = inode, .a = parent, .b = grave, .length1 = strlen(path)}, path, "");
  pthread_mutex_unlock(&order);
  errno = error;
  return failed;
}

// ---- bytes

static ssize_t written(int fd, const void *bytes, size_t length, off64_t offset) {
  if (faulty("write")) return -1;
  pthread_mutex_lock(&order);
  note_bytes('W', fd, (uint64_t)offset, length);
  ssize_t done = REAL(pwrite64)(fd, bytes, length, offset);
  int error = errno;
  pthread_mutex_unlock(&order);
  errno = error;
  return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  return watched_fd(fd) ? written(fd, bytes, length, offset) : REAL(pwrite64)(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!watched_fd(fd)) return REAL(write)(fd, bytes, length);
  int append_mode = REAL(fcntl64)(fd, F_GETFL) & O_APPEND;
  off64_t at = REAL(lseek64)(fd, 0, append_mode ? SEEK_END : SEEK_CUR);
  ssize_t done = written(fd, bytes, length, at);
  if (done > 0) REAL(lseek64)(fd, at + done, SEEK_SET);
  return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!watched_fd(fd)) return REAL(writev)(fd, parts, count);
  // A short write is allowed, and callers go on from there.
  for (int i = 0; i < count; i++)
    if (parts[i].iov_len > 0) return write(fd, parts[i].iov_base, parts[i].iov_len);
  return 0;
}

int ftruncate64(int fd, off64_t size) {
  if (!watched_fd(fd)) return REAL(ftruncate64)(fd, size);
  if (faulty("write")) return -1;
  pthread_mutex_lock(&order);
  note_bytes('T', fd, (uint64_t)size, 0);
  int failed = REAL(ftruncate64)(fd, size), error = errno;
  pthread_mutex_unlock(&order);
  errno = error;
  return failed;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

// Copies inside the kernel would go unseen: refused, so that callers copy by reading and writing.
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
  if (!watched_fd(out)) return REAL(copy_file_range)(in, from, out, to, length, flags);
  errno = ENOSYS;
  return -1;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
  ssize_t (*real_sendfile)(int, int, off64_t *, size_t) = real("sendfile64");
  if (!watched_fd(out)) return real_sendfile(out, in, offset, count);
  errno = ENOSYS;
  return -1;
}

// ---- durability

static int synced(int fd, int (*real_sync)(int)) {
  uint64_t inode = watched_fd(fd);
  if (!inode) return real_sync(fd);
  if (faulty("sync")) return -1;
  // What is written while the sync runs may miss it; what is counted here has been written.
  pthread_mutex_lock(&order);
  uint64_t before = record_count;
  pthread_mutex_unlock(&order);
  int failed = real_sync(fd), error = errno;
  if (!failed) {
    pthread_mutex_lock(&order);
    append((struct record){.kind = 'S', .inode = inode, .a = before}, "", "");
    pthread_mutex_unlock(&order);
  }
  errno = error;
  return failed;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
  if (watched_fd(fd) && faulty("sync")) return -1;
  return REAL(sync_file_range)(fd, offset, length, flags);
}
