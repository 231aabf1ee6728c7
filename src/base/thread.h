/* What the files of the base layer tell each other about the life of a thread. */
#ifndef EBB_BASE_THREAD_H
#define EBB_BASE_THREAD_H

/* See to it that ebb_thread_release() runs when the calling thread ends. Called where a thread first takes memory. */
void ebb__thread_attach(void);

void ebb__scope_release_all(void); /* release every tensor that the thread owns, and the stack of scopes */
void ebb__error_release(void);     /* forget the error and free its memory */

#endif
