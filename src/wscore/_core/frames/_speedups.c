/* Masking (RFC 6455 5.3), scanning for whole messages, and writing frames, in C: optional, and the same as `mask.py`,
 * `scan.py` and `write.py` do in Python, which tests hold it to. `_lane.c` beside it is the lane.
 *
 * The rule of both files: they read only what they were given a buffer for, and write only into what they have just
 * made. Eight bytes a step, through memcpy, which compiles to plain loads and is right at any alignment. They keep to
 * the limited API, so one build serves all versions of Python from 3.11 on.
 */
#include "_speedups.h"

static void
mask_into(char *out, const char *data, Py_ssize_t size, const char *key)
{
    uint64_t twice;
    memcpy(&twice, key, 4);
    memcpy((char *)&twice + 4, key, 4);
    Py_ssize_t at = 0;
    for (; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        word ^= twice;
        memcpy(out + at, &word, 8);
    }
    for (; at < size; at++) {
        out[at] = (char)(data[at] ^ key[at & 3]);
    }
}

static PyObject *
masked(const char *data, Py_ssize_t size, const char *key)
{
    PyObject *result = PyBytes_FromStringAndSize(NULL, size);
    if (result != NULL) {
        mask_into(PyBytes_AsString(result), data, size, key);
    }
    return result;
}

static PyObject *
mask(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data, key;
    PyObject *result = NULL;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "mask(data, key)");
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[1], &key, PyBUF_SIMPLE) < 0) {
        PyBuffer_Release(&data);
        return NULL;
    }
    if (key.len != 4) {
        PyErr_SetString(PyExc_ValueError, "mask: a key has four bytes");
    }
    else {
        result = masked(data.buf, data.len, key.buf);
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    return result;
}

static PyObject *
unmask(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer buffer;
    PyObject *result = NULL;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "unmask(buffer, start, end)");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(args[1]);
    if (start == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t end = PyLong_AsSsize_t(args[2]);
    if (end == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (start < 4 || end < start || end > buffer.len) {
        PyErr_SetString(PyExc_ValueError, "unmask: 4 <= start <= end <= size of the buffer");
    }
    else {
        const char *payload = (const char *)buffer.buf + start;
        result = masked(payload, end - start, payload - 4);
    }
    PyBuffer_Release(&buffer);
    return result;
}

enum { SMALL = 4096 };

/* A text's payload, decoded, and before that unmasked where there is a key; NULL with UnicodeDecodeError where it is no
 * UTF-8. */
static PyObject *
text(const char *payload, Py_ssize_t size, int with_key)
{
    char small[SMALL]; /* a small text needs no other memory than its own */
    if (!with_key) {
        return PyUnicode_DecodeUTF8(payload, size, NULL);
    }
    if (size <= SMALL) {
        mask_into(small, payload, size, payload - 4);
        return PyUnicode_DecodeUTF8(small, size, NULL);
    }
    PyObject *bytes = masked(payload, size, payload - 4);
    if (bytes == NULL) {
        return NULL;
    }
    PyObject *result = PyUnicode_DecodeUTF8(PyBytes_AsString(bytes), size, NULL);
    Py_DECREF(bytes);
    return result;
}

PyObject *
wscore_whole_message(const char *buffer, Py_ssize_t here, Py_ssize_t *at, Py_ssize_t key_size, Py_ssize_t limit,
                     Py_ssize_t *taken)
{
    const Py_ssize_t left = here - *at;
    Py_ssize_t header = 2 + key_size;
    if (left < header) {
        return NULL;
    }
    const unsigned char *head = (const unsigned char *)buffer + *at;
    uint64_t size = head[1] & 0x7F, shortest = 0;
    if ((head[0] != TEXT && head[0] != BINARY) || (head[1] & MASKED) != (key_size ? MASKED : 0)) {
        return NULL;
    }
    if (size > 125) {
        Py_ssize_t bytes = size == 126 ? 2 : 8;
        shortest = size == 126 ? 126 : 1 << 16;
        header += bytes;
        if (left < header) {
            return NULL;
        }
        size = 0;
        for (Py_ssize_t i = 0; i < bytes; i++) {
            size = size << 8 | head[2 + i];
        }
    }
    if (size < shortest || size > (uint64_t)limit || size > (uint64_t)(left - header)) {
        return NULL;
    }
    const char *payload = buffer + *at + header;
    PyObject *message = head[0] == TEXT ? text(payload, (Py_ssize_t)size, key_size != 0)
                        : key_size      ? masked(payload, (Py_ssize_t)size, payload - 4)
                                        : PyBytes_FromStringAndSize(payload, (Py_ssize_t)size);
    if (message == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            PyErr_Clear();
        }
        return NULL;
    }
    *at += header + (Py_ssize_t)size;
    *taken = (Py_ssize_t)size;
    return message;
}

static PyObject *
scan_for(Py_ssize_t key_size, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data;
    Py_ssize_t numbers[4];
    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "scan(buffer, at, limit, count, size)");
        return NULL;
    }
    for (int i = 0; i < 4; i++) {
        numbers[i] = PyLong_AsSsize_t(args[i + 1]);
        if (numbers[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (numbers[i] < 0) {
            PyErr_SetString(PyExc_ValueError, "scan: no number may be negative");
            return NULL;
        }
    }
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Py_ssize_t at = numbers[0], limit = numbers[1], most = numbers[2], room = numbers[3], total = 0, size = 0;
    PyObject *messages = PyList_New(0);
    for (Py_ssize_t taken = 0; messages != NULL && taken < most && total < room; taken++) {
        PyObject *message = wscore_whole_message(data.buf, data.len, &at, key_size, limit, &size);
        if (message == NULL && !PyErr_Occurred()) {
            break;
        }
        if (message == NULL || PyList_Append(messages, message) < 0) {
            Py_CLEAR(messages);
        }
        Py_XDECREF(message);
        total += size;
    }
    PyBuffer_Release(&data);
    return messages == NULL ? NULL : Py_BuildValue("(Nnn)", messages, at, total);
}

static PyObject *
scan(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    return scan_for(4, args, count);
}

static PyObject *
scan_unmasked(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    return scan_for(0, args, count);
}

PyObject *
wscore_frame(int first, PyObject *from, const char *key)
{
    const char *payload;
    Py_ssize_t size;
    if (PyUnicode_Check(from)) {
        payload = PyUnicode_AsUTF8AndSize(from, &size);
        if (payload == NULL) {
            return NULL; /* a lone surrogate: UnicodeEncodeError */
        }
    }
    else {
        char *bytes;
        if (PyBytes_AsStringAndSize(from, &bytes, &size) < 0) {
            return NULL;
        }
        payload = bytes;
    }
    Py_ssize_t length = size < 126 ? 0 : size < 1 << 16 ? 2 : 8; /* bytes that hold it, besides the seven bits */
    Py_ssize_t header = 2 + length + (key == NULL ? 0 : 4);
    PyObject *result = PyBytes_FromStringAndSize(NULL, header + size);
    if (result == NULL) {
        return NULL;
    }
    char *out = PyBytes_AsString(result);
    out[0] = (char)first;
    out[1] = (char)((length == 0 ? size : length == 2 ? 126 : 127) | (key == NULL ? 0 : MASKED));
    for (Py_ssize_t i = 0; i < length; i++) {
        out[2 + i] = (char)((uint64_t)size >> 8 * (length - 1 - i));
    }
    if (key == NULL) {
        memcpy(out + header, payload, size);
    }
    else {
        memcpy(out + header - 4, key, 4);
        mask_into(out + header, payload, size, key);
    }
    return result;
}

/* `args` are a frame's first byte and its payload, and for one that is masked the key. */
static PyObject *
frame_of(PyObject *const *args, const char *key)
{
    long first = PyLong_AsLong(args[0]);
    if (first == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return wscore_frame((int)first, args[1], key);
}

static PyObject *
frame(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "frame(first, payload)");
        return NULL;
    }
    return frame_of(args, NULL);
}

static PyObject *
masked_frame(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    char *key;
    Py_ssize_t size;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "masked_frame(first, payload, key)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[2], &key, &size) < 0) {
        return NULL;
    }
    if (size != 4) {
        PyErr_SetString(PyExc_ValueError, "masked_frame: a key has four bytes");
        return NULL;
    }
    return frame_of(args, key);
}

static PyMethodDef functions[] = {
    {"mask", (PyCFunction)(void (*)(void))mask, METH_FASTCALL, "Mask or unmask data, beginning at the key's first byte."},
    {"unmask", (PyCFunction)(void (*)(void))unmask, METH_FASTCALL,
     "Unmask the payload from start to end in a buffer, its key in the four bytes before it."},
    {"frame", (PyCFunction)(void (*)(void))frame, METH_FASTCALL, "Put a header before a payload."},
    {"masked_frame", (PyCFunction)(void (*)(void))masked_frame, METH_FASTCALL,
     "Put a header and a key before a payload, and mask that."},
    {"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL,
     "Take whole messages of a client's, a frame each, from a buffer."},
    {"scan_unmasked", (PyCFunction)(void (*)(void))scan_unmasked, METH_FASTCALL,
     "Take whole messages of a server's, a frame each, from a buffer."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, wscore_lane_exec}, {0, NULL}};

struct PyModuleDef wscore_speedups = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_speedups",
    .m_doc = "Masking, scanning and writing in C, and the lane.",
    .m_size = sizeof(lane_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = wscore_lane_traverse,
    .m_clear = wscore_lane_clear,
    .m_free = wscore_lane_free,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&wscore_speedups);
}
