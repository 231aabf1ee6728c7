/* What the language, the explanations and the program say when something is wrong, in English and Chinese. Texts are
 * written in English where they are said, and are the keys of one table (said_zh.c), as with gettext: a format stands
 * for the same format in Chinese, where arguments that change places are numbered (%2$s). */
#ifndef EBB_TOOL_SAID_H
#define EBB_TOOL_SAID_H

#include "tool/memory.h"

/* In which language the thread says what is wrong from now on. Returns what it was before, for ebb__say_end(), which
 * also says the thread's error, if there is one. */
bool ebb__say_in_chinese(bool chinese);
void ebb__say_end(bool before);

/* A text that is said later, from a table. */
#define SAID(text) text

/* The text, or format, in that language. */
const char *ebb__said(const char *english);

/* ebb_fail() with a format that is said. Returns status. */
ebb_status ebb__fail_said(ebb_status status, const char *format, ...) EBB_PRINTF(2, 3);

/* "; did you mean sin?", "" for NULL; until the next call in the thread. */
const char *ebb__meant(const char *meant);

/* Say the thread's error, of the library and hence in English, in the language: what happened, and the library's text
 * behind it. `called` is what the one who is told has called, NULL for the operator whose error it is. Nothing for an
 * error that has been said. Returns the thread's status. */
ebb_status ebb__say_error(const char *called);

/* Whether the thread's error has been said; that it counts as said, having been told again. */
bool ebb__is_said(void);
void ebb__as_said(void);

/* Where in a text that was said in another language the library's own begins, with the words that lead to it; NULL for
 * other texts. */
const char *ebb__said_library(const char *text);

/* What a kind of errors is, in the thread's language: "shapes do not fit". */
const char *ebb__said_status(ebb_status status);

/* said_zh.c: English and Chinese; NULL after the last. */
extern const char *const ebb__said_zh[][2];

#endif
