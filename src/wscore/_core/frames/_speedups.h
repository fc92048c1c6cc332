/* What `_speedups.c`, the functions on frames, and `_lane.c`, the lane, have in common. */
#ifndef WSCORE_SPEEDUPS_H
#define WSCORE_SPEEDUPS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { TEXT = 0x81, BINARY = 0x82, MASKED = 0x80 };

/* The whole plain message that begins at `*at` of a buffer with `here` bytes, and has at most `limit` bytes; then `*at`
 * is behind it, and `*taken` is its size. NULL without an exception for anything else; with one if memory is out.
 * `key_size` is what stands between a header and its payload: four bytes of a client's, none of a server's. */
PyObject *wscore_whole_message(const char *buffer, Py_ssize_t here, Py_ssize_t *at, Py_ssize_t key_size,
                               Py_ssize_t limit, Py_ssize_t *taken);

/* A frame with this first byte, masked if there is a key; `payload` is a str or bytes. */
PyObject *wscore_frame(int first, PyObject *payload, const char *key);

/* What the lanes of an interpreter share: the module's state. */
typedef struct {
    PyTypeObject *stats_type;
    PyObject *type, *text, *bytes, *idle, *read_on; /* interned names */
    PyObject *send;                                 /* "websocket.send" */
    PyObject *receives_text, *receives_bytes;       /* ASGI's messages, but for their payload */
} lane_state;

extern struct PyModuleDef wscore_speedups;
int wscore_lane_exec(PyObject *module);
int wscore_lane_traverse(PyObject *module, visitproc visit, void *arg);
int wscore_lane_clear(PyObject *module);
void wscore_lane_free(void *module);

#endif
