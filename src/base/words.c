/* Words that were mistyped: which of the known ones was meant. */
#include "base/base.h"

#include <string.h>

enum { WORD_MAX = 48 };

static int smaller(int a, int b) { return a < b ? a : b; }

/* Levenshtein's distance; words beyond WORD_MAX are like nothing. */
static int distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX) return WORD_MAX;
    int row[WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int here = smaller(smaller(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = row[j];
            row[j] = here;
        }
    }
    return row[m];
}

static size_t common(const char *a, const char *b) {
    size_t n = 0;
    while (a[n] && a[n] == b[n]) n++;
    return n;
}

/* Of equally near names the one that begins most like the word: the first letters are seldom wrong. */
const char *ebb_did_you_mean(const char *word, const char *const *names, int64_t count) {
    const char *best = NULL;
    int best_distance = 3;
    size_t n = word ? strlen(word) : 0;
    for (int64_t i = 0; i < count && word; i++) {
        if (!names[i]) continue;
        int d = n >= 3 && strncmp(word, names[i], n) == 0 ? 1 : distance(word, names[i]);
        bool nearer = d < best_distance || (best && d == best_distance && common(word, names[i]) > common(word, best));
        if (nearer && d < (int)strlen(names[i])) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
