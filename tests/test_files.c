/* Files as they are written and read, whatever their format: complete or not at all, links and permissions kept, full
 * disks, devices and pipes. */
#define _XOPEN_SOURCE 700
#include "tests/check.h"
#include "io/input.h"
#include <dirent.h>
#include <ebb/ebb.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef EBB_HAVE_ZLIB
enum { ZLIB = 1 };
#else
enum { ZLIB = 0 };
#endif
#ifdef EBB_HAVE_JANSSON
enum { JANSSON = 1 };
#else
enum { JANSSON = 0 };
#endif

static char folder[64];

static void make_folder(void) {
    (void)snprintf(folder, sizeof folder, "build/files_XXXXXX");
    (void)mkdir("build", 0777);
    CHECK(mkdtemp(folder) != NULL);
}

static const char *in_folder(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void) {
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    int n = -2; /* . and .. */
    while (readdir(dir)) n++;
    (void)closedir(dir);
    return n;
}

static void write_text(const char *name, const char *text) {
    FILE *file = fopen(in_folder(name), "wb");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool has_text(const char *name, const char *text) {
    char got[64] = "";
    FILE *file = fopen(in_folder(name), "rb");
    CHECK(file != NULL);
    size_t n = fread(got, 1, sizeof got - 1, file);
    (void)fclose(file);
    return n == strlen(text) && memcmp(got, text, n) == 0;
}

/* ---- what writes files, and what reads them ---- */

enum { SIZE = 1 << 18 };
static int64_t size = SIZE;

static ebb_tensor *large(void) {
    return ebb_reshape(ebb_arange(0, (double)size, 1, .dtype = EBB_I32), EBB_DIMS(64, -1));
}
static const char *const names[] = {"a", "b"};

static ebb_status npy_save(const char *path) { return ebb_npy_save(path, large()); }
static ebb_status npz_save(const char *path) {
    return ebb_npz_save(path, names, EBB_LIST(ebb_ones(EBB_DIMS(3)), large()));
}
static ebb_status npz_save_compressed(const char *path) {
    return ebb_npz_save(path, names, EBB_LIST(ebb_randn(EBB_DIMS(size)), large()), .compressed = true);
}
static ebb_status safetensors_save(const char *path) { return ebb_safetensors_save(path, names, EBB_LIST(large())); }
static ebb_status graph_save(const char *path) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true);
    for (int i = 0; i < 3000; i++) x = ebb_neg(x);
    return ebb_graph_dot(x, path);
}

static ebb_status npy_read(const char *path) { return ebb_npy_load(path) ? EBB_OK : ebb_error_status(); }
static ebb_status npz_read(const char *path) {
    return ebb_npz_load(path, names + 1, EBB_LIST(ebb_zeros_like(large())));
}
static ebb_status safetensors_read(const char *path) {
    return ebb_safetensors_load(path, names, EBB_LIST(ebb_zeros_like(large())));
}
static ebb_status idx_read(const char *path) {
    ebb_tensor *t;
    return ebb_idx_read(path, &t);
}

static const struct format {
    const char *name;
    ebb_status (*save)(const char *path), (*read)(const char *path);
} formats[] = {
    {"npy", npy_save, npy_read},
    {"npz", ZLIB ? npz_save : NULL, ZLIB ? npz_read : NULL},
    {"compressed npz", ZLIB ? npz_save_compressed : NULL, ZLIB ? npz_read : NULL},
    {"safetensors", JANSSON ? safetensors_save : NULL, JANSSON ? safetensors_read : NULL},
    {"dot", graph_save, NULL},
    {"idx", NULL, idx_read},
};
enum { FORMATS = sizeof formats / sizeof *formats };

/* ---- writing ---- */

EBB_TEST(the_file_takes_the_place_of_what_was_there) {
    struct stat info;
    make_folder();
    for (int i = 0; i < FORMATS; i++) EBB_SCOPE {
            const struct format *f = &formats[i];
            if (!f->save) continue;
            write_text("real", "old");
            CHECK(chmod(in_folder("real"), 0640) == 0);
            CHECK(symlink("real", in_folder("link")) == 0);
            CHECK(f->save(in_folder("link")) == EBB_OK);
            CHECK(lstat(in_folder("link"), &info) == 0 && S_ISLNK(info.st_mode));
            CHECK(lstat(in_folder("real"), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0777) == 0640);
            CHECK(info.st_size > 100000);
            if (f->read) CHECK(f->read(in_folder("link")) == EBB_OK);
            CHECK(unlink(in_folder("link")) == 0 && unlink(in_folder("real")) == 0);
            CHECK(files_in_folder() == 0);
        }
    CHECK(rmdir(folder) == 0);
}

/* A limit on the size of files is a disk that becomes full. */
EBB_TEST(a_full_disk) {
    struct rlimit before, limit;
    make_folder();
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    limit = before;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < FORMATS; i++) EBB_SCOPE {
            if (!formats[i].save) continue;
            write_text("a", "old");
            const rlim_t sizes[] = {0, 50, 5000, 70000, 100000};
            for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
                limit.rlim_cur = sizes[k];
                CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
                ebb_status status = formats[i].save(in_folder("a"));
                CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
                CHECK(status == EBB_ERR_IO);
                CHECK_ERROR(EBB_ERR_IO, formats[i].read ? "a cannot be written: File too large" : "cannot be written");
                CHECK(has_text("a", "old") && files_in_folder() == 1);
            }
        }
    (void)signal(SIGXFSZ, handler);
    CHECK(unlink(in_folder("a")) == 0 && rmdir(folder) == 0);
}

EBB_TEST(places_that_cannot_be_written) {
    make_folder();
    char long_name[400];
    memset(long_name, 'n', sizeof long_name);
    long_name[300] = '\0';
    for (int i = 0; i < FORMATS; i++) EBB_SCOPE {
            if (!formats[i].save) continue;
            CHECK(formats[i].save(folder) == EBB_ERR_IO);
            CHECK_ERROR(EBB_ERR_IO, "Is a directory");
            CHECK(formats[i].save("no/such/folder/a") == EBB_ERR_IO);
            CHECK_ERROR(EBB_ERR_IO, "no/such/folder/a cannot be written: No such file");
            CHECK(formats[i].save("/dev/null/a") == EBB_ERR_IO);
            CHECK_ERROR(EBB_ERR_IO, "/dev/null/a cannot be written: Not a directory");
            CHECK(formats[i].save(in_folder(long_name)) == EBB_ERR_IO);
            CHECK_ERROR(EBB_ERR_IO, "File name too long");
            if (access("/dev/full", W_OK) == 0) {
                CHECK(formats[i].save("/dev/full") == EBB_ERR_IO);
                CHECK_ERROR(EBB_ERR_IO, formats[i].read ? "/dev/full cannot be written: " : "cannot be written");
            }
            if (geteuid() != 0) { /* a file that may not be written is not replaced */
                write_text("a", "old");
                CHECK(chmod(in_folder("a"), 0444) == 0);
                CHECK(formats[i].save(in_folder("a")) == EBB_ERR_IO);
                CHECK_ERROR(EBB_ERR_IO, "Permission denied");
                CHECK(has_text("a", "old") && unlink(in_folder("a")) == 0);
            }
            CHECK(files_in_folder() == 0);
        }
    CHECK(rmdir(folder) == 0);
    long_name[250] = '\0'; /* a name that leaves no room for a longer one */
    make_folder();
    EBB_SCOPE CHECK(npy_save(in_folder(long_name)) == EBB_OK && files_in_folder() == 1);
    CHECK(unlink(in_folder(long_name)) == 0 && rmdir(folder) == 0);
}

/* ---- devices and pipes ---- */

static size_t piped;

static void *read_pipe(void *path) {
    static char bytes[4096];
    FILE *file = fopen(path, "rb");
    piped = 0;
    for (size_t n; file && (n = fread(bytes, 1, sizeof bytes, file)) > 0;) piped += n;
    if (file) (void)fclose(file);
    return NULL;
}

static void *write_pipe(void *path) {
    int from = open(in_folder("file"), O_RDONLY), to = open(path, O_WRONLY);
    char bytes[1000];
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
        if (write(to, bytes, (size_t)n) != n) break;
    (void)close(from);
    (void)close(to);
    return NULL;
}

EBB_TEST(devices_stay_devices) {
    struct stat info;
    for (int i = 0; i < FORMATS; i++) EBB_SCOPE {
            if (!formats[i].save || strstr(formats[i].name, "npz")) continue; /* the zip format goes back in its file */
            CHECK(formats[i].save("/dev/null") == EBB_OK);
            CHECK(lstat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
        }
    make_folder();
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_folder("pipe"));
    CHECK(mkfifo(path, 0600) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, read_pipe, path) == 0);
    EBB_SCOPE CHECK(npy_save(path) == EBB_OK);
    CHECK(pthread_join(thread, NULL) == 0 && piped == 4 * SIZE + 128);
    if (ZLIB) {
        CHECK(pthread_create(&thread, NULL, read_pipe, path) == 0);
        EBB_SCOPE CHECK(npz_save(path) == EBB_ERR_IO);
        CHECK_ERROR(EBB_ERR_IO, "pipe cannot be written: Illegal seek");
        CHECK(pthread_join(thread, NULL) == 0);
    }
    for (int i = 0; i < FORMATS; i++) EBB_SCOPE {
            if (!formats[i].save || !formats[i].read) continue;
            CHECK(formats[i].save(in_folder("file")) == EBB_OK);
            CHECK(pthread_create(&thread, NULL, write_pipe, path) == 0);
            CHECK(formats[i].read(path) == EBB_OK);
            CHECK(pthread_join(thread, NULL) == 0);
            CHECK(unlink(in_folder("file")) == 0);
        }
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

/* ---- reading ---- */

EBB_TEST(files_that_cannot_be_read) {
    for (int i = 0; i < FORMATS; i++) EBB_SCOPE {
            if (!formats[i].read) continue;
            CHECK(formats[i].read("no/such/file") == EBB_ERR_IO);
            CHECK_ERROR(EBB_ERR_IO, "no/such/file: No such file");
            CHECK(formats[i].read("tests") == EBB_ERR_IO);
            CHECK_ERROR(EBB_ERR_IO, "tests: Is a directory");
            CHECK(formats[i].read("/dev/null") == EBB_ERR_FORMAT);
            CHECK_ERROR(EBB_ERR_FORMAT, "/dev/null: ");
            if (access("/proc/self/mem", R_OK) == 0) {
                CHECK(formats[i].read("/proc/self/mem") == EBB_ERR_IO);
                CHECK_ERROR(EBB_ERR_IO, "/proc/self/mem: Input/output error");
            }
        }
}

EBB_TEST(a_file_that_is_cut_short_meanwhile) {
    char bytes[100];
    struct ebb__input in;
    make_folder();
    write_text("a", "0123456789");
    CHECK(ebb__input_open(&in, in_folder("a")) == EBB_OK && in.size == 10);
    CHECK(ebb__input_read(&in, 2, bytes, 3) == EBB_OK && memcmp(bytes, "234", 3) == 0);
    CHECK(ebb__input_read(&in, 10, bytes, 0) == EBB_OK);
    CHECK(ebb__input_read(&in, 8, bytes, 3) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "a: the file is cut off");
    CHECK(ebb__input_read(&in, 11, bytes, 0) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "a: the file is cut off");
    CHECK(truncate(in_folder("a"), 4) == 0);
    CHECK(ebb__input_read(&in, 2, bytes, 3) == EBB_ERR_IO);
    CHECK_ERROR(EBB_ERR_IO, "a: the file has become shorter");
    ebb__input_close(&in);
    CHECK(unlink(in_folder("a")) == 0 && rmdir(folder) == 0);
}

/* ---- every allocation failing ---- */

static const struct format *tried;

static void save_and_read(void) {
    EBB_SCOPE {
        if (!tried->save(in_folder("a")) && tried->read) (void)tried->read(in_folder("a"));
    }
}

static void read_pipe_of_zeros(void) {
    struct ebb__input in;
    int ends[2];
    char path[32];
    CHECK(pipe(ends) == 0 && write(ends[1], path, sizeof path) == sizeof path && close(ends[1]) == 0);
    (void)snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    (void)ebb__input_open(&in, path);
    ebb__input_close(&in);
    (void)close(ends[0]);
}

EBB_TEST(every_allocation_may_fail) {
    make_folder();
    size = 1 << 15; /* as small as is still mapped */
    for (int i = 0; i < FORMATS; i++) {
        tried = &formats[i];
        if (!tried->save) continue;
        write_text("a", "old");
        ebb_memory_fail_after(1);
        save_and_read();
        ebb_memory_fail_after(0);
        CHECK_ERROR(EBB_ERR_MEMORY, "");
        CHECK(has_text("a", "old"));
        CHECK_ALLOCATIONS_FAILING(save_and_read, tried->read ? 0 : 100);
        CHECK(files_in_folder() == 1);
    }
    size = SIZE;
    CHECK_ALLOCATIONS_FAILING(read_pipe_of_zeros, 0);
    CHECK(unlink(in_folder("a")) == 0 && rmdir(folder) == 0);
}

EBB_TEST_MAIN
