/* Masking (RFC 6455 5.3) in C: optional, and the same as `_mask.py` does in Python, which tests hold it to.
 *
 * The rule of this file: it reads only what it was given a buffer for, and writes only into bytes that it has just
 * made. Eight bytes a step, through memcpy, which compiles to plain loads and is right at any alignment. It keeps to
 * the limited API, so one build serves all versions of Python from 3.11 on.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

static PyObject *
masked(const char *data, Py_ssize_t size, const char *key)
{
    PyObject *result = PyBytes_FromStringAndSize(NULL, size);
    if (result == NULL) {
        return NULL;
    }
    char *out = PyBytes_AsString(result);
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

static PyMethodDef functions[] = {
    {"mask", (PyCFunction)(void (*)(void))mask, METH_FASTCALL, "Mask or unmask data, beginning at the key's first byte."},
    {"unmask", (PyCFunction)(void (*)(void))unmask, METH_FASTCALL,
     "Unmask the payload from start to end in a buffer, its key in the four bytes before it."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_speedups",
    .m_doc = "Masking in C.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&module);
}
