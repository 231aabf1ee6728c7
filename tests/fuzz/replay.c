/* Runs a fuzz target over the files of its corpus, so that what was found once stays found: replay FOLDER. Each file is
 * also tried cut off at every length, and with every byte changed. */
#define _POSIX_C_SOURCE 200809L
#include "tests/fuzz/fuzz.h"
#include <dirent.h>
#include <string.h>

enum { FILE_MAX = 65536, TRY_MAX = 1024 };

static void try(const unsigned char *bytes, size_t size) {
    unsigned char *exact = malloc(size ? size : 1); /* so that a sanitizer sees reads beyond its end */
    if (!exact) abort();
    memcpy(exact, bytes, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static bool replay(const char *path) {
    static unsigned char bytes[FILE_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    try(bytes, size);
    for (size_t i = 0; i < size && i < TRY_MAX; i++) {
        static const unsigned char changes[] = {0x01, 0x80, 0xFF};
        try(bytes, i);
        for (size_t k = 0; k < sizeof changes; k++) {
            bytes[i] ^= changes[k];
            try(bytes, size);
            bytes[i] ^= changes[k];
        }
    }
    return true;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    int files = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (!replay(path)) {
            (void)fprintf(stderr, "%s cannot be read\n", path);
            return 1;
        }
        files++;
    }
    closedir(folder);
    printf("%d files\n", files);
    return files ? 0 : 1;
}
