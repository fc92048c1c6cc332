/* The lane of whole plain messages, in C: `LaneBase` is the twin of `PythonLaneBase` in `_core/lane.py`, which says what
 * each method is for, and `StatsBase` is what it counts in. Tests hold the twins together.
 *
 * Whatever calls Python code, be it the `__eq__` of a dict's key or a garbage collection that a new dict sets off, may
 * come back to the same lane: so everything that is used behind such a call is held, and queue and output are whole
 * before it. Bytes run no code when they go; a subclass of them may, and is refused by the output.
 */
#include "_speedups.h"
#include <structmember.h>

static void
replace(PyObject **place, PyObject *value) /* takes over `value` */
{
    PyObject *old = *place;
    *place = value;
    Py_XDECREF(old);
}

/* -- what a connection carried */

typedef struct {
    PyObject_HEAD
    long long messages_received, bytes_received, messages_sent, bytes_sent, pings_sent;
    PyObject *latency;
} stats;

static void
stats_dealloc(stats *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF(self->latency);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMemberDef stats_members[] = {
    {"messages_received", T_LONGLONG, offsetof(stats, messages_received), 0, NULL},
    {"bytes_received", T_LONGLONG, offsetof(stats, bytes_received), 0, NULL},
    {"messages_sent", T_LONGLONG, offsetof(stats, messages_sent), 0, NULL},
    {"bytes_sent", T_LONGLONG, offsetof(stats, bytes_sent), 0, NULL},
    {"pings_sent", T_LONGLONG, offsetof(stats, pings_sent), 0, NULL},
    {"latency", T_OBJECT, offsetof(stats, latency), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot stats_slots[] = {
    {Py_tp_doc, "The fields of `Stats`, where the lane counts without looking up a name."},
    {Py_tp_dealloc, stats_dealloc},
    {Py_tp_members, stats_members},
    {0, NULL},
};

static PyType_Spec stats_spec = {
    .name = "wscore._core.frames._speedups.StatsBase",
    .basicsize = sizeof(stats),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = stats_slots,
};

/* -- the lane */

typedef struct {
    PyObject *payload; /* str or bytes */
    Py_ssize_t size;   /* in bytes */
} message;

typedef struct {
    PyObject_HEAD
    lane_state *shared; /* the type holds the module, and so this */
    stats *stats;       /* NULL until __init__ */
    PyObject *codec;    /* NULL until attached */
    PyObject *late_pong;
    /* The queue: `count` messages from `queue[first]` on, in a piece of memory for `queue_room`. */
    message *queue;
    Py_ssize_t first, queue_room;
    /* The output: bytes, in their order. */
    PyObject **chunks;
    Py_ssize_t chunk_count, chunk_room;
    Py_ssize_t key_size, max_message_size, max_count, max_size, low_count, low_size, turn; /* what never changes */
    Py_ssize_t run, count, size, output_size, output_limit;
    long long taken;
    char full, paused, asking;
} lane;

enum { KEPT = 8 }; /* messages or chunks for which an empty queue or output keeps its memory */

static void
look_whether_full(lane *self)
{
    self->full = self->count >= self->max_count || self->size >= self->max_size;
}

static int
enqueue(lane *self, PyObject *payload, Py_ssize_t size) /* takes over `payload`, even if it fails */
{
    if (self->first + self->count == self->queue_room) {
        if (self->first > self->queue_room / 2) { /* there is room at the beginning: moved at most once a message */
            memmove(self->queue, self->queue + self->first, self->count * sizeof(message));
            self->first = 0;
        }
        else {
            Py_ssize_t room = self->queue_room ? self->queue_room * 2 : KEPT / 2;
            message *queue = PyMem_Realloc(self->queue, room * sizeof(message));
            if (queue == NULL) {
                Py_DECREF(payload);
                PyErr_NoMemory();
                return -1;
            }
            self->queue = queue;
            self->queue_room = room;
        }
    }
    self->queue[self->first + self->count] = (message){payload, size};
    self->count++;
    self->size += size;
    look_whether_full(self);
    self->stats->messages_received++;
    self->stats->bytes_received += size;
    return 0;
}

static PyObject *
dequeue(lane *self) /* the first of at least one */
{
    message next = self->queue[self->first++];
    self->count--;
    self->size -= next.size;
    look_whether_full(self);
    if (self->count == 0) {
        self->first = 0;
        if (self->queue_room > KEPT) {
            PyMem_Free(self->queue);
            self->queue = NULL;
            self->queue_room = 0;
        }
    }
    return next.payload;
}

static int
append(lane *self, PyObject *chunk) /* takes over `chunk`, even if it fails */
{
    if (!PyBytes_CheckExact(chunk)) {
        Py_DECREF(chunk);
        PyErr_SetString(PyExc_TypeError, "write: bytes are expected");
        return -1;
    }
    if (self->chunk_count == self->chunk_room) {
        Py_ssize_t room = self->chunk_room ? self->chunk_room * 2 : KEPT / 2;
        PyObject **chunks = PyMem_Realloc(self->chunks, room * sizeof(PyObject *));
        if (chunks == NULL) {
            Py_DECREF(chunk);
            PyErr_NoMemory();
            return -1;
        }
        self->chunks = chunks;
        self->chunk_room = room;
    }
    self->chunks[self->chunk_count++] = chunk;
    self->output_size += PyBytes_Size(chunk);
    return 0;
}

static int
is_ready(lane *self)
{
    if (self->stats == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Lane.__init__ was not called");
        return 0;
    }
    return 1;
}

/* -- the four steps of a message past the table */

static PyObject *
lane_take(lane *self, PyObject *data)
{
    if (!is_ready(self)) {
        return NULL;
    }
    if (self->paused) {
        return Py_NewRef(data);
    }
    if (self->codec == NULL) {
        PyErr_SetString(PyExc_AttributeError, "take: no codec is attached");
        return NULL;
    }
    PyObject *idle = PyObject_GetAttr(self->codec, self->shared->idle);
    if (idle == NULL) {
        return NULL;
    }
    int is_idle = PyObject_IsTrue(idle);
    Py_DECREF(idle);
    if (is_idle <= 0) {
        return is_idle < 0 ? NULL : Py_NewRef(data);
    }
    Py_buffer buffer;
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Py_ssize_t room = self->max_count - self->count, most = room < self->turn ? room : self->turn;
    Py_ssize_t size_room = self->max_size - self->size, total = 0, taken = 0, at = 0, size = 0;
    while (taken < most && total < size_room) {
        PyObject *payload =
            wscore_whole_message(buffer.buf, buffer.len, &at, self->key_size, self->max_message_size, &size);
        if (payload == NULL || enqueue(self, payload, size) < 0) {
            break;
        }
        taken++;
        total += size;
    }
    const Py_ssize_t here = buffer.len;
    PyBuffer_Release(&buffer);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (taken && at == here && !self->full) {
        return Py_NewRef(Py_None);
    }
    self->run = taken;
    return PySequence_GetSlice(data, at, here);
}

static PyObject *
lane_receive(lane *self, PyObject *Py_UNUSED(ignored))
{
    if (self->count == 0) {
        self->asking = 1;
        return Py_NewRef(Py_None);
    }
    self->asking = 0;
    PyObject *payload = dequeue(self); /* before the dict, with which garbage collection may come, and then anything */
    int is_text = PyUnicode_Check(payload);
    PyObject *event = PyDict_Copy(is_text ? self->shared->receives_text : self->shared->receives_bytes);
    int failed =
        event == NULL || PyDict_SetItem(event, is_text ? self->shared->text : self->shared->bytes, payload) < 0;
    Py_DECREF(payload);
    if (failed) {
        Py_XDECREF(event);
        return NULL;
    }
    if (self->paused && self->count <= self->low_count && self->size <= self->low_size) {
        PyObject *nothing = PyObject_CallMethodObjArgs((PyObject *)self, self->shared->read_on, NULL);
        if (nothing == NULL) {
            Py_DECREF(event);
            return NULL;
        }
        Py_DECREF(nothing);
    }
    return event;
}

/* A dict's value, held; None where there is none; NULL with the exception of a key that is no str. */
static PyObject *
field(PyObject *dict, PyObject *key)
{
    PyObject *value = PyDict_GetItemWithError(dict, key);
    return value != NULL ? Py_NewRef(value) : PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* The frame for a `websocket.send`, or NULL: without an exception if the table has to look at the message. */
static PyObject *
frame_for(lane *self, PyObject *event)
{
    if (!PyDict_CheckExact(event)) {
        return NULL;
    }
    PyObject *kind = field(event, self->shared->type);
    int is_send = kind != NULL && (kind == self->shared->send ||
                                   (PyUnicode_CheckExact(kind) && PyUnicode_Compare(kind, self->shared->send) == 0));
    Py_XDECREF(kind);
    if (!is_send) {
        return NULL;
    }
    PyObject *frame = NULL;
    PyObject *text = field(event, self->shared->text);
    PyObject *bytes = text == NULL ? NULL : field(event, self->shared->bytes);
    if (bytes == Py_None && PyUnicode_CheckExact(text)) {
        frame = wscore_frame(TEXT, text, NULL);
        if (frame == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear(); /* a lone surrogate, which the table names */
        }
    }
    else if (bytes != NULL && text == Py_None && PyBytes_CheckExact(bytes)) {
        frame = wscore_frame(BINARY, bytes, NULL);
    }
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return frame;
}

static PyObject *
lane_send(lane *self, PyObject *event)
{
    if (!is_ready(self)) {
        return NULL;
    }
    PyObject *frame = frame_for(self, event);
    if (frame == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
    }
    Py_ssize_t size = PyBytes_Size(frame);
    if (append(self, frame) < 0) {
        return NULL;
    }
    self->stats->messages_sent++;
    self->stats->bytes_sent += size - (size < 128 ? 2 : size < 65540 ? 4 : 10); /* the header (RFC 6455 5.2) */
    return Py_NewRef(Py_True);
}

static void
forget_output(lane *self)
{
    self->chunk_count = 0;
    self->output_size = 0;
    if (self->chunk_room > KEPT) {
        PyMem_Free(self->chunks);
        self->chunks = NULL;
        self->chunk_room = 0;
    }
}

static PyObject *
lane_output(lane *self, PyObject *Py_UNUSED(ignored))
{
    if (self->late_pong != NULL && self->late_pong != Py_None) {
        PyObject *pong = self->late_pong;
        self->late_pong = NULL;
        if (append(self, pong) < 0) {
            return NULL;
        }
    }
    if (self->chunk_count == 1) {
        PyObject *only = self->chunks[0];
        self->taken += self->output_size;
        forget_output(self);
        return only;
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, self->output_size);
    if (data == NULL) {
        return NULL;
    }
    char *out = PyBytes_AsString(data);
    for (Py_ssize_t i = 0; i < self->chunk_count; i++) {
        PyObject *chunk = self->chunks[i];
        Py_ssize_t size = PyBytes_Size(chunk);
        memcpy(out, PyBytes_AsString(chunk), size);
        out += size;
        Py_DECREF(chunk);
    }
    self->taken += self->output_size;
    forget_output(self);
    return data;
}

/* -- queue and output, for the table */

static PyObject *
lane_attach(lane *self, PyObject *codec)
{
    replace(&self->codec, Py_NewRef(codec));
    return Py_NewRef(Py_None);
}

/* The second argument, what all of them take, is for the twin: here each has to know its own size. */
static PyObject *
lane_put(lane *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyList_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "put(messages, size)");
        return NULL;
    }
    if (!is_ready(self)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_Size(args[0]); i++) {
        PyObject *payload = PyList_GetItem(args[0], i);
        Py_ssize_t size = -1;
        if (PyUnicode_Check(payload)) {
            PyUnicode_AsUTF8AndSize(payload, &size);
        }
        else {
            size = PyBytes_Size(payload);
        }
        if (size < 0 || enqueue(self, Py_NewRef(payload), size) < 0) {
            return NULL;
        }
    }
    return Py_NewRef(Py_None);
}

static PyObject *
lane_next_payload(lane *self, PyObject *Py_UNUSED(ignored))
{
    return self->count ? dequeue(self) : Py_NewRef(Py_None);
}

static PyObject *
lane_drop_payloads(lane *self, PyObject *Py_UNUSED(ignored))
{
    while (self->count) {
        Py_DECREF(dequeue(self));
    }
    return Py_NewRef(Py_None);
}

static PyObject *
lane_write(lane *self, PyObject *data)
{
    return append(self, Py_NewRef(data)) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
lane_drop_output(lane *self, PyObject *Py_UNUSED(ignored))
{
    while (self->chunk_count) {
        Py_DECREF(self->chunks[--self->chunk_count]);
    }
    forget_output(self);
    replace(&self->late_pong, NULL);
    return Py_NewRef(Py_None);
}

/* -- the type */

/* A limit of a `Config`, -1 with an exception. What fits no memory is no limit. */
static Py_ssize_t
limit_of(PyObject *config, const char *name)
{
    /* Interned: Python's cache of types' attributes would keep a fresh name of every connection. */
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *number = interned == NULL ? NULL : PyObject_GetAttr(config, interned);
    Py_XDECREF(interned);
    if (number == NULL) {
        return -1;
    }
    Py_ssize_t limit = PyLong_AsSsize_t(number);
    Py_DECREF(number);
    if (limit == -1 && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        limit = PY_SSIZE_T_MAX;
    }
    return limit;
}

static int
lane_init(lane *self, PyObject *args, PyObject *named)
{
    PyObject *config, *counts;
    int masked;
    Py_ssize_t turn;
    if (named != NULL && PyDict_Size(named)) {
        PyErr_SetString(PyExc_TypeError, "LaneBase takes no keyword arguments");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "OOpn:LaneBase", &config, &counts, &masked, &turn)) {
        return -1;
    }
    if (self->shared->stats_type == NULL || !PyObject_TypeCheck(counts, self->shared->stats_type)) {
        PyErr_SetString(PyExc_TypeError, "LaneBase: stats must be a StatsBase");
        return -1;
    }
    if ((self->max_message_size = limit_of(config, "max_message_size")) < 0 ||
        (self->max_count = limit_of(config, "max_queue")) < 0 ||
        (self->max_size = limit_of(config, "max_queue_size")) < 0 ||
        (self->output_limit = limit_of(config, "max_output_size")) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "LaneBase: a limit is negative");
        }
        return -1;
    }
    self->low_count = self->max_count / 2;
    self->low_size = self->max_size / 2;
    self->key_size = masked ? 4 : 0;
    self->turn = turn;
    replace((PyObject **)&self->stats, Py_NewRef(counts));
    return 0;
}

static PyObject *
lane_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(named))
{
    PyObject *module = NULL;
    for (PyTypeObject *base = type; base != NULL && module == NULL; base = PyType_GetSlot(base, Py_tp_base)) {
        module = PyType_GetModule(base); /* a subclass in Python has none */
        PyErr_Clear();
        if (module != NULL && PyModule_GetDef(module) != &wscore_speedups) {
            module = NULL;
        }
    }
    if (module == NULL) {
        PyErr_SetString(PyExc_TypeError, "LaneBase: its module is gone");
        return NULL;
    }
    lane *self = (lane *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* all zeros */
    if (self != NULL) {
        self->shared = PyModule_GetState(module);
    }
    return (PyObject *)self;
}

static int
lane_traverse(lane *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->codec); /* all else is bytes, str, or numbers */
    Py_VISIT(self->late_pong);
    return 0;
}

static int
lane_clear(lane *self)
{
    replace(&self->codec, NULL);
    replace(&self->late_pong, NULL);
    return 0;
}

static void
lane_dealloc(lane *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    lane_clear(self);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_DECREF(self->queue[self->first + i].payload);
    }
    for (Py_ssize_t i = 0; i < self->chunk_count; i++) {
        Py_DECREF(self->chunks[i]);
    }
    PyMem_Free(self->queue);
    PyMem_Free(self->chunks);
    Py_XDECREF((PyObject *)self->stats);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef lane_methods[] = {
    {"take", (PyCFunction)lane_take, METH_O, "Queue the whole plain messages with which a read begins."},
    {"receive", (PyCFunction)lane_receive, METH_NOARGS, "Take the application's next message, or return None."},
    {"send", (PyCFunction)lane_send, METH_O, "Frame a `websocket.send`; False if the table has to look at it."},
    {"output", (PyCFunction)lane_output, METH_NOARGS, "Take everything that waits to be written."},
    {"attach", (PyCFunction)lane_attach, METH_O, "Keep the codec."},
    {"put", (PyCFunction)(void (*)(void))lane_put, METH_FASTCALL, "Queue messages from the peer."},
    {"next_payload", (PyCFunction)lane_next_payload, METH_NOARGS, "Take the payload of the peer's next message."},
    {"drop_payloads", (PyCFunction)lane_drop_payloads, METH_NOARGS, "Drop all messages from the peer."},
    {"write", (PyCFunction)lane_write, METH_O, "Append bytes, even when full."},
    {"drop_output", (PyCFunction)lane_drop_output, METH_NOARGS, "Discard all output."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lane_members[] = {
    {"run", T_PYSSIZET, offsetof(lane, run), 0, NULL},
    {"count", T_PYSSIZET, offsetof(lane, count), READONLY, NULL},
    {"size", T_PYSSIZET, offsetof(lane, size), READONLY, NULL},
    {"full", T_BOOL, offsetof(lane, full), READONLY, NULL},
    {"paused", T_BOOL, offsetof(lane, paused), 0, NULL},
    {"asking", T_BOOL, offsetof(lane, asking), 0, NULL},
    {"output_size", T_PYSSIZET, offsetof(lane, output_size), READONLY, NULL},
    {"output_limit", T_PYSSIZET, offsetof(lane, output_limit), READONLY, NULL},
    {"taken", T_LONGLONG, offsetof(lane, taken), READONLY, NULL},
    {"_codec", T_OBJECT, offsetof(lane, codec), READONLY, NULL},
    {"_late_pong", T_OBJECT, offsetof(lane, late_pong), 0, NULL},
    {"_max_count", T_PYSSIZET, offsetof(lane, max_count), READONLY, NULL},
    {"_max_size", T_PYSSIZET, offsetof(lane, max_size), READONLY, NULL},
    {"_low_count", T_PYSSIZET, offsetof(lane, low_count), READONLY, NULL},
    {"_low_size", T_PYSSIZET, offsetof(lane, low_size), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot lane_slots[] = {
    {Py_tp_doc, "What `Lane` does for every message: its queue, its output, and their limits."},
    {Py_tp_new, lane_new},
    {Py_tp_init, lane_init},
    {Py_tp_traverse, lane_traverse},
    {Py_tp_clear, lane_clear},
    {Py_tp_dealloc, lane_dealloc},
    {Py_tp_methods, lane_methods},
    {Py_tp_members, lane_members},
    {0, NULL},
};

static PyType_Spec lane_spec = {
    .name = "wscore._core.frames._speedups.LaneBase",
    .basicsize = sizeof(lane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = lane_slots,
};

/* -- the module's part */

int
wscore_lane_exec(PyObject *module)
{
    lane_state *state = PyModule_GetState(module);
    PyObject *stats_type = PyType_FromModuleAndSpec(module, &stats_spec, NULL);
    PyObject *lane_type = PyType_FromModuleAndSpec(module, &lane_spec, NULL);
    int failed = stats_type == NULL || lane_type == NULL || PyModule_AddType(module, (PyTypeObject *)stats_type) < 0 ||
                 PyModule_AddType(module, (PyTypeObject *)lane_type) < 0;
    state->stats_type = (PyTypeObject *)stats_type;
    Py_XDECREF(lane_type);
    if (failed) {
        return -1;
    }
    state->type = PyUnicode_InternFromString("type");
    state->text = PyUnicode_InternFromString("text");
    state->bytes = PyUnicode_InternFromString("bytes");
    state->idle = PyUnicode_InternFromString("idle");
    state->read_on = PyUnicode_InternFromString("_read_on");
    state->send = PyUnicode_InternFromString("websocket.send");
    if (PyErr_Occurred()) {
        return -1;
    }
    state->receives_text = Py_BuildValue("{s:s,s:s}", "type", "websocket.receive", "text", "");
    state->receives_bytes = Py_BuildValue("{s:s,s:y}", "type", "websocket.receive", "bytes", "");
    return state->receives_text == NULL || state->receives_bytes == NULL ? -1 : 0;
}

int
wscore_lane_traverse(PyObject *module, visitproc visit, void *arg)
{
    lane_state *state = PyModule_GetState(module);
    Py_VISIT(state->stats_type);
    return 0;
}

/* The names stay until the module goes: a lane may outlive this. */
int
wscore_lane_clear(PyObject *module)
{
    lane_state *state = PyModule_GetState(module);
    Py_CLEAR(state->stats_type);
    return 0;
}

void
wscore_lane_free(void *module)
{
    lane_state *state = PyModule_GetState(module);
    wscore_lane_clear(module);
    PyObject *held[] = {state->type, state->text, state->bytes, state->idle, state->read_on, state->send,
                        state->receives_text, state->receives_bytes};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        Py_XDECREF(held[i]);
    }
}
