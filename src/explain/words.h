/* What explanations say, in English and Chinese. */
#ifndef EBB_EXPLAIN_WORDS_H
#define EBB_EXPLAIN_WORDS_H

#include "tool/memory.h"
#include <ebb/explain.h>

/* A table of phrases: {1} to {4} stand for what is put in. */
enum ebb__phrase {
    /* values */
    EBB__SAY_NOT_KEPT,
    EBB__SAY_EMPTY,
    EBB__SAY_SUMMARY,
    EBB__SAY_SUMMARY_BAD,
    EBB__SAY_NOT_FINITE_VALUES,
    /* the report */
    EBB__SAY_OF_GRAPH,
    EBB__SAY_SETTING,
    EBB__SAY_VARIABLES,
    EBB__SAY_CONSTANT,
    EBB__SAY_FORWARD,
    EBB__SAY_BACKWARD,
    EBB__SAY_BACKWARD_SUM,
    EBB__SAY_GRADIENTS,
    EBB__SAY_HEAD_NAME,
    EBB__SAY_HEAD_TEXT,
    EBB__SAY_HEAD_SHAPE,
    EBB__SAY_HEAD_VALUE,
    EBB__SAY_HEAD_SAVED,
    EBB__SAY_HEAD_GRADIENT,
    EBB__SAY_HEAD_DIFFERENCES,
    EBB__SAY_HEAD_WORST,
    EBB__SAY_HEAD_MOVES,
    EBB__SAY_HEAD_RATE,
    EBB__SAY_UPSTREAM,
    EBB__SAY_SHAPE_OF,
    EBB__SAY_SUMMED,
    EBB__SAY_FIRST_PATH,
    EBB__SAY_NEXT_PATH,
    EBB__SAY_COMPLETE,
    EBB__SAY_COMPLETE_PATHS,
    EBB__SAY_NO_GRADIENT,
    EBB__SAY_CHECK_OK,
    EBB__SAY_CHECK_BAD,
    EBB__SAY_CHECK_SOME,
    EBB__SAY_CHECK_NONE,
    EBB__SAY_SAVED,
    EBB__SAY_SAVED_NOTHING,
    EBB__SAY_LEFT_OUT_OPERATIONS,
    EBB__SAY_LEFT_OUT_STEPS,
    EBB__SAY_LEFT_OUT_VARIABLES,
    EBB__SAY_HESSIAN,
    EBB__SAY_HESSIAN_OK,
    EBB__SAY_HESSIAN_BAD,
    EBB__SAY_HESSIAN_LARGE,
    EBB__SAY_TANGENTS,
    EBB__SAY_TANGENTS_OK,
    EBB__SAY_TANGENTS_BAD,
    EBB__N_PHRASES
};

/* A phrase with texts put in, as many as it has places for; in the arena, "" when out of memory. */
const char *ebb__say(struct ebb__arena *a, enum ebb_language lang, enum ebb__phrase phrase, ...);

/* "1st", "2nd", …; "1" in Chinese, which has words round it. */
const char *ebb__ordinal(struct ebb__arena *a, enum ebb_language lang, int64_t n);

#endif
