/* The compiled part of devenv.tracing: the path of every request, in C. It is optional: `native.py` has its use.

The classes, their slow paths and all rules stay in Python. This file has the short paths of the usual cases, on the
fields (`__slots__`) of the Python classes, and calls the Python function for everything else, also if anything in the
short path fails. The tests of the library run with it and without it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "devenv.tracing's compiled part needs the GIL; the pure library is used instead"
#endif
#ifdef PYPY_VERSION
#error "devenv.tracing's compiled part is for CPython"
#endif

static inline PyObject *ref(PyObject *object) { Py_INCREF(object); return object; }

/* ---- what Python registers ---- */

static PyObject *v_variable, *v_span_key, *v_context, *v_empty, *v_no_state, *v_invalid, *v_state, *v_fault, *v_place;
static PyObject *v_describe, *v_encode, *v_record, *v_set, *v_end, *v_plain;
static PyTypeObject *t_unsampled, *t_light;
static Py_ssize_t o_hex = -1, o_flags, o_state;                /* UnsampledSpan */
static Py_ssize_t o_local_hex, o_local_flags, o_local_state, o_spans; /* LocalTrace */
static Py_ssize_t o_tracer, o_trace, o_name, o_kind, o_parent, o_remote, o_id, o_shared, o_own, o_start, o_end; /* LightSpan */
static Py_ssize_t o_values, o_encoded, o_encoder, o_texts, o_numbers;       /* Shared and an encoder's key */
static Py_ssize_t o_passing = -1, o_idle, o_off, o_propagator; /* State */
static PyObject *s_type, *s_http, *s_headers, *s_path, *s_plain, *s_off, *s_answers, *s_bound, *s_serve, *s_mark;
static PyObject *s_status, *s_start, *s_traceparent, *s_parents, *s_throw, *s_close, *s_empty, *small[4];
static PyObject *s_open, *s_finished, *s_names, *s_new_name, *s_keys, *s_key, *s_remember, *s_share, *s_eventful, *s_rare, *s_roomy, *s_provider, *s_watched, *s_processors, *s_sink;

static Py_ssize_t offset_of(PyObject *type, const char *name)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    Py_ssize_t offset = -1;
    if (member != NULL && Py_IS_TYPE(member, &PyMemberDescr_Type))
        offset = ((PyMemberDescrObject *)member)->d_member->offset;
    else if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "%s has no slot %s", ((PyTypeObject *)type)->tp_name, name);
    Py_XDECREF(member);
    return offset;
}

static inline PyObject **slot(PyObject *object, Py_ssize_t offset) { return (PyObject **)((char *)object + offset); }

/* ---- random numbers: xoshiro256++ (https://prng.di.unimi.it/), seeded by Python, again after a fork ---- */

static uint64_t seeds[4];

static inline uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static uint64_t random64(void)
{
    uint64_t result = rotl(seeds[0] + seeds[3], 23) + seeds[0], t = seeds[1] << 17;
    seeds[2] ^= seeds[0]; seeds[3] ^= seeds[1]; seeds[1] ^= seeds[2]; seeds[0] ^= seeds[3];
    seeds[2] ^= t; seeds[3] = rotl(seeds[3], 45);
    return result ? result : random64();
}

static PyObject *seed(PyObject *module, PyObject *bytes)
{
    (void)module;
    if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != sizeof seeds) {
        PyErr_SetString(PyExc_ValueError, "seed: expected 32 bytes");
        return NULL;
    }
    memcpy(seeds, PyBytes_AS_STRING(bytes), sizeof seeds);
    seeds[0] |= 1; /* not all are zero */
    Py_RETURN_NONE;
}

static const char DIGITS[] = "0123456789abcdef";

static void write_hex(char *to, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        to[i] = DIGITS[value & 15];
}

static int hex_digit(unsigned char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static PyObject *ascii(const char *text, Py_ssize_t size)
{
    PyObject *made = PyUnicode_New(size, 127);
    if (made != NULL)
        memcpy(PyUnicode_1BYTE_DATA(made), text, (size_t)size);
    return made;
}

/* Reads a `traceparent` of version 00; its flags, or -1 if the full parser has to decide. */
static int parse_parent(PyObject *value)
{
    if (!PyBytes_CheckExact(value) || PyBytes_GET_SIZE(value) != 55)
        return -1;
    const unsigned char *text = (const unsigned char *)PyBytes_AS_STRING(value);
    int trace = 0, parent = 0;
    if (memcmp(text, "00-", 3) != 0 || text[35] != '-' || text[52] != '-')
        return -1;
    for (int i = 3; i < 35; i++) {
        int d = hex_digit(text[i]);
        if (d < 0) return -1;
        trace |= d;
    }
    for (int i = 36; i < 52; i++) {
        int d = hex_digit(text[i]);
        if (d < 0) return -1;
        parent |= d;
    }
    int high = hex_digit(text[53]), low = hex_digit(text[54]);
    if (!trace || !parent || high < 0 || low < 0)
        return -1;
    return low & 3;
}

/* ---- the context ---- */

static PyObject *context_now(void)
{
    PyObject *found = NULL;
    if (PyContextVar_Get(v_variable, NULL, &found) < 0)
        return NULL;
    if (found == NULL) /* a variable of OpenTelemetry has a default: this is another one */
        PyErr_SetString(PyExc_LookupError, "no context");
    return found;
}

/* The context's span, borrowed from the context; NULL without one, or with an error. */
static inline PyObject *span_of(PyObject *context)
{
    return PyDict_Check(context) ? PyDict_GetItemWithError(context, v_span_key) : NULL;
}

static PyObject *context_with(PyObject *span)
{
    PyObject *made = PyDict_Type.tp_new((PyTypeObject *)v_context, v_empty, NULL);
    if (made != NULL && PyDict_SetItem(made, v_span_key, span) < 0)
        Py_CLEAR(made);
    return made;
}

static void restore(PyObject *token)
{
    if (PyContextVar_Reset(v_variable, token) < 0) {
        if (PyErr_ExceptionMatches(PyExc_ValueError))
            PyErr_Clear(); /* closed by the garbage collector, in another context, which needs no change */
        else
            PyErr_WriteUnraisable(v_variable);
    }
}

static PyObject *new_unsampled(PyObject *hex, int flags)
{
    PyObject *span = t_unsampled->tp_alloc(t_unsampled, 0);
    if (span == NULL)
        return NULL;
    *slot(span, o_hex) = ref(hex);
    *slot(span, o_flags) = ref(small[flags & 3]);
    *slot(span, o_state) = ref(v_no_state);
    return span;
}

/* The `traceparent` of a call below an unsampled span: a new parent ID each time. */
static PyObject *outgoing(PyObject *span)
{
    PyObject *hex = *slot(span, o_hex), *flags = *slot(span, o_flags);
    if (hex == NULL || flags == NULL || !PyUnicode_CheckExact(hex) || PyUnicode_GET_LENGTH(hex) != 32 ||
        PyUnicode_KIND(hex) != PyUnicode_1BYTE_KIND || !PyLong_CheckExact(flags)) {
        PyErr_SetString(PyExc_TypeError, "an unsampled span's fields have been changed");
        return NULL;
    }
    char text[55] = "00-";
    memcpy(text + 3, PyUnicode_1BYTE_DATA(hex), 32);
    text[35] = text[52] = '-';
    write_hex(text + 36, random64());
    text[53] = '0';
    text[54] = DIGITS[PyLong_AsLong(flags) & 3];
    return ascii(text, 55);
}

/* ---- an ASGI `send` that keeps the status and may add a field ---- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *send, *header, *status, *headers;
} Sending;

static PyTypeObject SendingType;

static int note(Sending *self, PyObject *message)
{
    PyObject *kind = PyDict_CheckExact(message) ? PyDict_GetItemWithError(message, s_type) : NULL;
    if (kind == NULL || !PyUnicode_Check(kind))
        return -1;
    if (PyUnicode_Compare(kind, s_start) == 0) {
        PyObject *status = PyDict_GetItemWithError(message, s_status);
        PyObject *headers = PyDict_GetItemWithError(message, s_headers);
        if (status == NULL || PyErr_Occurred())
            return -1;
        Py_SETREF(self->status, ref(status));
        if (headers != NULL)
            Py_SETREF(self->headers, ref(headers));
        if (self->header != Py_None && PyBytes_GET_SIZE(self->header)) {
            PyObject *all = headers == NULL ? PyList_New(0) : PySequence_List(headers);
            PyObject *field = all ? Py_BuildValue("(yO)", "traceresponse", self->header) : NULL;
            int failed = field == NULL || PyList_Append(all, field) < 0 || PyDict_SetItem(message, s_headers, all) < 0;
            Py_XDECREF(field);
            Py_XDECREF(all);
            return failed ? -1 : 0;
        }
        return 0;
    }
    const char *text = PyUnicode_AsUTF8(kind);
    if (text == NULL)
        return -1;
    if (strcmp(text, "http.response.body") == 0)
        return 0;
    if (strcmp(text, "websocket.accept") == 0)
        Py_SETREF(self->status, PyLong_FromLong(101));
    else if (strcmp(text, "websocket.close") == 0 && PyObject_Not(self->status) == 1)
        Py_SETREF(self->status, PyLong_FromLong(403)); /* refused: the server answers the handshake so (ASGI) */
    else if (strcmp(text, "websocket.http.response.start") == 0) {
        PyObject *copy = PyObject_CallMethod(message, "copy", NULL);
        int failed = copy == NULL || PyDict_SetItem(copy, s_type, s_start) < 0 || note(self, copy) < 0;
        PyObject *headers = failed ? NULL : PyDict_GetItemWithError(copy, s_headers);
        if (headers != NULL)
            failed = PyDict_SetItem(message, s_headers, headers) < 0;
        Py_XDECREF(copy);
        return failed ? -1 : 0;
    }
    return 0;
}

static PyObject *sending_call(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    Sending *self = (Sending *)object;
    if (names == NULL && PyVectorcall_NARGS(count) == 1 && note(self, args[0]) < 0 && PyErr_Occurred()) {
        PyObject *kind, *error, *trace; /* logged; the server judges the message */
        PyErr_Fetch(&kind, &error, &trace);
        PyErr_NormalizeException(&kind, &error, &trace);
        PyObject *done = PyObject_CallFunctionObjArgs(v_fault, v_place, error, NULL);
        if (done == NULL)
            PyErr_Clear();
        Py_XDECREF(done);
        Py_XDECREF(kind);
        Py_XDECREF(error);
        Py_XDECREF(trace);
    }
    return PyObject_Vectorcall(self->send, args, count, names);
}

static Sending *new_sending(PyObject *send, PyObject *header)
{
    Sending *self = PyObject_GC_New(Sending, &SendingType);
    if (self == NULL)
        return NULL;
    self->call = sending_call;
    self->send = ref(send);
    self->header = ref(header);
    self->status = PyLong_FromLong(0);
    self->headers = ref(v_empty);
    PyObject_GC_Track(self);
    return self;
}

static PyObject *sending_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *send, *header;
    (void)type;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OS", &send, &header))
        return NULL;
    return (PyObject *)new_sending(send, header);
}

static int sending_traverse(Sending *self, visitproc visit, void *arg)
{
    Py_VISIT(self->send);
    Py_VISIT(self->headers);
    return 0;
}

static int sending_clear(Sending *self)
{
    Py_CLEAR(self->send);
    Py_CLEAR(self->headers);
    return 0;
}

static void sending_dealloc(Sending *self)
{
    PyObject_GC_UnTrack(self);
    sending_clear(self);
    Py_XDECREF(self->header);
    Py_XDECREF(self->status);
    PyObject_GC_Del(self);
}

static PyMemberDef sending_members[] = {
    {"status", T_OBJECT, offsetof(Sending, status), 0, NULL},
    {"headers", T_OBJECT, offsetof(Sending, headers), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject SendingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "devenv.tracing._speed.Sending",
    .tp_doc = "Forwards an application's messages, keeps the status and adds a `traceresponse` header.",
    .tp_basicsize = sizeof(Sending),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Sending, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = sending_new,
    .tp_traverse = (traverseproc)sending_traverse,
    .tp_clear = (inquiry)sending_clear,
    .tp_dealloc = (destructor)sending_dealloc,
    .tp_members = sending_members,
};

/* ---- the ASGI middleware: `Served` is the base of `TracingMiddleware`, `Serving` the coroutine of one request ---- */

typedef struct {
    PyObject_HEAD
    PyObject *app, *side;
} Served;

typedef struct {
    PyObject_HEAD
    PyObject *served, *scope, *receive, *send, *inner, *token, *span;
    Sending *sending;
    char begun, done, running;
} Serving;

static PyTypeObject ServingType;

static int is_true(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    int found = value == NULL ? -1 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    return found;
}

/* What a request's headers say: 0 and the `traceparent`, borrowed, or NULL; -1 if the slow path has to read them. */
static int scan(PyObject *headers, PyObject **parent)
{
    *parent = NULL;
    if (headers == NULL || !PyList_CheckExact(headers))
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        PyObject *pair = PyList_GET_ITEM(headers, i), *name;
        if (PyTuple_Check(pair) ? PyTuple_GET_SIZE(pair) != 2 : !PyList_CheckExact(pair) || PyList_GET_SIZE(pair) != 2)
            return -1;
        name = PyTuple_Check(pair) ? PyTuple_GET_ITEM(pair, 0) : PyList_GET_ITEM(pair, 0);
        if (!PyBytes_CheckExact(name))
            return -1;
        const char *text = PyBytes_AS_STRING(name);
        switch (PyBytes_GET_SIZE(name)) {
        case 7:
            if (memcmp(text, "baggage", 7) == 0) return -1;
            break;
        case 10:
            if (memcmp(text, "tracestate", 10) == 0) return -1;
            break;
        case 11:
            if (memcmp(text, "traceparent", 11) == 0) {
                if (*parent != NULL) return -1;
                *parent = PyTuple_Check(pair) ? PyTuple_GET_ITEM(pair, 1) : PyList_GET_ITEM(pair, 1);
            }
        }
    }
    return 0;
}

static int is_http(PyObject *scope)
{
    PyObject *kind = PyDict_CheckExact(scope) ? PyDict_GetItemWithError(scope, s_type) : NULL;
    return kind != NULL && PyUnicode_Check(kind) && PyUnicode_Compare(kind, s_http) == 0;
}

static uint64_t number_at(const char *text)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++)
        value = value << 4 | (uint64_t)hex_digit((unsigned char)text[i]);
    return value;
}

/* Decides for a request with nothing unusual in its headers; NULL (perhaps with an error): the slow path decides. */
static PyObject *decide(PyObject *side, PyObject *scope)
{
    PyObject *parent, *hex = NULL, *span = NULL;
    uint64_t parent_id = 0;
    int flags;
    if (is_true(side, s_plain) != 1 || !is_http(scope) || PyDict_GetItemWithError(scope, s_mark) != NULL)
        return NULL;
    if (scan(PyDict_GetItemWithError(scope, s_headers), &parent) < 0)
        return NULL;
    if (parent != NULL) {
        flags = parse_parent(parent);
        if (flags < 0)
            return NULL;
        hex = ascii(PyBytes_AS_STRING(parent) + 3, 32);
        parent_id = number_at(PyBytes_AS_STRING(parent) + 36);
    } else {
        uint64_t low = random64();
        PyObject *bound = PyObject_GetAttr(side, s_bound);
        if (bound == NULL)
            return NULL;
        unsigned long long limit = PyLong_AsUnsignedLongLong(bound);
        Py_DECREF(bound);
        flags = 2;
        if (PyErr_Occurred()) { /* an overflow is the ratio 1 */
            PyErr_Clear();
            flags = 3;
        } else if (low < limit)
            flags = 3;
        char text[32];
        write_hex(text, random64());
        write_hex(text + 16, low);
        hex = ascii(text, 32);
    }
    if (hex == NULL)
        return NULL;
    if (!(flags & 1))
        span = new_unsampled(hex, flags);
    else if (v_describe != NULL) {
        PyObject *id = PyLong_FromUnsignedLongLong(parent_id);
        if (id != NULL)
            span = PyObject_CallMethodObjArgs(side, s_open, scope, hex, small[flags], id, Py_None, v_describe, NULL);
        Py_XDECREF(id);
    }
    Py_DECREF(hex);
    return span;
}

/* Returns what an awaited object is driven by. */
static PyObject *awaited(PyObject *object)
{
    if (object == NULL || PyCoro_CheckExact(object) || Py_IS_TYPE(object, &ServingType))
        return object;
    PyAsyncMethods *methods = Py_TYPE(object)->tp_as_async;
    PyObject *made = NULL;
    if (methods != NULL && methods->am_await != NULL)
        made = methods->am_await(object);
    else if (PyGen_CheckExact(object)) /* of `types.coroutine`; what else is not to be awaited is not an application */
        return object;
    else
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression", Py_TYPE(object)->tp_name);
    Py_DECREF(object);
    return made;
}

static int begin(Serving *self)
{
    Served *served = (Served *)self->served;
    PyObject *span, *called, *context = NULL, *send = ref(self->send);
    self->begun = 1;
    span = decide(served->side, self->scope);
    if (span == NULL)
        goto slow;
    int answers = is_true(served->side, s_answers);
    if (answers < 0)
        goto slow;
    int recorded = !Py_IS_TYPE(span, t_unsampled);
    if (answers || recorded) {
        PyObject *text = !answers ? ref(s_empty) : recorded ? PyObject_CallMethod(span, "outgoing", NULL) : outgoing(span);
        PyObject *header = text ? PyUnicode_AsASCIIString(text) : NULL;
        PyObject *sending = header ? (PyObject *)new_sending(self->send, header) : NULL;
        Py_XDECREF(text);
        Py_XDECREF(header);
        if (sending == NULL)
            goto slow;
        Py_SETREF(send, sending);
    }
    context = context_with(span);
    if (context == NULL || PyDict_SetItem(self->scope, s_mark, Py_True) < 0)
        goto slow;
    self->token = PyContextVar_Set(v_variable, context);
    Py_DECREF(context);
    if (recorded) {
        self->span = ref(span);
        self->sending = (Sending *)ref(send);
    }
    Py_DECREF(span);
    if (self->token == NULL) {
        Py_DECREF(send);
        return -1;
    }
    PyObject *args[] = {NULL, self->scope, self->receive, send};
    called = PyObject_Vectorcall(served->app, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(send);
    self->inner = awaited(called);
    return self->inner == NULL ? -1 : 0;
slow:
    PyErr_Clear(); /* the Python function meets the same fault, and logs it */
    Py_XDECREF(span);
    Py_XDECREF(context);
    Py_DECREF(send);
    called = PyObject_CallMethodObjArgs(self->served, s_serve, self->scope, self->receive, self->send, NULL);
    self->inner = awaited(called);
    return self->inner == NULL ? -1 : 0;
}

/* Ends the request, with the current exception if there is one, which stays. */
static void finish(Serving *self)
{
    PyObject *kind, *error, *trace;
    self->done = 1;
    PyErr_Fetch(&kind, &error, &trace);
    if (self->token != NULL)
        restore(self->token);
    if (self->span != NULL) {
        PyObject *shown = Py_None, *done;
        if (kind != NULL && !PyErr_GivenExceptionMatches(kind, PyExc_StopIteration)) {
            PyErr_NormalizeException(&kind, &error, &trace);
            if (trace != NULL)
                PyException_SetTraceback(error, trace);
            shown = error;
        }
        done = PyObject_CallMethodObjArgs(self->served, s_finished, self->span, self->scope, self->sending, shown, NULL);
        if (done == NULL)
            PyErr_WriteUnraisable(self->served);
        Py_XDECREF(done);
    }
    PyErr_Restore(kind, error, trace);
    Py_CLEAR(self->token);
    Py_CLEAR(self->span);
    Py_CLEAR(self->sending);
    Py_CLEAR(self->inner);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->receive);
    Py_CLEAR(self->send);
}

#if PY_VERSION_HEX >= 0x030A0000
typedef PySendResult Step;
static inline Step send_to(PyObject *inner, PyObject *value, PyObject **result) { return PyIter_Send(inner, value, result); }
#else
typedef enum { PYGEN_RETURN = 0, PYGEN_ERROR = -1, PYGEN_NEXT = 1 } Step;
static Step send_to(PyObject *inner, PyObject *value, PyObject **result)
{
    if (value == Py_None && Py_TYPE(inner)->tp_iternext != NULL && !PyCoro_CheckExact(inner))
        *result = Py_TYPE(inner)->tp_iternext(inner);
    else
        *result = PyObject_CallMethod(inner, "send", "O", value);
    if (*result != NULL)
        return PYGEN_NEXT;
    if (!PyErr_Occurred()) {
        *result = ref(Py_None);
        return PYGEN_RETURN;
    }
    return _PyGen_FetchStopIterationValue(result) == 0 ? PYGEN_RETURN : PYGEN_ERROR;
}
#endif

static int is_ready(Serving *self)
{
    if (self->running)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else if (self->done)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    else
        return 1;
    return 0;
}

static Step serving_send(PyObject *object, PyObject *value, PyObject **result)
{
    Serving *self = (Serving *)object;
    Step step = PYGEN_ERROR;
    *result = NULL;
    if (!is_ready(self))
        return PYGEN_ERROR;
    Py_INCREF(self);
    self->running = 1;
    if (self->begun || begin(self) == 0)
        step = send_to(self->inner, value, result);
    self->running = 0;
    if (step != PYGEN_NEXT)
        finish(self);
    Py_DECREF(self);
    return step;
}

static PyObject *returned(Step step, PyObject *result)
{
    if (step == PYGEN_NEXT)
        return result;
    if (step == PYGEN_RETURN) {
        if (result == Py_None)
            PyErr_SetNone(PyExc_StopIteration);
        else {
            PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
            if (stop != NULL)
                PyErr_SetObject(PyExc_StopIteration, stop);
            Py_XDECREF(stop);
        }
    }
    Py_XDECREF(result);
    return NULL;
}

static PyObject *serving_send_method(PyObject *self, PyObject *value)
{
    PyObject *result;
    Step step = serving_send(self, value, &result);
    return returned(step, result);
}

static PyObject *serving_next(PyObject *self) { return serving_send_method(self, Py_None); }

static PyObject *serving_throw(PyObject *object, PyObject *args)
{
    Serving *self = (Serving *)object;
    PyObject *result, *method;
    if (!is_ready(self))
        return NULL;
    if (!self->begun) { /* raised before the first statement */
        PyObject *kind, *value = NULL, *trace = NULL;
        if (!PyArg_UnpackTuple(args, "throw", 1, 3, &kind, &value, &trace))
            return NULL;
        self->begun = 1;
        finish(self);
        if (PyExceptionInstance_Check(kind))
            PyErr_SetObject((PyObject *)Py_TYPE(kind), kind);
        else if (value != NULL && value != Py_None)
            PyErr_SetObject(kind, value);
        else
            PyErr_SetNone(kind);
        return NULL;
    }
    method = PyObject_GetAttr(self->inner, s_throw);
    if (method == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) { /* an iterator without it, as a generator does */
        PyObject *kind, *value = NULL, *trace = NULL;
        PyErr_Clear();
        if (!PyArg_UnpackTuple(args, "throw", 1, 3, &kind, &value, &trace))
            return NULL;
        finish(self);
        PyErr_SetObject(PyExceptionInstance_Check(kind) ? (PyObject *)Py_TYPE(kind) : kind, PyExceptionInstance_Check(kind) ? kind : value);
        return NULL;
    }
    Py_INCREF(self);
    self->running = 1;
    result = method ? PyObject_CallObject(method, args) : NULL;
    self->running = 0;
    Py_XDECREF(method);
    if (result == NULL)
        finish(self);
    Py_DECREF(self);
    return result;
}

static PyObject *serving_close(PyObject *object, PyObject *unused)
{
    Serving *self = (Serving *)object;
    PyObject *closed = NULL;
    (void)unused;
    if (self->running) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return NULL;
    }
    if (self->done || !self->begun) {
        self->begun = 1;
        if (!self->done)
            finish(self);
        Py_RETURN_NONE;
    }
    self->running = 1;
    closed = PyObject_HasAttr(self->inner, s_close) ? PyObject_CallMethodObjArgs(self->inner, s_close, NULL) : ref(Py_None);
    self->running = 0;
    if (closed == NULL && PyErr_ExceptionMatches(PyExc_RuntimeError))
        return NULL; /* it ignored GeneratorExit, and goes on */
    finish(self);
    return closed;
}

static int serving_traverse(Serving *self, visitproc visit, void *arg)
{
    Py_VISIT(self->served);
    Py_VISIT(self->scope);
    Py_VISIT(self->receive);
    Py_VISIT(self->send);
    Py_VISIT(self->inner);
    Py_VISIT(self->token);
    Py_VISIT(self->span);
    Py_VISIT(self->sending);
    return 0;
}

static int serving_clear(Serving *self)
{
    Py_CLEAR(self->served);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->receive);
    Py_CLEAR(self->send);
    Py_CLEAR(self->inner);
    Py_CLEAR(self->token);
    Py_CLEAR(self->span);
    Py_CLEAR(self->sending);
    return 0;
}

static void serving_dealloc(Serving *self)
{
    PyObject_GC_UnTrack(self);
    if (self->begun && !self->done) {
        PyObject *kind, *error, *trace;
        PyErr_Fetch(&kind, &error, &trace);
        Py_CLEAR(self->inner); /* the application's coroutine closes itself, in its context */
        PyErr_Restore(kind, error, trace);
        finish(self);
    }
    serving_clear(self);
    PyObject_GC_Del(self);
}

static PyObject *serving_inner(Serving *self, void *unused)
{
    (void)unused;
    return ref(self->inner ? self->inner : Py_None);
}

static PyObject *serving_running(Serving *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(self->running);
}

static PyObject *serving_name(Serving *self, void *unused)
{
    (void)self;
    (void)unused;
    return PyUnicode_FromString("TracingMiddleware.__call__");
}

static PyAsyncMethods serving_async = {
    .am_await = ref,
#if PY_VERSION_HEX >= 0x030A0000
    .am_send = serving_send,
#endif
};
static PyMethodDef serving_methods[] = {
    {"send", serving_send_method, METH_O, NULL},
    {"throw", serving_throw, METH_VARARGS, NULL},
    {"close", serving_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef serving_getset[] = {
    {"cr_await", (getter)serving_inner, NULL, NULL, NULL},
    {"cr_running", (getter)serving_running, NULL, NULL, NULL},
    {"__qualname__", (getter)serving_name, NULL, NULL, NULL},
    {"__name__", (getter)serving_name, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject ServingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "devenv.tracing._speed.Serving",
    .tp_doc = "The coroutine of one request.",
    .tp_basicsize = sizeof(Serving),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_as_async = &serving_async,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = serving_next,
    .tp_methods = serving_methods,
    .tp_getset = serving_getset,
    .tp_traverse = (traverseproc)serving_traverse,
    .tp_clear = (inquiry)serving_clear,
    .tp_dealloc = (destructor)serving_dealloc,
};

static PyObject *served_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"scope", "receive", "send", NULL};
    PyObject *scope, *receive, *send, *parent;
    Served *self = (Served *)object;
    if (kwargs != NULL || PyTuple_GET_SIZE(args) != 3) {
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:__call__", names, &scope, &receive, &send))
            return NULL;
    } else {
        scope = PyTuple_GET_ITEM(args, 0);
        receive = PyTuple_GET_ITEM(args, 1);
        send = PyTuple_GET_ITEM(args, 2);
    }
    if (self->side == NULL || self->app == NULL) {
        PyErr_SetString(PyExc_AttributeError, "app");
        return NULL;
    }
    int off = is_true(self->side, s_off);
    if (off < 0)
        PyErr_Clear();
    else if (off && is_http(scope) && scan(PyDict_GetItemWithError(scope, s_headers), &parent) == 0 && parent == NULL)
        return PyObject_CallFunctionObjArgs(self->app, scope, receive, send, NULL); /* nothing to do, and nothing to pass on */
    PyErr_Clear();
    Serving *made = PyObject_GC_New(Serving, &ServingType);
    if (made == NULL)
        return NULL;
    made->served = ref(object);
    made->scope = ref(scope);
    made->receive = ref(receive);
    made->send = ref(send);
    made->inner = made->token = made->span = NULL;
    made->sending = NULL;
    made->begun = made->done = made->running = 0;
    PyObject_GC_Track(made);
    return (PyObject *)made;
}

static int served_traverse(Served *self, visitproc visit, void *arg)
{
    Py_VISIT(self->app);
    Py_VISIT(self->side);
    return 0;
}

static int served_clear(Served *self)
{
    Py_CLEAR(self->app);
    Py_CLEAR(self->side);
    return 0;
}

static void served_dealloc(Served *self)
{
    PyObject_GC_UnTrack(self);
    served_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef served_members[] = {
    {"app", T_OBJECT_EX, offsetof(Served, app), 0, "The application below."},
    {"_side", T_OBJECT_EX, offsetof(Served, side), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject ServedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "devenv.tracing._speed.Served",
    .tp_doc = "The call of an ASGI middleware.",
    .tp_basicsize = sizeof(Served),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_call = served_call,
    .tp_new = PyType_GenericNew,
    .tp_traverse = (traverseproc)served_traverse,
    .tp_clear = (inquiry)served_clear,
    .tp_dealloc = (destructor)served_dealloc,
    .tp_members = served_members,
};

/* ---- functions with a short path: `Quick` objects that call the Python function for anything else ---- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *function, *dict;
} Quick;

static inline PyObject *slow(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyErr_Clear();
    return PyObject_Vectorcall(((Quick *)self)->function, args, count, names);
}

/* The current span if it is an unsampled one below which nothing is measured or recorded, or the invalid span if tracing
is switched off and there is none; a new reference. */
static PyObject *idle_span(Py_ssize_t offset, Py_ssize_t *others)
{
    if (t_unsampled == NULL || v_state == NULL || v_variable == NULL)
        return NULL;
    PyObject *context = context_now();
    if (context == NULL)
        return NULL;
    PyObject *span = span_of(context);
    if (span != NULL && Py_IS_TYPE(span, t_unsampled) && *slot(v_state, offset) == (PyObject *)t_unsampled) {
        *others = PyDict_GET_SIZE(context) - 1;
        Py_INCREF(span);
    } else if (span == NULL && *slot(v_state, o_off) == Py_True && !PyErr_Occurred() && PyDict_Check(context)) {
        *others = PyDict_GET_SIZE(context);
        span = ref(v_invalid);
    } else
        span = NULL;
    Py_DECREF(context);
    return span;
}

static PyObject *call_span(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    Py_ssize_t others;
    PyObject *span = PyVectorcall_NARGS(count) == 1 ? idle_span(o_passing, &others) : NULL;
    return span != NULL ? span : slow(self, args, count, names);
}

/* `State.passive`. */
static PyObject *call_passive(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    Py_ssize_t others;
    PyObject *span = idle_span(o_passing, &others);
    return span != NULL ? span : slow(self, args, count, names);
}

static PyObject *call_client_span(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    Py_ssize_t others, given = PyVectorcall_NARGS(count);
    PyObject *span = names == NULL && (given == 2 || given == 3) ? idle_span(o_idle, &others) : NULL;
    if (span == NULL)
        return slow(self, args, count, names);
    if (span == v_invalid ? others == 0 : given == 2 || args[2] == Py_None)
        return span;
    if (others == 0 && span != v_invalid && *slot(span, o_state) == v_no_state && is_true(*slot(v_state, o_propagator), s_parents) == 1) {
        PyObject *text = outgoing(span);
        if (text != NULL) {
            int failed = PyDict_CheckExact(args[2]) ? PyDict_SetItem(args[2], s_traceparent, text)
                                                    : PyObject_SetItem(args[2], s_traceparent, text);
            Py_DECREF(text);
            if (!failed)
                return span;
        }
    }
    Py_DECREF(span);
    return slow(self, args, count, names);
}

static PyObject *call_current_ids(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (t_unsampled != NULL && v_variable != NULL && PyVectorcall_NARGS(count) == 0 && names == NULL) {
        PyObject *context = context_now(), *span = context ? span_of(context) : NULL, *made = NULL;
        if (span != NULL && Py_IS_TYPE(span, t_unsampled) && *slot(span, o_hex) != NULL)
            made = PyTuple_Pack(2, *slot(span, o_hex), s_empty);
        else if (span == NULL && context != NULL && !PyErr_Occurred())
            made = PyTuple_Pack(2, s_empty, s_empty);
        Py_XDECREF(context);
        if (made != NULL)
            return made;
    }
    return slow(self, args, count, names);
}

/* `set_attributes`, `add_event`: nothing without a span, or below an unsampled one. */
static PyObject *call_note(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (t_unsampled != NULL && v_variable != NULL && PyVectorcall_NARGS(count) > 0) {
        PyObject *context = context_now(), *span = context ? span_of(context) : NULL;
        int nothing = span != NULL ? Py_IS_TYPE(span, t_unsampled) : context != NULL && !PyErr_Occurred();
        Py_XDECREF(context);
        if (nothing)
            Py_RETURN_NONE;
    }
    return slow(self, args, count, names);
}

static const struct { const char *name; vectorcallfunc call; } quick_calls[] = {
    {"span", call_span},
    {"passive", call_passive},
    {"client_span", call_client_span},
    {"current_ids", call_current_ids},
    {"set_attributes", call_note},
    {"add_event", call_note},
};

static PyTypeObject QuickType;

static PyObject *quick(PyObject *module, PyObject *args)
{
    const char *name;
    PyObject *function;
    (void)module;
    if (!PyArg_ParseTuple(args, "sO", &name, &function))
        return NULL;
    for (size_t i = 0; i < sizeof quick_calls / sizeof *quick_calls; i++)
        if (strcmp(quick_calls[i].name, name) == 0) {
            Quick *made = PyObject_GC_New(Quick, &QuickType);
            if (made == NULL)
                return NULL;
            made->call = quick_calls[i].call;
            made->function = ref(function);
            made->dict = PyDict_New();
            PyObject_GC_Track(made);
            return (PyObject *)made;
        }
    return ref(function);
}

static int quick_traverse(Quick *self, visitproc visit, void *arg)
{
    Py_VISIT(self->function);
    Py_VISIT(self->dict);
    return 0;
}

static int quick_clear(Quick *self)
{
    Py_CLEAR(self->dict);
    return 0;
}

static void quick_dealloc(Quick *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->function);
    Py_XDECREF(self->dict);
    PyObject_GC_Del(self);
}

static PyGetSetDef quick_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject QuickType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "devenv.tracing._speed.Quick",
    .tp_basicsize = sizeof(Quick),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Quick, call),
    .tp_call = PyVectorcall_Call,
    .tp_dictoffset = offsetof(Quick, dict),
    .tp_getset = quick_getset,
    .tp_traverse = (traverseproc)quick_traverse,
    .tp_clear = (inquiry)quick_clear,
    .tp_dealloc = (destructor)quick_dealloc,
};

/* ---- methods of the unsampled span ---- */

static PyObject *unsampled_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return ref(self);
}

static PyObject *nothing(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    (void)self;
    (void)args;
    (void)count;
    (void)names;
    Py_RETURN_NONE;
}

static PyObject *unsampled_outgoing(PyObject *self, PyObject *unused)
{
    (void)unused;
    return outgoing(self);
}

static PyMethodDef unsampled_methods[] = {
    {"__enter__", unsampled_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"set_attribute", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"outgoing", unsampled_outgoing, METH_NOARGS, NULL},
};

/* ---- recorded spans: start, attributes, end (`span.py` and `tracer.py` have everything unusual) ---- */

enum { FEW = 24 }; /* as in `span.py` */

static PyObject *now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return PyLong_FromLongLong((long long)time.tv_sec * 1000000000LL + time.tv_nsec);
}

/* `LightTracer.record` with the positional arguments, and perhaps `shared`, of a span that concerns nobody else. */
static PyObject *record_quickly(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *names)
{
    PyObject *shared = Py_None, *local, *span, *provider, *spans;
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (given < 7 || given > 10 || named > 1)
        return NULL;
    if (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "shared") != 0)
        return NULL;
    if (named)
        shared = args[given];
    else if (given == 10)
        shared = args[9];
    local = args[5];
    if (!PyUnicode_CheckExact(args[0]) || !PyLong_CheckExact(args[3]) || !PyDict_CheckExact(args[6]) ||
        PyDict_GET_SIZE(args[6]) > FEW || (given > 7 && args[7] != Py_None) || (given > 8 && args[8] != Py_None))
        return NULL;
    provider = PyObject_GetAttr(self, s_provider);
    int usual = provider != NULL && is_true(self, s_roomy) == 1 && is_true(provider, s_watched) == 0;
    Py_XDECREF(provider);
    spans = *slot(local, o_spans);
    if (!usual || spans == NULL || !PyLong_CheckExact(spans))
        return NULL;
    PyObject *count = PyLong_FromSsize_t(PyLong_AsSsize_t(spans) + 1), *began = now();
    PyObject *id = PyLong_FromUnsignedLongLong(random64());
    span = count && began && id && !PyErr_Occurred() ? t_light->tp_alloc(t_light, 0) : NULL;
    if (span == NULL) {
        Py_XDECREF(count);
        Py_XDECREF(began);
        Py_XDECREF(id);
        return NULL;
    }
    Py_SETREF(*slot(local, o_spans), count);
    *slot(span, o_tracer) = ref(self);
    *slot(span, o_trace) = ref(local);
    *slot(span, o_name) = ref(args[0]);
    *slot(span, o_kind) = ref(args[2]);
    *slot(span, o_parent) = ref(args[3]);
    *slot(span, o_remote) = ref(args[4]);
    *slot(span, o_id) = id;
    *slot(span, o_shared) = ref(shared);
    *slot(span, o_own) = ref(args[6]);
    *slot(span, o_start) = began;
    *slot(span, o_end) = ref(Py_None);
    return span;
}

/* Calls a method's Python function. */
static PyObject *in_python(PyObject *function, PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *names)
{
    PyObject *all[16], *made, **more = all;
    Py_ssize_t count = given + (names ? PyTuple_GET_SIZE(names) : 0);
    PyErr_Clear();
    if (count > 15 && (more = PyMem_Malloc((size_t)(count + 1) * sizeof *more)) == NULL)
        return PyErr_NoMemory();
    more[0] = self;
    if (count)
        memcpy(more + 1, args, (size_t)count * sizeof *more);
    made = PyObject_Vectorcall(function, more, (size_t)given + 1, names);
    if (more != all)
        PyMem_Free(more);
    return made;
}

static PyObject *record(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *names)
{
    PyObject *span = record_quickly(self, args, given, names);
    return span ? span : in_python(v_record, self, args, given, names);
}

static PyObject *set_attribute(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *names)
{
    if (Py_IS_TYPE(self, t_light) && given == 2 && names == NULL) {
        PyObject *key = args[0], *value = args[1], *own = *slot(self, o_own), *shared = *slot(self, o_shared);
        PyObject *values = shared != NULL && shared != Py_None ? *slot(shared, o_values) : NULL;
        int plain = PyUnicode_CheckExact(value) || PyLong_CheckExact(value) || PyBool_Check(value) ||
                    PyFloat_CheckExact(value) || PyBytes_CheckExact(value);
        if (plain && own != NULL && PyDict_CheckExact(own) && PyDict_GET_SIZE(own) < FEW && PyUnicode_CheckExact(key) &&
            PyUnicode_GET_LENGTH(key) && *slot(self, o_end) == Py_None && shared != NULL &&
            (shared == Py_None || (values != NULL && PyDict_CheckExact(values) && PyDict_Contains(values, key) == 0)) &&
            is_true(*slot(self, o_tracer), s_roomy) == 1 && PyDict_SetItem(own, key, value) == 0)
            Py_RETURN_NONE;
    }
    return in_python(v_set, self, args, given, names);
}

static PyObject *end(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *names)
{
    if (Py_IS_TYPE(self, t_light) && given == 0 && names == NULL && *slot(self, o_end) == Py_None) {
        PyObject *provider = PyObject_GetAttr(*slot(self, o_tracer), s_provider), *done = NULL;
        PyObject *flags = *slot(*slot(self, o_trace), o_local_flags);
        int usual = provider != NULL && is_true(provider, s_processors) == 0 && flags != NULL && PyLong_CheckExact(flags);
        PyObject *ended = usual ? now() : NULL;
        if (ended != NULL) {
            Py_SETREF(*slot(self, o_end), ended);
            done = PyLong_AsLong(flags) & 1 ? PyObject_CallMethodObjArgs(provider, s_sink, self, NULL) : ref(Py_None);
            Py_DECREF(provider);
            if (done == NULL)
                return NULL;
            Py_DECREF(done);
            Py_RETURN_NONE;
        }
        Py_XDECREF(provider);
    }
    return in_python(v_end, self, args, given, names);
}

static PyObject *light_outgoing(PyObject *self, PyObject *unused)
{
    PyObject *trace = *slot(self, o_trace), *hex = trace ? *slot(trace, o_local_hex) : NULL, *id = *slot(self, o_id);
    PyObject *flags = trace ? *slot(trace, o_local_flags) : NULL;
    (void)unused;
    if (hex != NULL && PyUnicode_CheckExact(hex) && PyUnicode_GET_LENGTH(hex) == 32 &&
        PyUnicode_KIND(hex) == PyUnicode_1BYTE_KIND && id != NULL && PyLong_CheckExact(id) && flags != NULL &&
        PyLong_CheckExact(flags)) {
        char text[55] = "00-";
        unsigned long long number = PyLong_AsUnsignedLongLong(id);
        long bits = PyLong_AsLong(flags);
        if (!PyErr_Occurred() && bits >= 0 && bits < 10) {
            memcpy(text + 3, PyUnicode_1BYTE_DATA(hex), 32);
            text[35] = text[52] = '-';
            write_hex(text + 36, number);
            text[53] = '0';
            text[54] = DIGITS[bits];
            return ascii(text, 55);
        }
    }
    return in_python(v_plain, self, NULL, 0, NULL);
}

static PyObject *light_recording(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(*slot(self, o_end) == Py_None);
}

static PyMethodDef light_methods[] = {
    {"set_attribute", (PyCFunction)(void (*)(void))set_attribute, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"end", (PyCFunction)(void (*)(void))end, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"outgoing", light_outgoing, METH_NOARGS, NULL},
    {"is_recording", light_recording, METH_NOARGS, NULL},
};
static PyMethodDef record_method = {"record", (PyCFunction)(void (*)(void))record, METH_FASTCALL | METH_KEYWORDS, NULL};

static int replace(PyObject *type, PyMethodDef *method)
{
    PyObject *made = PyDescr_NewMethod((PyTypeObject *)type, method);
    int failed = made == NULL || PyObject_SetAttrString(type, method->ml_name, made) < 0;
    Py_XDECREF(made);
    return failed ? -1 : 0;
}

static PyObject *use_light(PyObject *module, PyObject *args)
{
    PyObject *light, *local, *shared;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyType_Type, &light, &PyType_Type, &local, &PyType_Type, &shared))
        return NULL;
    struct { PyObject *type; const char *name; Py_ssize_t *at; } fields[] = {
        {local, "hex", &o_local_hex}, {local, "flags", &o_local_flags}, {local, "state", &o_local_state},
        {local, "spans", &o_spans}, {light, "tracer", &o_tracer}, {light, "trace", &o_trace}, {light, "name", &o_name},
        {light, "kind", &o_kind}, {light, "parent_id", &o_parent}, {light, "remote_parent", &o_remote},
        {light, "span_id", &o_id}, {light, "shared", &o_shared}, {light, "own", &o_own}, {light, "start_time", &o_start},
        {light, "end_time", &o_end}, {shared, "values", &o_values},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if ((*fields[i].at = offset_of(fields[i].type, fields[i].name)) < 0)
            return NULL;
    if ((v_set = PyObject_GetAttrString(light, "set_attribute")) == NULL ||
        (v_end = PyObject_GetAttrString(light, "end")) == NULL ||
        (v_plain = PyObject_GetAttrString(light, "outgoing")) == NULL)
        return NULL;
    t_light = (PyTypeObject *)ref(light);
    for (size_t i = 0; i < sizeof light_methods / sizeof *light_methods; i++)
        if (replace(light, &light_methods[i]) < 0)
            return NULL;
    Py_RETURN_NONE;
}

static PyObject *use_tracer(PyObject *module, PyObject *type)
{
    (void)module;
    v_record = PyObject_GetAttrString(type, "record");
    if (v_record == NULL || !PyType_Check(type) || replace(type, &record_method) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the encoder of ended spans (`encoding.py` has the format and everything unusual) ---- */

typedef struct {
    char *data;
    Py_ssize_t size, room;
} Buffer;

static int put(Buffer *buffer, const void *data, Py_ssize_t size)
{
    if (buffer->size + size > buffer->room) {
        Py_ssize_t room = 2 * (buffer->size + size);
        char *moved = PyMem_Realloc(buffer->data, (size_t)room);
        if (moved == NULL)
            return PyErr_NoMemory(), -1;
        buffer->data = moved;
        buffer->room = room;
    }
    memcpy(buffer->data + buffer->size, data, (size_t)size);
    buffer->size += size;
    return 0;
}

/* Appends bytes and releases them; NULL is the failure of what made them. */
static int put_bytes(Buffer *buffer, PyObject *bytes)
{
    int failed = bytes == NULL;
    if (!failed && !PyBytes_CheckExact(bytes)) {
        PyErr_SetString(PyExc_TypeError, "expected bytes");
        failed = 1;
    }
    failed = failed || put(buffer, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes)) < 0;
    Py_XDECREF(bytes);
    return failed ? -1 : 0;
}

static void write_big(char *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (char)(value & 255);
}

static void write_little(char *to, uint64_t value, int size)
{
    for (int i = 0; i < size; i++, value >>= 8)
        to[i] = (char)(value & 255);
}

static int number(PyObject *object, uint64_t *value)
{
    if (object == NULL || !PyLong_CheckExact(object))
        return -1;
    *value = PyLong_AsUnsignedLongLong(object);
    return PyErr_Occurred() ? -1 : 0;
}

static int put_attributes(Buffer *buffer, PyObject *self, PyObject *attributes)
{
    PyObject *keys = PyObject_GetAttr(self, s_keys), *name, *value;
    Py_ssize_t position = 0, size = PyDict_GET_SIZE(attributes);
    int failed = keys == NULL || !PyDict_Check(keys);
    while (!failed && PyDict_Next(attributes, &position, &name, &value)) {
        PyObject *key = PyDict_GetItemWithError(keys, name), *seen = NULL;
        Py_INCREF(name);
        Py_INCREF(value);
        key = key ? ref(key) : PyErr_Occurred() ? NULL : PyObject_CallMethodObjArgs(self, s_key, name, NULL);
        if (key != NULL) {
            PyObject *known = PyUnicode_CheckExact(value) ? *slot(key, o_texts)
                              : PyLong_CheckExact(value)  ? *slot(key, o_numbers)
                                                          : NULL;
            if (known != NULL && PyDict_CheckExact(known))
                seen = PyDict_GetItemWithError(known, value);
            seen = seen ? ref(seen) : PyErr_Occurred() ? NULL : PyObject_CallMethodObjArgs(self, s_remember, key, value, NULL);
        }
        failed = put_bytes(buffer, seen) < 0 || PyDict_GET_SIZE(attributes) != size;
        Py_XDECREF(key);
        Py_DECREF(name);
        Py_DECREF(value);
    }
    Py_XDECREF(keys);
    return failed ? -1 : 0;
}

static int put_span(Buffer *buffer, PyObject *self, PyObject *span)
{
    PyObject *trace = *slot(span, o_trace), *name = *slot(span, o_name), *kind = *slot(span, o_kind);
    PyObject *shared = *slot(span, o_shared), *own = *slot(span, o_own), *ended = *slot(span, o_end), *object, *found;
    uint64_t id, parent, began, end, flags;
    char text[64] = "\x0a\x10";
    int remote = PyObject_IsTrue(*slot(span, o_remote)), size = 18, failed = 0;
    if (number(*slot(span, o_id), &id) < 0 || number(*slot(span, o_parent), &parent) < 0 || remote < 0 ||
        number(*slot(span, o_start), &began) < 0 || number(ended == Py_None ? *slot(span, o_start) : ended, &end) < 0 ||
        number(*slot(trace, o_local_flags), &flags) < 0 || *slot(trace, o_local_state) != v_no_state ||
        !PyUnicode_CheckExact(name) || (own != NULL && !PyDict_CheckExact(own)))
        return -1;
    object = *slot(trace, o_local_hex);
    if (object == NULL || !PyUnicode_CheckExact(object) || PyUnicode_GET_LENGTH(object) != 32 ||
        PyUnicode_KIND(object) != PyUnicode_1BYTE_KIND)
        return -1;
    for (int i = 0; i < 16; i++) {
        int high = hex_digit(PyUnicode_1BYTE_DATA(object)[2 * i]), low = hex_digit(PyUnicode_1BYTE_DATA(object)[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        text[2 + i] = (char)(high << 4 | low);
    }
    memcpy(text + size, "\x12\x08", 2);
    write_big(text + size + 2, id);
    size += 10;
    if (parent) {
        memcpy(text + size, "\x22\x08", 2);
        write_big(text + size + 2, parent);
        size += 10;
    }
    if (put(buffer, text, size) < 0)
        return -1;
    /* the name and the kind, by the identity of the kind: an enumeration's own hash is a function in Python */
    PyObject *id_of = PyLong_FromVoidPtr(kind), *key = id_of ? PyTuple_Pack(2, name, id_of) : NULL;
    PyObject *names = PyObject_GetAttr(self, s_names);
    found = key && names && PyDict_Check(names) ? PyDict_GetItemWithError(names, key) : NULL;
    found = found ? ref(found) : PyErr_Occurred() ? NULL : PyObject_CallMethodObjArgs(self, s_new_name, name, kind, NULL);
    Py_XDECREF(id_of);
    Py_XDECREF(key);
    Py_XDECREF(names);
    if (put_bytes(buffer, found) < 0)
        return -1;
    text[0] = 0x39;
    write_little(text + 1, began, 8);
    text[9] = 0x41;
    write_little(text + 10, end, 8);
    write_little(text + 18, 0x0185, 2);
    write_little(text + 20, (flags & 0xFF) | 0x100 | (remote ? 0x200 : 0), 4);
    if (put(buffer, text, 24) < 0)
        return -1;
    if (shared != Py_None) {
        if (shared == NULL || *slot(shared, o_encoder) != self)
            found = shared ? PyObject_CallMethodObjArgs(self, s_share, shared, NULL) : NULL;
        else
            found = ref(*slot(shared, o_encoded));
        if (put_bytes(buffer, found) < 0)
            return -1;
    }
    if (own == NULL || put_attributes(buffer, self, own) < 0)
        return -1;
    int eventful = is_true(span, s_eventful);
    if (eventful > 0) {
        PyObject *rare = PyObject_CallMethodObjArgs(self, s_rare, span, NULL), *parts = rare ? PySequence_List(rare) : NULL;
        failed = parts == NULL;
        for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(parts); i++)
            failed = put_bytes(buffer, ref(PyList_GET_ITEM(parts, i))) < 0;
        Py_XDECREF(rare);
        Py_XDECREF(parts);
    }
    return eventful < 0 || failed ? -1 : 0;
}

static PyObject *encode(PyObject *self, PyObject *span)
{
    if (t_light != NULL && Py_IS_TYPE(span, t_light)) {
        Buffer buffer = {PyMem_Malloc(1024), 0, 1024};
        PyObject *made = NULL;
        if (buffer.data == NULL)
            return PyErr_NoMemory();
        if (put_span(&buffer, self, span) == 0) {
            char head[12] = "\x12";
            int size = 1;
            uint64_t left = (uint64_t)buffer.size;
            for (; left > 127; left >>= 7)
                head[size++] = (char)(left & 127 | 128);
            head[size++] = (char)left;
            made = PyBytes_FromStringAndSize(NULL, size + buffer.size);
            if (made != NULL) {
                memcpy(PyBytes_AS_STRING(made), head, (size_t)size);
                memcpy(PyBytes_AS_STRING(made) + size, buffer.data, (size_t)buffer.size);
            }
        }
        PyMem_Free(buffer.data);
        if (made != NULL)
            return made;
    }
    PyErr_Clear(); /* the Python function meets the same fault, or has the case */
    return PyObject_CallFunctionObjArgs(v_encode, self, span, NULL);
}

static PyMethodDef encode_method = {"encode", encode, METH_O, "Return a span as a field of `ScopeSpans`."};

static PyObject *use_encoder(PyObject *module, PyObject *args)
{
    PyObject *encoder, *shared, *key, *method;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyType_Type, &encoder, &PyType_Type, &shared, &PyType_Type, &key))
        return NULL;
    struct { PyObject *type; const char *name; Py_ssize_t *at; } fields[] = {
        {shared, "encoded", &o_encoded}, {shared, "encoder", &o_encoder}, {key, "texts", &o_texts},
        {key, "numbers", &o_numbers},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if ((*fields[i].at = offset_of(fields[i].type, fields[i].name)) < 0)
            return NULL;
    v_encode = PyObject_GetAttrString(encoder, "encode");
    method = v_encode ? PyDescr_NewMethod((PyTypeObject *)encoder, &encode_method) : NULL;
    if (method == NULL || PyObject_SetAttrString(encoder, "encode", method) < 0)
        return NULL;
    Py_DECREF(method);
    Py_RETURN_NONE;
}

/* ---- registration ---- */

static PyObject *use_context(PyObject *module, PyObject *args)
{
    PyObject *variable, *key, *type;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!UO!", &PyContextVar_Type, &variable, &key, &PyType_Type, &type))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)type, &PyDict_Type)) {
        PyErr_SetString(PyExc_TypeError, "a context is not a dict");
        return NULL;
    }
    v_span_key = ref(key);
    v_context = ref(type);
    v_variable = ref(variable);
    Py_RETURN_NONE;
}

static PyObject *use_unsampled(PyObject *module, PyObject *args)
{
    PyObject *type, *no_state, *invalid;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!OO", &PyType_Type, &type, &no_state, &invalid))
        return NULL;
    o_hex = offset_of(type, "hex");
    o_flags = offset_of(type, "flags");
    o_state = offset_of(type, "state");
    if (o_hex < 0 || o_flags < 0 || o_state < 0)
        return NULL;
    for (size_t i = 0; i < sizeof unsampled_methods / sizeof *unsampled_methods; i++) {
        PyMethodDef *method = &unsampled_methods[i];
        PyObject *made = PyDescr_NewMethod((PyTypeObject *)type, method);
        if (made == NULL || PyObject_SetAttrString(type, method->ml_name, made) < 0)
            return NULL;
        Py_DECREF(made);
    }
    v_no_state = ref(no_state);
    v_invalid = ref(invalid);
    t_unsampled = (PyTypeObject *)ref(type);
    Py_RETURN_NONE;
}

static PyObject *use_state(PyObject *module, PyObject *state)
{
    PyObject *type = (PyObject *)Py_TYPE(state);
    (void)module;
    o_passing = offset_of(type, "passing");
    o_idle = offset_of(type, "idle");
    o_off = offset_of(type, "off");
    o_propagator = offset_of(type, "propagator");
    if (o_passing < 0 || o_idle < 0 || o_off < 0 || o_propagator < 0)
        return NULL;
    v_state = ref(state);
    Py_RETURN_NONE;
}

static PyObject *use_server(PyObject *module, PyObject *args)
{
    PyObject *describe, *function, *place;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOU", &describe, &function, &place))
        return NULL;
    v_fault = ref(function);
    v_place = ref(place);
    v_describe = ref(describe);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"seed", seed, METH_O, "Seed the IDs with 32 random bytes."},
    {"quick", quick, METH_VARARGS, "Return a function with a short path for usual calls; the same one if it has none."},
    {"use_context", use_context, METH_VARARGS, "Register the context: its variable, the span's key, its class."},
    {"use_unsampled", use_unsampled, METH_VARARGS, "Register the class of unsampled spans, the empty tracestate and the invalid span."},
    {"use_encoder", use_encoder, METH_VARARGS, "Register the encoder, and the classes that it reads."},
    {"use_light", use_light, METH_VARARGS, "Register the class of recorded spans and those of its parts."},
    {"use_tracer", use_tracer, METH_O, "Register the class of tracers."},
    {"use_state", use_state, METH_O, "Register the tracing of the process."},
    {"use_server", use_server, METH_VARARGS, "Register the functions that describe a request and log faults, and the place of faults here."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "devenv.tracing._speed", .m_doc = "The compiled part of devenv.tracing.",
    .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__speed(void)
{
    struct { PyObject **at; const char *text; } names[] = {
        {&s_type, "type"}, {&s_http, "http"}, {&s_headers, "headers"}, {&s_path, "path"}, {&s_plain, "plain"},
        {&s_off, "off"}, {&s_answers, "answers"}, {&s_bound, "_bound"}, {&s_serve, "_serve"},
        {&s_mark, "devenv.tracing"}, {&s_status, "status"}, {&s_start, "http.response.start"},
        {&s_traceparent, "traceparent"}, {&s_parents, "carries_parents"}, {&s_throw, "throw"}, {&s_close, "close"},
        {&s_empty, ""}, {&s_open, "open_plain"}, {&s_finished, "_finished"}, {&s_names, "_names"},
        {&s_new_name, "_name"}, {&s_keys, "_keys"}, {&s_key, "_key"}, {&s_remember, "_remember"}, {&s_share, "_share"},
        {&s_eventful, "eventful"}, {&s_rare, "_rare"}, {&s_roomy, "roomy"}, {&s_provider, "provider"}, {&s_watched, "watched"},
        {&s_processors, "processors"}, {&s_sink, "sink"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((*names[i].at = PyUnicode_InternFromString(names[i].text)) == NULL)
            return NULL;
    for (int i = 0; i < 4; i++)
        if ((small[i] = PyLong_FromLong(i)) == NULL)
            return NULL;
    if ((v_empty = PyTuple_New(0)) == NULL || PyType_Ready(&SendingType) < 0 || PyType_Ready(&ServedType) < 0 ||
        PyType_Ready(&ServingType) < 0 || PyType_Ready(&QuickType) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddObject(module, "Served", ref((PyObject *)&ServedType)) < 0 ||
        PyModule_AddObject(module, "Serving", ref((PyObject *)&ServingType)) < 0 ||
        PyModule_AddObject(module, "Sending", ref((PyObject *)&SendingType)) < 0)
        return NULL;
    return module;
}
